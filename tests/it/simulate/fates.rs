//! What becomes of each request: taken, put off, refused, of unknown fate; and what is heard of it later:
//! receipts that are early, late, doubled or lost.

use super::{acts::Act, bugs::Bug, laws::Fate, people::call_ended, play::Play};
use jiaoying::{
    channel::{Address, CallbackItem, ReceiptResult},
    core::{
        ids::CalloutId,
        send::{Channel, Outcome},
        time::Span,
    },
    engine::dispatcher::{Done, Job},
};

impl Play {
    /// A request leaves. `killed`: its gateway died at the same moment.
    pub fn carry(&mut self, job: Job, killed: bool) {
        let reference = job.request.reference.clone();
        // What the dispatcher asks of each before it sends.
        let mut job = match self.w.engine.in_time(job) {
            Ok(job) => job,
            Err(late) => {
                let epoch = self.w.epoch;
                return self.after(Span(1), Act::Outcome { epoch, reference, done: *late, slot: None });
            }
        };
        self.counts.requests += 1;
        self.left.push(format!("{} by {}: {}", job.request.reference, job.account.name(), job.request.message.text));
        if self.bug == Some(Bug::UnmarkedDrill) {
            job.request.message.drill = false;
        }
        let members = self.laws.leaves(&self.w, &job);
        if killed {
            if self.rng.chance(50) {
                self.take(&job, &members, 0);
            }
            return self.gone(&reference);
        }
        let (outcome, taken) = self.fate(&job);
        let wait = self.rng.between(20, 2_500);
        if taken {
            self.take(&job, &members, wait);
        }
        let outcome = match (self.bug, outcome) {
            (Some(Bug::ResendUnknown), Outcome::Unknown { detail }) => Outcome::Retryable { detail },
            (_, o) => o,
        };
        let Job { whose, account, slot, .. } = job;
        let done = Done { whose, account, outcome, seconds: 0.0, speaks: true };
        let epoch = self.w.epoch;
        self.after(Span(wait), Act::Outcome { epoch, reference, done, slot: Some(slot) });
    }

    fn fate(&mut self, job: &Job) -> (Outcome, bool) {
        let accepted = || Outcome::Accepted { provider_message_id: format!("m-{}", job.request.reference) };
        let detail = "so it came".to_string();
        let storm = if self.calm { 0 } else { self.storm };
        if let Address::Phone(p) = &job.request.to
            && self.dead_numbers.iter().any(|d| d == p.reveal())
            && self.rng.chance(30)
        {
            return (Outcome::PermanentNumber { detail }, false);
        }
        if self.rng.below(10_000) >= storm * 25 {
            return (accepted(), true);
        }
        match self.rng.below(20) {
            0..4 => {
                let after = self.rng.chance(50).then_some(Span::secs(self.rng.between(1, 90)));
                (Outcome::Throttled { after, whole_account: false, detail }, false)
            }
            4..8 => (Outcome::Retryable { detail }, false),
            8 => (Outcome::PermanentNumber { detail }, false),
            9 => (Outcome::PermanentContent { detail }, false),
            10 => (Outcome::Config { detail }, false),
            11 => (Outcome::Balance { detail }, false),
            12..16 => (Outcome::Unknown { detail }, true),
            _ => (Outcome::Unknown { detail }, false),
        }
    }

    /// The outcome reaches the gateway.
    pub fn outcome_known(&mut self, reference: &str, done: &Done) {
        if let Some(s) = self.laws.sends.all.get_mut(reference) {
            // A refusal for config, balance or the number took nothing either: the next account takes it up.
            let back = matches!(
                done.outcome,
                Outcome::Throttled { .. }
                    | Outcome::Retryable { .. }
                    | Outcome::Config { .. }
                    | Outcome::Balance { .. }
                    | Outcome::PermanentNumber { .. }
                    | Outcome::PermanentContent { .. }
            );
            s.fate = if back { Fate::Back } else { Fate::Gone };
        }
    }
    fn gone(&mut self, reference: &str) {
        if let Some(s) = self.laws.sends.all.get_mut(reference) {
            s.fate = Fate::Gone;
        }
    }
    /// The gateway died: what was under way is of unknown fate.
    pub fn forget_going(&mut self) {
        self.laws.sends.all.values_mut().filter(|s| s.fate == Fate::Going).for_each(|s| s.fate = Fate::Gone);
    }

