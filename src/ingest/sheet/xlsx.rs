//! XLSX: measured before it is unpacked, read cell by cell (a sheet that claims a million columns
//! costs nothing), merged cells carried down.

use super::{
    MAX_COLUMNS, MAX_ROWS, SheetFault, cell,
    table::{Grid, Row},
};
use calamine::{DataRef, Reader, SheetVisible, Xlsx};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// All parts of the file unpacked, together. 200,000 rows of this sheet are about 150 MiB.
const MAX_UNPACKED: u64 = 256 << 20;
/// Parts (sheets, styles, pictures) in the file.
const MAX_PARTS: usize = 2_000;
/// Characters of all cells together: shared strings repeat for free in the file, but not here.
const MAX_TEXT: usize = 128 << 20;
/// Items a part may say it has: no list of a sheet of [`MAX_ROWS`] comes near it.
const MAX_COUNT: u64 = 4_000_000;
/// Cells that merged regions may fill, so that nested regions cannot multiply.
const MAX_FILLED: usize = 2_000_000;

/// Unpacks every part into nothing, to know the true size before trusting the file: a part may
/// claim to be smaller than it is.
fn measure(name: &str, bytes: &[u8], limit: u64) -> Result<(), SheetFault> {
    let broken = |_| SheetFault::file(name, "文件已损坏或不是 .xlsx；请重新导出");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > MAX_PARTS {
        return Err(too_big(name));
    }
    let mut left = limit;
    for i in 0..archive.len() {
        let part = archive.by_index(i).map_err(broken)?;
        let mut counts = Counts::default();
        let size = std::io::copy(&mut part.take(left.saturating_add(1)), &mut counts)
            .map_err(|_| SheetFault::file(name, "文件已损坏（解压失败）；请重新导出"))?;
        left = left.checked_sub(size).ok_or_else(|| too_big(name))?;
        if counts.largest > size.min(MAX_COUNT) {
            return Err(SheetFault::file(name, "文件已损坏（其中的计数与内容不符）；请在表格软件中打开并另存后再导入"));
        }
    }
    Ok(())
}

/// Finds the largest number that a part states in an attribute `count` or `uniqueCount`: the parser reserves memory by
/// it before it has read one item, and a memory that cannot be had ends the process, not the import.
#[derive(Default)]
struct Counts {
    at: At,
    number: u64,
    largest: u64,
}
#[derive(Clone, Copy, Default)]
enum At {
    /// So many letters of the name's end have come.
    Name(usize),
    Equals,
    Quote,
    Digits,
    #[default]
    Elsewhere,
}
/// The end of both names.
const NAME: &[u8] = b"ount";

impl Counts {
    fn take(&mut self, byte: u8) {
        self.at = match (self.at, byte) {
            // Every other byte of UTF-16.
            (at, 0) => at,
            (At::Name(n), b) if NAME.get(n) == Some(&b) => At::Name(n + 1),
            (At::Name(n), b'=') if n == NAME.len() => At::Quote,
            (At::Name(n), b) if n == NAME.len() && b.is_ascii_whitespace() => At::Equals,
            (At::Equals, b) if b.is_ascii_whitespace() => At::Equals,
            (At::Equals, b'=') => At::Quote,
            (At::Quote, b) if b.is_ascii_whitespace() => At::Quote,
            (At::Quote, b'"' | b'\'') => {
                self.number = 0;
                At::Digits
            }
            (At::Digits, b'0'..=b'9') => {
                self.number = self.number.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                self.largest = self.largest.max(self.number);
                At::Digits
            }
            // A digit written as a reference.
            (At::Digits, b'&') => {
                self.largest = u64::MAX;
                At::Elsewhere
            }
            (_, b'o') => At::Name(1),
            _ => At::Elsewhere,
        };
    }
}
impl std::io::Write for Counts {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        bytes.iter().for_each(|b| self.take(*b));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn too_big(name: &str) -> SheetFault {
    let limit = MAX_UNPACKED >> 20;
    SheetFault::file(name, format!("文件解压后超过 {limit} MiB；请删去图片和多余的工作表，或按县拆分后再导入"))
}

/// Reads all visible sheets into cells.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Vec<Grid>, Vec<SheetFault>> {
    measure(name, bytes, MAX_UNPACKED).map_err(|f| vec![f])?;
    // The parser is somebody else's and the bytes are a stranger's: a panic in it is a broken file.
    let read = catch_unwind(AssertUnwindSafe(|| read_all(name, bytes)));
    read.unwrap_or_else(|_| Err(SheetFault::file(name, "文件已损坏，无法读取；请在表格软件中打开并另存后再导入"))).map_err(|f| vec![f])
}

