//! Tallies and views for people and programs, made from the read side and from the core's findings. Changes nothing.

pub mod board;
pub mod coverage;
pub mod drill;
pub mod rehearsal;
pub mod table;
pub mod tally;

pub use board::Board;
pub use tally::{GroupBy, Tally};
