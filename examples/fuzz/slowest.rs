//! How long each real file of the CAP samples takes from bytes to content: whoever changes the reader looks here.

use crate::targets::cap_files;
use jiaoying::ingest::{SourceFormat, read};
use std::time::{Duration, Instant};

/// What a file may take.
const MOST: Duration = Duration::from_millis(50);

/// Prints the slowest five; answers whether each kept to [`MOST`].
#[expect(clippy::disallowed_methods, reason = "a measurement")]
pub fn main() -> bool {
    let mut took: Vec<(Duration, String, usize)> = Vec::new();
    for (name, body) in cap_files() {
        // The best of three: the first one also pays for cold caches.
        let best = (0..3).map(|_| {
            let began = Instant::now();
            let _ = read(SourceFormat::Xml, None, &body, "slowest");
            began.elapsed()
        });
        took.push((best.min().unwrap_or_default(), name, body.len()));
    }
    if took.is_empty() {
        println!("no CAP samples are beside the project (JIAOYING_SHARED): nothing was measured");
        return true;
    }
    took.sort_by(|a, b| b.cmp(a));
    println!("{} files", took.len());
    for (time, name, bytes) in took.iter().take(5) {
        println!("{:8.2} ms  {bytes:8} bytes  {name}", time.as_secs_f64() * 1000.0);
    }
    took.iter().all(|(time, ..)| *time <= MOST)
}
