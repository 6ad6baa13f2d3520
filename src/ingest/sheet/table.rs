//! Cells under known columns: finds the header row below whatever titles stand above it.

use super::{MAX_CELL, MAX_ROWS, SheetFault, address, cell, columns::Column};
use std::collections::BTreeMap;

/// How far down a header row is looked for.
const HEADER_WITHIN: usize = 20;
/// So many known titles make a row a header.
const HEADER_TITLES: usize = 3;

/// What a file format hands over: plain cells by row, before anything is understood.
#[derive(Debug)]
pub(super) struct Grid {
    pub name: String,
    pub rows: Vec<Row>,
}

/// A row as in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// As spreadsheets count, from 1.
    pub number: u32,
    /// Cleaned texts; short rows have fewer.
    pub cells: Vec<String>,
}

/// A sheet whose header was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    pub name: String,
    /// Where each known column stands; number columns may stand several times.
    pub columns: BTreeMap<Column, Vec<usize>>,
    /// The row below which the data begins.
    pub header_row: u32,
    /// Data rows that are not wholly blank.
    pub rows: Vec<Row>,
}
impl Sheet {
    /// The text of a column in a row, the first where there are several; empty where there is none.
    pub fn text<'a>(&self, row: &'a Row, column: Column) -> &'a str {
        self.texts(row, column).next().unwrap_or("")
    }
    /// The texts of all columns of this kind.
    pub fn texts<'a>(&self, row: &'a Row, column: Column) -> impl Iterator<Item = &'a str> {
        let at = self.columns.get(&column).map(Vec::as_slice).unwrap_or_default();
        at.iter().map(|i| row.cells.get(*i).map_or("", String::as_str))
    }
    /// The address of a column's cell in a row; the row's first cell where the column is missing.
    pub fn cell(&self, row: u32, column: Column) -> String {
        address(self.columns.get(&column).and_then(|at| at.first()).copied().unwrap_or(0), row)
    }
}

/// A file's sheets, ready to be read row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub sheets: Vec<Sheet>,
    /// What was odd but not fatal so far.
    pub findings: Vec<SheetFault>,
}

impl Table {
    pub(super) fn from_grids(file: &str, grids: Vec<Grid>) -> Result<Table, Vec<SheetFault>> {
        let (mut sheets, mut findings, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        let several = grids.len() > 1;
        if grids.iter().map(|g| g.rows.len()).sum::<usize>() > MAX_ROWS {
            return Err(vec![SheetFault::file(file, format!("超过 {MAX_ROWS} 行；请按县或乡镇拆分后分次导入"))]);
        }
        for grid in grids {
            if grid.rows.is_empty() {
                continue;
            }
            match header_of(&grid) {
                None if several => findings.push(SheetFault {
                    fatal: false,
                    ..SheetFault::file(&grid.name, "此工作表没有表头（姓名、责任类别、责任层级…），已跳过")
                }),
                None => {}
                Some((at, columns)) => sheet(grid, at, columns, &mut sheets, &mut findings, &mut faults),
            }
        }
        if sheets.is_empty() && faults.is_empty() {
            faults.push(SheetFault::file(
                file,
                "没有找到表头；前 20 行中须有一行写明各列名称，至少有：姓名、责任类别、责任层级、行政区划代码、手机1",
            ));
        }
        if faults.is_empty() { Ok(Table { sheets, findings }) } else { Err(faults) }
    }
}

type Titles = Vec<(usize, Option<Column>, String)>;

/// The row with most known titles among the first ones, and its titles.
fn header_of(grid: &Grid) -> Option<(usize, Titles)> {
    let mut best: Option<(usize, usize, Titles)> = None;
    for (at, row) in grid.rows.iter().take(HEADER_WITHIN).enumerate() {
        let titles: Titles = row
            .cells
            .iter()
            .enumerate()
            .filter(|(_, text)| !text.is_empty())
            .map(|(i, text)| (i, Column::from_title(text), text.clone()))
            .collect();
        let mut known: Vec<Column> = titles.iter().filter_map(|(_, c, _)| *c).collect();
        known.sort_unstable();
        known.dedup();
        if known.len() >= HEADER_TITLES && best.as_ref().is_none_or(|(n, _, _)| known.len() > *n) {
            best = Some((known.len(), at, titles));
        }
    }
    best.map(|(_, at, titles)| (at, titles))
}

fn sheet(grid: Grid, at: usize, titles: Titles, sheets: &mut Vec<Sheet>, findings: &mut Vec<SheetFault>, faults: &mut Vec<SheetFault>) {
    let header_row = grid.rows.get(at).map_or(1, |r| r.number);
    let fault = |i: usize, column: &str, message: String, fatal: bool| SheetFault {
        sheet: grid.name.clone(),
        cell: address(i, header_row),
        column: column.to_string(),
        message,
        fatal,
    };
    let mut columns: BTreeMap<Column, Vec<usize>> = BTreeMap::new();
    for (i, column, title) in titles {
        let Some(column) = column else {
            findings.push(fault(i, &title, format!("不认识的列“{}”，未导入；如需导入请改用模板中的列名", cell::line(&title)), false));
            continue;
        };
        let seats = columns.entry(column).or_default();
        let may_repeat = matches!(column, Column::Phone1 | Column::Phone2 | Column::DutyPhone | Column::DeputyPhone);
        if seats.is_empty() || may_repeat {
            seats.push(i);
        } else {
            findings.push(fault(i, column.title(), format!("“{}”列重复，只读取第一列", column.title()), false));
        }
    }
    let mut need = |column: Column, present: bool, or: &str| {
        if !present {
            faults.push(fault(0, column.title(), format!("缺少“{}”列；请在表头中补上{or}", column.title()), true));
        }
    };
    need(Column::Name, columns.contains_key(&Column::Name), "");
    need(Column::Role, columns.contains_key(&Column::Role), "");
    let placed =
        columns.contains_key(&Column::Division) || columns.contains_key(&Column::County) || columns.contains_key(&Column::Township);
    need(Column::Division, placed, "（或县、乡镇、村三列）");
    let numbered = columns.contains_key(&Column::Phone1) || columns.contains_key(&Column::Phone2);
    need(Column::Phone1, numbered, "");

    let mut rows: Vec<Row> = Vec::with_capacity(grid.rows.len().saturating_sub(at + 1));
    for row in grid.rows.into_iter().skip(at + 1) {
        if row.cells.iter().all(String::is_empty) {
            continue;
        }
        for (column, at) in &columns {
            for text in at.iter().filter_map(|i| row.cells.get(*i)) {
                if text.len() > MAX_CELL && text.chars().count() > MAX_CELL {
                    let cell = address(at.first().copied().unwrap_or(0), row.number);
                    let message = format!("内容超过 {MAX_CELL} 字；请缩短");
                    faults.push(SheetFault { sheet: grid.name.clone(), cell, column: column.title().into(), message, fatal: true });
                }
            }
        }
        rows.push(row);
    }
    sheets.push(Sheet { name: grid.name, columns, header_row, rows });
}