fn read_all(name: &str, bytes: &[u8]) -> Result<Vec<Grid>, SheetFault> {
    let broken = |e: calamine::XlsxError| SheetFault::file(name, format!("文件无法读取（{e}）；请在表格软件中打开并另存后再导入"));
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let visible = |s: &&calamine::Sheet| s.visible == SheetVisible::Visible;
    let names: Vec<String> = book.sheets_metadata().iter().filter(visible).map(|s| s.name.clone()).collect();
    let (mut grids, mut text_left, mut rows_left) = (Vec::new(), MAX_TEXT, MAX_ROWS);
    for sheet in names {
        let mut rows: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let mut loose: BTreeSet<(u32, u32)> = BTreeSet::new();
        {
            // A chart sheet has no cells to read.
            let Ok(mut cells) = book.worksheet_cells_reader(&sheet) else { continue };
            while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(broken)? {
                let (row, column) = cell.pos;
                if column as usize >= MAX_COLUMNS {
                    continue;
                }
                let mut text = text_of(&cell.value);
                if matches!(cell.value, DataRef::Float(_)) && cell::may_lack_a_zero(&text) {
                    loose.insert((row, column));
                }
                // A program wrote the formula and nobody has opened the file since: there is nothing to read, and a blank
                // cell would mean something.
                if text.is_empty() && cell.formula.is_some() && matches!(cell.value, DataRef::Empty) {
                    text = cell::NOT_COMPUTED.to_string();
                }
                if text.is_empty() {
                    continue;
                }
                text_left = text_left.checked_sub(text.len()).ok_or_else(|| too_big(name))?;
                let seats = rows.entry(row).or_default();
                if seats.is_empty() {
                    rows_left = rows_left
                        .checked_sub(1)
                        .ok_or_else(|| SheetFault::file(name, format!("超过 {MAX_ROWS} 行；请按县或乡镇拆分后分次导入")))?;
                }
                if seats.len() <= column as usize {
                    seats.resize(column as usize + 1, String::new());
                }
                if let Some(seat) = seats.get_mut(column as usize) {
                    *seat = text;
                }
            }
        }
        // What the spreadsheet shows says which it was. A second pass, for sheets with such cells only.
        if !loose.is_empty() {
            let mut styles = book.worksheet_cells_reader(&sheet).map_err(broken)?;
            while let Some((row, column, style)) = styles.next_style_id().map_err(broken)? {
                let format = styles.styles().get(style).and_then(|s| s.number_format.as_ref());
                if format.is_some_and(|f| shows_two_decimals(&f.format_code))
                    && loose.remove(&(row, column))
                    && let Some(text) = rows.get_mut(&row).and_then(|r| r.get_mut(column as usize))
                {
                    text.push('0');
                }
            }
        }
        let merged = book.merge_cells_by_sheet_name(&sheet).map_err(broken)?;
        carry_down(&mut rows, &merged);
        let loose = |row: u32| loose.range((row, 0)..=(row, u32::MAX)).map(|(_, c)| *c as usize).collect();
        let rows = rows.into_iter().map(|(row, cells)| Row { number: row.saturating_add(1), cells, loose: loose(row) }).collect();
        grids.push(Grid { name: sheet, rows });
    }
    if grids.is_empty() {
        return Err(SheetFault::file(name, "文件中没有可见的工作表"));
    }
    Ok(grids)
}

/// A merged region's value stands in its first cell only; the rows below mean it too.
fn carry_down(rows: &mut BTreeMap<u32, Vec<String>>, merged: &[calamine::Dimensions]) {
    let mut filled = 0usize;
    for region in merged {
        let ((top, column), (bottom, _)) = (region.start, region.end);
        let column = column as usize;
        if bottom <= top || column >= MAX_COLUMNS {
            continue;
        }
        let Some(value) = rows.get(&top).and_then(|r| r.get(column)).filter(|v| !v.is_empty()).cloned() else { continue };
        for (_, cells) in rows.range_mut(top.saturating_add(1)..=bottom) {
            if cells.len() <= column {
                cells.resize(column + 1, String::new());
            }
            if let Some(seat) = cells.get_mut(column).filter(|s| s.is_empty()) {
                seat.clone_from(&value);
            }
            filled += 1;
            if filled > MAX_FILLED {
                return;
            }
        }
    }
}

