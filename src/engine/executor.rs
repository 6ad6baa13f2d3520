//! The turn: claim what is due, let the core decide, commit, and hand out the requests that are now
//! durable intents. A turn never waits for a provider and never sleeps.

use super::{
    Engine,
    apply::{Around, forwarded, name_empty, to_json, write_lane},
    choosing::{NotNow, QUOTA, Turns, Wish},
    dispatcher::{Job, JobFor, LookupJob},
    facts::message_kind,
    limits::{Account, InFlight},
    lines::calls_over,
    newer::{LEFT, read_whole},
};
use crate::{
    channel::{Address, Message, SendRequest},
    core::{
        callout::{
            self, ForwardTo, Stepped,
            event::{Event, LineNews},
            state::{AskKind, Attempt, Callout},
        },
        ids::{AttemptId, CalloutId, WarningId},
        line::{self, Line, LineEvent, Member, Saying},
        phone::Phone,
        place::{PlaceLetter, PlaceRecord},
        plan::is_relay_record,
        route::{ByQuota, by_quota},
        send::{Channel, Outcome},
        time::{Span, Time},
    },
    store::{Claim, Commit, Committed, Envelope, Head, Key, Lane, Record, StoreError},
};
use futures_util::future;
use std::collections::BTreeMap;

/// What a turn did.
#[derive(Default)]
pub struct Turn {
    pub claimed: usize,
    /// Requests whose intent is durable; to be sent now.
    pub jobs: Vec<Job>,
}

/// A callout on its way through a turn.
struct InHand {
    id: CalloutId,
    nonce: u64,
    around: Around,
    record: Record,
    letters: Vec<u64>,
    stepped: Stepped,
    /// What belongs to the callouts that continue this one; travels with the commit.
    forwards: Vec<ForwardTo>,
    requests: Vec<Ready>,
    /// Something could not leave yet; look again then.
    wait: Option<Time>,
}

/// A request that may leave once the intent is durable.
struct Ready {
    n: u16,
    account: std::sync::Arc<super::limits::Account>,
    slot: InFlight,
    request: SendRequest,
}

/// An account with room, and what it is to send.
struct Chosen {
    account: std::sync::Arc<Account>,
    slot: InFlight,
    digit: Option<u8>,
    message: Message,
}

/// Lines touched by a turn's direct SMS, each committed once.
#[derive(Default)]
struct Lines {
    all: BTreeMap<Phone, LineInHand>,
}
struct LineInHand {
    record: Option<Record>,
    state: Line,
    entries: Vec<line::LineEntry>,
    /// Every step looks at the clock, so a call may be found over here too; its callouts must hear of it.
    news: Vec<(AttemptId, LineNews)>,
    /// Accounts whose call was found over.
    over: Vec<(String, AttemptId)>,
}

impl Engine {
    /// Works through up to `limit` due records.
    pub async fn turn(&self, limit: usize) -> Result<Turn, StoreError> {
        let (turn, plans) = self.turn_without_plans(limit).await?;
        for claim in plans {
            self.work_plan(claim).await?;
        }
        for claim in self.take_digests() {
            self.work_digest(claim).await?;
        }
        Ok(turn)
    }

