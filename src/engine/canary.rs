//! Rings the canaries (点名): the book comes due like any other record, the gateway that has its lease rings, what comes of
//! it feeds the account's health, and a failure is told to the duty room once. See [`crate::core::route::canary`].

use super::{
    Engine,
    apply::to_json,
    dispatcher::{Job, JobFor, held_up},
    limits::Account,
    newer::read_whole,
};
use crate::{
    channel::{Address, MessageKind, Rang, ReceiptResult, SendRequest},
    core::{
        hazard::Level,
        ids::AttemptId,
        message::MessageFacts,
        phone::Phone,
        priority::Priority,
        route::{
            canary::{Canary, CanaryBook, Known, Schedule},
            standing::Happened,
        },
        send::{Channel, Outcome},
        time::{Span, Time},
    },
    store::{Claim, Commit, Committed, FeedItem, Head, Key, Lane, Record, StoreError, WriteLane},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Conflicts that are decided anew.
const TRIES: usize = 20;
/// An account without room now is rung so much later.
const NO_ROOM: Span = Span::secs(5);

/// Whom canaries ring, and when.
#[derive(Clone, Debug)]
pub struct Canaries {
    pub schedule: Schedule,
    pub sms: Vec<Phone>,
    pub voice: Vec<Phone>,
    pub email: Vec<String>,
    /// These accounts only; empty: all whose channel has a number.
    pub accounts: Vec<String>,
}
impl Canaries {
    /// The canary of the `n`-th ring on a channel: each in its turn.
    fn address(&self, channel: Channel, n: u16) -> Option<Address> {
        let turn = |len: usize| usize::from(n).checked_rem(len);
        match channel {
            Channel::Sms => self.sms.get(turn(self.sms.len())?).cloned().map(Address::Phone),
            Channel::Voice => self.voice.get(turn(self.voice.len())?).cloned().map(Address::Phone),
            Channel::Email => {
                let address = self.email.get(turn(self.email.len())?)?.clone();
                Some(Address::Email { name: "点名".into(), address })
            }
            // A group is told what is true of its area, nothing else.
            Channel::Im => None,
        }
    }
    /// Whether this is one of the office's own numbers.
    pub fn is_one(&self, phone: &Phone) -> bool {
        self.sms.contains(phone) || self.voice.contains(phone)
    }
    fn rings(&self, account: &Account) -> bool {
        let named = self.accounts.is_empty() || self.accounts.iter().any(|a| a == account.name());
        named && self.address(account.provider.channel(), 0).is_some()
    }
}

/// The book's record.
pub(super) fn key() -> Key {
    Key::Named("canary".into())
}

/// The book as this gateway last saw it, for those who look.
#[derive(Default)]
pub(super) struct Seen(Mutex<BTreeMap<String, Canary>>);
impl Seen {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Canary>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn of(&self, account: &str) -> Option<Canary> {
        self.all().get(account).cloned()
    }
}

impl Engine {
    async fn canary_book(&self) -> Result<(CanaryBook, Option<Record>), StoreError> {
        let key = key();
        let record = self.store.load(std::slice::from_ref(&key)).await?.pop().flatten();
        let book = record.as_ref().map(|r| read_whole(&key, &r.body)).transpose()?.unwrap_or_default();
        Ok((book, record))
    }

    fn canary_accounts<'a>(&'a self, canaries: &'a Canaries) -> impl Iterator<Item = &'a Arc<Account>> {
        self.accounts.all().iter().filter(|a| canaries.rings(a))
    }

    fn on_book(&self, name: &str) -> bool {
        match (&self.settings.canaries, self.accounts.named(name)) {
            (Some(canaries), Some(account)) => canaries.rings(account),
            _ => false,
        }
    }

    /// Enters the accounts on the book; from then on it has a clock. Also takes over what others found.
    ///
    /// # Errors
    /// The book cannot be read or written.
    pub async fn follow_canaries(&self) -> Result<(), StoreError> {
        let Some(canaries) = self.settings.canaries.clone() else { return Ok(()) };
        self.change_book("enrolled", |book, now| {
            book.enrol(self.canary_accounts(&canaries).map(|a| a.name()), &canaries.schedule, now).then(Vec::new)
        })
        .await
    }

    /// Changes the book, durably, and tells what came to be known. `None` from `change`: nothing changed.
    async fn change_book(&self, what: &str, change: impl Fn(&mut CanaryBook, Time) -> Option<Vec<Known>>) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let (mut book, record) = self.canary_book().await?;
            let now = self.store.now();
            let Some(known) = change(&mut book, now) else {
                self.canaries.all().clone_from(&book.accounts);
                return Ok(());
            };
            let commit = self.book_commit(&book, record.as_ref(), what, &known, now);
            if matches!(self.store.commit(WriteLane::Urgent, vec![commit]).await?.first(), Some(Committed::Done)) {
                return self.canaries_known(&book, known).await;
            }
        }
        Err(StoreError::Unavailable("the canaries' book is changed by others faster than this could be recorded".into()))
    }

    fn book_commit(&self, book: &CanaryBook, record: Option<&Record>, what: &str, known: &[Known], now: Time) -> Commit {
        let said: Vec<_> = known.iter().map(|k| json!({"account": k.account, "ok": k.ok, "why": k.why})).collect();
        let journal = to_json(&json!([{"e": what, "at": now.0, "known": said}]));
        let head = record.map_or(Head::NONE, |r| r.head);
        let due = book.due(|name| self.on_book(name));
        let mut c = Commit::new(key(), head, to_json(book), journal, due, Lane::URGENT, now);
        // The first of a row of failures alarms; the first that comes through again ends it.
        for k in known.iter().filter(|k| !k.ok && k.failures == 1) {
            let channel = self.accounts.named(&k.account).map(|a| a.provider.channel());
            let data = json!({"provider": k.account, "channel": channel, "why": k.why, "at": now.rfc3339()});
            c.feed.push(FeedItem { kind: "canary.failed".into(), warning: None, callout: None, at: now, data });
        }
        c
    }

    /// What is durable feeds the accounts' health.
    async fn canaries_known(&self, book: &CanaryBook, known: Vec<Known>) -> Result<(), StoreError> {
        self.canaries.all().clone_from(&book.accounts);
        let mut learned: Vec<(String, Happened)> = Vec::new();
        for k in known {
            if !k.ok {
                tracing::error!(account = %k.account, why = %k.why, failures = k.failures, "a canary did not come through");
                let why = format!("点名不通：{}", k.why);
                // Once may be the canary's own telephone; twice in a row is the account.
                learned.push((k.account, if k.failures > 1 { Happened::Broke { why } } else { Happened::Worse { why } }));
            }
        }
        self.write_learned(learned).await
    }

    /// The book came due: what was not heard of in time has failed, and whose turn it is is rung.
    pub(super) async fn work_canaries(&self, claim: Claim, jobs: &mut Vec<Job>) -> Result<(), StoreError> {
        let now = self.store.now();
        let mut book: CanaryBook = match &claim.record {
            Some(r) => read_whole(&claim.key, &r.body)?,
            None => CanaryBook::default(),
        };
        let before = book.clone();
        let mut known = book.overdue(now);
        let mut leaving = Vec::new();
        if let Some(canaries) = &self.settings.canaries {
            for account in self.canary_accounts(canaries) {
                if account.standing().disabled.is_some() {
                    book.passes(account.name(), &canaries.schedule, now);
                    continue;
                }
                let Some(attempt) = book.ring(account.name(), &canaries.schedule, now) else { continue };
                match self.canary_job(canaries, account, attempt, now) {
                    Ok(Some(job)) => leaving.push(job),
                    // No room: warnings go first.
                    Ok(None) => {
                        account.forget(attempt);
                        let Some(c) = book.accounts.get_mut(account.name()) else { continue };
                        if let Some(b) = before.accounts.get(account.name()) {
                            c.clone_from(b);
                        }
                        c.next = now + NO_ROOM;
                    }
                    Err(why) => known.extend(book.untried(account.name(), &why)),
                }
            }
        }
        if book == before {
            let due = book.due(|name| self.on_book(name)).unwrap_or(now + Span::hours(1)).max(now + Span::secs(1));
            return self.store.release(&[(claim.key, claim.nonce)], due).await;
        }
        let commit = self.book_commit(&book, claim.record.as_ref(), "rung", &known, now);
        if matches!(self.store.commit(WriteLane::Urgent, vec![commit]).await?.first(), Some(Committed::Done)) {
            // Law 3, here too: on record before it leaves.
            jobs.extend(leaving);
            self.canaries_known(&book, known).await?;
        }
        Ok(())
    }

    /// The request of a ring; `None` where the account has no room now, `Err` where it cannot send such a message.
    fn canary_job(&self, canaries: &Canaries, account: &Arc<Account>, attempt: AttemptId, now: Time) -> Result<Option<Job>, String> {
        let channel = account.provider.channel();
        let to = canaries.address(channel, attempt.n).ok_or("no canary number")?;
        let facts = MessageFacts { drill: true, sent: now, recipient: "点名".into(), ..MessageFacts::default() };
        let message = self.renderer.render_known(MessageKind::Canary, channel, &facts, &|_| false).map_err(|e| e.to_string())?;
        account.provider.check_message(&message)?;
        let Ok(slot) = account.slot(attempt, Priority::of(Level::Blue, true, None, 0, None), now) else { return Ok(None) };
        let request = SendRequest { reference: self.references.attempt(attempt), to, message };
        Ok(Some(Job { whose: JobFor::Canary(attempt), account: account.clone(), slot, request, by: now + self.settings.leaves_within() }))
    }

    /// What providers made of canaries.
    pub(super) async fn canary_outcomes(&self, outcomes: Vec<(AttemptId, Outcome, bool)>) -> Result<(), StoreError> {
        for (attempt, outcome, receipts) in outcomes {
            let noted = |book: &mut CanaryBook| match held_up(&outcome) {
                true => book.void(attempt, "held up").map(|()| None),
                false => book.outcome(attempt, &outcome, receipts),
            };
            self.change_book("outcome", |book, _| noted(book).map(|k| k.into_iter().collect())).await?;
        }
        Ok(())
    }

    /// What became of one.
    pub(super) async fn canary_receipt(&self, attempt: AttemptId, result: &ReceiptResult) -> Result<(), StoreError> {
        let (ok, said) = match result {
            ReceiptResult::Waiting => return Ok(()),
            ReceiptResult::Delivered => (true, "delivered".to_string()),
            // Somebody need not be there to lift the receiver: it rang.
            ReceiptResult::CallEnded { code, detail, number_dead, config, rang, .. } => {
                (!number_dead && !config && *rang == Rang::Yes, format!("{code} {detail}"))
            }
            ReceiptResult::Failed { code, detail, .. } => (false, format!("{code} {detail}")),
        };
        self.change_book("receipt", |book, _| book.receipt(attempt, ok, said.trim()).map(|k| vec![k])).await
    }
}
