//! Tallies and views for people and programs, made from the read side. Changes nothing.

pub mod board;
pub mod tally;

pub use board::Board;
pub use tally::{GroupBy, Tally};
