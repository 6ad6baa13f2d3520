//! What a start reads: the clock's floor, the names, every open record without its body, the letters.

use super::{
    index::{Index, Mark, Waiting},
    rid::{Class, Names, Rid},
    rows,
};
use crate::{core::time::Time, store::StoreError};
use rusqlite::Connection;

/// The highest engine time the file has seen.
pub(super) fn floor(c: &Connection) -> rusqlite::Result<Time> {
    c.query_row("SELECT now FROM meta", [], |r| r.get(0).map(Time))
}

/// Every line's number: bounded by the directory and those who called us. Other names are read when asked for.
pub(super) fn names(c: &Connection) -> Result<Names, StoreError> {
    let mut names = Names::default();
    let last = |table: &str| c.query_row(&format!("SELECT ifnull(max(id), 0) FROM {table}"), [], |r| r.get::<_, i64>(0));
    names.start(last("line").map_err(super::unavailable)?, last("named").map_err(super::unavailable)?);
    let mut statement = c.prepare("SELECT id, key FROM line").map_err(super::unavailable)?;
    let mut found = statement.query([]).map_err(super::unavailable)?;
    while let Some(r) = found.next().map_err(super::unavailable)? {
        let id: i64 = r.get(0).map_err(super::unavailable)?;
        let number = r.get_ref(1).and_then(|v| Ok(v.as_str()?)).map_err(super::unavailable)?;
        if !names.know_line_text(id, number) {
            return Err(StoreError::Corrupt(format!("row {id} of table line has a key that is no telephone number")));
        }
    }
    Ok(names)
}

pub(super) fn index(c: &Connection) -> rusqlite::Result<Index> {
    let mut index = Index::default();
    let mut open: Vec<(Rid, Mark)> = Vec::new();
    for class in Class::ALL {
        let sql = format!("SELECT id, {} FROM {} WHERE live > 0 ORDER BY id", rows::mark_columns(class), class.table());
        let mut statement = c.prepare(&sql)?;
        let mut found = statement.query([])?;
        while let Some(r) = found.next()? {
            open.push((rows::rid(r, 0, class)?, rows::mark(r, 1)?));
        }
    }
    index.fill(open.into_iter());
    let mut statement = c.prepare("SELECT seq, id, lane, ready, body FROM inbox ORDER BY seq")?;
    let mut found = statement.query([])?;
    while let Some(r) = found.next()? {
        let body: Vec<u8> = r.get(4)?;
        index.deliver(
            Rid(r.get(1)?),
            Waiting { seq: rows::number(r, 0)?, lane: r.get(2)?, ready: r.get(3)?, body: Some(body.into_boxed_slice()) },
        );
    }
    Ok(index)
}
