//! Out and in again: the directory as sheets is the directory.

use jiaoying::{
    core::{
        directory::{Directory, Point, Role},
        directory_edit::{self as edits, PostEdit},
        division::Division,
        ids::RecipientId,
        role::RoleWords,
        rota::{Seat, Shift},
        time::{Span, Time},
    },
    ingest::sheet::{Form, ImportMode, ImportOptions, form_csv, import, workbook},
    sample,
};
use proptest::prelude::*;
use std::sync::LazyLock;

static SAMPLE: LazyLock<Directory> = LazyLock::new(|| sample::directory(300, 5));

fn start() -> Time {
    Time::parse_rfc3339("2026-07-01T08:00:00+08:00").unwrap()
}

/// The sample with what an office adds to it: shifts, points with what lies downstream, texts that begin oddly.
fn directory(shifts: &[(u32, u32, bool)], points: &[(u32, u32, String)], titles: &[String]) -> Directory {
    let mut d = SAMPLE.clone();
    let people: Vec<RecipientId> = d.posts.iter().map(|p| p.recipient).collect();
    let villages: Vec<Division> = d.posts.iter().map(|p| p.place.division).collect();
    let county: Division = "140521".parse().unwrap();
    for (n, length, leader) in shifts {
        let seat = if *leader { Seat::leader(county) } else { Seat::desk(county) };
        let from = start() + Span::hours(i64::from(*n));
        let to = from + Span::hours(1 + i64::from(*length));
        d.rotas.put(&seat, Shift { from, to, recipient: people[*n as usize % people.len()], note: String::new() });
    }
    for (n, (at, below, note)) in points.iter().enumerate() {
        let (at, below) = (villages[*at as usize % villages.len()], villages[*below as usize % villages.len()]);
        let point = Point {
            downstream: vec![below.to_string()],
            position: Some([112.25, 35.5]),
            category: "滑坡".into(),
            people: n as u32,
            note: note.trim().to_string(),
            ..Point::new(format!("XP-{n}"), format!("新点{n}"), "geological", at)
        };
        d.points.insert(point.code.clone(), point);
    }
    for (n, title) in titles.iter().enumerate() {
        if let Some(post) = d.posts.get_mut(n * 7) {
            post.title = title.trim().to_string();
        }
    }
    d
}

fn unchanged(d: &Directory) {
    let words = RoleWords::default();
    for mode in [ImportMode::Upsert, ImportMode::Replace] {
        let options = ImportOptions { mode, ..ImportOptions::default() };
        let mut files: Vec<(String, Vec<u8>)> = vec![("名册.xlsx".into(), workbook(d, &Form::ALL, &words, true).unwrap())];
        files.extend(Form::ALL.map(|f| (format!("{}.csv", f.as_str()), form_csv(d, f, &words, true).into_bytes())));
        for (name, bytes) in files {
            if form_csv(d, Form::Rotas, &words, true).lines().count() == 1 && name == "rotas.csv" {
                continue; // nothing in it
            }
            let again = import(&name, &bytes, d, &d.divisions, &options);
            let fatal: Vec<_> = again.faults.iter().filter(|f| f.fatal).collect();
            assert!(fatal.is_empty(), "{mode:?} {name}: {fatal:#?}");
            assert!(again.diff.is_empty(), "{mode:?} {name}: {:#?}", again.diff);
        }
    }
}

#[test]
fn the_sample_goes_out_as_every_form_and_comes_back_unchanged() {
    let mut d = directory(&[(0, 11, false), (12, 11, false), (0, 167, true)], &[(3, 9, "x".into())], &[]);
    unchanged(&d);
    // A masked sheet shows the people and is no sheet to import.
    let masked = form_csv(&d, Form::People, &RoleWords::default(), false);
    assert!(masked.contains("****") && !d.recipients.values().flat_map(|r| &r.phones).any(|p| masked.contains(p.reveal())));
    let refused = import("名册.csv", masked.as_bytes(), &d, &d.divisions, &ImportOptions::default());
    assert!(refused.directory.is_none());
    d.rotas = Default::default();
    unchanged(&d);
}

