//! Callbacks: kept raw and durable first, answered at once, then worked through like everything else
//! that is due. What is doubled, late or out of order changes nothing that it must not.

use super::{
    ActError, Engine,
    apply::{WarningChange, from_json, to_json},
    duty::unclaimed,
    newer::read_whole,
    provider_ids,
};
use crate::{
    channel::{CallbackItem, CallbackReply, CallbackRequest, Rang, ReceiptResult},
    core::{
        callout::{
            event::Event,
            state::{AttemptState, Callout, TaskKind, Via},
        },
        duty_call::DutyCall,
        ids::{AttemptId, CalloutId},
        line::{AskFacts, Line, LineEvent, Member, ReplyMeaning, names_digit, reply_meaning},
        phone::Phone,
        route::{canary::CanaryBook, standing::Happened},
        send::Channel,
        time::{Span, Time},
        warning_life::{WarningPhase, WarningState},
    },
    store::{CalloutFilter, Claim, Commit, Committed, FeedItem, Head, Key, Lane, StoreError, WriteLane},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures_util::future;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::HashSet, sync::PoisonError};

/// A callback as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parked {
    account: String,
    content_type: Option<String>,
    /// Of the address it came to, where something of ours stands in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    body: String,
    /// The same in Base64 where it is not UTF-8 (old gateways push GBK): what a person wrote must not be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    at: Time,
    /// Set when worked through; says what was made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// How often it named a message by an id that nobody had told us yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    tries: u8,
}
impl Parked {
    /// The body as it came.
    fn raw(&self) -> Cow<'_, [u8]> {
        let bytes = self.bytes.as_ref().and_then(|b| BASE64.decode(b).ok());
        bytes.map_or(Cow::Borrowed(self.body.as_bytes()), Cow::Owned)
    }
}
fn is_zero(n: &u8) -> bool {
    *n == 0
}
/// Provider times have whole seconds; a reply may seem that much older than its ask.
const CLOCK_GRAIN: Span = Span::secs(2);
/// `Which` is asked at most this often per number.
const WHICH_AGAIN: Span = Span::mins(10);
/// What cannot be read here is left to a gateway of a newer version for so long.
const FOR_A_NEWER_ONE: Span = Span::mins(10);

impl Engine {
    /// Keeps a provider's callback raw and durable, and answers as that provider wants. The caller
    /// has checked account and secret; a signature, where the provider makes one, is checked here.
    pub async fn take_callback(&self, account: &str, request: &CallbackRequest<'_>) -> Result<CallbackReply, ActError> {
        let Some(a) = self.accounts.named(account) else { return Err(ActError::NotFound(format!("account {account}"))) };
        if let Err(why) = a.provider.check_callback(request) {
            tracing::warn!(account, %why, "a callback is not the provider's and was refused");
            return Err(ActError::NotFound(format!("this callback of {account}: {why}")));
        }
        let kept = self.park(account, request.query(), request.content_type(), request.body).await?;
        Ok(a.provider.answer_callback(kept, request))
    }

    /// The same for a body alone.
    pub async fn park_callback(&self, account: &str, content_type: Option<&str>, body: &[u8]) -> Result<CallbackReply, ActError> {
        let Some(a) = self.accounts.named(account) else { return Err(ActError::NotFound(format!("account {account}"))) };
        let kept = self.park(account, None, content_type, body).await?;
        Ok(a.provider.callback_reply(kept))
    }

    async fn park(&self, account: &str, query: Option<&str>, content_type: Option<&str>, body: &[u8]) -> Result<bool, StoreError> {
        let now = self.store.now();
        let parked = Parked {
            account: account.to_string(),
            content_type: content_type.map(str::to_string),
            query: query.map(str::to_string),
            body: String::from_utf8_lossy(body).into_owned(),
            bytes: std::str::from_utf8(body).is_err().then(|| BASE64.encode(body)),
            at: now,
            result: None,
            tries: 0,
        };
        let n = self.store.next_number("callback").await?;
        let body = to_json(&parked);
        let journal = to_json(&serde_json::json!([{"e": "parked", "account": account}]));
        let c = Commit::new(Key::Callback(n), Head::NONE, body, journal, Some(now), Lane::URGENT, now);
        // Only what is kept is thanked for: otherwise the provider pushes it again.
        Ok(matches!(self.store.commit(WriteLane::Urgent, vec![c]).await?.first(), Some(Committed::Done)))
    }

