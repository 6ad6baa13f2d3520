//! The public JSON of things, exactly as the contract has it. Pure: state in, JSON out.

pub mod callout;
pub mod directory;
pub mod forecast;
pub mod task;
pub mod timeline;
pub mod warning;

use crate::core::{phone::Phone, time::Time};
use serde::Serialize;

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// To be given back as `cursor`; `null` on the last page.
    pub next_cursor: Option<String>,
}

/// How phone numbers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phones {
    Masked,
    /// Only for operators and admins who asked; the caller records it.
    Revealed,
}
impl Phones {
    pub fn show(self, phone: &Phone) -> String {
        match self {
            Phones::Masked => phone.masked(),
            Phones::Revealed => phone.reveal().to_string(),
        }
    }
}

/// RFC 3339 in Beijing time.
pub fn at(time: Time) -> String {
    time.rfc3339()
}

/// A time as people read it on a page: 7月8日 16:15.
pub fn zh(time: Time) -> String {
    let t = time.beijing();
    format!("{}月{}日 {:02}:{:02}", t.month(), t.day(), t.hour(), t.minute())
}
