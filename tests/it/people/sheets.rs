//! Sheets as counties and townships really send them: what is read, what is refused by cell, and
//! that nothing is half-applied.

use jiaoying::{
    core::{
        directory::{Directory, DivisionName, Recipient, Tier},
        directory_index::DirectoryIndex,
        division::Division,
        phone::Phone,
        time::Time,
    },
    ingest::sheet::{ImportMode, ImportOptions, ImportResult, SheetFault, import},
    sample,
};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

pub(super) static DIVISIONS: LazyLock<BTreeMap<Division, DivisionName>> = LazyLock::new(sample::divisions);

pub(super) fn read(file: &str, bytes: &[u8], current: &Directory) -> ImportResult {
    import(file, bytes, current, &DIVISIONS, &ImportOptions::default())
}
pub(super) fn fresh(file: &str, bytes: &[u8]) -> ImportResult {
    read(file, bytes, &Directory::default())
}
/// The applied directory; a refusal is shown.
pub(super) fn applied(result: &ImportResult) -> DirectoryIndex {
    match &result.directory {
        Some(d) => DirectoryIndex::new(d.clone()),
        None => panic!("refused: {:#?}", result.faults),
    }
}
pub(super) fn cells(result: &ImportResult, fatal: bool) -> BTreeSet<&str> {
    result.faults.iter().filter(|f| f.fatal == fatal).map(|f| f.cell.as_str()).collect()
}
pub(super) fn fault<'a>(result: &'a ImportResult, cell: &str) -> &'a SheetFault {
    result.faults.iter().find(|f| f.cell == cell).unwrap_or_else(|| panic!("nothing at {cell}: {:#?}", result.faults))
}
pub(super) fn person<'a>(d: &'a DirectoryIndex, name: &str) -> &'a Recipient {
    let mut found = d.by_name(name);
    match (found.next(), found.next()) {
        (Some(one), None) => one,
        (None, _) => panic!("no {name}"),
        _ => panic!("several {name}"),
    }
}
pub(super) fn numbers(r: &Recipient) -> Vec<&str> {
    r.phones.iter().map(Phone::reveal).collect()
}
pub(super) fn code(text: &str) -> Division {
    text.parse().unwrap()
}

/// A township's list: titles above the header, merged cells that became blanks, names instead of
/// codes, numbers as people type them.
const TOWNSHIP: &str = "\
沁水县2026年度防汛责任人名册,,,,,,,,,,,,
填报单位：龙港镇人民政府,,,,,,,,,,,2026年4月,
序号*,县,乡镇,村,姓 名*,职务,责任类别*（防汛/山洪…）,责任层级,联系电话,AB角,AB角手机,上级责任人（姓名或编号）,备注
1,沁水县,龙港镇,,赵一平,镇长,防汛、党政,乡,１５４００００００01,钱二,15400000002,,
2,,,,龙港镇值班室,24小时值班,值班,乡,0356-0111111,,,,
3,,,南瑶村,孙　三,村主任,防汛,村,15400000003/15400000004,李四,,赵一平,
4,,,南瑶村,李四,网格员,网格,村,154 0000 0005,孙三,,孙三,
5,,,南瑶村,李四,预警员,山洪,村,15400000005；15400000006,,,3,
6,,,宣化社区,周五,社区主任,防汛,社区,15400000003,,,,
7,,,宣化社区,吴六,网格员,网格,村,无,周五,,,
,,,,,,,,,,,,
填表人：郑七,,,,,,,,,,,,
";

