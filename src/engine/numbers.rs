//! What receipts and answers (非本人) prove of telephone numbers: flagged durably and for all gateways, with the evidence; taken back by a
//! later delivery or answer, or when the clerk changes the number.
//!
//! The news travels as a letter in the very commit that records the receipt, so that a crash loses none of it; the
//! one record that reads these letters keeps the flags as documents.

use super::{
    Engine,
    apply::{Around, to_json},
    newer::{LEFT, read_whole},
};
use crate::{
    core::{
        callout::{
            Stepped, came_by,
            entry::Entry,
            state::{Attempt, AttemptState, Callout, Via},
        },
        ids::AttemptId,
        numbers::{DeadNumber, DeadNumbers, NOT_ME, NumberNews},
        phone::Phone,
        send::Channel,
        time::Time,
    },
    store::{Claim, Commit, Committed, Doc, Envelope, Head, Key, Lane, StoreError, WriteLane},
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, atomic::Ordering};

/// The record that reads the news.
pub(super) const NUMBERS: &str = "numbers";
/// The kind of document that holds a flag; the id is the number.
const DEAD: &str = "dead_number";

/// The record's state: only how much it has read.
#[derive(Default, Serialize, Deserialize)]
struct Book {
    dead: u64,
    alive: u64,
}

impl Engine {
    /// The letters that a callout's step has for the book of numbers.
    pub(super) fn number_news(&self, around: &Around, s: &Stepped, now: Time) -> Vec<Envelope> {
        let mut news = Vec::new();
        let dead = self.people().1.dead_numbers();
        let phone = |c: &Callout, contact: u8, number: u8| {
            let person = c.contacts.get(usize::from(contact)).and_then(|k| around.chunk.people.get(usize::from(k.person)));
            person.and_then(|p| p.phones.get(usize::from(number))).cloned()
        };
        for entry in &s.entries {
            match entry {
                // What a provider refuses is no proof that the number is dead.
                Entry::NumberDead { only: Some(_), .. } => {}
                Entry::NumberDead { contact, number, why, .. } => {
                    let Some(phone) = phone(&s.state, *contact, *number) else { continue };
                    let of_number =
                        |a: &&(u16, &Attempt)| a.1.contact == *contact && a.1.number == *number && a.1.channel != Channel::Email;
                    let failed = |a: &&(u16, &Attempt)| of_number(a) && a.1.state == AttemptState::Failed;
                    let all: Vec<(u16, &Attempt)> = (1u16..).zip(&s.state.attempts).collect();
                    let Some((n, a)) = all.iter().rev().find(failed).or_else(|| all.iter().rev().find(of_number)) else { continue };
                    let evidence = DeadNumber {
                        at: now,
                        attempt: AttemptId { callout: s.state.id, n: *n },
                        channel: a.channel,
                        provider: a.provider.clone().unwrap_or_default(),
                        code: why.chars().take(160).collect(),
                    };
                    news.push(NumberNews::Dead { phone, evidence });
                }
                // Whoever has the phone is another: said of the number that carried the question.
                Entry::Declined { contact, not_me: true, via } => {
                    let Some(person) = s.state.contacts.get(usize::from(*contact)).map(|k| k.id) else { continue };
                    let Some((n, a)) = came_by(&s.state, person, *via, now) else { continue };
                    let Some(phone) = phone(&s.state, a.contact, a.number) else { continue };
                    let evidence = DeadNumber {
                        at: now,
                        attempt: AttemptId { callout: s.state.id, n },
                        channel: a.channel,
                        provider: a.provider.clone().unwrap_or_default(),
                        code: NOT_ME.into(),
                    };
                    news.push(NumberNews::Dead { phone, evidence });
                }
                _ if dead.0.is_empty() => {}
                Entry::AttemptIs { n, state: AttemptState::Delivered, .. } => {
                    let proved =
                        s.state.attempt(*n).and_then(|a| phone(&s.state, a.contact, a.number).filter(|_| a.channel != Channel::Email));
                    news.extend(proved.filter(|p| dead.is_dead(p)).map(|phone| NumberNews::Alive { phone, at: now, answered: false }));
                }
                Entry::Answered { via: via @ (Via::Reply | Via::Keypress), by, at, .. }
                | Entry::Evidence { via: via @ (Via::Reply | Via::Keypress), by, at } => {
                    // Answered from a phone: the last number that he was asked at in this way.
                    let asked = by.id.and_then(|id| came_by(&s.state, id, *via, *at));
                    let last = asked.and_then(|(_, a)| phone(&s.state, a.contact, a.number));
                    news.extend(last.filter(|p| dead.is_dead(p)).map(|phone| NumberNews::Alive { phone, at: now, answered: true }));
                }
                _ => {}
            }
        }
        let letter =
            |n: &NumberNews| Envelope { to: Key::Named(NUMBERS.into()), lane: Lane::PLANNING, not_before: Time(0), body: to_json(n) };
        news.iter().map(letter).collect()
    }

