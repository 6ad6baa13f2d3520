//! Moving a store: whatever it holds goes from SQLite to Redis and back and is the same afterwards, the
//! work goes on where it was, and what must not be moved is refused.

mod cli;
mod figures;
mod fill;
mod refusals;
mod round;
