//! What operators watch: logs to standard error, metrics for Prometheus.
//!
//! Who lives here: the set-up of `tracing` and the names of the metrics with one function each, so
//! that a name is spelt once. What never happens here: a phone number, a token or a callback's path
//! in a log line or a label.

pub mod logs;
pub mod measured;
pub mod metrics;
