//! Attempts: from queued to what came of them. Providers are not idempotent, so a request of
//! unknown fate is looked up or awaited, never blindly sent again.

use super::{entry::Entry, event::LineNews, fold::note_failure, ladder::Again, state::*, step::Work};
use crate::core::{
    ids::RecipientId,
    line::LineLetter,
    send::{Channel, Outcome},
    time::{Span, Time},
};

/// After this many tries of one attempt the ladder is left to go on by itself.
const MAX_TRIES: u8 = 8;

impl Work<'_> {
    /// The intent to send. Durable before the request leaves (law 3).
    pub(super) fn submit(&mut self, n: u16, provider: &str, digit: Option<u8>) {
        if self.state.attempt(n).is_some_and(|a| a.state == AttemptState::Queued) {
            self.did(Entry::Sending { n, at: self.now, provider: provider.to_string(), digit });
        }
    }

    pub(super) fn defer(&mut self, n: u16, until: Time, why: &str) {
        if self.state.attempt(n).is_some_and(|a| a.state == AttemptState::Queued) {
            self.did(Entry::Deferred { n, until: until.max(self.now + Span::ms(1)), why: why.to_string() });
        }
    }

    /// Waiting for the number's limits would be a silent gap: an ask is given up and the next rung is taken now. The last
    /// rung comes again by its own clock; what is no ask waits.
    pub(super) fn outlasted(&mut self, n: u16, until: Time, why: &str) {
        let Some(a) = self.state.attempt(n).filter(|a| a.state == AttemptState::Queued).cloned() else { return };
        if !self.outlasts(&a, until) {
            return self.defer(n, until, why);
        }
        if a.by_line {
            self.did(Entry::Deferred { n, until, why: why.to_string() });
        }
        self.give_up_waiting(n, why);
    }

    fn outlasts(&self, a: &Attempt, until: Time) -> bool {
        self.state.patience(a.kind, self.now).is_some_and(|t| until > t)
    }

    fn give_up_waiting(&mut self, n: u16, why: &str) {
        let Some(a) = self.state.attempt(n).cloned() else { return };
        if a.by_line {
            self.withdraw(n, &a);
        } else {
            self.fail(n, why);
        }
        self.next_rung_now(why);
    }

    /// What cannot leave before the next rung makes it come now, where there is one.
    fn next_rung_now(&mut self, why: &str) {
        let next = self.state.rung.map_or(0, |r| usize::from(r) + 1);
        if next < self.ctx.ladder.rungs.len() && self.state.next_rung.is_some_and(|t| t > self.now) {
            self.hasten(why);
        }
    }

    pub(super) fn unsendable(&mut self, n: u16, why: &str) {
        if self.state.attempt(n).is_some_and(|a| a.state == AttemptState::Queued) {
            self.fail(n, why);
        }
    }

    /// A letter beside a message or call that goes to the same person: where it waits, nothing waits for it.
    fn is_aside(&self, a: &Attempt) -> bool {
        let other = |b: &Attempt| {
            b.contact == a.contact
                && b.kind == a.kind
                && b.channel != Channel::Email
                && !matches!(b.state, AttemptState::Failed | AttemptState::Withdrawn)
        };
        a.channel == Channel::Email && self.state.attempts.iter().any(other)
    }

    fn fail(&mut self, n: u16, outcome: &str) {
        self.did(Entry::AttemptIs { n, state: AttemptState::Failed, outcome: Some(outcome.to_string()), provider_id: None });
    }

    pub(super) fn outcome(&mut self, n: u16, outcome: &Outcome) {
        let Some(a) = self.state.attempt(n).cloned() else { return };
        // Only what is under way can have an outcome; a receipt may have come first (Accepted or
        // Delivered already): then only the provider's id is news.
        match (a.state, outcome) {
            (AttemptState::Sending | AttemptState::Unknown, _) => {}
            (AttemptState::Accepted | AttemptState::Delivered, Outcome::Accepted { provider_message_id }) => {
                if a.provider_id.is_none() {
                    self.did(Entry::AttemptIs { n, state: a.state, outcome: None, provider_id: Some(provider_message_id.clone()) });
                }
                return;
            }
            _ => return,
        }
        // The ladder asks anew; nobody repeats the end but this.
        let once = matches!(a.kind, AskKind::End | AskKind::Ended | AskKind::Renewed | AskKind::Info | AskKind::Return);
        // Told that all its messages come too fast, an account has not even looked at this one.
        let too_fast = matches!(outcome, Outcome::Throttled { whole_account: true, .. });
        let goes_again = self.may_repeat(&a) && (once || too_fast || a.tries < MAX_TRIES);
        match outcome {
            Outcome::Accepted { provider_message_id } => self.did(Entry::AttemptIs {
                n,
                state: AttemptState::Accepted,
                outcome: Some("accepted".into()),
                provider_id: Some(provider_message_id.clone()),
            }),
            Outcome::Throttled { after, detail, .. } if goes_again => {
                let until = self.again_at(&a, after.unwrap_or(self.backoff(&a)));
                if self.state.next_rung.is_some_and(|t| until > t) && a.kind.asks() && !self.is_aside(&a) {
                    self.fail(n, &format!("throttled: {detail}"));
                    self.next_rung_now(&format!("throttled: {detail}"));
                } else {
                    self.did(Entry::Deferred { n, until, why: format!("throttled: {detail}") });
                }
            }
            Outcome::Retryable { detail } if goes_again => {
                let until = self.again_at(&a, self.backoff(&a));
                self.did(Entry::Deferred { n, until, why: format!("retryable: {detail}") });
            }
            Outcome::Throttled { detail, .. } => self.fail(n, &format!("throttled: {detail}")),
            Outcome::Retryable { detail } => self.fail(n, &format!("retryable: {detail}")),
            // A blocklist of one provider is none of another's, nor are its filed words and its filter.
            Outcome::PermanentNumber { detail } | Outcome::PermanentContent { detail } if goes_again && self.another(&a) => {
                self.did(Entry::Deferred { n, until: self.now, why: format!("{}: {detail}", outcome.class()) });
            }
            Outcome::PermanentNumber { detail } => {
                self.fail(n, &format!("permanent_number: {detail}"));
                self.number_lost(&a, detail, Some(a.channel));
            }
            Outcome::PermanentContent { detail } => self.fail(n, &format!("permanent_content: {detail}")),
            // The account is stopped: the next one takes it at once, or this one when it is mended.
            Outcome::Config { detail } | Outcome::Balance { detail } if goes_again => {
                let until = self.again_at(&a, self.backoff(&a));
                self.did(Entry::Deferred { n, until, why: format!("{}: {detail}", outcome.class()) });
            }
            Outcome::Config { detail } => self.fail(n, &format!("config: {detail}")),
            Outcome::Balance { detail } => self.fail(n, &format!("balance: {detail}")),
            Outcome::Unknown { detail } => {
                if a.state == AttemptState::Sending {
                    self.did(Entry::AttemptIs {
                        n,
                        state: AttemptState::Unknown,
                        outcome: Some(format!("unknown: {detail}")),
                        provider_id: None,
                    });
                }
            }
        }
    }

    /// When what surely was not sent goes again: at once where another account works that has not failed it yet.
    fn again_at(&self, a: &Attempt, wait: Span) -> Time {
        if self.another(a) { self.now } else { self.now + wait }
    }

    /// Whether an account works that has not failed it yet.
    fn another(&self, a: &Attempt) -> bool {
        let mut failed: Vec<&str> = a.failed_by.iter().map(String::as_str).collect();
        failed.extend(a.provider.as_deref());
        failed.extend(self.state.never_by(a));
        self.ctx.routes.another(a.channel, &failed)
    }

    /// 2 s, 4 s, 8 s … up to a minute, spread by a hash so that a crowd does not come back at once.
    fn backoff(&self, a: &Attempt) -> Span {
        let base = self.ctx.clocks.retry.0.max(1) << u32::from(a.tries.min(5));
        let spread = (u64::from(self.state.id.ordinal).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as i64;
        Span((base + base * spread / 4096).min(60_000.max(self.ctx.clocks.retry.0)))
    }

    /// Whether sending this attempt (again) still serves a purpose. After the end only the end itself.
    fn wanted(&self, a: &Attempt) -> bool {
        match a.kind {
            AskKind::End | AskKind::Ended | AskKind::Return => true,
            _ if self.state.ending.is_some() => false,
            AskKind::Renewed | AskKind::Info | AskKind::Which => true,
            AskKind::Feedback => !self.state.feedback_clocks.is_empty(),
            _ => self.state.state.is_open(),
        }
    }

    pub(super) fn receipt(&mut self, n: u16, delivered: bool, outcome: &str, number_dead: bool, lost: bool) {
        let Some(a) = self.state.attempt(n).cloned() else { return };
        if !matches!(a.state, AttemptState::Sending | AttemptState::Accepted | AttemptState::Unknown) {
            return;
        }
        let state = if delivered { AttemptState::Delivered } else { AttemptState::Failed };
        self.did(Entry::AttemptIs { n, state, outcome: Some(outcome.to_string()), provider_id: None });
        if number_dead {
            self.number_dead(&a, outcome);
        } else if !delivered && lost {
            self.lost(n, &a);
        }
    }

    /// What an account took and then lost by its own fault goes at once by one that has not failed it yet.
    fn lost(&mut self, n: u16, a: &Attempt) {
        let instead = |b: &Attempt| b.repeats == Some(n) || b.hedges == Some(n) && b.state != AttemptState::Failed;
        if self.state.attempts.iter().any(instead) {
            return;
        }
        if a.channel == Channel::Voice {
            if self.wanted(a) && a.repeats.is_none() {
                self.redial(n, a);
            }
        } else if self.may_repeat(a) && self.another(a) {
            let again = Again { repeats: Some(n), ..Again::default() };
            if a.by_line {
                self.queue_by_line_as(a.contact, a.channel, a.kind, a.number, again);
            } else {
                self.queue_direct(a, n);
            }
        }
    }

    /// The same ask once more, not through the number's line.
    fn queue_direct(&mut self, a: &Attempt, repeats: u16) {
        let Attempt { contact, channel, kind, number, .. } = *a;
        let failed_by = self.failed_before(repeats);
        let repeats = Some(repeats);
        self.did(Entry::Queued { contact, channel, kind, number, by_line: false, not_before: None, repeats, hedges: None, failed_by });
    }

    /// The accounts that a repetition of attempt `n` goes round: those that lost it, or whose call nobody knows to have rung.
    /// A message that a look-up did not find may go by the same.
    pub(super) fn failed_before(&self, n: u16) -> Vec<String> {
        let Some(a) = self.state.attempt(n) else { return Vec::new() };
        let mut failed = a.failed_by.clone();
        if a.channel == Channel::Voice || a.state == AttemptState::Failed {
            note_failure(&mut failed, a.provider.as_deref());
        }
        failed
    }

    /// Whether asking again by the same door has a sense: not of somebody who has said that he is the wrong one or hands it
    /// to his deputy, nor by a number that has proved to be of no use.
    fn may_repeat(&self, a: &Attempt) -> bool {
        let handed = self.state.contacts.get(usize::from(a.contact)).is_none_or(|k| k.handed);
        let usable = a.channel == Channel::Email || self.numbers(a.contact, a.channel).contains(&a.number);
        self.wanted(a) && usable && !(handed && a.kind.asks())
    }

    /// The number is empty, suspended or invalid: never used again here; with none left the holder
    /// is unreachable and the deputy's rung comes at once.
    fn number_dead(&mut self, a: &Attempt, why: &str) {
        self.number_lost(a, why, None);
    }

    /// `only`: for this channel, where nothing proves that the number is dead.
    fn number_lost(&mut self, a: &Attempt, why: &str, only: Option<Channel>) {
        if a.channel == Channel::Email {
            return;
        }
        let bit = 1 << a.number.min(7);
        let known = |k: &Contact| if only.is_some() { k.lost(a.channel) & bit != 0 } else { k.dead & bit != 0 };
        if self.state.contacts.get(usize::from(a.contact)).is_none_or(known) {
            return;
        }
        self.did(Entry::NumberDead { contact: a.contact, number: a.number, why: why.to_string(), only });
        if !self.wanted(a) {
            return;
        }
        if a.channel == Channel::Sms && self.number(a.contact, Channel::Sms, 0).is_some() {
            self.queue_sms(a.contact, a.kind);
        } else if a.channel == Channel::Sms && only.is_some() && a.kind.tells_end() {
            // Whoever was reached hears of the end by the door that is left; asks have their calls.
            self.tell(a.contact, a.kind);
        } else if a.channel == Channel::Voice && a.kind.asks() {
            // The call that found it was none of the series; each number is lost once.
            if let Some(number) = self.number(a.contact, Channel::Voice, 0) {
                self.ring_beside_series(a, number, None);
            }
        }
        let holder = a.contact == 0;
        let no_phone = self.number(0, Channel::Voice, 0).is_none();
        let no_mail = self.ctx.person(self.ctx.entry.person).is_none_or(|p| p.email.is_none()) || !self.ctx.channels.email;
        if holder && no_phone && no_mail && self.state.state.is_open() && !self.state.told_only && !self.state.unreachable {
            let why = "责任人的号码均为空号或停机";
            self.did(Entry::Unreachable { why: why.into() });
            self.skip_to_deputy(why);
        }
    }

    pub(super) fn looked_up(&mut self, n: u16, found: bool, provider_id: Option<String>) {
        let Some(a) = self.state.attempt(n).cloned() else { return };
        if a.state != AttemptState::Unknown {
            return;
        }
        // Asked before its time (twice at once, say): a look-up that found nothing then says nothing.
        let due = a.sent.zip(self.ctx.clocks.lookup.get(usize::from(a.lookups))).is_some_and(|(s, after)| s + *after <= self.now);
        if !found && !due {
            return;
        }
        if found {
            self.did(Entry::AttemptIs { n, state: AttemptState::Accepted, outcome: Some("found by look-up".into()), provider_id });
            return;
        }
        self.did(Entry::LookedUp { n });
        let last = usize::from(a.lookups) + 1 >= self.ctx.clocks.lookup.len();
        if last && a.repeats.is_none() && self.ctx.resends_unknown() && self.may_repeat(&a) {
            self.queue_direct(&a, n);
        }
    }

    pub(super) fn line_news(&mut self, n: u16, news: &LineNews) {
        let Some(a) = self.state.attempt(n).cloned() else { return };
        match news {
            LineNews::Sending { provider, digit, at } => {
                // One that was to be withdrawn may have left at the same moment: what is, is.
                if a.state == AttemptState::Queued || a.recalling {
                    let at = at.map_or(self.now, |left| left.min(self.now));
                    self.did(Entry::Sending { n, at, provider: provider.clone(), digit: *digit });
                }
            }
            LineNews::Outcome { outcome } => self.line_outcome(n, &a, outcome),
            LineNews::Deferred { until, why, quota: true } if a.state == AttemptState::Queued && self.wanted(&a) => {
                self.outlasted(n, *until, why);
            }
            LineNews::Deferred { until, why, quota } => match a.state {
                AttemptState::Queued | AttemptState::Sending | AttemptState::Unknown if self.wanted(&a) => {
                    self.did(Entry::Deferred { n, until: *until, why: why.clone() });
                    if *quota && self.outlasts(&a, *until) {
                        self.give_up_waiting(n, why);
                    }
                }
                // It did not leave after all, and by now it must not.
                AttemptState::Queued | AttemptState::Sending | AttemptState::Unknown => self.withdraw(n, &a),
                _ => {}
            },
            LineNews::GivenUp { why } => self.given_up(n, &a, why),
            LineNews::Withdrawn => {
                // Asked back while it was under way, and turned down.
                if matches!(a.state, AttemptState::Sending | AttemptState::Unknown) && a.finished.is_none() {
                    self.did(Entry::AttemptIs { n, state: AttemptState::Withdrawn, outcome: None, provider_id: None });
                }
                if self.state.attempt(n).is_some_and(|a| a.recalling) {
                    self.did(Entry::Recalled { n });
                }
            }
            LineNews::Finished { ok, outcome, number_dead, refused, lost } => {
                if matches!(a.state, AttemptState::Sending | AttemptState::Accepted | AttemptState::Unknown) {
                    let state = if *ok { AttemptState::Delivered } else { AttemptState::Failed };
                    self.did(Entry::AttemptIs { n, state, outcome: Some(outcome.clone()), provider_id: None });
                    if *number_dead {
                        self.number_dead(&a, outcome);
                    } else if *refused {
                        self.number_lost(&a, outcome, Some(a.channel));
                    } else if !*ok && *lost {
                        self.lost(n, &a);
                    } else if !*ok {
                        self.ring_end_again(&a, None);
                    }
                }
            }
            LineNews::Keys { keys, at } => self.keys(n, &a, keys, *at),
        }
    }

    /// Nothing more will be heard of it. What is of unknown fate goes again in a red or orange warning, once; else a call
    /// series goes on by its own clock.
    fn given_up(&mut self, n: u16, a: &Attempt, why: &str) {
        let open = a.finished.is_none() && matches!(a.state, AttemptState::Sending | AttemptState::Accepted | AttemptState::Unknown);
        if !open {
            return;
        }
        self.did(Entry::GivenUp { n, why: why.to_string() });
        if a.repeats.is_some() || !self.ctx.resends_unknown() || !self.wanted(a) {
            return;
        }
        match a.channel {
            Channel::Sms if self.may_repeat(a) => {
                self.queue_by_line_as(a.contact, a.channel, a.kind, a.number, Again { repeats: Some(n), ..Again::default() });
            }
            Channel::Voice if a.state == AttemptState::Unknown => self.redial(n, a),
            _ => {}
        }
    }

    /// A call that nobody knows to have rung goes again by another account, or else to another number (design, outcomes).
    /// With neither the series goes on by its own clock.
    fn redial(&mut self, n: u16, a: &Attempt) {
        if !a.kind.asks() {
            return self.ring_end_again(a, Some(n));
        }
        let by: Vec<&str> = a.provider.as_deref().into_iter().collect();
        let another = self.ctx.routes.another(Channel::Voice, &by);
        let numbers = self.numbers(a.contact, Channel::Voice);
        let number = numbers.iter().find(|k| another && **k == a.number).or(numbers.iter().find(|k| **k != a.number));
        if let Some(number) = number.copied() {
            self.ring_beside_series(a, number, Some(n));
        }
    }

    /// A call now, that is none of the series: that waits for it as for any other call.
    fn ring_beside_series(&mut self, a: &Attempt, number: u8, repeats: Option<u16>) {
        let Some(k) = self.state.contacts.get(usize::from(a.contact)) else { return };
        let calls = k.calls;
        if k.handed || self.state.claimed() || !self.may_call_now(a.contact) {
            return;
        }
        if let Some(calls) = calls {
            let next = calls.next.max(self.now + calls.every);
            self.did(Entry::CallsSet { contact: a.contact, calls: Some(Calls { next, ..calls }) });
        }
        self.queue_by_line_as(a.contact, Channel::Voice, a.kind, number, Again { repeats, ..Again::default() });
    }

    /// The end was not heard by somebody who can only be rung, or nobody knows: once more, after a while.
    fn ring_end_again(&mut self, a: &Attempt, repeats: Option<u16>) {
        let is_end = |b: &&Attempt| b.contact == a.contact && b.channel == Channel::Voice && b.kind == AskKind::End;
        if is_end(&a) && self.state.attempts.iter().filter(is_end).count() < 2 {
            let later = self.now + self.ctx.clocks.gather;
            self.queue_by_line_as(a.contact, a.channel, a.kind, a.number, Again { not_before: Some(later), repeats, ..Again::default() });
        }
    }

    /// The line keeps its own retries; here only what came of it is noted.
    fn line_outcome(&mut self, n: u16, a: &Attempt, outcome: &Outcome) {
        match outcome {
            Outcome::Throttled { .. } | Outcome::Retryable { .. } => {}
            Outcome::Unknown { .. } | Outcome::Accepted { .. } => self.outcome(n, outcome),
            _ if matches!(a.state, AttemptState::Queued | AttemptState::Sending | AttemptState::Unknown) => {
                self.fail(n, outcome.class());
                if matches!(outcome, Outcome::PermanentNumber { .. }) {
                    self.number_lost(a, outcome.class(), Some(a.channel));
                }
            }
            _ => {}
        }
    }

    /// A request whose reply never came, because of a crash or a cut, is of unknown fate.
    pub(super) fn expire_sending(&mut self) {
        let old: Vec<u16> = self
            .state
            .attempts
            .iter()
            .enumerate()
            .filter(|(_, a)| {
                a.state == AttemptState::Sending && !a.by_line && a.sent.is_some_and(|s| s + self.ctx.sending_timeout <= self.now)
            })
            .map(|(i, _)| i as u16 + 1)
            .collect();
        for n in old {
            self.did(Entry::AttemptIs {
                n,
                state: AttemptState::Unknown,
                outcome: Some("unknown: no outcome was recorded".into()),
                provider_id: None,
            });
        }
    }

    /// Mail has no look-up: an unknown one of a red or orange warning goes again at once, by the same
    /// rule as an SMS whose look-ups found nothing.
    pub(super) fn send_again(&mut self) {
        if !self.ctx.resends_unknown() {
            return;
        }
        for i in 0..self.state.attempts.len() {
            let n = i as u16 + 1;
            let a = self.state.attempts[i].clone();
            let repeated = self.state.attempts.iter().any(|b| b.repeats == Some(n));
            if a.channel == Channel::Email
                && a.state == AttemptState::Unknown
                && a.finished.is_none()
                && a.repeats.is_none()
                && !repeated
                && self.may_repeat(&a)
            {
                self.queue_direct(&a, n);
            }
        }
    }

    /// Takes back what has not left. Lines forget what they gathered for this callout, and what is under way if its provider
    /// turns it down: it must not go by another then.
    pub(super) fn withdraw_queued(&mut self, asks_only: bool) {
        for i in 0..self.state.attempts.len() {
            let n = i as u16 + 1;
            let a = self.state.attempts[i].clone();
            if !a.kind.asks() && asks_only {
                continue;
            }
            if a.state == AttemptState::Queued {
                self.withdraw(n, &a);
            } else if a.state == AttemptState::Sending && a.by_line {
                self.ask_back(n, &a);
            }
        }
    }

    /// Takes one attempt back. A line is asked, and says whether it was in time.
    pub(super) fn withdraw(&mut self, n: u16, a: &Attempt) {
        if a.by_line {
            self.ask_back(n, a);
        }
        self.did(Entry::AttemptIs { n, state: AttemptState::Withdrawn, outcome: None, provider_id: None });
    }

    pub(super) fn ask_back(&mut self, n: u16, a: &Attempt) {
        if let Some(phone) = self.phone_of(a.contact, a.number) {
            self.effects.line.push((phone, LineLetter::Withdraw { attempt: self.attempt_id(n) }));
        }
    }

    pub(super) fn phone_of(&self, contact: u8, number: u8) -> Option<crate::core::phone::Phone> {
        let k = self.state.contacts.get(usize::from(contact))?;
        self.ctx.person(k.person)?.phones.get(usize::from(number)).cloned()
    }

    pub(super) fn contact_of(&self, id: RecipientId) -> Option<u8> {
        self.state.contacts.iter().position(|k| k.id == id).map(|i| i as u8)
    }
}
