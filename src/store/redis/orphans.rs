//! Forks: what was told or sent on a chain that is not there any more, because somebody decided anew on
//! the state before it (a gateway that was away longer than the hold). The chain that stands is left
//! alone; the facts are handed to it as letters, and what nobody has is put in anew.

use super::{
    Core,
    link::{Again, Via},
    lives::digest,
    names::Part,
    replay::Missing,
    reply,
};
use crate::{
    core::{
        callout::{self, entry::Entry, state::Callout},
        ids::WarningId,
        line::{LineEntry, LineLetter},
        warning_orphan::{self, Lost, LostAct},
    },
    store::{Commit, Committed, Envelope, FeedItem, Head, Key, Lane, StoreError, archive::RECOVERED},
};
use redis::cmd;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

type New = BTreeMap<Part, (String, u64)>;

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

fn letter<T: Serialize>(to: Key, what: &T) -> Option<Envelope> {
    Some(Envelope { to, lane: Lane::URGENT, not_before: crate::core::time::Time(0), body: serde_json::to_vec(what).ok()? })
}

/// The facts of a lost commit as letters to the records that stand.
fn facts(c: &Commit) -> Vec<Envelope> {
    match &c.key {
        Key::Callout(_) => {
            let (Some(state), Some(entries)) = (read::<Callout>(&c.body), read::<Vec<Entry>>(&c.journal)) else { return Vec::new() };
            callout::orphan::events(&state, &entries, c.at).iter().filter_map(|e| letter(c.key.clone(), e)).collect()
        }
        Key::Line(_) => {
            let left = |e: LineEntry| match e {
                LineEntry::Left { flight, digit } => Some(LineLetter::Flew { flight, digit }),
                LineEntry::Direct { member, digit, provider } => Some(LineLetter::Wrote { member, digit, provider }),
                _ => None,
            };
            let own = read::<Vec<LineEntry>>(&c.journal).unwrap_or_default().into_iter().filter_map(left);
            // Its news are facts: keys that were pressed, calls that are over.
            own.filter_map(|l| letter(c.key.clone(), &l)).chain(c.send.iter().cloned()).collect()
        }
        Key::Warning(_) => {
            let (Some(state), Some(entries)) = (read::<Value>(&c.body), read::<Vec<Value>>(&c.journal)) else { return Vec::new() };
            let letters = warning_orphan::lost(&state, &entries).into_iter().map(|lost| match lost {
                Lost::End(order) => serde_json::json!({"letter": "end", "order": order}),
                Lost::Act(act) => serde_json::json!({"letter": "act", "act": act, "at": c.at}),
            });
            letters.filter_map(|l| letter(c.key.clone(), &l)).collect()
        }
        Key::Place(..) | Key::Callback(_) | Key::Named(_) => Vec::new(),
    }
}

/// What somebody ordered about an account of a provider, which the board as it stands does not say: for a person.
fn ordered(c: &Commit) -> Option<String> {
    let Key::Named(_) = &c.key else { return None };
    let entries = read::<Vec<Value>>(&c.journal)?;
    let by_hand = |e: &&Value| e["e"] == "account" && e["by"].as_str().is_some_and(|by| !by.is_empty());
    let all: Vec<String> =
        entries.iter().filter(by_hand).map(|e| format!("{} 对账号 {} 的设置", text(&e["by"]), text(&e["account"]))).collect();
    (!all.is_empty()).then(|| format!("主备切换后丢失：{}（{}），请核对并重做", all.join("、"), c.at.rfc3339()))
}

/// Events that a named record keeps in its journal (what officers looked at, refused posts …); its state are the last few.
fn announced(c: &Commit) -> Option<Vec<FeedItem>> {
    let Key::Named(_) = &c.key else { return None };
    read::<Vec<FeedItem>>(&c.journal).filter(|items| !items.is_empty())
}