/// A cell's value as text: whole numbers without point or exponent, days as `2026-04-20`.
fn text_of(value: &DataRef) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::String(s) => cell::clean(s),
        DataRef::SharedString(s) => cell::clean(s),
        DataRef::Int(n) => n.to_string(),
        DataRef::Float(n) if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n:.0}"),
        DataRef::Float(n) => n.to_string(),
        DataRef::Bool(b) => if *b { "是" } else { "否" }.to_string(),
        DataRef::DateTime(t) if t.is_datetime() => {
            let (y, m, d, hour, minute, ..) = t.to_ymd_hms_milli();
            match (t.as_f64() < 1.0, hour, minute) {
                // A time of day has no date.
                (true, ..) => format!("{hour:02}:{minute:02}"),
                (false, 0, 0) => format!("{y:04}-{m:02}-{d:02}"),
                (false, ..) => format!("{y:04}-{m:02}-{d:02} {hour:02}:{minute:02}"),
            }
        }
        DataRef::DateTime(t) => t.as_f64().to_string(),
        DataRef::DateTimeIso(s) | DataRef::DurationIso(s) => cell::clean(s),
        DataRef::Error(e) => e.to_string(),
    }
}

/// A number format that shows 7.1 as 7.10.
fn shows_two_decimals(code: &str) -> bool {
    let positive = code.split(';').next().unwrap_or(code);
    let after = positive.split_once('.').map_or("", |(_, after)| after);
    after.starts_with("00") && !after.contains("000") && !after.contains(['#', '?', '%', 'E', 'e'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_measured_by_what_it_unpacks_to_not_by_what_it_says() {
        let mut book = rust_xlsxwriter::Workbook::new();
        book.add_worksheet().write(0, 0, "长".repeat(10_000)).unwrap();
        let bytes = book.save_to_buffer().unwrap();
        assert!(bytes.len() < 20_000);
        assert!(measure("x.xlsx", &bytes, 20_000).unwrap_err().message.contains("解压后超过"));
        assert!(measure("x.xlsx", &bytes, 1 << 20).is_ok());
    }

    #[test]
    fn a_part_that_states_a_count_it_cannot_have_is_refused_before_memory_is_reserved_for_it() {
        use std::io::Write;
        let largest = |xml: &str| {
            let mut counts = Counts::default();
            // In two writes, wherever the border falls.
            let (a, b) = xml.as_bytes().split_at(xml.len() / 2);
            counts.write_all(a).unwrap();
            counts.write_all(b).unwrap();
            counts.largest
        };
        assert_eq!(largest(r#"<sst count="3" uniqueCount = '12'>"#), 12);
        assert_eq!(largest("<sst uniqueCount=\"11000000000000000\"/>"), 11_000_000_000_000_000);
        assert_eq!(largest("<sst uniqueCount='1&#48;'/>"), u64::MAX);
        assert_eq!(largest("<t>amount 77 oount</t>"), 0);
        let utf16: Vec<u8> = "<sst count=\"99\"/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut counts = Counts::default();
        counts.write_all(&utf16).unwrap();
        assert_eq!(counts.largest, 99);

        let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
        to.start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default()).unwrap();
        to.write_all(b"<sst uniqueCount='11000000000000000'></sst>").unwrap();
        let bytes = to.finish().unwrap().into_inner();
        assert!(read("x.xlsx", &bytes).unwrap_err()[0].message.contains("计数与内容不符"));
    }

    #[test]
    fn merged_cells_reach_down_but_not_over_what_is_written() {
        let row = |cells: &[&str]| cells.iter().map(|c| c.to_string()).collect::<Vec<_>>();
        let mut rows = BTreeMap::from([(3, row(&["龙港镇", "a"])), (4, row(&["", "b"])), (5, row(&["中村镇"])), (9, row(&["", "c"]))]);
        let region = calamine::Dimensions::new((3, 0), (u32::MAX, 0));
        carry_down(&mut rows, &[region]);
        let first: Vec<&str> = rows.values().map(|r| r[0].as_str()).collect();
        assert_eq!(first, ["龙港镇", "龙港镇", "中村镇", "龙港镇"]);
    }

    #[test]
    fn two_decimals_are_shown_by_these_formats() {
        for code in ["0.00", "0.00_ ", "#,##0.00", "0.00;[Red]-0.00"] {
            assert!(shows_two_decimals(code), "{code}");
        }
        for code in ["General", "0", "0.0", "0.000", "0.00%", "0.00E+00", "0.0#", "@"] {
            assert!(!shows_two_decimals(code), "{code}");
        }
    }

    #[test]
    fn whole_numbers_have_no_exponent() {
        assert_eq!(text_of(&DataRef::Float(15_400_000_001.0)), "15400000001");
        assert_eq!(text_of(&DataRef::Float(140_521_100_200.0)), "140521100200");
        assert_eq!(text_of(&DataRef::Float(112.25)), "112.25");
    }
}
