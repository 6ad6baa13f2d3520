//! The sample directory of 晋城市: what it has, what it lacks on purpose, and that it survives a
//! journey through the sheet and through the store's documents.

use jiaoying::{
    core::{
        directory::{Directory, Role, Tier},
        directory_docs::diff_docs,
        directory_gaps::gaps,
        directory_index::DirectoryIndex,
        division::{Division, DivisionLevel},
        ids::RecipientId,
        phone::Phone,
        time::Time,
    },
    ingest::sheet::{ImportMode, ImportOptions, import, sheet_csv},
    sample::{self, Sample},
};
use std::collections::{BTreeMap, BTreeSet};

const NOW: Time = Time(1_795_000_000_000);

fn default_sample() -> Sample {
    sample::sample(sample::PERSONS, 1)
}

#[test]
fn the_divisions_are_those_of_jincheng() {
    let list = sample::divisions();
    let count = |level: DivisionLevel| list.keys().filter(|c| c.level() == level).count();
    assert_eq!(count(DivisionLevel::City), 1);
    assert_eq!(count(DivisionLevel::County), 6);
    assert_eq!(count(DivisionLevel::Township), 77 + 1, "77 and the one that only the other list has");
    assert_eq!(count(DivisionLevel::Village), 1_729);
    assert!(list.keys().all(|c| c.level() == DivisionLevel::City || list.contains_key(&c.parent().unwrap())));
    let clash: Vec<&str> = list.values().filter_map(|d| d.clash.as_deref()).collect();
    assert_eq!(clash.len(), 11);
    assert_eq!(list[&"140522110".parse().unwrap()].clash.as_deref(), Some("白桑镇"));
}

#[test]
fn the_same_seed_gives_the_same_people_and_another_seed_others() {
    let one = sample::sample(3_000, 7);
    assert_eq!(one, sample::sample(3_000, 7));
    assert_ne!(one.directory, sample::directory(3_000, 8));
}

#[test]
fn a_sample_has_as_many_persons_as_asked() {
    for persons in [200, 201, 777, 2_499, 2_500, 10_000, 25_000] {
        assert_eq!(sample::directory(persons, 3).recipients.len(), persons);
    }
    assert_eq!(sample::directory(0, 3).recipients.len(), sample::MIN_PERSONS);
}

/// Everything `gaps` should find, found the slow way by this file's own reading of the words.
fn check_gaps(s: &Sample) {
    let d = &s.directory;
    let g = &s.gaps;
    let no_number: BTreeSet<RecipientId> = d.recipients.values().filter(|r| r.phones.is_empty()).map(|r| r.id).collect();
    assert_eq!(g.no_number, no_number);
    let landline: BTreeSet<RecipientId> = d
        .recipients
        .values()
        .filter(|r| !r.phones.is_empty() && r.phones.iter().all(|p| p.reveal().starts_with('0')))
        .map(|r| r.id)
        .collect();
    assert_eq!(g.no_mobile, landline);
    let mut owners: BTreeMap<&str, Vec<RecipientId>> = BTreeMap::new();
    for r in d.recipients.values() {
        r.phones.iter().for_each(|p| owners.entry(p.reveal()).or_default().push(r.id));
    }
    owners.retain(|_, who| who.len() > 1);
    let planted: BTreeMap<&str, Vec<RecipientId>> = g.shared_numbers.iter().map(|s| (s.phone.reveal(), s.who.clone())).collect();
    assert_eq!(planted, owners);
    let no_deputy: BTreeSet<(RecipientId, String)> = d
        .posts
        .iter()
        .filter(|p| p.deputy.is_none() && p.role.0 != "duty" && p.role.0 != "shift_leader")
        .map(|p| (p.recipient, p.place.id()))
        .collect();
    assert_eq!(g.no_deputy, no_deputy);
    let with_people: BTreeSet<Division> = d.posts.iter().map(|p| p.place.division).collect();
    let empty: BTreeSet<Division> =
        d.divisions.keys().copied().filter(|c| c.level() == DivisionLevel::Village && !with_people.contains(c)).collect();
    assert_eq!(g.empty_villages, empty);
    let attended: BTreeSet<&str> = d.posts.iter().filter_map(|p| p.place.point.as_deref()).collect();
    let empty_points: BTreeSet<String> = d.points.keys().filter(|c| !attended.contains(c.as_str())).cloned().collect();
    assert_eq!(g.empty_points, empty_points);
    let street: Division = "140502005".parse().unwrap();
    assert_eq!((g.no_desk.clone(), g.empty_offices.clone()), (BTreeSet::from([street]), BTreeSet::from([street])));
    assert_eq!(gaps(d, NOW), *g, "the product finds just what was planted");
}

#[test]
fn a_sample_has_exactly_its_planted_gaps() {
    let s = default_sample();
    check_gaps(&s);
    assert_eq!(s.gaps.empty_villages.len(), 12);
    assert_eq!(s.gaps.empty_points.len(), 3);
    for (what, n) in [
        ("no number", s.gaps.no_number.len()),
        ("shared", s.gaps.shared_numbers.len()),
        ("landline", s.gaps.no_mobile.len()),
        ("no deputy", s.gaps.no_deputy.len()),
    ] {
        assert!((10..1_500).contains(&n), "{what}: {n}");
    }
    for (persons, seed) in [(200, 1), (600, 2), (2_500, 3), (12_345, 99)] {
        check_gaps(&sample::sample(persons, seed));
    }
}

