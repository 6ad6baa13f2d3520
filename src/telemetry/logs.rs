//! Logs: to standard error, as text or one JSON object a line.

use crate::config::Log;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging for the whole process. A second call changes nothing (tests start many gateways).
///
/// # Errors
/// The level is not a filter; says which.
pub fn start(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|e| format!("log.level `{}` is not a filter: {e}", log.level))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true);
    // A subscriber that stands already is as good as ours.
    let _ = if log.json { builder.json().flatten_event(true).try_init() } else { builder.compact().try_init() };
    Ok(())
}