/// The last few with these among them, newest first.
fn among(last: &[u8], items: &[FeedItem]) -> Option<Vec<u8>> {
    let last: Vec<FeedItem> = read(last)?;
    let most = last.len().max(items.len());
    let mut all: Vec<&FeedItem> = last.iter().chain(items).collect();
    all.sort_by_key(|i| std::cmp::Reverse(i.at));
    all.truncate(most);
    serde_json::to_vec(&all).ok()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The names of what a commit did, for the log: its contents may name people.
fn did(c: &Commit) -> String {
    let entries = read::<Vec<Value>>(&c.journal).unwrap_or_default();
    let name = |e: &Value| e["e"].as_str().or(e["kind"].as_str()).map(str::to_string).or_else(|| e.as_object()?.keys().next().cloned());
    entries.iter().filter_map(name).collect::<Vec<_>>().join(" ")
}

/// The commit of a new record under another number.
fn renumbered(c: &Commit, n: u64) -> Option<Commit> {
    let mut c = c.clone();
    if let Key::Warning(old) = c.key {
        let new = WarningId(u32::try_from(n).ok()?);
        let (from, to) = (serde_json::to_value(old).ok()?, serde_json::to_value(new).ok()?);
        let mut body: Value = read(&c.body)?;
        *body.get_mut("id")? = to.clone();
        c.body = serde_json::to_vec(&body).ok()?;
        for item in &mut c.feed {
            item.warning = Some(new);
            if let Some(id) = item.data.as_object_mut().into_iter().flat_map(|o| o.values_mut()).find(|v| **v == from) {
                *id = to.clone();
            }
        }
        if let Some(identity) = &mut c.identity {
            identity.warning = new;
        }
        c.key = Key::Warning(new);
    } else {
        c.key = Key::Callback(n);
    }
    Some(c)
}

impl Core {
    /// # Errors
    /// `Unavailable` where it cannot be done now: the repair as a whole is then made again.
    pub(super) async fn save_orphans(&self, new: &New, all: Vec<Missing>) -> Result<(), StoreError> {
        let (mut handed, mut renewed, mut dropped) = (0, 0, 0);
        // What belongs to a warning that got another number must not reach the one that has its number now.
        let mut moved: BTreeMap<WarningId, Option<Key>> = BTreeMap::new();
        for m in all {
            let c = m.commit;
            let warning = match &c.key {
                Key::Callout(id) => Some(id.warning),
                Key::Warning(w) | Key::Place(w, _) => Some(*w),
                _ => None,
            };
            if c.expect == Head::NONE && matches!(c.key, Key::Warning(_) | Key::Callback(_)) {
                let again = self.put_in_anew(new, &c).await?;
                renewed += usize::from(again.is_some());
                if let Key::Warning(w) = c.key {
                    moved.insert(w, again);
                }
                continue;
            }
            let mut letters = facts(&c);
            let elsewhere = warning.and_then(|w| moved.get(&w));
            match elsewhere {
                // What was done to it is done to it there.
                Some(Some(to)) if matches!(c.key, Key::Warning(_)) => letters.iter_mut().for_each(|l| l.to = to.clone()),
                Some(_) => letters.clear(),
                None => {}
            }
            if let Some(title) = ordered(&c) {
                self.show(new, &c, &title).await?;
            } else if let Some(items) = announced(&c) {
                self.announce_again(new, &c, items).await?;
                handed += 1;
            } else if letters.is_empty() {
                match &c.key {
                    // By the thousand, and each has its clock there.
                    Key::Callout(_) | Key::Line(_) | Key::Place(..) if elsewhere.is_none() => {
                        tracing::debug!(record = %c.key, did = %did(&c), "what was decided here is decided anew");
                    }
                    key => tracing::warn!(record = %key, at = %c.at.rfc3339(), did = %did(&c), "lost, and not done again as it was"),
                }
                dropped += 1;
            } else {
                handed += letters.len();
                self.hand_over(new, &c, letters).await?;
            }
        }
        tracing::error!(
            handed,
            renewed,
            dropped,
            "somebody had decided anew before this gateway could repair a failover: what it told and sent was handed to the records that stand; \
             what was only decided is decided anew"
        );
        Ok(())
    }

    /// By a record of its own, so that it happens once.
    async fn hand_over(&self, new: &New, c: &Commit, letters: Vec<Envelope>) -> Result<(), StoreError> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut carrier = self.note(c, letters.len());
        carrier.send = letters;
        self.commit_in_repair(new, vec![carrier]).await.map(drop)
    }

    /// The note that a lost commit was seen to.
    fn note(&self, c: &Commit, letters: usize) -> Commit {
        let name: String = digest(&[&c.head.0[..], c.key.to_string().as_bytes()].concat()).iter().map(|b| format!("{b:02x}")).collect();
        let journal = serde_json::json!([{"e": "recovered", "record": c.key.to_string(), "at": c.at.rfc3339(), "letters": letters}]);
        let key = Key::Named(format!("{RECOVERED}{name}"));
        Commit::new(key, Head::NONE, b"{}".to_vec(), journal.to_string().into_bytes(), None, Lane::URGENT, self.now())
    }

    /// Behind the events that stand, with its own time.
    async fn announce_again(&self, new: &New, c: &Commit, items: Vec<FeedItem>) -> Result<(), StoreError> {
        let note = self.note(c, 0);
        for _ in 0..20 {
            let [seen, stands] = &self.get_records(&[note.key.clone(), c.key.clone()]).await?[..] else { return Ok(()) };
            if seen.is_some() {
                return Ok(());
            }
            let (head, body) = stands.as_ref().map_or((Head::NONE, &b"[]"[..]), |r| (r.head, &r.body[..]));
            let body = among(body, &items).unwrap_or_else(|| body.to_vec());
            let mut again = Commit::new(c.key.clone(), head, body, c.journal.clone(), c.due, c.lane, c.at);
            again.feed = c.feed.clone();
            if let Some(Committed::Done) = self.commit_in_repair(new, vec![again]).await?.first() {
                return self.commit_in_repair(new, vec![note]).await.map(drop);
            }
        }
        Err(StoreError::Unavailable(format!(
            "redis: {} is changed by others faster than what is missing there could be put in again",
            c.key
        )))
    }

    /// Somebody reads that something is lost and not done again: as a task of the newest warning. Where there is none, it
    /// is said in what is in force.
    pub(super) async fn show(&self, new: &New, c: &Commit, title: &str) -> Result<(), StoreError> {
        tracing::error!(record = %c.key, at = %c.at.rfc3339(), title, "something that was told as done was lost in a failover and cannot be done again");
        let mut newest = cmd("ZREVRANGE");
        newest.arg(self.control_key("w")).arg(0).arg(0);
        let newest = reply::array(self.link.call(Part::CONTROL, Via::Work, &newest, Again::Safe).await?)?.into_iter().next();
        let Some(newest) = newest.map(reply::text).transpose()?.and_then(|n| n.parse().ok()) else {
            let mut unrepaired = self.unrepaired();
            if !unrepaired.iter().any(|known| known == title) {
                unrepaired.push(title.to_string());
            }
            return Ok(());
        };
        let act = LostAct::Read { title: title.to_string() };
        let to_read = letter(Key::Warning(WarningId(newest)), &serde_json::json!({"letter": "act", "act": act, "at": c.at}));
        self.hand_over(new, c, to_read.into_iter().collect()).await
    }

    /// A warning or callback whose number somebody else has got meanwhile, and the name it has there; `None` where it was put
    /// in before.
    async fn put_in_anew(&self, new: &New, c: &Commit) -> Result<Option<Key>, StoreError> {
        let note = self.note(c, 0);
        if self.get_records(std::slice::from_ref(&note.key)).await?.into_iter().next().flatten().is_some() {
            return Ok(None);
        }
        let sequence = if matches!(c.key, Key::Warning(_)) { "warning" } else { "callback" };
        let mut next = self.link.function("next", Part::CONTROL);
        next.arg(sequence);
        let group = self.group(Part::CONTROL);
        let life = new.get(&group).map(|(life, _)| life.clone()).or_else(|| self.known_life(group));
        let life = life.ok_or_else(|| StoreError::Unavailable("redis: the control partition's primary is not known yet".into()))?;
        let n = reply::number(self.repeat(Part::CONTROL, &next, 2, &life).await?)?;
        let Some(again) = renumbered(c, n) else {
            tracing::error!(record = %c.key, "what was accepted under this number cannot be read and is only in the local journal");
            return Ok(None);
        };
        let to = again.key.clone();
        match self.commit_in_repair(new, vec![again]).await?.first() {
            Some(Committed::Done) => {
                self.commit_in_repair(new, vec![note]).await?;
                tracing::error!(from = %c.key, %to, "what was accepted under a number that somebody else has now was put in under another one");
                Ok(Some(to))
            }
            // The issuer has sent it again meanwhile.
            Some(Committed::IdentityTaken(i)) => Ok(Some(Key::Warning(i.warning))),
            _ => Ok(None),
        }
    }
}