#[test]
fn a_person_with_five_posts_is_one_recipient_whatever_sheet_names_him() {
    let header = "行政区划代码,姓名,职务,责任类别,责任层级,责任对象编号,手机1\n";
    let rows = [
        "140521100200,多岗人,主任,防汛、山洪,村,,15400000001",
        "140521100200,多岗人,监测员,地灾,点,DZ-9,15400000001/15400000002",
        "140521100002,多岗人,包村干部,包保,乡,,15400000002",
        "140521000000,多岗人,副县长,带班领导,值班,,15400000001",
    ];
    let base = Directory { divisions: sample::divisions(), ..Directory::default() };
    let sheet = format!("{header}{}\n", rows.join("\n"));
    let d = import("x.csv", sheet.as_bytes(), &base, &base.divisions, &ImportOptions::default()).directory.unwrap();
    assert_eq!((d.recipients.len(), d.posts.len()), (1, 5));
    let rota = "沁水县2026年7月值班表\n日期,带班领导,电话,值班员,电话\n2026-07-01,多岗人,15400000002,多岗人,\n";
    let d = import("值班.csv", rota.as_bytes(), &d, &d.divisions, &ImportOptions::default()).directory.unwrap();
    assert_eq!((d.recipients.len(), d.rotas.people().count()), (1, 2));
}

#[test]
fn all_numbers_of_a_superior_without_a_post_go_out_and_come_back_into_an_empty_directory() {
    let base = Directory { divisions: sample::divisions(), ..Directory::default() };
    let sheet = "行政区划代码,姓名,责任类别,责任层级,手机1,上级责任人,代理人,代理人手机\n\
        140521100200,甲,防汛,村,15400000001,乙 15400000002 0356-0111111 15400000003,丙,15400000004/15400000005\n";
    let numbers = |d: &Directory| -> Vec<(String, Vec<String>)> {
        d.recipients.values().map(|r| (r.name.clone(), r.phones.iter().map(|p| p.reveal().to_string()).collect())).collect()
    };
    let first = import("x.csv", sheet.as_bytes(), &base, &base.divisions, &ImportOptions::default()).directory.unwrap();
    assert_eq!(numbers(&first).iter().map(|(_, n)| n.len()).collect::<Vec<_>>(), [1, 2, 3], "{:?}", numbers(&first));
    let words = RoleWords::default();
    for bytes in [form_csv(&first, Form::People, &words, true).into_bytes(), workbook(&first, &Form::ALL, &words, true).unwrap()] {
        let again = import("again", &bytes, &base, &base.divisions, &ImportOptions::default()).directory.unwrap();
        assert_eq!((numbers(&again), again.posts), (numbers(&first), first.posts.clone()));
    }
}