    /// A turn that leaves warnings and groups to the caller ([`Engine::work_plan`], [`Engine::take_digests`]): making rows of a plan takes
    /// tens of milliseconds, and nobody's call waits for somebody else's row.
    pub async fn turn_without_plans(&self, limit: usize) -> Result<(Turn, Vec<Claim>), StoreError> {
        let claims = self.store.claim(limit, self.settings.lease).await?;
        let claimed = claims.len();
        let (plans, claims): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|c| matches!(c.key, Key::Warning(_)));
        let (callouts, others): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|c| matches!(c.key, Key::Callout(_)));
        // Side by side, so that one group commit carries them all; each record is its own claim.
        let (sent, rest) =
            future::join(self.work_callouts(callouts), future::join_all(others.into_iter().map(|c| self.work_other(c)))).await;
        let mut failed = None;
        let sent = sent.unwrap_or_else(|e| {
            failed = Some(e);
            Vec::new()
        });
        let mut turn = Turn { claimed, jobs: sent };
        for jobs in rest {
            match jobs {
                Ok(jobs) => turn.jobs.extend(jobs),
                Err(e) => failed = Some(e),
            }
        }
        if let Some(e) = failed {
            // Intents that are durable leave all the same; what failed is leased and comes back.
            tracing::error!(error = %e, "a due record could not be worked");
        }
        Ok((turn, plans))
    }

    /// One step of a warning: its plan, some of its rows, some of its end.
    pub async fn work_plan(&self, claim: Claim) -> Result<(), StoreError> {
        let (key, nonce) = (claim.key.clone(), claim.nonce);
        match self.work_warning(claim).await {
            Err(e @ (StoreError::Corrupt(_) | StoreError::Newer(_))) => {
                self.leave(&key, nonce, &e).await;
                Ok(())
            }
            other => other,
        }
    }

    async fn work_other(&self, claim: Claim) -> Result<Vec<Job>, StoreError> {
        let mut jobs = Vec::new();
        let (key, nonce) = (claim.key.clone(), claim.nonce);
        let worked = match &key {
            Key::Callout(_) | Key::Warning(_) => Ok(()),
            Key::Line(_) => self.work_line(claim, &mut jobs).await,
            Key::Place(..) => self.work_place(claim).await,
            Key::Callback(_) => self.work_callback(claim).await,
            Key::Named(_) => self.work_named(claim, &mut jobs).await,
        };
        match worked {
            Err(e @ (StoreError::Corrupt(_) | StoreError::Newer(_))) => self.leave(&key, nonce, &e).await,
            other => other?,
        }
        Ok(jobs)
    }

    async fn work_callouts(&self, claims: Vec<Claim>) -> Result<Vec<Job>, StoreError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.store.now();
        let mut hands = Vec::with_capacity(claims.len());
        // A warning that cannot be had now is asked for once a turn, not by each of its callouts.
        let mut away: BTreeMap<WarningId, StoreError> = BTreeMap::new();
        for claim in claims {
            // One that cannot be read must not hold up the others: it is given back, maybe to a newer gateway.
            let (key, nonce) = (claim.key.clone(), claim.nonce);
            let Key::Callout(CalloutId { warning, .. }) = key else { continue };
            if let Some(why) = away.get(&warning) {
                self.leave(&key, nonce, why).await;
                continue;
            }
            match self.take_in_hand(claim, now).await {
                Ok(hand) => hands.extend(hand),
                Err(e) => {
                    self.leave(&key, nonce, &e).await;
                    if matches!(e, StoreError::Unavailable(_)) {
                        away.insert(warning, e);
                    }
                }
            }
        }
        let (mut lines, unreadable) = self.lines_for(&hands, now).await;
        if !unreadable.is_empty() {
            hands = self.leave_those_on(hands, &unreadable, now).await;
        }
        for hand in &mut hands {
            self.route(hand, &mut lines, now);
        }
        let mut jobs = Vec::new();
        self.commit_hands(hands, lines, now, &mut jobs).await?;
        Ok(jobs)
    }

    /// Reads a claimed callout and lets the core decide.
    async fn take_in_hand(&self, claim: Claim, now: Time) -> Result<Option<InHand>, StoreError> {
        let Key::Callout(id) = claim.key else { return Ok(None) };
        let (Some(record), Some(around)) = (claim.record, self.around(id).await?) else {
            // A letter for a callout that is not a row yet: the row comes, the letter waits.
            self.store.release(&[(claim.key, claim.nonce)], now + Span::ms(200)).await?;
            return Ok(None);
        };
        let mut state: Callout = read_whole(&claim.key, &record.body)?;
        let ctx = around.ctx(self);
        let mut whole: Option<Stepped> = None;
        let mut letters = Vec::with_capacity(claim.inbox.len());
        let mut forwards = Vec::new();
        let mut wait = None;
        let mut events: Vec<Event> = Vec::with_capacity(claim.inbox.len() + 1);
        for letter in &claim.inbox {
            letters.push(letter.seq);
            match read_whole::<Event>(&claim.key, &letter.body) {
                Ok(e) => events.push(e),
                // Written by a newer version: never lost, soon looked at again, maybe by that one.
                Err(e) => {
                    letters.pop();
                    wait = Some(now + LEFT);
                    tracing::error!(callout = %id, error = %e, "a letter cannot be read; it is kept");
                }
            }
        }
        if events.is_empty() {
            events.push(Event::Tick);
        }
        for event in &events {
            let s = callout::step(ctx, &state, event, now);
            if let Some(f) = s.effects.forward.clone() {
                forwards.push(f);
            }
            state = s.state.clone();
            whole = Some(match whole {
                None => s,
                Some(w) => join(w, s),
            });
        }
        for n in state.lookups_due(&ctx, now) {
            if let Some(a) = state.attempt(n) {
                self.queue_lookup(id, n, a, &state, &around);
                // Its answer moves the clock; until then there is nothing to look at.
                wait = Some(now + self.settings.sending_timeout);
            }
        }
        let requests = Vec::new();
        Ok(whole.map(|stepped| InHand { id, nonce: claim.nonce, around, record, letters, stepped, forwards, requests, wait }))
    }

    fn queue_lookup(&self, id: CalloutId, n: u16, a: &Attempt, state: &Callout, around: &Around) {
        let person = state.contacts.get(usize::from(a.contact)).and_then(|k| around.chunk.people.get(usize::from(k.person)));
        let phone = person.and_then(|p| p.phones.get(usize::from(a.number)));
        if let (Some(phone), Some(sent), Some(provider)) = (phone, a.sent, &a.provider) {
            let to = Address::Phone(phone.clone());
            self.lookups.push(LookupJob { whose: JobFor::Callout(id, n), provider: provider.clone(), to, sent });
        }
    }

    /// Loads the lines of all direct SMS of the turn in one go.
    /// Also answers the numbers whose lines cannot be had now, or only a newer gateway can read.
    async fn lines_for(&self, hands: &[InHand], now: Time) -> (Lines, BTreeMap<Phone, StoreError>) {
        let mut keys: Vec<Phone> = hands.iter().flat_map(|hand| direct_sms(hand, now)).collect();
        keys.sort_unstable();
        keys.dedup();
        let wanted: Vec<Key> = keys.iter().cloned().map(Key::Line).collect();
        let records = if wanted.is_empty() { Vec::new() } else { self.store.load_each(&wanted).await };
        let (mut lines, mut unreadable) = (Lines::default(), BTreeMap::new());
        for (phone, record) in keys.into_iter().zip(records) {
            let read = record.and_then(|record| {
                let line = record.as_ref().map(|r| read_whole(&r.key, &r.body)).transpose()?.unwrap_or_default();
                Ok((record, line))
            });
            let (record, state) = match read {
                Ok(read) => read,
                Err(e) => {
                    unreadable.insert(phone, e);
                    continue;
                }
            };
            lines.all.insert(phone, LineInHand { record, state, entries: Vec::new(), news: Vec::new(), over: Vec::new() });
        }
        (lines, unreadable)
    }

    /// Gives back the callouts that want to write to one of these numbers; nothing of them has been written.
    async fn leave_those_on(&self, hands: Vec<InHand>, unreadable: &BTreeMap<Phone, StoreError>, now: Time) -> Vec<InHand> {
        let mut left = Vec::with_capacity(hands.len());
        for hand in hands {
            match direct_sms(&hand, now).iter().find_map(|phone| unreadable.get(phone)) {
                Some(why) => self.leave(&Key::Callout(hand.id), hand.nonce, why).await,
                None => left.push(hand),
            }
        }
        left
    }

    /// Finds an account and a slot for each sendable attempt and marks it as leaving.
    fn route(&self, hand: &mut InHand, lines: &mut Lines, now: Time) {
        let sendable: Vec<(u16, Attempt)> = hand.stepped.state.sendable(now).map(|(n, a)| (n, a.clone())).collect();
        for (n, a) in sendable {
            let Some(to) = address_of(hand, &a) else {
                self.decide(hand, &Event::Unsendable { n, why: "no address".into() }, now);
                continue;
            };
            let event = match self.choose(hand, lines, n, &a, &to, now) {
                Ok(Chosen { account, slot, digit, message }) => {
                    let reference = self.references.attempt(AttemptId { callout: hand.id, n });
                    let provider = account.name().to_string();
                    hand.requests.push(Ready { n, account, slot, request: SendRequest { reference, to, message } });
                    Event::Submit { n, provider, digit }
                }
                Err(NotNow::Slot(wait)) => {
                    // Not yet: the time is given back, nothing is written, nothing sleeps.
                    hand.wait = Some(hand.wait.map_or(now + wait, |w| w.min(now + wait)));
                    continue;
                }
                Err(NotNow::Quota(until)) => Event::Defer { n, until, why: QUOTA.into() },
                Err(NotNow::Outlasted(until)) => Event::Outlasted { n, until, why: QUOTA.into() },
                Err(NotNow::Never(why)) => Event::Unsendable { n, why },
            };
            self.decide(hand, &event, now);
        }
    }

    /// The first account in order of choice that may carry it now and whose templates fit it.
    fn choose(&self, hand: &InHand, lines: &mut Lines, n: u16, a: &Attempt, to: &Address, now: Time) -> Result<Chosen, NotNow> {
        let id = AttemptId { callout: hand.id, n };
        let (level, drill) = (hand.around.entry().level, hand.around.warning.drill);
        let state = &hand.stepped.state;
        let wish =
            Wish { channel: a.channel, seed: id, failed_by: &a.failed_by, never: state.never_by(a), kind: message_kind(a.kind), drill };
        let candidates = self.accounts.candidates(&wish, now);
        if candidates.is_empty() {
            return Err(NotNow::Never(format!("no account for {}", a.channel)));
        }
        let line = match to {
            Address::Phone(phone) => lines.all.get_mut(phone),
            Address::Email { .. } | Address::Group { .. } => None,
        };
        let says = Saying::of([&member(hand, n, a, drill)]);
        let quota = |account: &Account| match &line {
            Some(line) => line.state.quota(account.name(), &account.callee_rules, says, level, drill, now),
            None => Ok(()),
        };
        let quotas: Vec<Result<(), Time>> = candidates.iter().map(|c| quota(&c.account)).collect();
        // Those that are asked last stand at the end.
        let usual = candidates.iter().zip(&quotas).filter(|(c, _)| !c.last).map(|(_, quota)| *quota);
        let first = match by_quota(usual, state.patience(a.kind, now)) {
            Some(ByQuota::Go(first)) => first,
            Some(ByQuota::Wait(until)) => return Err(NotNow::Quota(until)),
            Some(ByQuota::Outlasts(until)) => return Err(NotNow::Outlasted(until)),
            None => return Err(NotNow::Never(format!("no account for {}", a.channel))),
        };
        let options = match (&line, a.kind) {
            (Some(line), AskKind::Which) => self.options(&line.state),
            _ => Vec::new(),
        };
        let mut turns = Turns::default();
        for (c, _) in candidates.iter().zip(&quotas).skip(first).filter(|(_, quota)| quota.is_ok()) {
            let Some(slot) = turns.slot(c, id, hand.around.priority(state), now) else { continue };
            let digit = line.as_deref().map(|line| {
                let (member, carried) = (member(hand, n, a, drill), state.carried_from);
                line::step(&line.state, &LineEvent::DirectSms { member, carried, provider: c.account.name().to_string() }, now)
            });
            // Its own, whether or not he has answered already: on a shared number any other is another's.
            let shown = digit.as_ref().and_then(|s| s.digit);
            let provider = c.account.provider.as_ref();
            let made = self.message(provider, &hand.around, state, a, shown, options.clone());
            let message = match made.and_then(|m| provider.check_message(&m).map(|()| m)) {
                Ok(m) => m,
                Err(why) => {
                    turns.unfit(c, id, why);
                    continue;
                }
            };
            if let (Some(line), Some(s)) = (line, digit) {
                line.over.extend(calls_over(&line.state, &s.state));
                line.state = s.state;
                line.entries.extend(s.entries);
                line.news.extend(s.news);
            }
            return Ok(Chosen { account: c.account.clone(), slot, digit: shown, message });
        }
        Err(turns.not_now(id))
    }

    /// One more event in the same turn, joined to what was decided before.
    fn decide(&self, hand: &mut InHand, event: &Event, now: Time) {
        let next = callout::step(hand.around.ctx(self), &hand.stepped.state, event, now);
        let before =
            std::mem::replace(&mut hand.stepped, Stepped { state: next.state.clone(), entries: Vec::new(), effects: Default::default() });
        hand.stepped = join(before, next);
    }

    async fn commit_hands(&self, hands: Vec<InHand>, lines: Lines, now: Time, jobs: &mut Vec<Job>) -> Result<(), StoreError> {
        let mut batch: Vec<Commit> = Vec::with_capacity(hands.len() + lines.all.len());
        let mut line_keys = Vec::new();
        let mut over = Vec::new();
        for (phone, l) in lines.all {
            if l.entries.is_empty() {
                continue;
            }
            let s = line::LineStepped { state: l.state, entries: l.entries, news: l.news, digit: None };
            batch.push(self.line_commit(&phone, l.record.as_ref(), &s, now, Vec::new()));
            line_keys.push(phone);
            over.push(l.over);
        }
        let lines_in_batch = batch.len();
        let mut written = Vec::with_capacity(hands.len());
        let mut waits: Vec<(Key, u64, Time)> = Vec::new();
        let mut lane = crate::store::WriteLane::Rest;
        for hand in hands {
            if hand.stepped.entries.is_empty() && hand.letters.is_empty() {
                // Nothing to write. Where nothing waits either, the record's due was only approximate.
                let due = hand.stepped.state.due(&hand.around.ctx(self)).filter(|d| hand.wait.is_none() || *d > now);
                let until = [hand.wait, due].into_iter().flatten().min().unwrap_or(now + Span::secs(60)).max(now + Span::ms(1));
                waits.push((Key::Callout(hand.id), hand.nonce, until));
                continue;
            }
            lane = lane.min(write_lane(hand.around.lane()));
            let mut commit = self.callout_commit(&hand.around, Some(&hand.record), &hand.stepped, now, hand.letters.clone());
            commit.send.extend(hand.forwards.iter().map(forwarded));
            name_empty(&mut commit);
            batch.push(commit);
            written.push(hand);
        }
        let given_back = future::join_all(waits.into_iter().map(|(key, nonce, until)| async move {
            if let Err(e) = self.store.release(&[(key.clone(), nonce)], until).await {
                tracing::warn!(%key, error = %e, "it could not be given back; its lease ends by itself");
            }
        }));
        if batch.is_empty() {
            given_back.await;
            return Ok(());
        }
        let (results, _) = future::join(self.store.commit(lane, batch), given_back).await;
        let results = results?;
        for (_, accounts) in results.iter().zip(over).filter(|(r, _)| matches!(r, Committed::Done)) {
            self.give_calls_back(&accounts);
        }
        let failed_lines: Vec<Phone> =
            line_keys.into_iter().zip(&results).filter(|(_, r)| !matches!(r, Committed::Done)).map(|(phone, _)| phone).collect();
        for (hand, result) in written.into_iter().zip(results.iter().skip(lines_in_batch)) {
            if !matches!(result, Committed::Done) {
                continue; // Somebody else was first; it is due again by its own clock.
            }
            self.noted(&hand.around, &hand.stepped);
            for ready in hand.requests {
                if let Address::Phone(phone) = &ready.request.to
                    && failed_lines.contains(phone)
                {
                    // The line changed under us: its record of this ask must stand before it leaves.
                    let a = hand.stepped.state.attempt(ready.n).cloned();
                    if let Some(a) = a {
                        let m = member_of(&hand.stepped.state, ready.n, &a, hand.around.entry().level, hand.around.warning.drill);
                        let carried = hand.stepped.state.carried_from;
                        // What changed it may have used up what the number may get.
                        let (rules, says) = (&ready.account.callee_rules, Saying::of([&m]));
                        if let Ok((line, _)) = self.load_line(phone).await
                            && let Err(until) = line.quota(ready.account.name(), rules, says, m.level, m.drill, now)
                        {
                            self.keep_back(hand.id, ready.n, Some(until - now), "the number's limit").await;
                            continue;
                        }
                        let event = LineEvent::DirectSms { member: m, carried, provider: ready.account.name().to_string() };
                        // What was committed before leaves all the same; this one is found to be of unknown fate.
                        let s = match self.apply_line(phone, &event, crate::store::WriteLane::Urgent).await {
                            Ok(s) => s,
                            Err(error) => {
                                tracing::error!(callout = %hand.id, n = ready.n, %error, "a number's record cannot be written; the message does not leave");
                                continue;
                            }
                        };
                        if s.digit != a.digit && a.digit.is_some() {
                            // Another digit than the text says: it must not leave; asked again shortly.
                            self.keep_back(hand.id, ready.n, None, "line changed").await;
                            continue;
                        }
                    }
                }
                jobs.push(Job {
                    whose: JobFor::Callout(hand.id, ready.n),
                    account: ready.account,
                    slot: ready.slot,
                    request: ready.request,
                    by: now + self.settings.leaves_within(),
                });
            }
        }
        Ok(())
    }

    /// What was intended does not leave after all, and is asked again.
    async fn keep_back(&self, id: CalloutId, n: u16, after: Option<Span>, why: &str) {
        let outcome = Outcome::Throttled { after, whole_account: false, detail: why.into() };
        if let Err(error) = self.apply_callout(id, &Event::Outcome { n, outcome }, crate::store::WriteLane::Urgent).await {
            tracing::error!(callout = %id, n, %error, "what did not leave cannot be put back");
        }
    }

    async fn work_place(&self, claim: Claim) -> Result<(), StoreError> {
        let now = self.store.now();
        let mut record: PlaceRecord = match &claim.record {
            Some(r) => read_whole(&claim.key, &r.body)?,
            None => PlaceRecord::default(),
        };
        let mut covered = Vec::new();
        for letter in &claim.inbox {
            covered.extend(record.take(&read_whole::<PlaceLetter>(&claim.key, &letter.body)?));
        }
        let place = match &claim.key {
            Key::Place(_, place) => place.clone(),
            _ => return Ok(()),
        };
        let head = claim.record.as_ref().map_or(Head::NONE, |r| r.head);
        let journal =
            to_json(&serde_json::json!([{"letters": claim.inbox.iter().map(|l| String::from_utf8_lossy(&l.body)).collect::<Vec<_>>()}]));
        let mut c = Commit::new(claim.key, head, to_json(&record), journal, None, Lane::URGENT, now);
        c.consumed = claim.inbox.iter().map(|l| l.seq).collect();
        c.send = covered
            .into_iter()
            .map(|callout| Envelope {
                to: Key::Callout(callout),
                lane: Lane::URGENT,
                not_before: Time(0),
                body: to_json(&if is_relay_record(&place) { Event::Forwarded } else { Event::Covered { place: place.clone() } }),
            })
            .collect();
        self.store.commit(crate::store::WriteLane::Urgent, vec![c]).await?;
        Ok(())
    }
}

