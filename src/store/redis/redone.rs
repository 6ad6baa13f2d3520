//! Changes of documents (directory, policy …) after a failover: told as done and missing, they are made again; where
//! another change stands in their place, both are never mixed: somebody is told.

use super::{
    Core,
    codec::corrupt,
    link::{Again, Via},
    names::Part,
    replay::{EARLY_MS, PAUSE, VAIN},
    reply,
};
use crate::store::{Commit, Head, Key, Lane, StoreError, journal::Told};
use std::collections::{BTreeMap, BTreeSet};

/// How a change that was told stands now.
enum Stands {
    /// As it was told, or with the same content.
    Yes,
    /// Another one was made in its place.
    No,
    /// Its content is another one, and who made the version is not known any more.
    Unknown,
}

impl Core {
    /// Changes of documents build on one another, and several gateways made them: they go in passes as commits do, until
    /// all stand or nothing moves any more. `reborn`: the primary has lived on since this gateway told them, and may
    /// have lost them.
    pub(super) async fn repeat_docs(
        &self,
        new: &BTreeMap<Part, (String, u64)>,
        mut all: Vec<Told>,
        held: u64,
        reborn: bool,
    ) -> Result<usize, StoreError> {
        let Some(life) = self.life_of(new, Part::CONTROL) else { return Ok(0) };
        let mut restored = 0;
        // Kinds of which a change did not come back: what was made on it would be put on another's.
        let mut forked: BTreeSet<String> = BTreeSet::new();
        // Which version each of our own changes made.
        let own: BTreeMap<(String, u64), String> = all
            .iter()
            .filter_map(|told| match told {
                Told::Docs { kind, expect, by, .. } => Some(((kind.clone(), expect + 1), by.clone())),
                _ => None,
            })
            .collect();
        let mut patience = (held.saturating_sub(EARLY_MS) / 100).max(VAIN);
        loop {
            let before = all.len();
            let mut left = Vec::new();
            for told in all {
                let Told::Docs { kind, expect, by, upsert, delete } = &told else { continue };
                if self.docs_version_of(kind).await? > *expect {
                    // Where nothing was lost, it stood and others were made on it.
                    if reborn && !self.look_at_docs(new, &told).await? {
                        forked.insert(kind.clone());
                    }
                    continue;
                }
                let on_anothers = match own.get(&(kind.clone(), *expect)) {
                    Some(ours) if self.docs_version_of(kind).await? == *expect => {
                        let made = self.docs_made(kind, *expect).await?;
                        !made.is_empty() && made != *ours
                    }
                    _ => false,
                };
                if on_anothers || forked.contains(kind) {
                    self.show_docs(new, &told, "它所依据的修改已被另一修改取代，未予补回，请核对后重做").await?;
                    continue;
                }
                let answer = self.repeat(Part::CONTROL, &self.docs_call(kind, *expect, by, upsert, delete), 1, life).await?;
                if reply::text(answer)?.is_empty() {
                    left.push(told);
                } else {
                    restored += 1;
                }
            }
            all = left;
            if all.is_empty() {
                return Ok(restored);
            }
            if all.len() == before {
                if patience == 0 {
                    break;
                }
                patience -= 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
        for told in &all {
            self.show_docs(new, told, "它所依据的版本也已丢失，未能补回，请重做").await?;
        }
        Ok(restored)
    }

    /// Says where a change that was told does not stand. Answers whether those after it may follow.
    async fn look_at_docs(&self, new: &BTreeMap<Part, (String, u64)>, told: &Told) -> Result<bool, StoreError> {
        let Told::Docs { kind, expect, .. } = told else { return Ok(true) };
        match self.docs_stand(told).await? {
            Stands::Yes => Ok(true),
            Stands::No => {
                self.show_docs(new, told, "同一版本号下已有另一修改，未予补回，请核对后重做").await?;
                Ok(false)
            }
            // Most likely changed since: after an upgrade that is so of every one, and nobody could do anything about it.
            Stands::Unknown => {
                tracing::warn!(%kind, version = expect + 1, "who made this version of the documents is not known; its content is another one by now");
                Ok(true)
            }
        }
    }

    /// The name of the change that made a version; empty where that is not known any more.
    async fn docs_made(&self, kind: &str, version: u64) -> Result<String, StoreError> {
        let mut ask = self.link.function("docs_made", Part::CONTROL);
        ask.arg(kind).arg(version);
        reply::text(self.link.call(Part::CONTROL, Via::Work, &ask, Again::Safe).await?)
    }

    /// By the name of the change that made the version after the one it was made on, else by its content.
    async fn docs_stand(&self, told: &Told) -> Result<Stands, StoreError> {
        let Told::Docs { kind, expect, by, upsert, delete } = told else { return Ok(Stands::Yes) };
        let made = self.docs_made(kind, expect + 1).await?;
        if made == *by {
            return Ok(Stands::Yes);
        }
        let mut get = self.link.function("docs", Part::CONTROL);
        get.arg(kind);
        let [_, docs] = reply::parts(self.link.call(Part::CONTROL, Via::Work, &get, Again::Safe).await?)?;
        let mut there = BTreeMap::new();
        for (id, body) in reply::pairs(docs)? {
            there.insert(reply::text(id)?, reply::bytes(body)?);
        }
        let same = upsert.iter().all(|d| there.get(&d.id) == Some(&d.body)) && delete.iter().all(|id| !there.contains_key(id));
        Ok(match (same, made.is_empty()) {
            (true, _) => Stands::Yes,
            (false, true) => Stands::Unknown,
            (false, false) => Stands::No,
        })
    }

    /// To the duty room, once for each change that a person made; the gateways' own notes are theirs to make again, and their
    /// names may be telephone numbers.
    async fn show_docs(&self, new: &BTreeMap<Part, (String, u64)>, told: &Told, what: &str) -> Result<(), StoreError> {
        let Told::Docs { kind, expect, by, upsert, delete } = told else { return Ok(()) };
        let name = match kind.as_str() {
            "directory" => "名册",
            "policy" => "规则",
            "filing" => "名册确认",
            _ => {
                let n = upsert.len() + delete.len();
                tracing::error!(%kind, version = expect + 1, entries = n, "a failover lost this change of a gateway's own notes");
                return Ok(());
            }
        };
        let ids: Vec<&str> = upsert.iter().map(|d| d.id.as_str()).chain(delete.iter().map(String::as_str)).take(3).collect();
        let n = upsert.len() + delete.len();
        let title = format!("主备切换：{name}第 {} 版的修改（{} 等共 {n} 项）{what}", expect + 1, ids.join("、"));
        // Stands for the change in the note that it was seen to.
        let journal = serde_json::to_vec(&(kind, expect, by)).map_err(corrupt)?;
        let c = Commit::new(Key::Named(format!("{kind} documents")), Head::NONE, Vec::new(), journal, None, Lane::URGENT, self.now());
        self.show(new, &c, &title).await
    }
}