#[test]
fn a_rota_in_the_ways_of_offices_is_read_and_its_faults_are_named() {
    let base = SAMPLE.clone();
    let go = |name: &str, text: &str| import(name, text.as_bytes(), &base, &base.divisions, &ImportOptions::default());
    // A week's leader written once over blanks, two officers in a cell, the office in the file's name only.
    let rota = "二〇二六年值班安排,,,,\n日期,班次,带班领导,值班人员,联系电话\n\
        2026年7月1日,白班,赵领导 15400000901,钱一、孙二,15400000902/15400000903\n,夜班,赵领导,李三,15400000904\n\
        7月2日-7月3日,全天,赵领导,李三,\n合计,,,,\n";
    let result = go("龙港镇7月.csv", rota);
    // 7月2日 has no year where none stands above: it is named.
    let fatal: Vec<(&str, bool)> = result.faults.iter().map(|f| (f.cell.as_str(), f.fatal)).collect();
    assert!(fatal.contains(&("A5", true)), "{:#?}", result.faults);
    let result = go("龙港镇2026年7月.csv", rota);
    let d = result.directory.unwrap_or_else(|| panic!("{:#?}", result.faults));
    let seat = Seat::desk("140521100".parse().unwrap());
    let on = |t: &str| d.rotas.at(&seat, Time::parse_rfc3339(t).unwrap()).count();
    assert_eq!((on("2026-07-01T09:00:00+08:00"), on("2026-07-01T21:00:00+08:00"), on("2026-07-03T20:00:00+08:00")), (2, 1, 1));
    assert_eq!(d.rotas.of(&Seat::leader("140521100".parse().unwrap())).len(), 3);
    let bad = "龙港镇2026年7月值班表\n日期,班次,带班领导,电话\n7月1日,早班,赵领导,15400000901\n7月2日,夜班,没人认得,\n7月32日,,赵领导,15400000901\n";
    let result = go("x.csv", bad);
    let fatal: Vec<&str> = result.faults.iter().filter(|f| f.fatal).map(|f| f.cell.as_str()).collect();
    assert_eq!(fatal, ["B3", "C4", "A5"], "what cannot be read and who is unknown, in one go: {:#?}", result.faults);
    // Each cell with an unknown name is told, a cell of several days once; not of a name whose own row cannot be read.
    let many = "龙港镇2026年7月值班表\n日期,班次,带班领导,电话,值班员,电话\n7月1日,夜班,没人认得,,没人知道,\n\
        7月2日-7月4日,夜班,没人认得,,赵领导,15400A\n7月5日,夜班,赵领导,,李二,15400000902\n";
    let result = go("x.csv", many);
    let fatal: Vec<&str> = result.faults.iter().filter(|f| f.fatal).map(|f| f.cell.as_str()).collect();
    assert_eq!(fatal, ["C3", "E3", "C4", "F4"], "{:#?}", result.faults);
    let result = go("x.csv", "龙港镇2026年7月值班表\n日期,班次,带班领导,电话\n7月2日,夜班,没人认得,\n");
    assert!(result.faults.iter().any(|f| f.fatal && f.cell == "C3" && f.message.contains("没人认得")), "{:#?}", result.faults);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_an_office_keeps_goes_out_and_comes_back_unchanged(
        shifts in proptest::collection::vec((0u32..900, 0u32..200, any::<bool>()), 0..30),
        points in proptest::collection::vec((0u32..500, 0u32..500, "[a-z=+'@一二]{0,6}"), 0..6),
        titles in proptest::collection::vec("[甲乙丙=+'a]{1,5}", 0..6),
    ) {
        unchanged(&directory(&shifts, &points, &titles));
    }

    #[test]
    fn an_import_never_half_applies(cut in 0usize..4_000, at in 0usize..60, with in "[\\PC,\n]{0,12}") {
        let d = &*SAMPLE;
        let mut sheet: Vec<char> = form_csv(d, Form::People, &RoleWords::default(), true).chars().take(4_000 + cut).collect();
        let place = at * sheet.len() / 60;
        sheet.splice(place..place, with.chars());
        let text: String = sheet.into_iter().collect();
        let before = d.clone();
        let result = import("x.csv", text.as_bytes(), d, &d.divisions, &ImportOptions { mode: ImportMode::Replace, ..ImportOptions::default() });
        prop_assert_eq!(d, &before);
        prop_assert!(result.directory.is_some() != result.faults.iter().any(|f| f.fatal));
        if let Some(new) = result.directory {
            let known = |id: &RecipientId| new.recipients.contains_key(id);
            prop_assert!(new.posts.iter().all(|p| known(&p.recipient) && p.deputy.iter().chain(&p.superior).all(known)));
        }
    }

    #[test]
    fn edits_leave_no_loose_ends(picks in proptest::collection::vec((0u8..4, 0usize..400), 1..20)) {
        let words = RoleWords::default();
        let mut d = directory(&[(0, 11, false), (12, 11, true)], &[], &[]);
        for (kind, n) in picks {
            let people: Vec<RecipientId> = d.recipients.keys().copied().collect();
            let who = people[n % people.len()];
            match kind {
                0 => edits::drop_person(&mut d, who).unwrap(),
                1 => {
                    let id = edits::post_id(&d.posts[n % d.posts.len()]);
                    edits::drop_post(&mut d, &id).unwrap();
                }
                2 => {
                    let edit = PostEdit { recipient: Some(who), role: Some("rescue".into()), place: Some("140521".into()), ..PostEdit::default() };
                    let _ = edits::add_post(&mut d, &edit, &words, "");
                }
                _ => {
                    if let Some(code) = d.points.keys().nth(n % 7).cloned() {
                        edits::drop_point(&mut d, &code).unwrap();
                    }
                }
            }
        }
        let known = |id: &RecipientId| d.recipients.contains_key(id);
        prop_assert!(d.posts.iter().all(|p| known(&p.recipient) && p.deputy.iter().chain(&p.superior).all(known)));
        prop_assert!(d.posts.iter().all(|p| p.place.point.as_ref().is_none_or(|c| d.points.contains_key(c))));
        prop_assert!(d.rotas.people().all(|id| known(&id)));
        prop_assert!(d.posts.is_sorted_by(|a, b| a.key() < b.key()));
        prop_assert!(d.posts.iter().all(|p| p.role.0 != Role::DUTY || p.tier == jiaoying::core::directory::Tier::DutyDesk));
    }
}
