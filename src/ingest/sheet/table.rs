//! Cells under known columns: finds the header row below whatever titles stand above it.

use super::{
    MAX_CELL, MAX_ROWS, SheetFault, address, cell,
    columns::{Column, Form},
    owners,
};
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
    /// Columns whose number may have been written with a zero more: 7.1 was 7.1 or 7.10.
    pub loose: Vec<usize>,
}

/// A sheet whose header was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    pub name: String,
    pub form: Form,
    /// What stands above the header: titles such as `沁水县2026年7月值班表`.
    pub heading: String,
    /// The row above the header, each text reaching right to the next: `白班` over its name and number.
    pub groups: Vec<String>,
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
    /// Whether a second number of a person has a column to stand in.
    pub fn has_second_number(&self) -> bool {
        let columns = |c: Column| self.columns.get(&c).map_or(0, Vec::len);
        columns(Column::Phone1) + columns(Column::Phone2) > 1
    }
    /// The texts of all columns of this kind.
    pub fn texts<'a>(&self, row: &'a Row, column: Column) -> impl Iterator<Item = &'a str> {
        let at = self.columns.get(&column).map(Vec::as_slice).unwrap_or_default();
        at.iter().map(|i| row.cells.get(*i).map_or("", String::as_str))
    }
    /// Where a column stands: all its places, or those of what says the same in its stead; else the row's first cell.
    pub(super) fn seats(&self, column: Column) -> (Column, &[usize]) {
        let stands = |c: Column| self.columns.get(&c).filter(|at| !at.is_empty()).map(|at| (c, at.as_slice()));
        std::iter::once(column).chain(column.instead().iter().copied()).find_map(stands).unwrap_or((column, &[0]))
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
                Some((form, at, columns)) => sheet(form, grid, at, columns, &mut sheets, &mut findings, &mut faults),
            }
        }
        if sheets.is_empty() && faults.is_empty() {
            faults.push(SheetFault::file(
                file,
                "没有找到表头；前 20 行中须有一行写明各列名称，责任人表至少有：姓名、责任类别、责任层级、行政区划代码、手机1；\
                 点位表至少有：点位编号、点位名称、点位类别、行政区划代码；值班表至少有：日期、带班领导或值班员",
            ));
        }
        if faults.is_empty() { Ok(Table { sheets, findings }) } else { Err(faults) }
    }
}

pub(super) type Titles = Vec<(usize, Option<Column>, String)>;

/// Whether these columns are those of a form and of no other.
fn is_form(form: Form, known: &[Column]) -> bool {
    let has = |c: Column| known.contains(&c);
    match form {
        Form::People => true,
        Form::Points => {
            (has(Column::ObjectCode) || has(Column::ObjectName))
                && [Column::Role, Column::Category, Column::Downstream, Column::Longitude, Column::Latitude].into_iter().any(has)
        }
        Form::Rotas => {
            (has(Column::Date) && (has(Column::Leader) || has(Column::Officer) || (has(Column::Name) && has(Column::Seat))))
                || (has(Column::Starts) && has(Column::Ends) && has(Column::Name))
        }
    }
}

/// The form, its header row (the one with most known titles among the first ones) and the titles. Persons have a name column and a
/// role, which neither of the others has together.
fn header_of(grid: &Grid) -> Option<(Form, usize, Titles)> {
    let mut best: Option<(usize, Form, usize, Titles)> = None;
    let filled = |titles: &Titles| titles.iter().filter(|(_, c, _)| c.is_some()).count();
    for (at, row) in grid.rows.iter().take(HEADER_WITHIN).enumerate() {
        for form in Form::ALL {
            let titles: Titles = row
                .cells
                .iter()
                .enumerate()
                .filter(|(_, text)| !text.is_empty())
                .map(|(i, text)| (i, Column::from_title(form, text), text.clone()))
                .collect();
            let mut known: Vec<Column> = titles.iter().filter_map(|(_, c, _)| *c).collect();
            known.sort_unstable();
            known.dedup();
            let named = has_title(row, Column::Name) && has_title(row, Column::Role);
            let enough = if form == Form::People { HEADER_TITLES } else { HEADER_TITLES - 1 };
            if known.len() < enough || !is_form(form, &known) || (form == Form::Points && named) {
                continue;
            }
            // A header of persons that merely lacks columns must be told so, not be taken for another form.
            // 姓名, 电话 twice below 责任人 and B角: the lower row of the two is the header.
            let below = |f: Form, above: usize, t: &Titles| form == f && at == above + 1 && filled(&titles) > filled(t);
            let better = |(n, f, a, t): &(usize, Form, usize, Titles)| {
                known.len() > *n || (known.len() == *n && ((form > *f && !named) || below(*f, *a, t)))
            };
            if best.as_ref().is_none_or(better) {
                best = Some((known.len(), form, at, titles));
            }
        }
    }
    best.map(|(_, form, at, titles)| (form, at, titles))
}