#[test]
fn a_townships_list_in_gbk_with_blanks_titles_and_joined_numbers_is_read() {
    let (bytes, _, lost) = encoding_rs::GBK.encode(TOWNSHIP);
    assert!(!lost);
    let result = fresh("龙港镇.csv", &bytes);
    let d = applied(&result);
    assert_eq!(d.recipients.len(), 7, "six of the list and 钱二, who is only a deputy");
    let village = code("140521100200");

    let mayor = person(&d, "赵一平");
    assert_eq!(numbers(mayor), ["15400000001"]);
    let posts: Vec<_> = d.posts_of(mayor.id).map(|p| (p.role.0.as_str(), p.tier, p.place.division)).collect();
    assert_eq!(posts, [("flood_control", Tier::Township, code("140521100")), ("party_government", Tier::Township, code("140521100"))]);
    let qian = person(&d, "钱二");
    assert_eq!((numbers(qian), d.posts_of(qian.id).count(), d.deputised_by(qian.id).count()), (vec!["15400000002"], 0, 2));

    let desk = d.duty_desk_over(village, Time(0)).unwrap();
    assert_eq!((desk.name.as_str(), numbers(desk)), ("龙港镇值班室", vec!["03560111111"]));

    let sun = person(&d, "孙三");
    assert_eq!(numbers(sun), ["15400000003", "15400000004"]);
    let post = d.posts_of(sun.id).next().unwrap();
    assert_eq!((post.place.division, post.superior), (village, Some(mayor.id)));
    let li = person(&d, "李四");
    assert_eq!(post.deputy, Some(li.id));
    assert_eq!(numbers(li), ["15400000005", "15400000006"], "two rows, one person");
    assert!(d.posts_of(li.id).all(|p| p.superior == Some(sun.id)), "by name in one row, by serial in the other");
    assert_eq!(d.by_phone(&Phone::parse("15400000003").unwrap()).count(), 2, "two names on one number stay two people");
    assert!(person(&d, "吴六").phones.is_empty(), "kept, as in life");

    assert_eq!(cells(&result, true), BTreeSet::new());
    assert_eq!(cells(&result, false), BTreeSet::from(["I9", "I10", "E12"]));
    assert!(fault(&result, "I10").message.contains("没有可用号码"));
    assert!(fault(&result, "I9").message.contains("孙三") && !fault(&result, "I9").message.contains("15400000003"), "masked");
}

/// A county's list in the shipped form, with one fault a row.
const COUNTY: &str = "\u{feff}序号,行政区划代码,乡镇,姓名,职务,责任类别,责任层级,责任对象编号,手机1,手机2,值班电话,邮箱,上级责任人,代理人,代理人手机,关联户数,生效日期,失效日期\r
1,140521100200,龙港镇,好一,主任,防汛,村,,15400000101,,,,,,,,,\r
2,140521100299,,好二,主任,防汛,村,,15400000102,,,,,,,,,\r
3,1.40521E+11,,好三,主任,防汛,村,,15400000103,,,,,,,,,\r
4,140521100200,,好四,主任,舆情,村,,15400000104,,,,,,,,,\r
5,140521100200,,好五,主任,防汛,省,,15400000105,,,,,,,,,\r
6,140521100200,,好六,主任,防汛,村,,1540000106,,,,,,,,,\r
7,140521100200,,好七,主任,防汛,村,,15400000107,1.54E+10,,,,,,,,\r
8,140521100200,,,主任,防汛,村,,15400000108,,,,,,,,,\r
9,140521100200,,好九,主任,防汛,村,,15400000109,,,,,,,,2026-02-30,\r
10,140521100200,,好十,主任,防汛,村,,15400000110,,,,,,,,2026-05-01,2026/4/1\r
11,140522110000,白桑镇,好甲,镇长,防汛,乡,,15400000111,,,,,,,,,\r
12,140521100200,,#N/A,主任,防汛,村,,15400000112,,,,,,,,,\r
13,140521100200,,好乙,主任,防汛,村,,15400000113,,,,,某人,见附件,,,\r
14,140521100200,,好丙,主任,,村,,15400000114,,,,,,,,,\r
15,沁水,,好丁,主任,防汛,村,,15400000115,,,,,,,,,\r
";

