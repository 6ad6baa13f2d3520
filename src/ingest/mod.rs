//! ingest
pub mod sheet;
