//! Which point a row means, and where it lies: nobody who answers for one point is called for another's warnings, and no point
//! leaves its village without a word.

use super::sheets::*;
use jiaoying::{
    core::{directory::Directory, directory_index::DirectoryIndex},
    ingest::sheet::{ImportMode, ImportOptions, ImportResult, import},
};
use std::collections::BTreeSet;

/// 龙港镇: 柳庄, 宣化, 永宁; 中村镇: 中村.
const LIUZHUANG: &str = "140521100001";
const XUANHUA: &str = "140521100002";
const YONGNING: &str = "140521100003";
const ZHONGCUN: &str = "140521101200";

const POINTS: &str = "点位编号,点位名称,点位类型,行政区划代码,经度,纬度\n";
const PERSONS: &str = "行政区划代码,姓名,职务,责任类别,责任层级,责任对象编号,责任对象名称,手机1,经度,纬度\n";

/// SK001 龙港水库 and 1 后沟滑坡 in 柳庄, with a holder each; the villages have heads of their own, so that no place is left empty.
fn known() -> Directory {
    let points = format!("{POINTS}SK001,龙港水库,小(2)型水库,{LIUZHUANG},112.1,35.6\n1,后沟滑坡,滑坡,{LIUZHUANG},,\n");
    let base = fresh("点位.csv", points.as_bytes()).directory.unwrap();
    let persons = format!(
        "{PERSONS}{LIUZHUANG},库一,巡查员,水库,点,SK001,,15400000001,,\n{LIUZHUANG},沟一,监测员,地灾,点,1,,15400000002,,\n\
         {LIUZHUANG},柳主任,主任,防汛,村,,,15400000003,,\n{XUANHUA},宣主任,主任,防汛,村,,,15400000004,,\n\
         {ZHONGCUN},中主任,主任,防汛,村,,,15400000005,,\n"
    );
    read("名册.csv", persons.as_bytes(), &base).directory.unwrap()
}

fn stands(d: &Directory, point: &str) -> (String, String) {
    let p = &d.points[point];
    (p.name.clone(), p.division.to_string())
}
fn post_of(d: &DirectoryIndex, name: &str) -> (String, Option<String>) {
    let post = d.posts_of(person(d, name).id).next().unwrap();
    (post.place.division.to_string(), post.place.point.clone())
}
fn fatal_at(result: &ImportResult, cell: &str, words: &[&str]) {
    assert!(result.directory.is_none());
    assert_eq!(cells(result, true), BTreeSet::from([cell]), "{:#?}", result.faults);
    let told = fault(result, cell);
    assert!(words.iter().all(|w| told.message.contains(w)) && told.message.contains('请'), "{told}");
}

#[test]
fn a_sheet_of_persons_neither_moves_nor_renames_a_known_point() {
    let old = known();
    for mode in [ImportMode::Upsert, ImportMode::Replace] {
        // The engineer's own office is the next township; the deputy mayor's row says the township only, the patrol's a village.
        let rows = format!(
            "{PERSONS}{ZHONGCUN},邻一,技术责任人,水库,乡,SK001,,15400000011,112.9,35.1\n\
             140521100000,镇一,行政责任人,水库,乡,SK001,龙港大水库,15400000012,,\n\
             {XUANHUA},宣一,巡查员,水库,点,SK001,龙港水库,15400000013,,\n"
        );
        let options = ImportOptions { mode, allow_uncovered: true, allow_shrink: true, ..ImportOptions::default() };
        let result = import("邻镇.csv", rows.as_bytes(), &old, &DIVISIONS, &options);
        let d = applied(&result);
        assert_eq!(stands(&d, "SK001"), ("龙港水库".into(), LIUZHUANG.into()));
        assert_eq!(d.points["SK001"].position, Some([112.1, 35.6]));
        assert!(result.diff.points_changed.is_empty());
        for name in ["邻一", "镇一", "宣一"] {
            assert_eq!(post_of(&d, name), (LIUZHUANG.to_string(), Some("SK001".to_string())), "{name}");
        }
        if mode == ImportMode::Upsert {
            assert_eq!(post_of(&d, "库一").0, LIUZHUANG, "nobody else is touched");
        }
        assert_eq!(cells(&result, false), BTreeSet::from(["A2", "I2", "G3", "A4"]), "{:#?}", result.faults);
        let told = &fault(&result, "A2").message;
        assert!(["SK001", "柳庄", "中村"].iter().all(|w| told.contains(w)), "{told}");
    }
}

