//! The directory replaced: by a sheet, by one edit, each with its line in the history.

use super::{DIRECTORY, Engine, apply::to_json, newer::dropped};
use crate::{
    core::{
        callout::Channels,
        directory::Directory,
        directory_cover::Calling,
        directory_docs::{CHANGE, NEXT_ID, diff_docs, written_back},
        directory_history::{Change, History, Line, before},
    },
    store::{Commit, Committed, Doc, FeedItem, Head, Key, Lane, StoreError, WriteLane},
};
use std::collections::BTreeMap;

/// The named record whose journal is the directory's history.
const HISTORY: &str = "directory";
/// The sequence that numbers changes.
const CHANGES: &str = "directory-change";
/// Documents a journal row holds.
const PART: usize = 1_000;

/// Who changes the directory, and by which way.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// A token's or user's name.
    pub by: &'a str,
    /// `import`, `api`, `cli`.
    pub how: &'a str,
}

impl Engine {
    /// By what is judged whether a place still has somebody to call. A gateway without any account yet is filled as though
    /// it had them: otherwise nobody could be reached before either, and no loss would show.
    pub fn calling(&self) -> Calling {
        let (has, all) = (self.channels(), Channels { sms: true, voice: true, email: true });
        Calling {
            policy: self.policy(),
            dead: self.people().1.dead_numbers(),
            channels: if has.sms || has.voice { has } else { all },
            now: self.now(),
        }
    }

    /// Replaces the directory, durably and whole, if it still has version `expect`. Leaves no line in the history:
    /// for the first filling of a store.
    pub async fn replace_directory(&self, expect: u64, mut directory: Directory) -> Result<bool, StoreError> {
        let old = self.directory();
        if old.version != expect {
            return Ok(false);
        }
        let (mut upsert, mut delete) = (Vec::new(), Vec::new());
        for change in diff_docs(&old, &directory) {
            upsert.extend(change.upsert.into_iter().map(|(id, body)| Doc { id: format!("{}/{id}", change.kind), body }));
            delete.extend(change.delete.into_iter().map(|id| format!("{}/{id}", change.kind)));
        }
        if !self.known_whole(expect, &upsert).await? {
            return Ok(false);
        }
        let Some(version) = self.store.docs_apply(DIRECTORY, expect, upsert, delete).await? else { return Ok(false) };
        directory.version = version;
        let dead = self.people().1.dead_numbers();
        self.install(directory, dead);
        // A number that the clerk has changed takes its flag along.
        if let Err(error) = self.prune_numbers().await {
            // The directory stands; the flag of a number that nobody has harms nobody.
            tracing::warn!(%error, "the flags of changed numbers could not be taken away");
        }
        Ok(true)
    }

    /// Refuses to write over what a newer gateway wrote and this one would drop; whether the documents still are what
    /// was decided on.
    async fn known_whole(&self, expect: u64, upsert: &[Doc]) -> Result<bool, StoreError> {
        let (version, stands) = self.store.docs(DIRECTORY).await?;
        if version != expect {
            return Ok(false);
        }
        let stands: BTreeMap<&str, &[u8]> = stands.iter().map(|d| (d.id.as_str(), d.body.as_slice())).collect();
        for (id, body) in upsert.iter().filter_map(|d| Some((d.id.as_str(), *stands.get(d.id.as_str())?))) {
            let (kind, name) = id.split_once('/').unwrap_or((id, ""));
            // The two that are counted up hold nothing else.
            if name == NEXT_ID || kind == CHANGE {
                continue;
            }
            let again = written_back(kind, name, body).map_err(StoreError::Corrupt)?;
            if let Some(what) = dropped(body, &again) {
                return Err(StoreError::Newer(format!(
                    "the directory's document {id}: `{what}` is not known to this one, which would lose it; change it at a gateway of the newer version"
                )));
            }
        }
        Ok(true)
    }

    /// The same by somebody: what stood there before is written down first, so that a change without its history cannot be.
    /// An entry whose change then does not come to pass lies outside the chain (see `directory_history`).
    pub async fn change_directory(
        &self,
        expect: u64,
        mut directory: Directory,
        author: Author<'_>,
        summary: &str,
    ) -> Result<bool, StoreError> {
        let old = self.directory();
        if old.version != expect {
            return Ok(false);
        }
        let change = self.store.next_number(CHANGES).await?;
        let replaced = before(change, &old, &directory);
        let head = Change {
            change,
            after: old.change,
            at: self.store.now(),
            by: author.by.to_string(),
            how: author.how.to_string(),
            summary: summary.to_string(),
            count: replaced.len(),
        };
        let mut lines = vec![Line::Change(head)];
        lines.extend(replaced.into_iter().map(Line::Before));
        for part in lines.chunks(PART) {
            self.write_history(change, part, author, summary).await?;
        }
        directory.change = change;
        self.replace_directory(expect, directory).await
    }

    async fn write_history(&self, change: u64, lines: &[Line], author: Author<'_>, summary: &str) -> Result<(), StoreError> {
        let key = Key::Named(HISTORY.to_string());
        for _ in 0..20 {
            let now = self.store.now();
            let record = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
            let head = record.map_or(Head::NONE, |r| r.head);
            let body = to_json(&serde_json::json!({ "last": change }));
            let mut c = Commit::new(key.clone(), head, body, to_json(&lines), None, Lane::URGENT, now);
            if matches!(lines.first(), Some(Line::Change(_))) {
                let data = serde_json::json!({"by": author.by, "act": "directory", "what": summary, "how": author.how, "change": change, "at": now.rfc3339()});
                c.feed.push(FeedItem { kind: "audit.directory".into(), warning: None, callout: None, at: now, data });
            }
            if matches!(self.store.commit(WriteLane::Rest, vec![c]).await?.first(), Some(Committed::Done)) {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("too many changes of the directory at once".into()))
    }

    /// All changes of the directory that came to pass.
    pub async fn directory_history(&self) -> Result<History, StoreError> {
        let mut lines: Vec<Line> = Vec::new();
        for row in self.reports.journal(&Key::Named(HISTORY.to_string())).await? {
            let read: Vec<Line> = serde_json::from_slice(&row.entries)
                .map_err(|e| StoreError::Corrupt(format!("the directory's history, row {}: {e}", row.n)))?;
            lines.extend(read);
        }
        Ok(History::read(lines, self.directory().change))
    }
}