    /// Reads what has come, keeps it, and says so.
    pub(super) async fn work_numbers(&self, claim: Claim) -> Result<(), StoreError> {
        let (mut news, mut read) = (Vec::new(), Vec::new());
        for letter in &claim.inbox {
            match read_whole::<NumberNews>(&claim.key, &letter.body) {
                Ok(n) => {
                    news.push(n);
                    read.push(letter.seq);
                }
                Err(e) => tracing::error!(error = %e, "a letter cannot be read; it is kept"),
            }
        }
        if read.is_empty() {
            let until = self.store.now() + LEFT;
            return self.store.release(&[(claim.key, claim.nonce)], until).await;
        }
        let changed = self.change_numbers(&news).await?;
        let mut book: Book = claim.record.as_ref().map(|r| read_whole(&claim.key, &r.body)).transpose()?.unwrap_or_default();
        let dead = news.iter().filter(|n| matches!(n, NumberNews::Dead { .. })).count() as u64;
        book.dead += dead;
        book.alive += news.len() as u64 - dead;
        let journal = to_json(&serde_json::json!([{"e": "numbers", "letters": read, "dead": dead, "changed": changed}]));
        let head = claim.record.map_or(Head::NONE, |r| r.head);
        let mut c = Commit::new(claim.key, head, to_json(&book), journal, None, Lane::PLANNING, self.store.now());
        c.consumed = read;
        if !matches!(self.store.commit(WriteLane::Rest, vec![c]).await?.first(), Some(Committed::Done)) {
            tracing::info!("another gateway has read the news of numbers meanwhile");
        }
        Ok(())
    }

    /// Takes news into the documents; answers how many flags changed. News of a number that nobody has any more is
    /// dropped, and so is its flag.
    async fn change_numbers(&self, news: &[NumberNews]) -> Result<usize, StoreError> {
        let (directory, _) = {
            self.follow_directory().await?;
            self.people()
        };
        for _ in 0..20 {
            let (version, docs) = self.store.docs(DEAD).await?;
            let before = flags(&docs)?;
            let mut after = before.clone();
            for n in news {
                after.take(n);
            }
            if !after.0.is_empty() {
                let known: std::collections::HashSet<&Phone> = directory.recipients.values().flat_map(|r| &r.phones).collect();
                after.0.retain(|phone, _| known.contains(phone));
            }
            let upsert: Vec<Doc> = after
                .0
                .iter()
                .filter(|(phone, e)| before.get(phone) != Some(*e))
                .map(|(phone, e)| Doc { id: phone.reveal().to_string(), body: to_json(e) })
                .collect();
            let delete: Vec<String> = before.0.keys().filter(|p| !after.is_dead(p)).map(|p| p.reveal().to_string()).collect();
            let changed = upsert.len() + delete.len();
            if changed == 0 || self.store.docs_apply(DEAD, version, upsert, delete).await?.is_some() {
                return Ok(changed);
            }
        }
        Err(StoreError::Unavailable("the flags of numbers are changed by others faster than this could be kept".into()))
    }

    /// Flags of numbers that are nobody's any more are taken away.
    pub(super) async fn prune_numbers(&self) -> Result<(), StoreError> {
        if self.people().1.dead().0.is_empty() && self.store.docs_version(DEAD).await? == 0 {
            return Ok(());
        }
        self.change_numbers(&[]).await?;
        Ok(())
    }

    pub(super) async fn read_numbers(&self) -> Result<DeadNumbers, StoreError> {
        let (version, docs) = self.store.docs(DEAD).await?;
        let read = flags(&docs)?;
        self.numbers_version.store(version, Ordering::Relaxed);
        Ok(read)
    }

    /// Reads the flags anew where they have changed.
    pub(super) async fn follow_numbers(&self) -> Result<(), StoreError> {
        if self.store.docs_version(DEAD).await? == self.numbers_version.load(Ordering::Relaxed) {
            return Ok(());
        }
        let dead = Arc::new(self.read_numbers().await?);
        let mut people = self.people.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        people.1 = Arc::new(people.1.as_ref().clone().with_numbers(dead));
        Ok(())
    }
}

fn flags(docs: &[Doc]) -> Result<DeadNumbers, StoreError> {
    let mut all = DeadNumbers::default();
    for doc in docs {
        let Some(phone) = Phone::parse(&doc.id) else { continue };
        let evidence = serde_json::from_slice(&doc.body).map_err(|e| StoreError::Corrupt(format!("the flag of {phone}: {e}")))?;
        all.0.insert(phone, evidence);
    }
    Ok(all)
}