/// The numbers a callout's own messages go to now.
fn direct_sms(hand: &InHand, now: Time) -> Vec<Phone> {
    let sms = hand.stepped.state.sendable(now).filter(|(_, a)| a.channel == Channel::Sms);
    sms.filter_map(|(_, a)| phone_of(hand, a).cloned()).collect()
}

/// Two steps of the same callout in one commit.
fn join(mut first: Stepped, second: Stepped) -> Stepped {
    first.state = second.state;
    first.entries.extend(second.entries);
    let e = second.effects;
    first.effects.line.extend(e.line);
    first.effects.place_answered.extend(e.place_answered);
    first.effects.place_joined.extend(e.place_joined);
    first.effects.relay_joined.extend(e.relay_joined);
    first.effects.relay_answered.extend(e.relay_answered);
    for n in e.tasks {
        if !first.effects.tasks.contains(&n) {
            first.effects.tasks.push(n);
        }
    }
    first.effects.announce.extend(e.announce);
    first
}

fn phone_of<'a>(hand: &'a InHand, a: &Attempt) -> Option<&'a Phone> {
    let k = hand.stepped.state.contacts.get(usize::from(a.contact))?;
    hand.around.chunk.people.get(usize::from(k.person))?.phones.get(usize::from(a.number))
}

fn address_of(hand: &InHand, a: &Attempt) -> Option<Address> {
    match a.channel {
        Channel::Sms | Channel::Voice => phone_of(hand, a).cloned().map(Address::Phone),
        Channel::Email => {
            let k = hand.stepped.state.contacts.get(usize::from(a.contact))?;
            let p = hand.around.chunk.people.get(usize::from(k.person))?;
            Some(Address::Email { name: p.name.clone(), address: p.email.clone()? })
        }
        Channel::Im => None,
    }
}

fn member(hand: &InHand, n: u16, a: &Attempt, drill: bool) -> Member {
    member_of(&hand.stepped.state, n, a, hand.around.entry().level, drill)
}

fn member_of(c: &Callout, n: u16, a: &Attempt, level: crate::core::hazard::Level, drill: bool) -> Member {
    let k = c.contacts.get(usize::from(a.contact));
    Member {
        attempt: AttemptId { callout: c.id, n },
        contact: a.contact,
        recipient: k.map_or(crate::core::ids::RecipientId(0), |k| k.id),
        relation: k.map_or(crate::core::callout::state::Relation::Holder, |k| k.relation),
        kind: a.kind,
        level,
        drill,
    }
}