#[test]
fn every_planted_fault_is_named_by_its_cell_and_nothing_is_applied() {
    let current = sample::directory(300, 1);
    let before = current.clone();
    let result = read("全县.csv", COUNTY.as_bytes(), &current);
    assert_eq!(result.directory, None);
    assert!(result.diff.is_empty());
    assert_eq!(current, before);
    let want = ["B3", "B4", "F5", "G6", "I7", "J8", "D9", "Q10", "R11", "B12", "D13", "O14", "F15", "B16"];
    assert_eq!(cells(&result, true), want.into_iter().collect());
    for f in result.faults.iter().filter(|f| f.fatal) {
        assert!(f.message.contains('请') || f.message.contains("应为"), "says what to do: {f}");
        assert_eq!(f.sheet, "全县.csv");
    }
    assert!(fault(&result, "F5").message.contains("舆情") && fault(&result, "F5").message.contains("防汛"));
    assert!(fault(&result, "B3").message.contains("龙港镇"), "the nearest division that is known");
    assert!(fault(&result, "B12").message.contains("140522111000"), "the code of the name that was written");
    assert!(fault(&result, "J8").message.contains("科学计数法"));
    assert_eq!(fault(&result, "R11").column, "失效日期");
    // In the order in which a clerk works through them.
    let rows: Vec<u32> = result.faults.iter().map(|f| f.cell.trim_start_matches(char::is_alphabetic).parse().unwrap()).collect();
    assert!(rows.is_sorted());
}

#[test]
fn a_fault_is_named_at_the_very_cell_also_where_a_column_stands_twice_or_not_at_all() {
    let long = "长".repeat(2_001);
    let twice = "\
         行政区划代码,姓名,责任类别,责任层级,电话,联系电话,手机2,备用电话,值班电话,办公电话,代理人,代理人手机,代理人电话\n\
         140521100200,甲,防汛,村,15400000001,15400A,,,,,,,\n\
         140521100200,乙,防汛,村,15400000002,,15400000012,#REF!,,,,,\n\
         140521100200,丙,防汛,村,15400000003,,,,0356-0111111,见附件,,,\n\
         140521100200,丁,防汛,村,15400000004,,,,,,戊,15400000005,1.54E+10\n\
         140521100200,己,防汛,村,15400000006,,,,,,,,15400000007\n";
    let result = fresh("x.csv", twice.as_bytes());
    assert_eq!(cells(&result, true), BTreeSet::from(["F2", "H3", "J4", "M5"]));
    assert!(fault(&result, "M6").message.contains("没有代理人姓名"));
    let too_long = format!("行政区划代码,姓名,责任类别,责任层级,电话,联系电话\n140521100200,甲,防汛,村,15400000001,{long}\n");
    assert_eq!(cells(&fresh("x.csv", too_long.as_bytes()), true), BTreeSet::from(["F2"]));
    // By names alone: the name that nobody knows; where a name is missing, the deepest that the sheet has.
    let named = "序号,县,乡镇,村,姓名,责任类别,责任层级,手机1\n\
         1,沁水县,龙港镇,没有的村,甲,防汛,村,15400000001\n\
         2,沁水县,没有的镇,南瑶村,乙,防汛,村,15400000002\n\
         3,没有的县,龙港镇,南瑶村,丙,防汛,村,15400000003\n\
         4,沁水县,龙港镇,,丁,防汛,村,15400000004\n";
    let result = fresh("x.csv", named.as_bytes());
    assert_eq!(cells(&result, true), BTreeSet::from(["D2", "C3", "B4", "D5"]));
    assert_eq!((fault(&result, "D2").column.as_str(), fault(&result, "C3").column.as_str()), ("村", "乡镇"));
    let outside = ImportOptions { within: Some(code("140522")), ..ImportOptions::default() };
    let named = "县,乡镇,姓名,责任类别,责任层级,手机1\n沁水县,龙港镇,甲,防汛,乡,15400000001\n";
    let result = import("x.csv", named.as_bytes(), &Directory::default(), &DIVISIONS, &outside);
    assert_eq!(cells(&result, true), BTreeSet::from(["B2"]));
}

