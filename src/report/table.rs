//! A table for people: the same rows as XLSX, CSV and aligned text. Every value is text, so that no number is
//! changed by a spreadsheet and no name is taken for a formula.

use rust_xlsxwriter::{Format, FormatAlign, Workbook, XlsxError};

/// One sheet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Of the sheet, at most 31 characters.
    pub title: String,
    /// Heading and width in characters.
    pub columns: Vec<(&'static str, u16)>,
    pub rows: Vec<Vec<String>>,
}

/// A workbook of these sheets.
///
/// # Errors
/// A title that no sheet may have.
pub fn xlsx(tables: &[Table]) -> Result<Vec<u8>, String> {
    build(tables).map_err(|e| e.to_string())
}

fn build(tables: &[Table]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let head = Format::new().set_bold().set_text_wrap().set_align(FormatAlign::VerticalCenter);
    let cell = Format::new().set_text_wrap().set_align(FormatAlign::Top);
    for table in tables {
        let sheet = book.add_worksheet();
        sheet.set_name(&table.title)?;
        for (column, (name, width)) in (0u16..).zip(&table.columns) {
            sheet.set_column_width(column, *width)?;
            sheet.write_string_with_format(0, column, *name, &head)?;
        }
        for (row, values) in (1u32..).zip(&table.rows) {
            for (column, value) in (0u16..).zip(values) {
                sheet.write_string_with_format(row, column, value, &cell)?;
            }
        }
        sheet.set_freeze_panes(1, 0)?;
        if let (Some(last), false) = (u16::try_from(table.columns.len()).ok().and_then(|n| n.checked_sub(1)), table.rows.is_empty()) {
            sheet.autofilter(0, 0, table.rows.len() as u32, last)?;
        }
    }
    book.save_to_buffer()
}

/// UTF-8 with BOM, which spreadsheets in Chinese need.
pub fn csv(table: &Table) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing into memory cannot fail, and every record has the heading's length.
    let mut put = |record: Vec<String>| drop(writer.write_record(record));
    put(table.columns.iter().map(|(name, _)| (*name).to_string()).collect());
    table.rows.iter().for_each(|row| put(row.iter().map(|v| no_formula(v)).collect()));
    let bytes = writer.into_inner().unwrap_or_default();
    format!("\u{feff}{}", String::from_utf8(bytes).unwrap_or_default())
}

/// What a spreadsheet would take for a formula is made text.
fn no_formula(value: &str) -> String {
    if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{value}") } else { value.to_string() }
}

/// For a terminal: columns aligned, Chinese characters two wide, the last column as long as it is.
pub fn text(table: &Table) -> String {
    let mut widths: Vec<usize> = table.columns.iter().map(|(name, _)| width(name)).collect();
    for row in &table.rows {
        for (w, value) in widths.iter_mut().zip(row) {
            *w = (*w).max(width(value));
        }
    }
    let line = |values: &mut dyn Iterator<Item = &str>| {
        let mut out = String::new();
        for (value, w) in values.zip(&widths) {
            out.push_str(value);
            out.extend(std::iter::repeat_n(' ', w.saturating_sub(width(value)) + 2));
        }
        format!("{}\n", out.trim_end())
    };
    let mut out = line(&mut table.columns.iter().map(|(name, _)| *name));
    for row in &table.rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

fn width(text: &str) -> usize {
    text.chars().map(|c| if (c as u32) >= 0x2e80 { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            title: "缺口".into(),
            columns: vec![("地点", 12), ("说明", 40)],
            rows: vec![vec!["梁庄村".into(), "=HYPERLINK(\"x\")".into()], vec!["A".into(), "-1".into()]],
        }
    }

    #[test]
    fn text_is_aligned_by_what_is_seen() {
        assert_eq!(text(&table()), "地点    说明\n梁庄村  =HYPERLINK(\"x\")\nA       -1\n");
    }

    #[test]
    fn nothing_becomes_a_formula() {
        let csv = csv(&table());
        assert!(csv.contains("'=HYPERLINK") && csv.contains("'-1"), "{csv}");
        assert!(xlsx(&[table()]).unwrap().starts_with(b"PK"));
    }
}
