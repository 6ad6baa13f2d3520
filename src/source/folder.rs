//! A watched folder: isolated networks hand over by file. A file is taken only when it is whole: when two
//! looks in a row find the same size and time, and its name is not that of a file still being written. What
//! was taken is moved to `done/`, what cannot be a warning to `refused/` with the reason beside it in
//! `NAME.why.txt`. One that is no document at all may be a copy that stalled half-way, so it is looked at for half a
//! minute before it is refused: moved away, its other half would never be seen. A file whose warning is not durable yet stays and is tried again; a crash between the
//! two leaves a file that is handed over again, which changes nothing.

use super::desk::{Desk, Handed, Reading, Unread};
use crate::{
    config::{FolderSource, Issuer},
    core::{time::Span, warning::Refusal},
    ingest::MAX_BODY,
    telemetry::metrics,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// Files taken at one look; the next look takes the next.
const AT_ONCE: usize = 100;
/// How long a file that is no document stays unchanged before it is refused.
const PATIENCE: Span = Span::secs(30);
/// Names that are not finished, by their ends.
const UNFINISHED: &[&str] = &[".tmp", ".part", ".partial", ".writing", ".filepart", ".swp", "~"];

/// See the module.
pub struct Folder {
    desk: Arc<Desk>,
    issuer: Issuer,
    path: PathBuf,
    /// Looks in a row that failed; told once when they reach `failures`.
    failed: u32,
    failures: u32,
    /// Looks of which [`PATIENCE`] is made.
    patience: u32,
    /// What was found at the last look, and how many looks before it found the same.
    seen: BTreeMap<String, (Size, u32)>,
}

/// What must not change between two looks.
type Size = (u64, Option<SystemTime>);

/// What became of a file.
#[derive(PartialEq, Eq)]
enum Took {
    Moved,
    /// Another gateway took it.
    Gone,
    /// Perhaps half of one: it stays.
    NotYet,
}

impl Folder {
    /// # Errors
    /// The folder, or `done` and `refused` in it, cannot be made.
    pub fn open(desk: Arc<Desk>, issuer: Issuer, set: &FolderSource) -> Result<Folder, String> {
        for part in ["done", "refused"] {
            let dir = set.path.join(part);
            fs::create_dir_all(&dir).map_err(|e| format!("source.folder {}: {e}", dir.display()))?;
        }
        let patience = u32::try_from(PATIENCE.0 / set.every.0.max(1)).unwrap_or(u32::MAX).max(1);
        Ok(Folder { desk, issuer, path: set.path.clone(), failed: 0, failures: set.failures, patience, seen: BTreeMap::new() })
    }

    /// One look: takes every file that is whole. How many were taken or refused.
    pub async fn look(&mut self) -> usize {
        let found = match self.list() {
            Ok(found) => found,
            Err(e) => {
                self.fails(&format!("{}: {e}", self.path.display())).await;
                return 0;
            }
        };
        let same =
            |n: &String, s: &Size| self.seen.get(n).filter(|(before, _)| before == s).map_or(0, |(_, looks)| looks.saturating_add(1));
        self.seen = found.into_iter().map(|(n, s)| (n.clone(), (s, same(&n, &s)))).collect();
        let mut whole: Vec<(u32, String)> = self.seen.iter().filter(|(_, (_, l))| *l > 0).map(|(n, (_, l))| (*l, n.clone())).collect();
        // What has been tried already never keeps back what has not.
        whole.sort();
        let mut taken = 0;
        for (looks, name) in whole.into_iter().take(AT_ONCE) {
            match self.take(&name, looks >= self.patience).await {
                Ok(Took::NotYet) => continue,
                Ok(Took::Moved) => taken += 1,
                Ok(Took::Gone) => {}
                Err(why) => {
                    self.fails(&format!("{name}: {why}")).await;
                    return taken;
                }
            }
            self.seen.remove(&name);
        }
        if self.failed >= self.failures {
            tracing::info!(folder = %self.path.display(), "the folder works again");
        }
        self.failed = 0;
        metrics::source_up("folder", &self.issuer.id.0, true);
        taken
    }

    /// The files that may be taken once they are whole, with what must not change.
    fn list(&self) -> io::Result<BTreeMap<String, Size>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // A name that is no text could not be said in any reason.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let lower = name.to_ascii_lowercase();
            if name.starts_with('.') || UNFINISHED.iter().any(|end| lower.ends_with(end)) {
                continue;
            }
            // Links are not followed: nothing outside the folder is ever read.
            match entry.metadata() {
                Ok(meta) if meta.is_file() => drop(found.insert(name, (meta.len(), meta.modified().ok()))),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    /// Hands one file over and moves it; `settled`: it has been as it is for long. `Err`: it stays and is tried again.
    async fn take(&self, name: &str, settled: bool) -> Result<Took, String> {
        let path = self.path.join(name);
        let body = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.len() > MAX_BODY as u64 => Err(format!("the file has {} bytes; at most {MAX_BODY} are read", meta.len())),
            Ok(meta) if !meta.is_file() => return Ok(Took::Gone),
            Ok(_) => Ok(fs::read(&path).map_err(|e| e.to_string())?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Took::Gone),
            Err(e) => return Err(e.to_string()),
        };
        let outcome = match body {
            Err(why) => Err(vec![why]),
            Ok(body) => match self.desk.read(&self.issuer, media_of(name), &body) {
                Err(Unread::Media) => {
                    Err(vec![format!("`{name}` is neither .json nor .xml nor .cap, and {} has no mapping", self.issuer.id)])
                }
                Err(Unread::Refused(Refusal::Malformed(_))) if !settled => return Ok(Took::NotYet),
                Err(Unread::Refused(refusal)) => Err(vec![refusal.to_string()]),
                Ok(reading) => self.hand_in(reading, &body).await?,
            },
        };
        match outcome {
            Ok(told) => {
                for line in told {
                    tracing::info!(file = name, issuer = %self.issuer.id, "{line}");
                }
                self.move_to("done", &path, name)?;
            }
            Err(reasons) => {
                self.desk.engine().record_refusal(Some(&self.issuer.id.0), 422, &format!("文件 {name}：{}", reasons.join("; "))).await;
                // The reason first: a file in `refused` is never without it.
                let kept = free_name(&self.path.join("refused"), name);
                let why = self.path.join("refused").join(format!("{kept}.why.txt"));
                fs::write(&why, format!("{}\n", reasons.join("\n"))).map_err(|e| format!("{}: {e}", why.display()))?;
                let to = self.path.join("refused").join(kept);
                fs::rename(&path, &to).map_err(|e| format!("{}: {e}", to.display()))?;
            }
        }
        Ok(Took::Moved)
    }

    /// `Ok(Ok)` when something was taken or rightly skipped, `Ok(Err)` with all reasons when nothing was.
    async fn hand_in(&self, reading: Reading, body: &[u8]) -> Result<Result<Vec<String>, Vec<String>>, String> {
        let handed = self.desk.hand_in(&self.issuer, reading, body).await.map_err(|e| e.to_string())?;
        let (mut told, mut refused) = (Vec::new(), Vec::new());
        for (pointer, what) in handed {
            match what {
                Handed::Accepted(r) if r.duplicate => told.push(format!("{} is {} already", r.identifier, r.id)),
                Handed::Accepted(r) => told.push(format!("{} accepted as {}", r.identifier, r.id)),
                Handed::Skipped(why) => told.push(format!("{pointer} skipped: {why}")),
                Handed::Unreadable(why) => refused.push(why.to_string()),
                Handed::Rejected(why) => refused.push(format!("{pointer} {why}").trim().to_string()),
            }
        }
        if !told.is_empty() || refused.is_empty() {
            // Part of a list: its neighbours stand, and the duty room sees what did not come in.
            for why in refused {
                self.desk.engine().record_refusal(Some(&self.issuer.id.0), 422, &why).await;
            }
            return Ok(Ok(told));
        }
        Ok(Err(refused))
    }

    fn move_to(&self, part: &str, path: &Path, name: &str) -> Result<(), String> {
        let dir = self.path.join(part);
        let to = dir.join(free_name(&dir, name));
        fs::rename(path, &to).map_err(|e| format!("{}: {e}", to.display()))
    }

    async fn fails(&mut self, why: &str) {
        self.failed = self.failed.saturating_add(1);
        tracing::warn!(folder = %self.path.display(), failed = self.failed, "the folder cannot be worked: {why}");
        if self.failed == self.failures {
            metrics::source_up("folder", &self.issuer.id.0, false);
            self.desk.engine().record_source_down(&self.issuer.id.0, &format!("监视目录连续 {} 次失败：{why}", self.failed)).await;
        }
    }
}

/// A name not yet taken in the folder: `a.json`, `a-1.json`, …
fn free_name(dir: &Path, name: &str) -> String {
    let (stem, end) = name.rsplit_once('.').map_or((name, String::new()), |(s, e)| (s, format!(".{e}")));
    let taken = |n: &str| dir.join(n).exists() || dir.join(format!("{n}.why.txt")).exists();
    let mut free = name.to_string();
    let mut n = 0u32;
    while taken(&free) {
        n += 1;
        free = format!("{stem}-{n}{end}");
    }
    free
}

/// What a file's name says of its content; with a mapping it does not matter.
fn media_of(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
        Some("json") => Some("application/json"),
        Some("cap") => Some("application/cap+xml"),
        Some("xml") => Some("application/xml"),
        _ => None,
    }
}
