//! Tallies and views for people and programs, made from the read side. Changes nothing.

pub mod tally;

pub use tally::{GroupBy, Tally};
