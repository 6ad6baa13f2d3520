//! The directory of responsible persons: ugly sheets in, the sample out, and back again; who is on duty; what lies downstream.

mod back;
mod cells;
mod coverage;
mod dates;
mod merging;
mod points;
mod sample;
mod sheets;
mod ugly;
mod ugly_sheets;