#[test]
fn a_point_known_to_a_township_only_is_not_moved_into_a_village_by_a_person() {
    let points = format!("{POINTS}SK002,大水库,水库,140521100000,,\n");
    let result = fresh("点位.csv", points.as_bytes());
    assert!(fault(&result, "D2").message.contains("没有写村") && !fault(&result, "D2").fatal);
    let base = result.directory.unwrap();
    let result = read("名册.csv", format!("{PERSONS}{LIUZHUANG},库一,巡查员,水库,点,SK002,,15400000001,,\n").as_bytes(), &base);
    assert_eq!(stands(&applied(&result), "SK002").1, "140521100000");
    assert!(fault(&result, "A2").message.contains("点位表"));
}

#[test]
fn the_numbers_of_two_townships_do_not_become_one_point() {
    let old = known();
    let person = |division: &str, code: &str, name: &str| {
        read("名册.csv", format!("{PERSONS}{division},己二,监测员,地灾,点,{code},{name},15400000021,,\n").as_bytes(), &old)
    };
    fatal_at(&person(ZHONGCUN, "1", "中村前崖滑坡"), "F2", &["已是", "柳庄", "后沟滑坡", "中村前崖滑坡", "不重复"]);
    fatal_at(&person(ZHONGCUN, "1", ""), "F2", &["不重复"]);
    fatal_at(&person(LIUZHUANG, "1", "柳庄小学后坡"), "F2", &["后沟滑坡"]);
    fatal_at(&person(XUANHUA, "1", ""), "F2", &["不重复"]);
    fatal_at(&person(ZHONGCUN, "SK001", "中村水库"), "F2", &["龙港水库", "中村水库"]);
    applied(&person(LIUZHUANG, "1", "后沟"));
    applied(&person("140521100000", "1", ""));
    // A sheet of points.
    let point = |row: &str| read("点位.csv", format!("{POINTS}{row}\n").as_bytes(), &old);
    fatal_at(&point(&format!("1,前崖,滑坡,{ZHONGCUN},,")), "A2", &["后沟滑坡", "前崖", "不重复"]);
    fatal_at(&point(&format!("1,后沟滑坡,滑坡,{ZHONGCUN},,")), "A2", &["不重复"]);
    fatal_at(&point(&format!("1,前崖,滑坡,{XUANHUA},,")), "A2", &["不重复"]);
    fatal_at(&point(&format!("1,柳庄塘坝,水库,{LIUZHUANG},,")), "A2", &["后沟滑坡"]);
    fatal_at(&point(&format!("SK001,中村水库,水库,{ZHONGCUN},,")), "A2", &["龙港水库", "中村水库", "同一处"]);
    // Both townships in one sheet of persons.
    let both = format!(
        "{PERSONS}{YONGNING},己一,监测员,地灾,点,2,永宁后沟滑坡,15400000022,,\n{ZHONGCUN},己二,监测员,地灾,点,2,中村前崖滑坡,15400000023,,\n"
    );
    fatal_at(&fresh("名册.csv", both.as_bytes()), "F3", &["永宁后沟滑坡", "不重复"]);
}

#[test]
fn a_sheet_of_points_corrects_the_village_of_a_known_point_and_the_diff_says_from_where_to_where() {
    let old = known();
    // Who answered for 柳庄's landslide goes with it: that nobody is left there must be allowed as ever.
    let allowed = ImportOptions { allow_uncovered: true, ..ImportOptions::default() };
    let go = |row: &str| import("点位.csv", format!("{POINTS}{row}\n").as_bytes(), &old, &DIVISIONS, &allowed);
    for (row, point, name, to) in [
        (format!("SK001,龙港水库,小(2)型水库,{XUANHUA},,"), "SK001", "龙港水库", XUANHUA),
        (format!("1,后沟滑坡,滑坡,{XUANHUA},,"), "1", "后沟滑坡", XUANHUA),
        (format!("SK001,龙港水库,小(2)型水库,{ZHONGCUN},,"), "SK001", "龙港水库", ZHONGCUN),
        (format!("SK001,宣化水库,小(2)型水库,{XUANHUA},,"), "SK001", "宣化水库", XUANHUA),
        (format!("1,后沟崩塌,滑坡,{LIUZHUANG},,"), "1", "后沟崩塌", LIUZHUANG),
    ] {
        let result = go(&row);
        let d = applied(&result);
        assert_eq!(stands(&d, point), (name.to_string(), to.to_string()), "{row}");
        assert!(d.posts.iter().filter(|p| p.place.point.as_deref() == Some(point)).all(|p| p.place.division.to_string() == to), "{row}");
        let told = format!("{:?}", result.diff.points_changed);
        if to != LIUZHUANG {
            let finding = fault(&result, "D2");
            assert!(!finding.fatal && finding.message.contains("柳庄") && finding.message.contains("责任人"), "{finding}");
            assert!(told.contains("→") && told.contains(LIUZHUANG) && told.contains(to), "{told}");
        } else {
            assert!(told.contains("名称 后沟滑坡 → 后沟崩塌"), "{told}");
        }
    }
    // A blank name or village erases neither.
    let blank = "点位编号,点位名称,点位类型,县,乡镇,村,经度,纬度\nSK001,,小(2)型水库,沁水县,龙港镇,,,\n";
    let result = read("点位.csv", blank.as_bytes(), &old);
    assert_eq!(stands(&applied(&result), "SK001"), ("龙港水库".into(), LIUZHUANG.into()));
    assert!(result.diff.points_changed.is_empty(), "{:?}", result.diff.points_changed);
}