#[test]
fn what_is_odd_but_usable_is_applied_with_a_finding() {
    let sheet = "\
序号,行政区划代码,姓名,职务,责任类别,责任层级,责任对象编号,责任对象名称,手机1,值班电话,邮箱,上级责任人,代理人,关联户数,血型
1,140521100200,甲一,主任,防汛,村,,,15400000201,,not-mail,,,十二,A
2,140521100200,甲二,监测员,地灾,点,,,15400000202,,,999,没有的人,,
3,140521100200,甲三,监测员,地灾,点,,后沟滑坡,15400000203,0356-0222222,,甲三,,3户,
4,140521100200,甲四,巡查员,水库,点,SK-140521-0901,南瑶水库,15400000204,,,,甲一,,
5,140521100000,甲五,行政责任人,水库,点,SK-140521-0901,,15400000205,,,,甲二、甲三,,
6,140521000,甲六,村主任,防汛,村,,,15400000206,,,,,,
7,140521100000,,,值班,,,,,0356-0333333,,,,,
8,140521100200,甲一,主任,防汛,村,,,15400000201,,,,,,
";
    let result = fresh("x.csv", sheet.as_bytes());
    let d = applied(&result);
    assert_eq!(cells(&result, true), BTreeSet::new());
    let want = ["O1", "K2", "N2", "G3", "L3", "M3", "G4", "J4", "L4", "M6", "F7", "C8", "C9"];
    assert_eq!(cells(&result, false), want.into_iter().collect());
    let slope = d.points.values().find(|p| p.name == "后沟滑坡").expect("a point without a code gets one");
    assert_eq!(slope.code, "140521100200-后沟滑坡");
    let dam = &d.points["SK-140521-0901"];
    assert_eq!((dam.division, dam.name.as_str(), dam.kind.as_str()), (code("140521100200"), "南瑶水库", "reservoir"));
    assert_eq!(d.posts_at(&d.place("SK-140521-0901").unwrap()).len(), 2, "both stand at the point's own division");
    assert_eq!(d.posts_of(person(&d, "甲五").id).next().unwrap().deputy, Some(person(&d, "甲二").id));
    assert_eq!(d.duty_desks(code("140521100"), Time(0)).map(|r| r.name.as_str()).collect::<Vec<_>>(), ["沁水县龙港镇值班室"]);
    assert_eq!(d.posts_of(person(&d, "甲一").id).count(), 1);
    assert_eq!(person(&d, "甲一").email, None);
}