#[test]
fn every_ladder_finds_its_rungs_even_in_the_smallest_sample() {
    for persons in [sample::MIN_PERSONS, sample::PERSONS] {
        let index = DirectoryIndex::new(sample::directory(persons, 5));
        for code in index.divisions.keys().filter(|c| c.level() == DivisionLevel::Township && c.0 != 140_502_005_000) {
            assert_eq!(index.duty_desks(*code, NOW).count(), 1, "{code}");
        }
        let counties = index.divisions.keys().filter(|c| c.level() <= DivisionLevel::County);
        for code in counties {
            assert_eq!(index.duty_desks(*code, NOW).count(), 1, "{code}");
            assert_eq!(index.shift_leaders(*code, NOW).count(), 1, "{code}");
            assert!(index.posts_at(&index.place(&code.to_string()).unwrap()).len() > 3, "{code}");
        }
        let villagers = index.posts.iter().filter(|p| p.tier == Tier::Village && p.deputy.is_some() && p.superior.is_some());
        assert!(villagers.count() > 10);
    }
}

#[test]
fn people_numbers_and_points_look_like_life_and_reach_nobody() {
    let s = default_sample();
    let d = &s.directory;
    let all = || d.recipients.values().flat_map(|r| &r.phones).map(Phone::reveal);
    assert!(all().all(|p| p.starts_with("154") || p.starts_with("03560")));
    // Neighbours by id are not neighbours by number.
    let firsts: Vec<u64> = d.recipients.values().filter_map(|r| r.phones.first()).filter_map(|p| p.reveal().parse().ok()).collect();
    assert!(firsts.windows(2).filter(|w| w[0].abs_diff(w[1]) < 1_000).count() < firsts.len() / 20);
    assert!(d.recipients.values().filter_map(|r| r.email.as_ref()).all(|e| e.ends_with("@example.cn") || e.ends_with("@example.com")));
    assert!(d.recipients.values().filter(|r| r.phones.len() == 2).count() > 1_000);
    assert!(d.points.contains_key("DZ-140521-0032"));
    for kind in ["geological", "flash_flood", "reservoir"] {
        assert!(d.points.values().filter(|p| p.kind == kind).count() > 50, "{kind}");
    }
    for point in d.points.values() {
        let [x, y] = point.position.unwrap();
        assert!((111.9..113.6).contains(&x) && (35.2..36.1).contains(&y), "{point:?}");
    }
    let reservoir = d.points.values().find(|p| p.kind == "reservoir").unwrap();
    assert_eq!(d.posts.iter().filter(|p| p.place.point.as_ref() == Some(&reservoir.code)).count(), 3);
    for role in jiaoying::core::role::ROLES {
        assert!(d.posts.iter().any(|p| p.role.0 == role.key), "nobody is {}", role.key);
    }
    assert!(d.posts.iter().filter(|p| p.role.0 == Role::DUTY).all(|p| p.tier == Tier::DutyDesk));
    assert!(d.posts.is_sorted_by(|a, b| a.key() < b.key()));
    let known = |id: &RecipientId| d.recipients.contains_key(id);
    assert!(d.posts.iter().all(|p| known(&p.recipient) && p.deputy.iter().chain(&p.superior).all(known)));
}

#[test]
fn the_samples_sheet_imports_as_the_same_directory() {
    for persons in [300, sample::PERSONS] {
        let s = sample::sample(persons, 11);
        let csv = sheet_csv(&s.directory);
        let result = import("名册.csv", csv.as_bytes(), &Directory::default(), &s.directory.divisions, &ImportOptions::default());
        assert!(result.faults.iter().all(|f| !f.fatal), "{:?}", result.faults.first());
        let mut from_nothing = result.directory.unwrap();
        // A sheet is about people: points without any do not stand in it.
        for code in &s.gaps.empty_points {
            from_nothing.points.insert(code.clone(), s.directory.points[code].clone());
        }
        assert_eq!(from_nothing.recipients, s.directory.recipients);
        assert_eq!(from_nothing.posts, s.directory.posts);
        assert_eq!(from_nothing, s.directory);
        for mode in [ImportMode::Upsert, ImportMode::Replace] {
            let options = ImportOptions { mode, ..ImportOptions::default() };
            let again = import("名册.csv", csv.as_bytes(), &s.directory, &s.directory.divisions, &options);
            assert!(again.diff.is_empty(), "{mode:?}: {:?}", again.diff.changed.first());
            assert_eq!(again.directory.as_ref(), Some(&s.directory), "{mode:?}");
        }
    }
}

#[test]
fn the_directory_survives_the_store() {
    let s = sample::sample(1_000, 4);
    let docs = s.directory.to_docs();
    let back = Directory::from_docs(1, docs.iter().rev().map(|(k, i, b)| (*k, i.as_str(), b.as_slice()))).unwrap();
    assert_eq!(back, s.directory);
    assert!(diff_docs(&s.directory, &back).is_empty());
}

#[test]
fn the_cost_of_a_row_does_not_grow_with_the_sheet() {
    let time = |persons: usize| {
        let d = sample::directory(persons, 2);
        let csv = sheet_csv(&d);
        #[expect(clippy::disallowed_methods, reason = "this test measures")]
        let begun = std::time::Instant::now();
        let result = import("名册.csv", csv.as_bytes(), &d, &d.divisions, &ImportOptions::default());
        assert!(result.directory.is_some());
        (begun.elapsed().as_secs_f64(), csv.lines().count() as f64)
    };
    // Eight times the rows: eight times the time if linear, sixty-four times if quadratic. Other work
    // on the machine can slow a try down, so the best of three counts.
    let growth = || {
        let (small, large) = (time(2_500), time(20_000));
        println!("{} rows in {:.2} s, {} rows in {:.2} s", small.1, small.0, large.1, large.0);
        (large.0 / small.0) / (large.1 / small.1)
    };
    assert!((0..3).any(|_| growth() < 4.0));
}