#[test]
fn a_replacing_workbook_may_number_its_points_anew() {
    let old = known();
    let points = format!("{POINTS}1,前崖,滑坡,{ZHONGCUN},,\nSK001,龙港水库,水库,{LIUZHUANG},,\n");
    let persons = format!(
        "{PERSONS}{ZHONGCUN},己二,监测员,地灾,点,1,前崖,15400000021,,\n{LIUZHUANG},库一,巡查员,水库,点,SK001,,15400000001,,\n\
         {LIUZHUANG},柳主任,主任,防汛,村,,,15400000003,,\n{XUANHUA},宣主任,主任,防汛,村,,,15400000004,,\n"
    );
    let mut book = rust_xlsxwriter::Workbook::new();
    for (name, text) in [("点位", &points), ("责任人", &persons)] {
        let sheet = book.add_worksheet();
        sheet.set_name(name).unwrap();
        for (n, line) in (0u32..).zip(text.lines()) {
            for (c, cell) in (0u16..).zip(line.split(',')) {
                sheet.write(n, c, cell).unwrap();
            }
        }
    }
    let replace = ImportOptions { mode: ImportMode::Replace, allow_uncovered: true, allow_shrink: true, ..ImportOptions::default() };
    let result = import("全县.xlsx", &book.save_to_buffer().unwrap(), &old, &DIVISIONS, &replace);
    assert_eq!(stands(&applied(&result), "1"), ("前崖".into(), ZHONGCUN.into()));
    // The sheet of points alone says nothing of who stays.
    let alone = import("点位.csv", points.as_bytes(), &old, &DIVISIONS, &replace);
    assert_eq!((alone.directory, cells_fatal(&alone.faults)), (None, vec!["A2".to_string()]));
}
fn cells_fatal(faults: &[jiaoying::ingest::sheet::SheetFault]) -> Vec<String> {
    faults.iter().filter(|f| f.fatal).map(|f| f.cell.clone()).collect()
}

#[test]
fn an_office_bound_to_its_township_neither_takes_nor_staffs_anothers_point() {
    let old = known();
    let bound = ImportOptions { within: Some(code("140521101")), ..ImportOptions::default() };
    let point = format!("{POINTS}SK001,龙港水库,水库,{ZHONGCUN},,\n");
    fatal_at(&import("点位.csv", point.as_bytes(), &old, &DIVISIONS, &bound), "A2", &["范围"]);
    let person = format!("{PERSONS}{ZHONGCUN},邻一,技术责任人,水库,乡,SK001,,15400000011,,\n");
    fatal_at(&import("名册.csv", person.as_bytes(), &old, &DIVISIONS, &bound), "F2", &["范围"]);
}

const NAMED: &str = "县,乡镇,村,姓名,职务,责任类别,责任层级,责任对象编号,责任对象名称,手机1\n";

