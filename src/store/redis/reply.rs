//! Reading what a server answered. What does not have the shape our own functions give it is said,
//! never a panic.

use super::codec::corrupt;
use crate::store::StoreError;
use redis::Value;
use std::str::FromStr;

pub(super) fn array(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(all) => Ok(all),
        other => Err(corrupt(format!("expected a list, got {other:?}"))),
    }
}

/// An answer of exactly `N` parts.
pub(super) fn parts<const N: usize>(value: Value) -> Result<[Value; N], StoreError> {
    let all = array(value)?;
    let n = all.len();
    all.try_into().map_err(|_| corrupt(format!("expected {N} parts, got {n}")))
}

pub(super) fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    maybe_bytes(value)?.ok_or_else(|| corrupt("expected a string, got nothing"))
}

pub(super) fn maybe_bytes(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(b) => Ok(Some(b)),
        Value::SimpleString(s) => Ok(Some(s.into_bytes())),
        Value::Okay => Ok(Some(b"OK".to_vec())),
        Value::Int(n) => Ok(Some(n.to_string().into_bytes())),
        other => Err(corrupt(format!("expected a string, got {other:?}"))),
    }
}

pub(super) fn text(value: Value) -> Result<String, StoreError> {
    String::from_utf8(bytes(value)?).map_err(corrupt)
}

pub(super) fn number<T: FromStr>(value: Value) -> Result<T, StoreError> {
    let text = text(value)?;
    text.parse().map_err(|_| corrupt(format!("`{text}` is not the number expected")))
}

/// A time as the library writes it: a whole number that may lie past what an `i64` holds; empty for none.
pub(super) fn time(value: Value) -> Result<Option<i64>, StoreError> {
    let text = text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    // `as` holds at the ends of the range, which is what a double past them meant.
    let read = text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().map(|f| f as i64));
    read.map(Some).ok_or_else(|| corrupt(format!("`{text}` is not a time")))
}

/// Consecutive pairs of a flat list.
pub(super) fn pairs(value: Value) -> Result<Vec<(Value, Value)>, StoreError> {
    let mut all = array(value)?.into_iter();
    let mut out = Vec::with_capacity(all.len() / 2);
    while let Some(first) = all.next() {
        out.push((first, all.next().ok_or_else(|| corrupt("a list of pairs has an odd end"))?));
    }
    Ok(out)
}