/// Whether a row has this title of the sheet of persons.
fn has_title(row: &Row, column: Column) -> bool {
    row.cells.iter().any(|t| Column::from_title(Form::People, t) == Some(column))
}

/// Texts reaching right until the next begins, as a merged cell shows them.
fn reach_right(cells: &[String], width: usize) -> Vec<String> {
    let mut last = String::new();
    let at = |i: usize| cells.get(i).filter(|t| !t.is_empty());
    (0..width)
        .map(|i| {
            if let Some(text) = at(i) {
                last.clone_from(text);
            }
            last.clone()
        })
        .collect()
}

fn sheet(
    form: Form,
    grid: Grid,
    at: usize,
    titles: Titles,
    sheets: &mut Vec<Sheet>,
    findings: &mut Vec<SheetFault>,
    faults: &mut Vec<SheetFault>,
) {
    let header_row = grid.rows.get(at).map_or(1, |r| r.number);
    let width = grid.rows.get(at).map_or(0, |r| r.cells.len());
    let above = grid.rows.get(at.wrapping_sub(1)).filter(|r| r.number + 1 == header_row);
    let groups = reach_right(above.map(|r| r.cells.as_slice()).unwrap_or_default(), width);
    let heading: Vec<&str> = grid.rows.iter().take(at).flat_map(|r| &r.cells).map(String::as_str).filter(|t| !t.is_empty()).collect();
    let heading = heading.join(" ");
    let fault = |i: usize, column: &str, message: String, fatal: bool| SheetFault {
        sheet: grid.name.clone(),
        cell: address(i, header_row),
        column: column.to_string(),
        message,
        fatal,
    };
    let titles = if form == Form::People {
        let (titles, wrong) = owners::settle(titles, &groups);
        faults.extend(wrong.into_iter().map(|(i, column, message)| fault(i, column.title_in(form), message, true)));
        titles
    } else {
        titles
    };
    let mut columns: BTreeMap<Column, Vec<usize>> = BTreeMap::new();
    for (i, column, title) in titles {
        let Some(column) = column else {
            findings.push(fault(i, &title, format!("不认识的列“{}”，未导入；如需导入请改用模板中的列名", cell::line(&title)), false));
            continue;
        };
        let seats = columns.entry(column).or_default();
        let may_repeat = match column {
            Column::Phone1 | Column::Phone2 | Column::DutyPhone | Column::DeputyPhone | Column::Serial => true,
            Column::Officer | Column::OfficerPhone | Column::Leader | Column::LeaderPhone => form == Form::Rotas,
            _ => false,
        };
        if seats.is_empty() || (may_repeat && (column != Column::Serial || form == Form::Rotas)) {
            seats.push(i);
        } else {
            findings.push(fault(i, column.title_in(form), format!("“{}”列重复，只读取第一列", column.title_in(form)), false));
        }
    }
    let has = |c: Column| columns.contains_key(&c);
    let mut need = |column: Column, present: bool, or: &str| {
        if !present {
            let title = column.title_in(form);
            faults.push(fault(0, title, format!("缺少“{title}”列；请在表头中补上{or}"), true));
        }
    };
    let placed = has(Column::Division) || has(Column::County) || has(Column::Township);
    match form {
        Form::People => {
            need(Column::Name, has(Column::Name), "");
            need(Column::Role, has(Column::Role), "");
            need(Column::Division, placed, "（或县、乡镇、村三列）");
            need(Column::Phone1, has(Column::Phone1) || has(Column::Phone2), "");
        }
        Form::Points => {
            need(Column::ObjectCode, has(Column::ObjectCode), "");
            need(Column::Role, has(Column::Role) || has(Column::Category), "（或“点位类型”列）");
            need(Column::Division, placed, "（或县、乡镇、村三列）");
        }
        // Where the office is not written in a column it stands in the title, or in the sheet's or file's name.
        Form::Rotas => {}
    }

    let mut rows: Vec<Row> = Vec::with_capacity(grid.rows.len().saturating_sub(at + 1));
    for row in grid.rows.into_iter().skip(at + 1) {
        if row.cells.iter().all(String::is_empty) {
            continue;
        }
        for (column, at) in &columns {
            for (i, text) in at.iter().filter_map(|i| Some((*i, row.cells.get(*i)?))) {
                if text.len() > MAX_CELL && text.chars().count() > MAX_CELL {
                    let cell = address(i, row.number);
                    let message = format!("内容超过 {MAX_CELL} 字；请缩短");
                    let column = column.title_in(form).into();
                    faults.push(SheetFault { sheet: grid.name.clone(), cell, column, message, fatal: true });
                }
            }
        }
        rows.push(row);
    }
    sheets.push(Sheet { name: grid.name, form, heading, groups, columns, header_row, rows });
}