/// Below 暴雨黄 a landslide's people are found by its kind, and a reservoir's posts are checked by it.
#[test]
fn a_sheet_of_persons_does_not_change_what_a_known_point_is() {
    let points = "\
点位编号,点位名称,点位类型,行政区划代码
DZ-1,后沟,滑坡,140521100200
SK-1,南瑶水库,小(2)型水库,140521100200
";
    let persons = "\
行政区划代码,姓名,责任类别,责任层级,责任对象编号,手机1
140521100200,甲,防汛、地灾,点,DZ-1,15400000001
140521100200,乙,河长,点,SK-1,15400000002
140521100200,丙,网格,点,XX-1,15400000003
140521100200,丁,水库,点,XX-1,15400000004
140521100200,戊,防汛,点,XX-1,15400000005
";
    let kinds = |d: &Directory| d.points.values().map(|p| (p.code.clone(), p.kind.clone())).collect::<Vec<_>>();
    let known = fresh("点位.csv", points.as_bytes()).directory.unwrap();
    let result = read("名册.csv", persons.as_bytes(), &known);
    let want = [("DZ-1", "geological"), ("SK-1", "reservoir"), ("XX-1", "reservoir")].map(|(c, k)| (c.to_string(), k.to_string()));
    assert_eq!(kinds(&applied(&result)), want, "a new point is what the first who is there for something says");
    assert_eq!((result.diff.points_changed.len(), result.diff.points_added.as_slice()), (0, ["XX-1".to_string()].as_slice()));
    // Nor does a replacing sheet, or a later one.
    let options = ImportOptions { mode: ImportMode::Replace, ..ImportOptions::default() };
    let replaced = import("名册.csv", persons.as_bytes(), &known, &DIVISIONS, &options).directory.unwrap();
    assert_eq!(kinds(&replaced), want);
    let again = read("名册.csv", persons.replace("水库,点", "防汛,点").as_bytes(), &replaced);
    assert_eq!(kinds(&applied(&again)), want);
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let plain = Format::new();
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let s = book.add_worksheet();
    s.set_name("责任人").unwrap();
    s.merge_range(0, 0, 0, 10, "沁水县地质灾害防治责任人一览表", &plain).unwrap();
    // A header of two rows: 联系方式 above two number columns, the others merged downwards.
    let titles = ["序号", "行政区划代码", "乡镇", "姓名", "职务", "责任类别", "责任层级"];
    for (c, title) in (0u16..).zip(titles) {
        s.merge_range(1, c, 2, c, title, &plain).unwrap();
    }
    s.merge_range(1, 7, 1, 8, "联系方式", &plain).unwrap();
    s.write(2, 7, "手机").unwrap();
    s.write(2, 8, "备用手机").unwrap();
    s.merge_range(1, 9, 2, 9, "生效日期", &plain).unwrap();
    s.merge_range(1, 10, 2, 10, "失效日期", &plain).unwrap();
    let rows = [
        ("140521100200", "王一", "主任", "防汛", "村", 15_400_000_301.0),
        ("140521100200", "王二", "监测员", "地灾", "村", 15_400_000_302.0),
        ("140521100002", "王三", "主任", "防汛", "村", 15_400_000_303.0),
    ];
    s.merge_range(3, 2, 5, 2, "龙港镇", &plain).unwrap();
    for (n, (code, name, title, role, tier, phone)) in (3u32..).zip(rows) {
        s.write(n, 0, n - 2).unwrap();
        s.write(n, 1, code.parse::<f64>().unwrap()).unwrap();
        for (c, text) in [(3, name), (4, title), (5, role), (6, tier)] {
            s.write(n, c, text).unwrap();
        }
        s.write(n, 7, phone).unwrap();
        s.write_with_format(n, 9, ExcelDateTime::from_ymd(2026, 4, 20).unwrap(), &day).unwrap();
    }
    s.write(3, 8, "０356-0444444").unwrap();
    s.write(3, 10, 46_500).unwrap();
    // One person with two posts, his name and number merged over both rows.
    s.write(6, 1, "140521100200").unwrap();
    s.write(7, 1, "140521100002").unwrap();
    s.merge_range(6, 3, 7, 3, "王四", &plain).unwrap();
    s.merge_range(6, 4, 7, 4, "包村干部", &plain).unwrap();
    s.merge_range(6, 5, 7, 5, "包保", &plain).unwrap();
    s.merge_range(6, 6, 7, 6, "乡", &plain).unwrap();
    s.merge_range(6, 7, 7, 7, "15400000304", &plain).unwrap();
    let notes = book.add_worksheet();
    notes.set_name("填表说明").unwrap();
    notes.write(0, 0, "请如实填写").unwrap();
    let hidden = book.add_worksheet();
    hidden.set_name("旧名单").unwrap().set_hidden(true);
    for (c, text) in (0u16..).zip(["姓名", "责任类别", "责任层级", "行政区划代码", "手机1"]) {
        hidden.write(0, c, text).unwrap();
        hidden.write(1, c, "旧").unwrap();
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_with_merged_cells_numeric_numbers_and_a_header_of_two_rows_is_read() {
    let result = fresh("地灾.xlsx", &workbook());
    let d = applied(&result);
    assert_eq!(d.recipients.len(), 4);
    assert_eq!(numbers(person(&d, "王一")), ["15400000301", "03560444444"]);
    let post = d.posts_of(person(&d, "王一").id).next().unwrap();
    assert_eq!(post.valid_from.unwrap().rfc3339(), "2026-04-20T00:00:00+08:00");
    assert_eq!(post.valid_to.unwrap().rfc3339(), "2027-04-24T00:00:00+08:00", "day 46500 is 2027-04-23, and still counts");
    assert_eq!(post.place.division, code("140521100200"));
    assert_eq!(numbers(person(&d, "王三")), ["15400000303"]);
    let four = person(&d, "王四");
    assert_eq!(d.posts_of(four.id).map(|p| (p.tier, p.title.as_str())).collect::<Vec<_>>(), [(Tier::Township, "包村干部"); 2]);
    let told: Vec<(&str, bool)> = result.faults.iter().map(|f| (f.sheet.as_str(), f.fatal)).collect();
    assert_eq!(told, [("填表说明", false)], "{:#?}", result.faults);
}

#[test]
fn a_fault_in_a_workbook_has_its_sheet_and_cell() {
    let mut book = Workbook::new();
    for name in ["沁水", "阳城"] {
        let s = book.add_worksheet();
        s.set_name(name).unwrap();
        for (c, text) in (1u16..).zip(["姓名", "责任类别", "责任层级", "行政区划代码", "手机1"]) {
            s.write(4, c, text).unwrap();
        }
        for (c, text) in (1u16..).zip(["张三", "防汛", "村", "140521100200", "1540000"]) {
            s.write(9, c, text).unwrap();
        }
    }
    let result = fresh("x.xlsx", &book.save_to_buffer().unwrap());
    let told: Vec<(&str, &str, bool)> = result.faults.iter().map(|f| (f.sheet.as_str(), f.cell.as_str(), f.fatal)).collect();
    assert_eq!(told, [("沁水", "F10", true), ("阳城", "F10", true)]);
    assert_eq!(fault(&result, "F10").to_string().split('：').next(), Some("[错误] 沁水!F10（手机1）"));
}

#[test]
fn a_workbook_that_claims_to_be_huge_costs_nothing() {
    let mut book = Workbook::new();
    let s = book.add_worksheet();
    for (c, text) in (0u16..).zip(["姓名", "责任类别", "责任层级", "行政区划代码", "手机1"]) {
        s.write(0, c, text).unwrap();
    }
    for (c, text) in (0u16..).zip(["张三", "防汛", "村", "140521100200", "15400000001"]) {
        s.write(1, c, text).unwrap();
    }
    s.write(1_048_575, 16_383, "远").unwrap();
    s.merge_range(2, 5, 20_000, 5, "长", &Format::new()).unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let result = fresh("x.xlsx", &bytes);
    // What stands far out or far down beside no person is skipped.
    assert_eq!(applied(&result).recipients.len(), 1);
}

#[test]
fn files_that_are_no_sheets_are_refused_with_what_to_do() {
    let header_only = "姓名,责任类别,责任层级,行政区划代码,手机1\n";
    let xlsx = workbook();
    let cut = &xlsx[..xlsx.len() / 2];
    let mut flipped = xlsx.clone();
    (200..flipped.len() - 200).step_by(97).for_each(|i| flipped[i] ^= 0x55);
    for (what, bytes) in [
        ("empty", b"".as_slice()),
        ("old xls", &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]),
        ("zip that is none", b"PK\x03\x04rubbish"),
        ("cut", cut),
        ("flipped", &flipped),
        ("no header", "一,二,三\n四,五,六\n".as_bytes()),
        ("nobody", header_only.as_bytes()),
        ("no place", "姓名,责任类别,手机1\n张三,防汛,15400000001\n".as_bytes()),
        ("binary", &[0xff, 0xff, 0x00, 0x81, 0x20]),
    ] {
        let result = fresh("x", bytes);
        assert!(result.directory.is_none(), "{what}");
        let fatal: Vec<_> = result.faults.iter().filter(|f| f.fatal).collect();
        assert!(!fatal.is_empty() && fatal.iter().all(|f| f.message.chars().count() > 4), "{what}");
    }
    let missing = fresh("x.csv", "姓名,责任类别,手机1\n张三,防汛,15400000001\n".as_bytes());
    assert!(missing.faults.iter().any(|f| f.column == "行政区划代码" && f.cell == "A1"));
}
