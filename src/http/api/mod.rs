//! `/api/v1`: handlers that read a request, ask the engine or the read side, and show the answer.

pub mod callouts;
pub mod directory;
pub mod directory_edit;
pub mod directory_read;
pub mod drills;
pub mod feedback;
pub mod policy;
pub mod post;
pub mod providers;
pub mod readiness;
pub mod tasks;
pub mod warnings;

use super::error::Problem;
use std::str::FromStr;

/// How many items a page has: 1 to 500, 100 where not asked.
pub fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(100),
        Some(n @ 1..=500) => Ok(n),
        Some(n) => Err(Problem::malformed(format!("limit={n} is outside 1 to 500"))),
    }
}

/// A query parameter or path part read as what it must be; 400 with the reader's own words.
pub fn parsed<T: FromStr<Err: std::fmt::Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    text.map(|t| t.parse().map_err(|e| Problem::malformed(format!("{name}: {e}")))).transpose()
}

/// An id in a path; what cannot be an id is not there.
pub fn id<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("`{}` is not known", text.chars().take(60).collect::<String>())))
}
