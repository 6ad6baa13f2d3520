//! Three sheets as clerks make them, for the test and the benchmark of the import: a township's list in GBK, a county's
//! workbook of merged cells and formulas, and a city's of 20,000 rows. With `faults` each has some planted, and says in which
//! cells; without, the very same sheets are right.

use jiaoying::{
    core::division::{Division, DivisionLevel},
    sample,
};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};
use std::io::{Cursor, Read, Write};

/// A file, and where its faults are: (sheet, cell).
pub struct Ugly {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub planted: Vec<(&'static str, String)>,
}

pub const ROWS: u32 = 20_000;
/// Who takes turns at the desk of the county.
pub const OFFICERS: [&str; 7] = ["赵甲", "钱乙", "孙丙", "李丁", "周戊", "吴己", "郑庚"];

fn phone(n: u32) -> String {
    format!("154{n:08}")
}

/// Digits as an input method leaves them.
fn wide(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { char::from_u32(c as u32 - 0x30 + 0xff10).unwrap() } else { c }).collect()
}

fn villages() -> Vec<(Division, String)> {
    sample::divisions().into_values().filter(|d| d.code.level() == DivisionLevel::Village).map(|d| (d.code, d.name)).collect()
}

/// 龙港镇 in GBK: titles above, county and township written once, numbers joined, the header again on the second page, sums and
/// signatures below.
pub fn township(faults: bool) -> Ugly {
    let name = "龙港镇名册.csv";
    let mut rows: Vec<String> = vec![
        "沁水县龙港镇2026年防汛抗旱、地质灾害防治责任人名册,,,,,,,,,,".into(),
        "填报单位：龙港镇人民政府,,,,,,,,,2026年4月,".into(),
        ",,,,,,,,,,".into(),
        "序 号,县,乡镇,村,姓　名,职务,责任类别*（防汛/山洪…）,责任层级,手机,联系电话,备注".into(),
    ];
    let towns: Vec<(Division, String)> = villages().into_iter().filter(|(d, _)| d.to_string().starts_with("140521100")).collect();
    let mut planted = Vec::new();
    let header = rows[3].clone();
    for n in 0..240u32 {
        if n == 120 {
            rows.push(header.clone());
        }
        let (_, village) = &towns[n as usize % towns.len()];
        let (first, second) = (phone(10_000 + n), phone(20_000 + n));
        let numbers = match n % 6 {
            0 => wide(&first),
            1 => format!("{first}/{second}"),
            2 => format!("{}.0", first),
            3 => format!("\"{first}、{second}\""),
            4 => format!("{} {} {}", &first[..3], &first[3..7], &first[7..]),
            _ => format!("{first}（办）"),
        };
        let numbers = match (faults, n) {
            (true, 40) => "1.54E+10".to_string(),
            (true, 41) => "1540000".to_string(),
            _ => numbers,
        };
        let role = if faults && n == 130 {
            "舆情"
        } else {
            ["防汛", "山洪预警员", "网格员", "地灾", "水库巡查责任人"][n as usize % 5]
        };
        let village = if faults && n == 200 { "没有的村" } else { village };
        let place = if n == 0 { "沁水县,龙港镇" } else { "," };
        // Clerks add a second column of the same meaning.
        let other = match (faults, n) {
            (true, 60) => "15400A",
            (true, 61) => "#REF!",
            _ => "",
        };
        rows.push(format!("{},{place},{village},某{n:04},村干部,{role},村,{numbers},{other},", n + 1));
        let row = rows.len();
        match (faults, n) {
            (true, 40 | 41) => planted.push((name, format!("I{row}"))),
            (true, 60 | 61) => planted.push((name, format!("J{row}"))),
            (true, 130) => planted.push((name, format!("G{row}"))),
            (true, 200) => planted.push((name, format!("D{row}"))),
            _ => {}
        }
    }
    rows.push("合计,,,,240人,,,,,,".into());
    rows.push(",,,,,,,,,,".into());
    rows.push("填表人：郑七,,,,审核人：王八,,,,,,".into());
    let text = rows.join("\r\n");
    let (bytes, _, lost) = encoding_rs::GBK.encode(&text);
    assert!(!lost);
    Ugly { name, bytes: bytes.into_owned(), planted }
}

