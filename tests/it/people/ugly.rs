//! Must show: three ugly sheets, every planted fault named by its cell, nothing half-applied; and the same sheets without faults
//! taken in as they are.

use super::ugly_sheets::{self, OFFICERS, ROWS, Ugly};
use jiaoying::{
    core::{
        directory::{Directory, Role, Tier},
        directory_index::DirectoryIndex,
        rota::Seat,
        time::Time,
    },
    ingest::sheet::{ImportMode, ImportOptions, ImportResult, import},
    sample,
};
use std::collections::BTreeSet;

fn take(sheet: &Ugly, current: &Directory) -> ImportResult {
    import(sheet.name, &sheet.bytes, current, &sample::divisions(), &ImportOptions::default())
}

#[test]
fn three_ugly_sheets_name_every_planted_fault_by_its_cell_and_nothing_is_half_applied() {
    let current = sample::directory(1_000, 1);
    let before = current.clone();
    for sheet in [ugly_sheets::township(true), ugly_sheets::county(true), ugly_sheets::city(true)] {
        let result = take(&sheet, &current);
        let found: BTreeSet<(String, String)> =
            result.faults.iter().filter(|f| f.fatal).map(|f| (f.sheet.clone(), f.cell.clone())).collect();
        let planted: BTreeSet<(String, String)> = sheet.planted.iter().map(|(s, c)| ((*s).to_string(), c.clone())).collect();
        assert_eq!(found, planted, "{}", sheet.name);
        assert!(result.faults.iter().filter(|f| f.fatal).all(|f| f.message.contains('请') || f.message.contains("应为")));
        assert!(result.directory.is_none() && result.diff.is_empty(), "{}", sheet.name);
        println!("{}: {} planted faults, all named", sheet.name, planted.len());
    }
    assert_eq!(current, before);
}

#[test]
fn the_same_sheets_without_faults_are_taken_in_as_they_are() {
    let mut directory = Directory { divisions: sample::divisions(), ..Directory::default() };
    for sheet in [ugly_sheets::township(false), ugly_sheets::county(false), ugly_sheets::city(false)] {
        let result = take(&sheet, &directory);
        let fatal: Vec<_> = result.faults.iter().filter(|f| f.fatal).collect();
        assert!(fatal.is_empty(), "{}: {fatal:#?}", sheet.name);
        directory = result.directory.unwrap();
        // Again: nothing changes.
        let again = take(&sheet, &directory);
        assert!(again.diff.is_empty(), "{}: {}", sheet.name, again.diff.summary_zh());
    }
    // 240 of the township, 120 of the county and the officers who also lead its shifts, 20,000 of the city.
    let index = DirectoryIndex::new(directory);
    assert_eq!(index.recipients.len(), 240 + 120 + OFFICERS.len() + ROWS as usize);
    let named = |name: &str| index.by_name(name).next().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(named("某0000").phones[0].reveal(), "15400010000", "full-width digits");
    assert_eq!(named("某0001").phones.len(), 2);
    let post = index.posts_of(named("某0001").id).next().unwrap();
    assert_eq!((post.role.0.as_str(), post.tier), ("flash_flood", Tier::Village));
    assert_eq!(index.posts_of(named("某0004").id).next().unwrap().role.0, "reservoir");
    assert_eq!(named("县0003").phones[0].reveal(), "15400030003", "a name by formula");
    assert_eq!(named("县0005").phones[1].reveal(), "15400040005", "a number by formula");
    assert!(index.points["SK-1"].downstream.len() == 1 && index.points["SK-1"].kind == "reservoir");
    assert_eq!(
        (index.points["SH-1"].downstream.as_slice(), index.points["SH-1"].kind.as_str()),
        (["SK-1".to_string()].as_slice(), "flash_flood")
    );
    let at = |t: &str| Time::parse_rfc3339(t).unwrap();
    let on = |seat: &Seat, t: &str| -> Vec<String> {
        index.rotas.at(seat, at(t)).map(|s| index.recipients[&s.recipient].name.clone()).collect()
    };
    let (desk, leader) = (Seat::desk("140521".parse().unwrap()), Seat::leader("140521".parse().unwrap()));
    assert_eq!(on(&desk, "2026-07-02T12:00:00+08:00"), [OFFICERS[1]]);
    assert_eq!(on(&desk, "2026-07-02T23:00:00+08:00"), [OFFICERS[4]]);
    assert_eq!(on(&desk, "2026-07-03T07:00:00+08:00"), [OFFICERS[4]], "the night goes on past midnight");
    assert_eq!(on(&leader, "2026-07-02T12:00:00+08:00"), [OFFICERS[0]]);
    assert_eq!(leader.role, Role::new(Role::SHIFT_LEADER));
}

#[test]
fn a_replacing_sheet_that_is_half_a_sheet_is_refused_until_told() {
    let directory =
        take(&ugly_sheets::city(false), &Directory { divisions: sample::divisions(), ..Directory::default() }).directory.unwrap();
    let half = |options: &ImportOptions| {
        let sheet = ugly_sheets::township(false);
        import(sheet.name, &sheet.bytes, &directory, &directory.divisions, options)
    };
    let replace = ImportOptions { mode: ImportMode::Replace, allow_uncovered: true, ..ImportOptions::default() };
    let refused = half(&replace);
    assert!(refused.directory.is_none() && refused.faults.iter().any(|f| f.fatal && f.message.contains("20%")), "{:?}", refused.faults);
    assert!(half(&ImportOptions { allow_shrink: true, ..replace }).directory.is_some());
}
