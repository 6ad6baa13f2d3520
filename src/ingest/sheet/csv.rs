//! CSV as Chinese offices write it: UTF-8 with or without BOM, UTF-16 with BOM ("Unicode text"),
//! GBK/GB18030; separated by comma, tab or semicolon.

use super::{
    MAX_COLUMNS, MAX_ROWS, SheetFault, cell,
    table::{Grid, Row},
};
use std::borrow::Cow;

/// Text from bytes, by BOM, else UTF-8 if it is valid, else GB18030 (which contains GBK).
fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<Cow<'a, str>, SheetFault> {
    if let Some((encoding, bom)) = encoding_rs::Encoding::for_bom(bytes) {
        let (text, wrong) = encoding.decode_without_bom_handling(bytes.get(bom..).unwrap_or_default());
        return if wrong { Err(unreadable(name)) } else { Ok(text) };
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let (text, wrong) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
    if wrong { Err(unreadable(name)) } else { Ok(text) }
}

fn unreadable(name: &str) -> SheetFault {
    SheetFault::file(name, "文字编码无法识别（既不是 UTF-8，也不是 GBK/GB18030）；请在表格软件中另存为“CSV UTF-8”或 .xlsx 后再导入")
}

/// The separator that the first lines have most of.
fn separator(text: &str) -> u8 {
    let head = || text.lines().take(20);
    let count = |c: char| head().map(|l| l.matches(c).count()).max().unwrap_or(0);
    [(b',', ','), (b'\t', '\t'), (b';', ';')].into_iter().rev().max_by_key(|(_, c)| count(*c)).map_or(b',', |(b, _)| b)
}

/// Ends of lines: `\n`, `\r\n`, or a lone `\r`.
fn line_ends(bytes: &[u8]) -> usize {
    let next = bytes.iter().skip(1).map(Some).chain([None]);
    bytes.iter().zip(next).filter(|(b, next)| **b == b'\n' || (**b == b'\r' && *next != Some(&b'\n'))).count()
}

/// Reads a CSV file into cells. Row numbers are those a spreadsheet shows: blank lines count, line
/// breaks inside a quoted cell do not.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Grid, SheetFault> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(SheetFault::file(name, "文件是空的"));
    }
    let text = decode(name, bytes)?;
    if text.contains('\0') {
        return Err(unreadable(name));
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator(&text)).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut rows: Vec<Row> = Vec::new();
    // How far lines were counted, how many there were, and how many of them stood inside a cell.
    let (mut counted, mut lines, mut inside) = (0usize, 0usize, 0usize);
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(e) => return Err(SheetFault::file(name, format!("CSV 无法读取：{e}；请另存为 .xlsx 后再导入"))),
        }
        // The reader's position is that before the blank lines it skipped.
        let from = record.position().map_or(0, |p| usize::try_from(p.byte()).unwrap_or(usize::MAX));
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        let start = from.saturating_add(rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count());
        lines += line_ends(text.as_bytes().get(counted..start).unwrap_or_default());
        counted = start;
        let number = u32::try_from((lines + 1).saturating_sub(inside)).unwrap_or(u32::MAX);
        inside += record.iter().map(|c| line_ends(c.as_bytes())).sum::<usize>();
        if rows.len() > MAX_ROWS {
            return Err(SheetFault::file(name, format!("超过 {MAX_ROWS} 行；请按县或乡镇拆分后分次导入")));
        }
        let mut cells: Vec<String> = record.iter().take(MAX_COLUMNS).map(cell::clean).collect();
        while cells.last().is_some_and(String::is_empty) {
            cells.pop();
        }
        if !cells.is_empty() {
            let loose = (0..).zip(&cells).filter(|(_, c)| cell::may_lack_a_zero(c)).map(|(i, _)| i).collect();
            rows.push(Row { number, cells, loose });
        }
    }
    Ok(Grid { name: name.to_string(), rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> Vec<(u32, Vec<String>)> {
        read("x.csv", bytes).unwrap().rows.into_iter().map(|r| (r.number, r.cells)).collect()
    }

    #[test]
    fn every_encoding_of_offices_reads_the_same() {
        let text = "姓名,手机\n张三,15400000001\n";
        let want = rows(text.as_bytes());
        assert_eq!(rows(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), want);
        assert_eq!(rows(&encoding_rs::GBK.encode(text).0), want);
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.replace(',', "\t").encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(rows(&utf16), want);
        assert_eq!(rows(text.replace(',', ";").as_bytes()), want);
        assert!(read("x.csv", b"\xff\xff\xff,\x80").unwrap_err().message.contains("编码"));
        assert!(read("x.csv", b" \r\n").is_err());
    }

    #[test]
    fn row_numbers_are_those_of_a_spreadsheet() {
        let found = rows("a,b\r\n\r\n\"c\r\nd\",e\r\n,,\r\n\nf".as_bytes());
        let numbers: Vec<u32> = found.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, [1, 3, 6]);
        assert_eq!(found[1].1[0], "c\nd");
    }
}
