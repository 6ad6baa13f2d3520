//! Sheets of responsible persons (责任人名册), of points (点位) and of duty rotas (值班表): the bytes of a CSV or XLSX file as offices write them →
//! rows → a new directory, or the list of cells that must be corrected first.
//!
//! The way through: [`read_sheet`] (bytes → cells under known columns, `csv`, `xlsx`, `table`),
//! [`read_rows`] (cells → one typed row per person × post × object, `rows`; per point, `points`; per person × shift, `rota`),
//! [`merge`] (rows → people, matched with those already known, `people`, `merge`, `duty`). [`sheet_csv`] and [`workbook`] write the
//! same forms.
//!
//! Two kinds of faults: what is written but cannot be understood is *fatal*, and nothing of the
//! file is applied; what is missing or odd but usable is a finding beside the applied import.

mod cell;
mod columns;
mod csv;
mod duty;
mod mentions;
mod merge;
mod objects;
mod owners;
mod people;
mod places;
mod points;
mod rota;
mod rows;
mod same;
mod siting;
mod table;
mod write;
mod xlsx;

pub use columns::{COLUMNS, Column, Form};
pub use merge::{FEW, ImportMode, ImportOptions, ImportResult, MOST_GONE, merge};
pub use rows::{End, Mention, Object, SheetRow, SheetRows, read_rows};
pub use table::{Row, Sheet, Table};
pub use write::{form_csv, sheet_csv, workbook};

use crate::core::{
    directory::{Directory, DivisionName},
    division::Division,
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// Rows of all sheets together that one import may have, titles included.
pub const MAX_ROWS: usize = 200_000;
/// Columns that are looked at.
pub const MAX_COLUMNS: usize = 64;
/// Characters that one cell may have.
pub const MAX_CELL: usize = 2_000;

/// What is wrong or odd in a file, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SheetFault {
    /// The sheet's name; the file's for CSV.
    pub sheet: String,
    /// The cell's address such as `F12`; empty where it is about the whole file.
    pub cell: String,
    /// The column's title as this program writes it; empty where there is none.
    pub column: String,
    /// In Chinese: what is wrong and what to do.
    pub message: String,
    /// True: nothing of the file is applied.
    pub fatal: bool,
}
impl SheetFault {
    /// A fault of the whole file.
    pub fn file(sheet: &str, message: impl Into<String>) -> SheetFault {
        SheetFault { sheet: sheet.into(), cell: String::new(), column: String::new(), message: message.into(), fatal: true }
    }
}
impl fmt::Display for SheetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.fatal { "错误" } else { "提示" };
        write!(f, "[{kind}] {}", self.sheet)?;
        if !self.cell.is_empty() {
            write!(f, "!{}", self.cell)?;
        }
        if !self.column.is_empty() {
            write!(f, "（{}）", self.column)?;
        }
        write!(f, "：{}", self.message)
    }
}

/// The address of a cell as spreadsheets show it; both numbers count from 0 and 1: (0, 12) is `A12`.
pub fn address(column: usize, row: u32) -> String {
    let mut letters = Vec::new();
    let mut n = column + 1;
    while n > 0 {
        letters.push(char::from(b'A' + ((n - 1) % 26) as u8));
        n = (n - 1) / 26;
    }
    letters.iter().rev().chain(row.to_string().chars().collect::<Vec<_>>().iter()).collect()
}

/// Reads a file into cells under known columns. The format is told by the content; the name of the
/// file is only for messages. Errors are faults of the file or its header row.
pub fn read_sheet(filename: &str, bytes: &[u8]) -> Result<Table, Vec<SheetFault>> {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or(filename);
    let grids = if bytes.starts_with(b"PK\x03\x04") {
        xlsx::read(name, bytes)?
    } else if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        let message = "这是旧版 .xls（或加密的）文件，无法读取；请在表格软件中去掉密码，另存为 .xlsx 或 CSV 后再导入";
        return Err(vec![SheetFault::file(name, message)]);
    } else {
        vec![csv::read(name, bytes).map_err(|f| vec![f])?]
    };
    Table::from_grids(name, grids)
}

/// The whole way: a file's bytes and the directory in force → the new directory, or the faults.
/// `divisions` is the list of divisions in force, which becomes the new directory's.
pub fn import(
    filename: &str,
    bytes: &[u8],
    current: &Directory,
    divisions: &BTreeMap<Division, DivisionName>,
    options: &ImportOptions,
) -> ImportResult {
    match read_sheet(filename, bytes) {
        Ok(table) => merge(current, read_rows(filename, &table, divisions, &options.roles), divisions, options),
        Err(faults) => ImportResult::refused(faults),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_spreadsheets() {
        let all = [(0, "A7"), (25, "Z7"), (26, "AA7"), (51, "AZ7"), (52, "BA7"), (701, "ZZ7"), (702, "AAA7")];
        for (column, text) in all {
            assert_eq!(address(column, 7), text);
        }
    }
}
