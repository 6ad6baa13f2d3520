//! The rules: the shipped policy as a table, plans made from a small county, and every message.
//!
//! Snapshots lie under `tests/it/snapshots/`; a change of wording or policy shows there as a change of text.

mod areas;
mod duty;
mod messages;
mod plans;
mod properties;
mod table;
mod town;