    /// The provider has it: it is carried, and told about.
    fn take(&mut self, job: &Job, members: &[(CalloutId, u8)], outcome_in: i64) {
        let reference = job.request.reference.clone();
        if let Some(s) = self.laws.sends.all.get_mut(&reference) {
            s.taken = true;
        }
        let findable = self.calm || self.rng.chance(70);
        self.w.carrier.held.lock().unwrap().insert(reference.clone(), super::carrier::Held { findable, delivered: None });
        match job.account.provider.channel() {
            Channel::Voice => self.rings(job, &reference, members, outcome_in),
            Channel::Sms => self.texts(job, &reference, members, outcome_in),
            _ => self.heard(&reference),
        }
    }

    fn rings(&mut self, job: &Job, reference: &str, members: &[(CalloutId, u8)], outcome_in: i64) {
        let Address::Phone(phone) = &job.request.to else { return };
        let lasts = self.rng.between(4, 40) * 1000;
        let dead = self.dead_numbers.iter().any(|d| d == phone.reveal());
        let heard = !dead && (self.calm || self.rng.chance(50));
        let keys = if heard { self.presses(members) } else { None };
        let in_mid_call = keys.is_some() && self.rng.chance(50);
        let account = job.account.name().to_string();
        if heard {
            self.heard(reference);
        }
        if let (Some(keys), true) = (keys, in_mid_call) {
            let item = CallbackItem::Key { reference: Some(reference.into()), provider_message_id: None, at: None, keys: keys.into() };
            let at = self.rng.between(1000, lasts);
            self.after(Span(at), Act::Callback { account: account.clone(), items: vec![item] });
        }
        let keys = keys.filter(|_| !in_mid_call || self.rng.chance(50));
        let item = call_ended(reference, heard, keys, dead);
        // A call whose end is reported early was a short one.
        let first = self.told(account, item, lasts, outcome_in);
        let end = self.w.now() + Span(lasts.min(first));
        self.laws.sends.ringing.insert(phone.clone(), end);
    }

    fn texts(&mut self, job: &Job, reference: &str, members: &[(CalloutId, u8)], outcome_in: i64) {
        let Address::Phone(phone) = &job.request.to else { return };
        let dead = self.dead_numbers.iter().any(|d| d == phone.reveal());
        let fails = dead || (!self.calm && self.rng.chance(4));
        let result = if fails {
            ReceiptResult::Failed { code: "UNDELIV".into(), detail: String::new(), number_dead: dead, config: false, elsewhere: false }
        } else {
            ReceiptResult::Delivered
        };
        if let Some(h) = self.w.carrier.held.lock().unwrap().get_mut(reference) {
            h.delivered = Some(!fails);
        }
        let item = CallbackItem::Receipt { reference: Some(reference.into()), provider_message_id: None, at: None, result, keys: None };
        let lasts = self.rng.between(300, 20_000);
        self.told(job.account.name().to_string(), item, lasts, outcome_in);
        if !fails {
            self.heard(reference);
            let (kind, text) = (job.request.message.kind, job.request.message.text.clone());
            self.reads(phone, kind, &text, members);
        }
    }

    fn heard(&mut self, reference: &str) {
        if let Some(s) = self.laws.sends.all.get_mut(reference) {
            s.heard = true;
        }
    }

    /// A receipt: on time, before its outcome, twice, or never. Answers after how long the first comes.
    fn told(&mut self, account: String, item: CallbackItem, lasts: i64, outcome_in: i64) -> i64 {
        let mut first = i64::MAX;
        let fate = if self.calm { 99 } else { self.rng.below(100) };
        let copies = match fate {
            0..8 => 0,
            8..20 => 2,
            _ => 1,
        };
        for n in 0..copies {
            let wait = match fate {
                20..30 => lasts.min(outcome_in / 2),
                _ => lasts.max(outcome_in + 1) + n * self.rng.between(1, 30_000),
            };
            first = first.min(wait);
            self.after(Span(wait), Act::Callback { account: account.clone(), items: vec![item.clone()] });
        }
        first
    }
}
