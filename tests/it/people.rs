//! The directory of responsible persons: ugly sheets in, the sample out, and back again.

mod coverage;
mod sample;
mod sheets;