    pub(super) async fn work_callback(&self, claim: Claim) -> Result<(), StoreError> {
        let Some(record) = &claim.record else { return Ok(()) };
        let mut parked: Parked = read_whole(&claim.key, &record.body)?;
        let result = match self
            .accounts
            .named(&parked.account)
            .map(|a| a.provider.read_callback_at(parked.query.as_deref(), parked.content_type.as_deref(), &parked.raw()))
        {
            Some(Ok(items)) => {
                let count = items.len();
                let named = self.named_by_id(&parked.account, items, &parked.raw(), parked.tries > 0).await?;
                self.work_items(named.items, &parked).await?;
                if named.early > 0
                    && let Some(wait) = provider_ids::AGAIN.get(usize::from(parked.tries))
                {
                    parked.tries += 1;
                    let now = self.store.now();
                    let journal = to_json(&serde_json::json!([{"e": "early", "items": named.early}]));
                    let c = Commit::new(claim.key, record.head, to_json(&parked), journal, Some(now + *wait), Lane::URGENT, now);
                    self.store.commit(WriteLane::Urgent, vec![c]).await?;
                    return Ok(());
                }
                if named.early > 0 {
                    format!("{count} items, {} of them about nothing of ours", named.early)
                } else {
                    format!("{count} items")
                }
            }
            Some(Err(why)) => {
                tracing::warn!(account = %parked.account, %why, "a callback cannot be read; it is kept raw");
                // A reply may stand in it, and this provider will not tell it again. Nothing at all is a probe.
                let title = format!("服务商 {} 推送的内容无法读取，其中可能有短信回复，请向服务商核对（原文已留存）", parked.account);
                if !parked.raw().trim_ascii().is_empty() {
                    self.task_to_read(&title).await?;
                }
                format!("unreadable: {why}")
            }
            None => "account is not configured any more".to_string(),
        };
        let now = self.store.now();
        parked.result = Some(result.clone());
        let journal = to_json(&serde_json::json!([{"e": "worked", "result": result}]));
        let c = Commit::new(claim.key, record.head, to_json(&parked), journal, None, Lane::URGENT, now);
        self.store.commit(WriteLane::Urgent, vec![c]).await?;
        Ok(())
    }

