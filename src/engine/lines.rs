//! A line's turn: letters in, then whatever may leave: one call, gathered messages.

use super::{
    Engine,
    apply::{from_json, write_lane},
    choosing::{Candidate, NotNow, QUOTA, Turns, Wish},
    dispatcher::{Job, JobFor, LookupJob},
    facts::message_kind,
    limits::{Account, InFlight},
    newer::{LEFT, read_whole},
};
use crate::{
    channel::{Address, Message, SendRequest},
    core::{
        callout::state::{AttemptState, Callout},
        ids::AttemptId,
        line::{self, Departure, Line, LineEntry, LineEvent, LineLetter, LineStepped, Saying},
        phone::Phone,
        route::{ByQuota, by_quota},
        send::Channel,
        time::{Span, Time},
        warning_life::{WarningPhase, WarningState},
    },
    store::{CalloutFilter, Claim, Committed, Key, StoreError},
};
use std::sync::Arc;

/// Warnings looked through for calls that ring, newest first, and rows read at once.
const LOOKED_AT: usize = 200;
const PAGE: usize = 1000;

impl Engine {
    pub(super) async fn work_line(&self, claim: Claim, jobs: &mut Vec<Job>) -> Result<(), StoreError> {
        let Key::Line(phone) = &claim.key else { return Ok(()) };
        let phone = phone.clone();
        let now = self.store.now();
        let before: Line = match &claim.record {
            Some(r) => read_whole(&claim.key, &r.body)?,
            None => Line::default(),
        };
        let mut all = LineStepped { state: before.clone(), ..LineStepped::default() };
        let mut letters = Vec::new();
        let mut wait: Option<Time> = None;
        for letter in &claim.inbox {
            match read_whole::<LineLetter>(&claim.key, &letter.body) {
                Ok(l) => {
                    letters.push(letter.seq);
                    join(&mut all, &LineEvent::Letter(l), now);
                }
                Err(e) => {
                    wait = Some(now + LEFT);
                    tracing::error!(%phone, error = %e, "a letter cannot be read; it is kept");
                }
            }
        }
        join(&mut all, &LineEvent::Tick, now);
        let mut leaving = Vec::new();
        for f in all.state.lookups_due(now) {
            let to = Address::Phone(phone.clone());
            self.lookups.push(LookupJob { whose: JobFor::Line(phone.clone(), f.lead), provider: f.provider.clone(), to, sent: f.at });
            // Its answer moves the clock; until then there is nothing to look at.
            wait = Some(now + Span::secs(1));
        }
        let offered: Vec<_> = all.state.departures(now).into_iter().map(|d| d.lead).collect();
        for lead in offered {
            // Asked anew: the digit of one that has just left is not this one's any more.
            let Some(d) = all.state.departures(now).into_iter().find(|d| d.lead == lead) else { continue };
            let (account, slot, message) = match self.choose_for(&all.state, &d, now).await? {
                Ok(chosen) => chosen,
                Err(NotNow::Slot(after)) => {
                    wait = Some(wait.map_or(now + after, |w| w.min(now + after)));
                    continue;
                }
                Err(NotNow::Quota(until) | NotNow::Outlasted(until)) => {
                    join(&mut all, &LineEvent::Hold { lead: d.lead, until, why: QUOTA.into() }, now);
                    continue;
                }
                Err(NotNow::Never(why)) => {
                    join(&mut all, &LineEvent::Undeliverable { lead: d.lead, why }, now);
                    continue;
                }
            };
            join(&mut all, &LineEvent::Depart { lead: d.lead, provider: account.name().to_string() }, now);
            // Law 3: without a flight on record nothing leaves.
            if !all.state.flights.iter().any(|f| f.lead == d.lead) {
                tracing::error!(attempt = %d.lead, "a departure was offered that the line does not make");
                continue;
            }
            let reference = self.references.attempt(d.lead);
            leaving.push((d, account, slot, SendRequest { reference, to: Address::Phone(phone.clone()), message }));
        }
        if all.entries.is_empty() && all.news.is_empty() && letters.is_empty() {
            let until = wait.or(all.state.due()).unwrap_or(now + Span::secs(60)).max(now + Span::ms(5));
            return self.store.release(&[(claim.key, claim.nonce)], until).await;
        }
        let over = calls_over(&before, &all.state);
        self.stop_waiting(&all.entries);
        let mut commit = self.line_commit(&phone, claim.record.as_ref(), &all, now, letters);
        if let (Some(wait), Some(due)) = (wait, commit.due)
            && due <= now
        {
            commit.due = Some(wait);
        }
        let lane = write_lane(commit.lane);
        let result = self.store.commit(lane, vec![commit]).await?;
        if !matches!(result.first(), Some(Committed::Done)) {
            return Ok(());
        }
        self.give_calls_back(&over);
        for (Departure { lead, group, .. }, account, slot, request) in leaving {
            if group.channel == Channel::Voice {
                let until = all.state.flights.iter().find(|f| f.lead == lead).map_or(now + Span::mins(2), |f| f.over_by);
                account.call_began(lead, &phone, until);
            }
            jobs.push(Job { whose: JobFor::Line(phone.clone(), lead), account, slot, request, by: now + self.settings.leaves_within() });
        }
        Ok(())
    }