#[test]
fn a_blank_village_of_a_point_is_carried_down_and_told() {
    let rows = format!(
        "{NAMED}沁水县,龙港镇,永宁社区,戊一,支书,党政,村,,,15400000031\n,,,戊二,监测员,地灾,点,DZ950,后沟滑坡,15400000032\n\
         沁水县,龙港镇,,戊三,监测员,地灾,点,DZ951,前沟滑坡,15400000033\n,,,戊四,监测员,地灾,点,,,15400000034\n"
    );
    let result = fresh("名册.csv", rows.as_bytes());
    let d = applied(&result);
    assert_eq!((stands(&d, "DZ950").1, stands(&d, "DZ951").1), (YONGNING.to_string(), YONGNING.to_string()));
    assert_eq!(post_of(&d, "戊四"), (YONGNING.to_string(), None));
    for cell in ["C3", "C4", "C5"] {
        assert!(fault(&result, cell).message.contains("永宁社区") && fault(&result, cell).message.contains("请填写村名"), "{cell}");
    }
    // Where it is written, that is where it lies, before the guess and after it.
    for rows in [
        ",,,戊二,监测员,地灾,点,DZ950,,15400000032\n沁水县,龙港镇,宣化社区,戊五,负责人,地灾,点,DZ950,,15400000035\n",
        "沁水县,龙港镇,宣化社区,戊五,负责人,地灾,点,DZ950,,15400000035\n,,永宁社区,戊六,支书,党政,村,,,15400000036\n,,,戊二,监测员,地灾,点,DZ950,,15400000032\n",
    ] {
        let rows = format!("{NAMED}沁水县,龙港镇,永宁社区,戊一,支书,党政,村,,,15400000031\n{rows}");
        let result = fresh("名册.csv", rows.as_bytes());
        assert_eq!(stands(&applied(&result), "DZ950").1, XUANHUA, "{:#?}", result.faults);
        assert_eq!(cells(&result, false), BTreeSet::new());
    }
    // A sheet of points.
    let points = "点位编号,点位名称,点位类别,县,乡镇,村,下游\nP1,沟一,山洪,沁水县,龙港镇,柳庄社区,宣化社区\nP2,沟二,山洪,,,,宣化社区\n\
                  P3,沟三,山洪,,中村镇,,\n";
    let result = fresh("点位.csv", points.as_bytes());
    let d = applied(&result);
    assert_eq!((stands(&d, "P2").1, stands(&d, "P3").1), (LIUZHUANG.to_string(), "140521101000".to_string()));
    assert_eq!(cells(&result, false), BTreeSet::from(["F3", "F4"]), "{:#?}", result.faults);
    assert!(fault(&result, "F3").message.contains("柳庄社区") && fault(&result, "F4").message.contains("没有写村"));
    // Known already: a blank moves nothing.
    let again = "点位编号,点位名称,点位类别,县,乡镇,村\nP4,沟四,山洪,沁水县,龙港镇,宣化社区\nP2,沟二,山洪,,,\n";
    let result = read("点位.csv", again.as_bytes(), d.directory());
    assert_eq!(stands(&applied(&result), "P2").1, LIUZHUANG);
    assert_eq!(cells(&result, false), BTreeSet::from(["F3"]), "but what stands above it does: both are told");
    assert!(fault(&result, "F3").message.contains("柳庄社区") && fault(&result, "F3").message.contains("宣化社区"));
}

#[test]
fn a_point_above_its_village_is_told_and_above_its_township_refused() {
    let row = |county: &str, town: &str, name: &str, tier: &str| {
        format!("{NAMED}{county},{town},,{name},责任人,水库,{tier},SK9,大水库,15400000041\n")
    };
    // Nothing stands above: the township is all that is known.
    let result = fresh("名册.csv", row("沁水县", "龙港镇", "库一", "点").as_bytes());
    assert_eq!(stands(&applied(&result), "SK9").1, "140521100000");
    assert!(fault(&result, "C2").message.contains("村一级的预警叫不到"));
    let by_code =
        |tier: &str| fresh("名册.csv", format!("{PERSONS}140521000000,库一,责任人,水库,{tier},SK9,大水库,15400000041,,\n").as_bytes());
    fatal_at(&by_code("点"), "A2", &["沁水县", "写明乡镇和村"]);
    let county = by_code("县");
    assert!(fault(&county, "A2").message.contains("叫不到") && county.directory.is_some(), "{:#?}", county.faults);
    let point = fresh("点位.csv", format!("{POINTS}SK9,大水库,水库,140521000000,,\n").as_bytes());
    fatal_at(&point, "D2", &["写明乡镇和村"]);
    // The head of the township stands at the reservoir in the village that his row writes.
    let head = format!("{NAMED}沁水县,龙港镇,宣化社区,镇一,镇长,水库,乡,SK9,大水库,15400000042\n");
    let result = fresh("名册.csv", head.as_bytes());
    assert_eq!(stands(&applied(&result), "SK9").1, XUANHUA);
    // Not a village: as before.
    let whole = head.replace("宣化社区", "全镇");
    assert_eq!(stands(&applied(&fresh("名册.csv", whole.as_bytes())), "SK9").1, "140521100000");
}

#[test]
fn a_township_row_without_a_tier_ends_the_village_above_and_a_guess_moves_no_known_point_to_another_township() {
    let rows = format!(
        "{NAMED}沁水县,龙港镇,柳庄社区,柳一,主任,防汛,村,,,15400000031\n沁水县,龙港镇,,镇一,镇长,党政,,,,15400000032\n\
         ,,,点一,监测员,地灾,点,DZ-9,后山滑坡,15400000033\n"
    );
    let result = fresh("x.csv", rows.as_bytes());
    let d = applied(&result);
    assert_eq!(d.points["DZ-9"].division.to_string(), "140521100000", "two rows up is not meant");

    let old = known();
    let header = "点位编号,点位名称,点位类型,县,乡镇,村\n";
    let rows = format!("{header}SK009,中村水库,小(2)型水库,沁水县,中村镇,中村村\nSK001,龙港水库,小(2)型水库,,,\n");
    let moved = read("点位.csv", rows.as_bytes(), &old);
    fatal_at(&moved, "F3", &["SK001", "村名"]);
}