    /// Receipts of direct messages in one batch; the others one by one, side by side. One whose record cannot be had keeps none
    /// of the others back.
    async fn work_items(&self, items: Vec<CallbackItem>, parked: &Parked) -> Result<(), StoreError> {
        let (mut plain, mut others, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let mut replies = HashSet::new();
        for item in items {
            if let CallbackItem::Reply { dedupe, .. } = &item
                && !replies.insert(dedupe.clone())
            {
                continue;
            }
            match self.plain_receipt(&item).await {
                Ok(Some(event)) => plain.push(event),
                Ok(None) => others.push(item),
                Err(e) => failed.push(e),
            }
        }
        let learned = if self.worked_before(parked) { Ok(()) } else { self.learn_receipts(&parked.account, &plain).await };
        let applied = self.apply_many(plain).await;
        let worked = future::join_all(others.into_iter().map(|item| self.work_item(item, parked))).await;
        failed.extend([learned, applied].into_iter().chain(worked).filter_map(Result::err));
        // What is away comes back, and then all is worked again: whatever was heard of already changes nothing.
        let (broken, away): (Vec<_>, Vec<_>) = failed.into_iter().partition(|e| matches!(e, StoreError::Corrupt { .. }));
        if let Some(e) = away.into_iter().next() {
            return Err(self.is_worked_again(parked, e));
        }
        if let Some(e) = broken.into_iter().next() {
            // The others' answers are in. A newer gateway may be able to read it; if not, it would never be worked.
            tracing::error!(account = %parked.account, error = %e, "part of a callback concerns a record that cannot be read; it is kept raw");
            let title = format!("服务商 {} 的推送涉及一条无法读取的记录，请核对（原文已留存）", parked.account);
            if let Err(error) = self.task_to_read(&title).await {
                tracing::error!(%error, %title, "nobody could be given this to read");
            }
            if self.store.now() < parked.at + FOR_A_NEWER_ONE {
                return Err(self.is_worked_again(parked, e));
            }
        }
        self.worked_before.lock().unwrap_or_else(PoisonError::into_inner).remove(&(parked.account.clone(), parked.at));
        Ok(())
    }

    fn is_worked_again(&self, parked: &Parked, why: StoreError) -> StoreError {
        let mut before = self.worked_before.lock().unwrap_or_else(PoisonError::into_inner);
        // Another gateway may have ended those that came before; of an hour ago nothing is pushed again.
        before.retain(|(_, at)| *at + Span::hours(1) > parked.at);
        before.insert((parked.account.clone(), parked.at));
        why
    }

    fn worked_before(&self, parked: &Parked) -> bool {
        self.worked_before.lock().unwrap_or_else(PoisonError::into_inner).contains(&(parked.account.clone(), parked.at))
    }

    /// What receipts say of an account's health: a number that is dead says nothing of it.
    async fn learn_receipts(&self, account: &str, receipts: &[(CalloutId, Event)]) -> Result<(), StoreError> {
        let Some(account) = self.accounts.named(account) else { return Ok(()) };
        let mut learned = Vec::new();
        for (_, event) in receipts {
            if let Event::Receipt { delivered, number_dead: false, .. } = event {
                learned.extend(account.learn_receipt(*delivered, self.store.now()).map(|h| (account.name().to_string(), h)));
            }
        }
        self.write_learned(learned).await
    }

    /// The same of a single one. `arrived`: of a call, that it rang; whether somebody lifted the receiver says nothing of the
    /// account. `config`: what is said where its signature, port or template is at fault, so that what it takes does not arrive.
    async fn learn_from(&self, account: &str, arrived: Rang, number_dead: bool, config: Option<&str>) -> Result<(), StoreError> {
        let Some(account) = self.accounts.named(account) else { return Ok(()) };
        let name = account.name().to_string();
        if let Some(said) = config {
            tracing::error!(account = %name, %said, "a receipt says that the account is not set up rightly");
            // By one carrier's account of it: the share goes down step by step, and why is shown.
            return self.write_learned(vec![(name, Happened::Worse { why: format!("回执：{said}（签名、端口或模板未报备）") })]).await;
        }
        if !matches!(account.provider.channel(), Channel::Sms | Channel::Voice) || number_dead || arrived == Rang::Unsure {
            return Ok(());
        }
        let learned = account.learn_receipt(arrived == Rang::Yes, self.store.now());
        self.write_learned(learned.map(|h| (name, h)).into_iter().collect()).await
    }

    /// The event of a receipt for a message that no line made.
    async fn plain_receipt(&self, item: &CallbackItem) -> Result<Option<(CalloutId, Event)>, StoreError> {
        let CallbackItem::Receipt { reference: Some(reference), result, .. } = item else { return Ok(None) };
        let Some(attempt) = self.references.read_attempt(reference).filter(|a| !CanaryBook::is_one(*a)) else { return Ok(None) };
        let mut lost = false;
        let (delivered, outcome, number_dead) = match result {
            ReceiptResult::Delivered => (true, "delivered".to_string(), false),
            ReceiptResult::Failed { code, detail, number_dead, config: false, elsewhere } => {
                lost = *elsewhere;
                (false, format!("{code} {detail}").trim().to_string(), *number_dead)
            }
            _ => return Ok(None),
        };
        let direct = matches!(self.phone_of_attempt(attempt).await?, Some((_, false)));
        Ok(direct.then_some((attempt.callout, Event::Receipt { n: attempt.n, delivered, outcome, number_dead, lost })))
    }

    async fn work_item(&self, item: CallbackItem, parked: &Parked) -> Result<(), StoreError> {
        match item {
            CallbackItem::Receipt { reference, at, result, keys, .. } => {
                let Some(attempt) = reference.as_deref().and_then(|r| self.references.read_attempt(r)) else {
                    tracing::info!(account = %parked.account, "a receipt names no attempt of ours");
                    return Ok(());
                };
                if CanaryBook::is_one(attempt) {
                    return self.canary_receipt(attempt, &result).await;
                }
                self.receipt(attempt, at, result, keys, parked).await
            }
            CallbackItem::Key { reference, at, keys, .. } => {
                if let Some(attempt) = reference.as_deref().and_then(|r| self.references.read_attempt(r))
                    && let Some((phone, true)) = self.phone_of_attempt(attempt).await?
                {
                    let at = at.unwrap_or(parked.at).min(parked.at);
                    self.line_event(&phone, LineEvent::Keys { lead: attempt, keys, at }).await?;
                }
                Ok(())
            }
            CallbackItem::Reply { phone, text, at, dedupe, .. } => {
                let Some(phone) = Phone::parse(&phone) else { return Ok(()) };
                let key = reply_key(&parked.account, &dedupe);
                if self.load_line(&phone).await?.0.heard_before(&key, at.is_some() || dedupe.starts_with("id:"), parked.at) {
                    tracing::info!(account = %parked.account, "a reply was pushed again");
                    return Ok(());
                }
                self.reply(&phone, &text, at.unwrap_or(parked.at).min(parked.at), parked.at).await?;
                // Last: one that was not worked to its end before we were killed is worked again.
                self.apply_line(&phone, &LineEvent::Heard { key }, WriteLane::Urgent).await.map(drop)
            }
        }
    }

    /// The number an attempt went to, and whether the number's line made it.
    async fn phone_of_attempt(&self, attempt: AttemptId) -> Result<Option<(Phone, bool)>, StoreError> {
        if DutyCall::is_one(attempt) {
            return Ok(self.duty_phone(attempt).await?.map(|phone| (phone, true)));
        }
        let Some(parts) = self.callout_parts(attempt.callout).await? else { return Ok(None) };
        let Some(a) = parts.callout.attempt(attempt.n) else { return Ok(None) };
        let person = parts.callout.contacts.get(usize::from(a.contact)).and_then(|k| parts.person(k.person));
        Ok(person.and_then(|p| p.phones.get(usize::from(a.number))).map(|p| (p.clone(), a.by_line)))
    }

    async fn receipt(
        &self,
        attempt: AttemptId,
        at: Option<Time>,
        result: ReceiptResult,
        keys: Option<String>,
        parked: &Parked,
    ) -> Result<(), StoreError> {
        let said = |code: String, detail: String| format!("{code} {detail}").trim().to_string();
        // Whether it came to its person; what that says of the account; whether the account's settings lost it, or its provider.
        let mut kept_back = false;
        let (ok, arrived, config, number_dead, outcome) = match result {
            ReceiptResult::Waiting => return Ok(()),
            ReceiptResult::Delivered => (true, Rang::Yes, false, false, "delivered".to_string()),
            ReceiptResult::Failed { code, detail, number_dead, config, elsewhere } => {
                kept_back = elsewhere;
                (false, Rang::No, config, number_dead, said(code, detail))
            }
            // A call that nobody took rang all the same.
            ReceiptResult::CallEnded { code, detail, heard, number_dead, config, rang } => {
                (heard, rang, config, number_dead, said(code, detail))
            }
        };
        if !self.worked_before(parked) {
            self.learn_from(&parked.account, arrived, number_dead, config.then_some(outcome.as_str())).await?;
        }
        let by_line = self.phone_of_attempt(attempt).await?;
        let voice = self.accounts.named(&parked.account).is_some_and(|a| a.provider.channel() == Channel::Voice);
        // A message that did not arrive for whatever other reason would not by another account either.
        let lost = !ok && (config || kept_back || voice && arrived != Rang::Yes);
        if let Some((phone, true)) = by_line {
            if let Some(keys) = keys.filter(|k| !k.is_empty()) {
                let at = at.unwrap_or(parked.at).min(parked.at);
                self.line_event(&phone, LineEvent::Keys { lead: attempt, keys, at }).await?;
            }
            return self.line_event(&phone, LineEvent::Finished { lead: attempt, ok, outcome, number_dead, lost }).await;
        }
        let event = Event::Receipt { n: attempt.n, delivered: ok, outcome, number_dead, lost };
        self.apply_callout(attempt.callout, &event, WriteLane::Urgent).await?;
        Ok(())
    }

    /// The callout that now stands for this one: the last of those that carry it on.
    async fn newest(&self, mut c: Callout) -> Result<Callout, StoreError> {
        while let Some(s) = c.successor.filter(|s| s.inherits) {
            match self.callout_parts(s.id).await? {
                Some(parts) => c = parts.callout,
                None => break,
            }
        }
        Ok(c)
    }

    /// An SMS reply: what it means depends on the asks that stand open on this number. `written`: when, by the provider's
    /// clock. A digit names its ask, and rests a day before it names another: there the provider's clock, which may be
    /// behind ours, has no say.
    async fn reply(&self, phone: &Phone, text: &str, written: Time, arrived: Time) -> Result<(), StoreError> {
        let at = if names_digit(text) { arrived } else { written };
        let (line, _) = self.load_line(phone).await?;
        let mut asks = line.asks.clone();
        asks.sort_by_key(|a| a.at);
        let mut facts = Vec::with_capacity(asks.len());
        let mut counted: Vec<(u8, Member)> = Vec::new();
        for ask in &asks {
            let (mut counts, mut open) = (false, false);
            for m in &ask.members {
                if let Some(parts) = self.callout_parts(m.attempt.callout).await?
                    && attempt_counts(&line, &parts.callout, m, ask.at, at)
                {
                    counts = true;
                    open |= waits_for(&self.newest(parts.callout).await?, m);
                    counted.push((ask.digit, m.clone()));
                }
            }
            facts.push(AskFacts { digit: ask.digit, counts, open });
        }
        // Only what was asked before the reply can be meant by it.
        let members = |digit: u8| distinct(counted.iter().filter(move |(d, _)| *d == digit).map(|(_, m)| m)).into_iter();
        match reply_meaning(text, &facts) {
            ReplyMeaning::Answers(digit) => {
                let asked = asks.iter().find(|a| a.digit == digit).map_or(written, |a| a.at);
                for m in members(digit) {
                    let event = Event::Answer { contact: m.contact, via: Via::Reply, at: written.max(asked).min(arrived) };
                    self.apply_callout(m.attempt.callout, &event, WriteLane::Urgent).await?;
                }
            }
            ReplyMeaning::Which(digits) => {
                let asked = line.which_sent.is_some_and(|t| t + WHICH_AGAIN > self.store.now());
                let first = digits.first().and_then(|d| members(*d).next().cloned());
                if let (true, Some(m)) = (asked, &first) {
                    // It was asked which one a short while ago, and the reply is no clearer: a person reads it.
                    let event = Event::Unreadable { contact: m.contact, text: text.to_string() };
                    self.apply_callout(m.attempt.callout, &event, WriteLane::Urgent).await?;
                } else if let Some(m) = first {
                    self.apply_line(phone, &LineEvent::WhichSent { digits: digits.clone() }, WriteLane::Urgent).await?;
                    self.apply_callout(m.attempt.callout, &Event::AskWhich { contact: m.contact }, WriteLane::Urgent).await?;
                }
            }
            ReplyMeaning::Unreadable { about } => {
                let about = about.and_then(|d| members(d).next().cloned());
                match about {
                    Some(m) => {
                        let event = Event::Unreadable { contact: m.contact, text: text.to_string() };
                        self.apply_callout(m.attempt.callout, &event, WriteLane::Urgent).await?;
                    }
                    // What the office's own test number writes is no person's word.
                    None if self.settings.canaries.as_ref().is_some_and(|c| c.is_one(phone)) => {}
                    None => {
                        self.somebody_reads(phone, text).await?;
                        let now = self.store.now();
                        let data = serde_json::json!({"phone": phone.masked(), "text": text.chars().take(200).collect::<String>(), "at": now.rfc3339()});
                        self.announce("replies", FeedItem { kind: "reply.unmatched".into(), warning: None, callout: None, at: now, data })
                            .await?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Engine {
    /// A reply that belongs to no ask (a stranger's, or a person's whose ask is a day old): an officer reads it
    /// all the same, with the person's open callout where there is one, else with the newest running warning.
    async fn somebody_reads(&self, phone: &Phone, text: &str) -> Result<(), StoreError> {
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        let directory = self.directory();
        let of_number = directory.recipients.values().filter(|r| r.phones.contains(phone)).map(|r| r.id.0).collect::<Vec<_>>();
        if !of_number.is_empty() {
            let filter = CalloutFilter { open: true, recipients: Some(of_number), ..CalloutFilter::default() };
            if let Some((record, _)) = self.reports.callouts(None, &filter, None, 100).await?.pop()
                && let Key::Callout(id) = record.key
            {
                self.apply_callout(id, &Event::Unreadable { contact: 0, text }, WriteLane::Urgent).await?;
                return Ok(());
            }
        }
        self.task_to_read(&format!("阅读 {} 的来信：{text}", phone.masked())).await
    }

    /// A task of the newest running warning; the same one is not opened twice.
    async fn task_to_read(&self, title: &str) -> Result<(), StoreError> {
        for record in self.reports.warnings(None, 50).await? {
            let w: WarningState = from_json(&record.key, &record.body)?;
            if w.phase != WarningPhase::Active || w.drill {
                continue;
            }
            self.apply_warning(w.id, WriteLane::Urgent, |w, now| {
                if w.tasks.iter().any(|t| t.closed.is_none() && t.title == title) {
                    return None;
                }
                let due = now + unclaimed(w.policy.clocks.claim_lapses);
                let n = w.push_task(TaskKind::Read, title, now, due);
                let entry = serde_json::json!({"e": "reply_unmatched", "task": n});
                Some(WarningChange { entry, tasks: vec![n], ..WarningChange::default() })
            })
            .await?;
            return Ok(());
        }
        Ok(())
    }
}

/// What a line remembers a reply by: 64 bits are enough to tell those of one number apart.
fn reply_key(account: &str, dedupe: &str) -> String {
    let digest = Sha256::digest(format!("{account}|{dedupe}").as_bytes());
    digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// Only asks accepted, delivered or unknown, sent before the reply, count. One whose outcome is not
/// recorded (yet, or because we were killed) is of unknown fate, and its reply proves that it arrived. A line's
/// ask left when its digit was given out (`asked`); its callout hears so by letter, which may come after the reply,
/// after the flight's end even, and writes down when it heard.
fn attempt_counts(line: &Line, c: &Callout, m: &Member, asked: Time, at: Time) -> bool {
    let Some(a) = c.attempt(m.attempt.n) else { return false };
    let reached = a.state == AttemptState::Sending || a.state.reached_out();
    let left = a.by_line && a.state != AttemptState::Failed && !line.waiting.iter().any(|w| w.ask.attempt == m.attempt);
    // An ask stands among the waiting until its flight is over.
    let flight = line.flight_of(m.attempt).map(|f| f.at);
    let sent = match (reached, left) {
        (true, true) => a.sent.map(|s| s.min(asked)),
        (true, false) => a.sent.map(|s| flight.map_or(s, |left| s.min(left))),
        (false, true) => Some(asked),
        (false, false) => flight,
    };
    sent.is_some_and(|s| s <= at + CLOCK_GRAIN)
}

/// Whether the callout (or the one that continues it) still waits for this contact.
fn waits_for(c: &Callout, m: &Member) -> bool {
    let handed = m.relation.takes_over() && c.claimed();
    c.state.is_open() && !c.told_only && !handed
}

/// One member per callout and contact: a chase stands beside its ask.
fn distinct<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<&'a Member> {
    let mut out: Vec<&Member> = Vec::new();
    for m in members {
        if !out.iter().any(|o| o.attempt.callout == m.attempt.callout && o.contact == m.contact) {
            out.push(m);
        }
    }
    out
}
