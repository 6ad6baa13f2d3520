//! Dates of rotas as spreadsheets keep them: a number that lost its last zero must put nobody on the wrong day.

use super::sheets::{applied, cells, fault, fresh};
use jiaoying::ingest::sheet::ImportResult;
use rust_xlsxwriter::{Format, Workbook};
use std::collections::BTreeSet;

/// 沁水县's rota of July as a workbook: a date cell and an officer to a row.
fn july(dates: &[f64], format: &str) -> ImportResult {
    let mut book = Workbook::new();
    let shown = Format::new().set_num_format(format);
    let s = book.add_worksheet();
    s.write(0, 0, "沁水县2026年7月值班表").unwrap();
    for (c, title) in (0u16..).zip(["日期", "值班员", "电话"]) {
        s.write(1, c, title).unwrap();
    }
    for (n, date) in (2u32..).zip(dates) {
        s.write_with_format(n, 0, *date, &shown).unwrap();
        s.write(n, 1, "张三").unwrap();
        s.write(n, 2, "15400000001").unwrap();
    }
    fresh("x.xlsx", &book.save_to_buffer().unwrap())
}

#[test]
fn a_date_that_lost_its_last_zero_is_refused_by_cell_or_read_as_it_is_shown() {
    let days = [7.8, 7.9, 7.10, 7.11];
    let refused = july(&days, "General");
    assert!(refused.directory.is_none());
    assert_eq!(cells(&refused, true), BTreeSet::from(["A5"]));
    assert!(["文本", "2026-07-10"].iter().all(|w| fault(&refused, "A5").message.contains(w)));
    let read = july(&[7.08, 7.09, 7.10, 7.11], "0.00").directory.unwrap();
    let on: Vec<String> = read.rotas.iter().flat_map(|(_, s)| s).map(|s| s.from.beijing().date().to_string()).collect();
    assert_eq!(on, ["2026-07-08", "2026-07-09", "2026-07-10", "2026-07-11"]);
    // Also where 7.1 and 7.10 follow each other, and in a CSV; but not two shifts of one day.
    assert_eq!(cells(&july(&[7.1, 7.10, 7.20], "General"), true), BTreeSet::from(["A4"]));
    let csv = |rows: &str| fresh("x.csv", format!("沁水县2026年7月值班表\n日期,班次,值班员,电话\n{rows}").as_bytes());
    let who = "张三,15400000001\n";
    let back = csv(&format!("7.19,全天,{who}7.2,全天,{who}"));
    assert_eq!(cells(&back, true), BTreeSet::from(["A4"]));
    applied(&csv(&format!("7.1,8:00-20:00,{who}7.1,20:00-8:00,{who}7.2,8:00-20:00,{who}7.2,20:00-8:00,{who}")));
}