/// A formula whose result is this.
fn computed(s: &mut Worksheet, row: u32, column: u16, result: &str) {
    s.write_formula(row, column, Formula::new(format!("VLOOKUP(A{},旧表!A:F,2,0)", row + 1)).set_result(result)).unwrap();
}

/// Stands for a formula's result until [`without_results`] takes it out.
const UNKNOWN: &str = "RESULT-NOT-KNOWN";

/// The file as a program leaves it that writes formulas and computes nothing.
fn without_results(bytes: &[u8]) -> Vec<u8> {
    let mut from = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for i in 0..from.len() {
        let mut part = from.by_index(i).unwrap();
        let name = part.name().unwrap().to_string();
        let mut body = Vec::new();
        part.read_to_end(&mut body).unwrap();
        if name.starts_with("xl/worksheets/sheet") {
            body = String::from_utf8(body).unwrap().replace(&format!("<v>{UNKNOWN}</v>"), "").into_bytes();
        }
        to.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        to.write_all(&body).unwrap();
    }
    to.finish().unwrap().into_inner()
}

/// 沁水县: persons under merged cells and a header of two rows, names and numbers by formula; points; a duty rota with the shifts
/// as columns; an old list on a hidden sheet.
pub fn county(faults: bool) -> Ugly {
    let name = "沁水县.xlsx";
    let plain = Format::new();
    let mut planted: Vec<(&'static str, String)> = Vec::new();
    let mut book = Workbook::new();
    let s = book.add_worksheet();
    s.set_name("责任人").unwrap();
    s.merge_range(0, 0, 0, 8, "沁水县2026年山洪、地质灾害防治责任人一览表", &plain).unwrap();
    for (c, title) in (0u16..).zip(["序号", "行政区划代码", "乡镇", "姓名", "职务", "责任类别", "责任层级"]) {
        s.merge_range(1, c, 2, c, title, &plain).unwrap();
    }
    s.merge_range(1, 7, 1, 8, "联系方式", &plain).unwrap();
    s.write(2, 7, "手机").unwrap();
    s.write(2, 8, "备用手机").unwrap();
    let own: Vec<(Division, String)> = villages().into_iter().filter(|(d, _)| d.to_string().starts_with("140521")).take(120).collect();
    for (n, (code, _)) in (0u32..).zip(&own) {
        let row = 3 + n;
        s.write(row, 0, n + 1).unwrap();
        s.write(row, 1, code.0 as f64).unwrap();
        if n % 10 == 3 {
            computed(s, row, 3, &format!("县{n:04}"));
        } else {
            s.write(row, 3, format!("县 {n:04}")).unwrap();
        }
        s.write(row, 4, "村委会主任").unwrap();
        s.write(row, 5, if n % 2 == 0 { "山洪、防汛" } else { "群测群防员/地灾" }).unwrap();
        s.write(row, 6, "村级").unwrap();
        // As a number, which a spreadsheet may show as 1.54E+10; the value has all digits.
        s.write(row, 7, phone(30_000 + n).parse::<f64>().unwrap()).unwrap();
        if n % 10 == 5 {
            computed(s, row, 8, &phone(40_000 + n));
        }
    }
    if faults {
        computed(s, 50, 3, UNKNOWN);
        planted.push(("责任人", "D51".into()));
        s.write(60, 7, UNKNOWN).unwrap();
        computed(s, 60, 7, UNKNOWN);
        planted.push(("责任人", "H61".into()));
        s.write_formula(70, 5, Formula::new("旧表!A1").set_result("#REF!")).unwrap();
        planted.push(("责任人", "F71".into()));
    }
    let p = book.add_worksheet();
    p.set_name("点位").unwrap();
    p.merge_range(0, 0, 0, 7, "沁水县水库、山洪沟、隐患点一览表", &plain).unwrap();
    for (c, title) in (0u16..).zip(["统一编号", "名称", "类型", "行政区划代码", "经度", "纬度", "下游村", "威胁人数"])
    {
        p.write(1, c, title).unwrap();
    }
    let (village, below) = (&own[0], &own[1]);
    for (n, (code, title, kind, down)) in (2u32..).zip([
        ("SK-1", "上游水库", "小(2)型水库", below.1.as_str()),
        ("SH-1", "东沟", "山洪沟", "SK-1"),
        ("DZ-1", "后山滑坡", "滑坡", ""),
    ]) {
        for (c, text) in (0u16..).zip([code, title, kind]) {
            p.write(n, c, text).unwrap();
        }
        p.write(n, 3, village.0.to_string()).unwrap();
        p.write(n, 4, 112.2).unwrap();
        p.write(n, 5, 35.6).unwrap();
        p.write(n, 6, if faults && n == 3 { "哪里也没有" } else { down }).unwrap();
        p.write(n, 7, 120).unwrap();
    }
    if faults {
        planted.push(("点位", "G4".into()));
    }
    p.write(5, 0, "合计").unwrap();
    let r = book.add_worksheet();
    r.set_name("7月值班").unwrap();
    r.merge_range(0, 0, 0, 6, "沁水县应急管理局2026年7月值班表", &plain).unwrap();
    for (c, title) in [(0u16, "日期"), (1, "带班领导"), (2, "联系电话")] {
        r.merge_range(1, c, 2, c, title, &plain).unwrap();
    }
    r.merge_range(1, 3, 1, 4, "白班（8:00-20:00）", &plain).unwrap();
    r.merge_range(1, 5, 1, 6, "夜班（20:00-次日8:00）", &plain).unwrap();
    for (c, title) in [(3u16, "值班员"), (4, "电话"), (5, "值班员"), (6, "电话")] {
        r.write(2, c, title).unwrap();
    }
    let day = Format::new().set_num_format("yyyy-mm-dd");
    for d in 0..31u32 {
        let row = 3 + d;
        r.write_with_format(row, 0, ExcelDateTime::from_ymd(2026, 7, (d + 1) as u8).unwrap(), &day).unwrap();
        let who = |n: u32| (OFFICERS[n as usize % OFFICERS.len()], phone(50_000 + n % OFFICERS.len() as u32));
        for (c, n) in [(1u16, d / 7 + 7), (3, d), (5, d + 3)] {
            let (name, number) = who(n);
            r.write(row, c, name).unwrap();
            r.write(row, c + 1, number.parse::<f64>().unwrap()).unwrap();
        }
    }
    if faults {
        r.write(10, 6, "见通讯录").unwrap();
        planted.push(("7月值班", "G11".into()));
        // Somebody whom nobody knows, without a number, twice.
        for row in [12, 20] {
            r.write(row, 3, "外单位人").unwrap();
            r.write(row, 4, "无").unwrap();
            planted.push(("7月值班", format!("D{}", row + 1)));
        }
    }
    let hidden = book.add_worksheet();
    hidden.set_name("旧表").unwrap().set_hidden(true);
    hidden.write(0, 0, "姓名").unwrap();
    let bytes = without_results(&book.save_to_buffer().unwrap());
    Ugly { name, bytes, planted }
}

/// The whole city: 20,000 rows, townships merged over their villages, two posts in every tenth cell.
pub fn city(faults: bool) -> Ugly {
    let name = "晋城市.xlsx";
    let mut planted = Vec::new();
    let mut book = Workbook::new();
    let plain = Format::new();
    let s = book.add_worksheet();
    s.set_name("总表").unwrap();
    s.merge_range(0, 0, 0, 7, "晋城市防汛抗旱责任人总表", &plain).unwrap();
    for (c, title) in (0u16..).zip(["序号", "行政区划代码", "姓名", "职务", "责任类别", "责任层级", "手机", "值班电话"])
    {
        s.write(1, c, title).unwrap();
    }
    let villages = villages();
    for n in 0..ROWS {
        let row = n + 2;
        let (code, _) = &villages[n as usize % villages.len()];
        s.write(row, 0, n + 1).unwrap();
        s.write(row, 1, code.0 as f64).unwrap();
        s.write(row, 2, format!("市{n:05}")).unwrap();
        s.write(row, 3, "网格员").unwrap();
        s.write(row, 4, if n % 10 == 0 { "网格、防汛" } else { "网格" }).unwrap();
        s.write(row, 5, "村").unwrap();
        s.write(row, 6, phone(1_000_000 + n).parse::<f64>().unwrap()).unwrap();
    }
    if faults {
        s.write(777, 6, "15400").unwrap();
        s.write(10_000, 1, "140521999999").unwrap();
        computed(s, 19_998, 2, UNKNOWN);
        planted = vec![("总表", "G778".to_string()), ("总表", "B10001".into()), ("总表", "C19999".into())];
    }
    let bytes = without_results(&book.save_to_buffer().unwrap());
    Ugly { name, bytes, planted }
}