    /// The first account in order of choice that may carry it now and whose templates fit it.
    async fn choose_for(
        &self,
        line: &Line,
        d: &Departure,
        now: Time,
    ) -> Result<Result<(Arc<Account>, InFlight, Message), NotNow>, StoreError> {
        let (channel, drill) = (d.group.channel, d.group.drill);
        let wish =
            Wish { channel, seed: d.lead, failed_by: &d.failed_by, never: d.never.as_deref(), kind: message_kind(d.group.kind), drill };
        let candidates = self.accounts.candidates(&wish, now);
        let level = d.members.iter().map(|m| m.level).max_by_key(|l| l.rank()).unwrap_or(crate::core::hazard::Level::Blue);
        let says = Saying::of(&d.members);
        let quota = |c: &Candidate| line.quota(c.account.name(), &c.account.callee_rules, says, level, drill, now);
        let first = match by_quota(candidates.iter().filter(|c| !c.last).map(quota), d.patience) {
            Some(ByQuota::Go(first)) => first,
            Some(ByQuota::Wait(until)) => return Ok(Err(NotNow::Quota(until))),
            Some(ByQuota::Outlasts(until)) => return Ok(Err(NotNow::Outlasted(until))),
            None => return Ok(Err(NotNow::Never(format!("no account for {channel}")))),
        };
        let mut turns = Turns::default();
        for c in candidates.iter().skip(first).filter(|c| quota(c).is_ok()) {
            let Some(slot) = turns.slot(c, d.lead, d.priority, now) else {
                if channel == Channel::Voice {
                    self.look_at_calls(&c.account).await?;
                }
                continue;
            };
            let provider = c.account.provider.as_ref();
            match self.gathered_message(provider, d).await?.and_then(|m| provider.check_message(&m).map(|()| m)) {
                Ok(message) => return Ok(Ok((c.account.clone(), slot, message))),
                Err(why) => turns.unfit(c, d.lead, why),
            }
        }
        Ok(Err(turns.not_now(d.lead)))
    }

    /// After a receipt: gives the voice line back and records it.
    pub(super) async fn line_event(&self, phone: &Phone, event: LineEvent) -> Result<(), StoreError> {
        let (before, _) = self.load_line(phone).await?;
        let s = self.apply_line(phone, &event, crate::store::WriteLane::Urgent).await?;
        self.give_calls_back(&calls_over(&before, &s.state));
        Ok(())
    }

    /// After a start: the calls that an earlier process placed and that may still ring hold their lines. Not where
    /// several gateways share the accounts: whose part a call was is not known.
    pub async fn find_ringing(&self) -> Result<(), StoreError> {
        if self.store.shared() {
            return Ok(());
        }
        let filter = CalloutFilter { open: true, ..CalloutFilter::default() };
        for record in self.reports.warnings(None, LOOKED_AT).await? {
            let w: WarningState = from_json(&record.key, &record.body)?;
            if w.phase != WarningPhase::Active {
                continue;
            }
            let mut cursor = None;
            loop {
                let rows = self.reports.callouts(Some(w.id), &filter, cursor, PAGE).await?;
                for (record, _) in &rows {
                    let c: Callout = from_json(&record.key, &record.body)?;
                    cursor = Some(c.id);
                    let Some(around) = self.around(c.id).await? else { continue };
                    for (i, a) in c.attempts.iter().enumerate().filter(|(_, a)| a.rings() && a.state != AttemptState::Queued) {
                        let person = c.contacts.get(usize::from(a.contact)).and_then(|k| around.chunk.people.get(usize::from(k.person)));
                        let phone = person.and_then(|p| p.phones.get(usize::from(a.number)));
                        let account = a.provider.as_deref().and_then(|name| self.accounts.named(name));
                        if let (Some(phone), Some(account), Some(sent)) = (phone, account, a.sent) {
                            let lead = AttemptId { callout: c.id, n: i as u16 + 1 };
                            account.call_began(lead, phone, sent + w.policy.clocks.call_timeout);
                        }
                    }
                }
                if rows.len() < PAGE {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What was taken back, dropped or put off waits for no slot any more.
    pub(super) fn stop_waiting(&self, entries: &[LineEntry]) {
        for e in entries {
            match e {
                LineEntry::Withdrawn { attempt } => self.accounts.forget(*attempt),
                LineEntry::Dropped { attempts, .. } | LineEntry::Held { attempts, .. } => {
                    attempts.iter().for_each(|a| self.accounts.forget(*a));
                }
                LineEntry::Left { flight, .. } => flight.members.iter().for_each(|m| self.accounts.forget(m.attempt)),
                _ => {}
            }
        }
    }

    /// The accounts may place other calls instead of these.
    pub(super) fn give_calls_back(&self, over: &[(String, AttemptId)]) {
        for (name, lead) in over {
            if let Some(account) = self.accounts.named(name) {
                account.call_over(*lead);
            }
        }
    }

    /// Calls that this gateway placed and another one heard the end of.
    async fn look_at_calls(&self, account: &Account) -> Result<(), StoreError> {
        let ringing = account.calls_to_look_at(self.store.now());
        let keys: Vec<Key> = ringing.iter().map(|(_, phone)| Key::Line(phone.clone())).collect();
        if keys.is_empty() {
            return Ok(());
        }
        for ((lead, _), record) in ringing.iter().zip(self.store.load(&keys).await?) {
            let line: Option<Line> = record.map(|r| from_json(&r.key, &r.body)).transpose()?;
            if !line.is_some_and(|l| l.flights.iter().any(|f| f.lead == *lead)) {
                account.call_over(*lead);
            }
        }
        Ok(())
    }
}

/// Calls that were under way before a step and are over after it, each with its account.
pub(super) fn calls_over(before: &Line, after: &Line) -> Vec<(String, AttemptId)> {
    let over = |f: &&line::Flight| f.channel == Channel::Voice && !after.flights.iter().any(|g| g.lead == f.lead);
    before.flights.iter().filter(over).map(|f| (f.provider.clone(), f.lead)).collect()
}

fn join(all: &mut LineStepped, event: &LineEvent, now: Time) {
    let s = line::step_from(std::mem::take(&mut all.state), event, now);
    all.state = s.state;
    all.entries.extend(s.entries);
    all.news.extend(s.news);
}
