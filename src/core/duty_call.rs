//! The shift leader's call (叫带班领导): a warning's own task that nobody claims rings him, as a
//! callout's does (contract, Nothing waits without a clock). His key takes the task over (接办). Kept in
//! the warning's state; the number's line makes the call, and gathers it with whatever else he is rung for.

use super::{
    callout::{
        event::LineNews,
        is_asked_key,
        state::{AskKind, AttemptState, Relation},
    },
    ids::{AttemptId, CalloutId, MAX_ORDINAL, WarningId},
    line::{LineAsk, LineLetter},
    phone::Phone,
    plan::PlanPerson,
    send::{Channel, Outcome},
    time::{Span, Time},
    warning_life::WarningState,
};
use serde::{Deserialize, Serialize};

/// The calls of a warning's own tasks are attempts of this ordinal, which no person of a plan has.
const DESK: u32 = MAX_ORDINAL;
/// The last calls are kept in the state; the journal has all.
const KEPT: usize = 20;
/// A provider's field holds no greater number of an attempt.
const MAX_CALLS: u16 = 4000;

/// One call (or, where there is no voice, one message) about a task of the warning's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DutyCall {
    /// Counted from 1.
    pub n: u16,
    pub task: u16,
    pub to: PlanPerson,
    /// Which of his numbers.
    pub number: u8,
    pub channel: Channel,
    pub state: AttemptState,
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What he pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
}

impl DutyCall {
    /// The `n`-th such call of a warning, as lines and providers know it.
    pub fn attempt(warning: WarningId, n: u16) -> AttemptId {
        AttemptId { callout: CalloutId::new(warning, DESK), n }
    }
    /// Whether an attempt belongs to a warning's own task rather than to a callout.
    pub fn is_one(attempt: AttemptId) -> bool {
        attempt.callout.ordinal == DESK
    }
    pub fn phone(&self) -> Option<&Phone> {
        self.to.phones.get(usize::from(self.number))
    }
    /// He is being rung, or may still hear it. Nothing more is heard of a message that was accepted: he had
    /// `patience` to read it.
    fn is_open(&self, patience: Span, now: Time) -> bool {
        match self.state {
            AttemptState::Accepted if self.channel != Channel::Voice => self.at + patience > now,
            s => matches!(s, AttemptState::Queued | AttemptState::Sending | AttemptState::Accepted | AttemptState::Unknown),
        }
    }
}

/// What a [`LineAsk`] of the warning's takes from the gateway.
#[derive(Clone, Copy, Debug)]
pub struct DutyDoors {
    pub sms: bool,
    pub voice: bool,
    pub sending_timeout: Span,
}

impl WarningState {
    /// Rings this person about a task, by voice where there is voice. Nothing while his last call about
    /// it is not over, or where no number of his will do.
    pub fn ring_duty(&mut self, task: u16, to: &PlanPerson, doors: DutyDoors, now: Time) -> Option<(Phone, LineLetter)> {
        let patience = self.policy.clocks.claim_lapses;
        if self.duty_calls.iter().any(|c| c.task == task && c.is_open(patience, now)) {
            return None;
        }
        let n = self.duty_calls.last().map_or(1, |c| c.n + 1);
        if n > MAX_CALLS {
            return None;
        }
        let made = usize::from(n - 1);
        let fits = |channel: Channel| {
            let numbers = to.phones.iter().take(8).enumerate().filter(|(_, p)| channel == Channel::Voice || p.is_mobile());
            let numbers: Vec<u8> = numbers.map(|(i, _)| i as u8).collect();
            // By turns: the second number is tried when the first was in vain.
            numbers.get(made.checked_rem(numbers.len())?).map(|n| (channel, *n))
        };
        let voice = if doors.voice { fits(Channel::Voice) } else { None };
        let (channel, number) = voice.or_else(|| if doors.sms { fits(Channel::Sms) } else { None })?;
        let call = DutyCall {
            n,
            task,
            to: to.clone(),
            number,
            channel,
            state: AttemptState::Queued,
            at: now,
            provider: None,
            outcome: None,
            keys: None,
        };
        let phone = call.phone()?.clone();
        self.duty_calls.push(call);
        if self.duty_calls.len() > KEPT
            && let Some(i) = self.duty_calls.iter().position(|c| !c.is_open(patience, now))
        {
            self.duty_calls.remove(i);
        }
        let clocks = &self.policy.clocks;
        let ask = LineAsk {
            attempt: DutyCall::attempt(self.id, n),
            contact: 0,
            recipient: to.id,
            relation: Relation::Superior,
            channel,
            kind: AskKind::Decide,
            level: self.level(),
            drill: self.drill,
            call_timeout: clocks.call_timeout,
            gather: clocks.gather,
            voice_unknown: clocks.voice_unknown,
            lookups: clocks.lookup,
            sending_timeout: doors.sending_timeout,
            not_before: None,
            patience: None,
            failed_by: Vec::new(),
            never: None,
            tier: None,
            due: None,
        };
        Some((phone, LineLetter::Ask(ask)))
    }

    /// What the line says of a call. Answers the task that was taken over by its key, if one was.
    pub fn duty_news(&mut self, n: u16, news: &LineNews, now: Time) -> Option<u16> {
        let call = self.duty_calls.iter_mut().find(|c| c.n == n)?;
        match news {
            LineNews::Sending { provider, .. } => {
                call.state = AttemptState::Sending;
                call.provider = Some(provider.clone());
            }
            LineNews::Outcome { outcome } => {
                call.state = match outcome {
                    Outcome::Accepted { .. } => AttemptState::Accepted,
                    Outcome::Unknown { .. } => AttemptState::Unknown,
                    Outcome::Throttled { .. } | Outcome::Retryable { .. } => return None,
                    _ => AttemptState::Failed,
                };
                call.outcome = Some(outcome.class().to_string());
            }
            LineNews::Deferred { why, .. } => {
                call.state = AttemptState::Queued;
                call.outcome = Some(why.clone());
            }
            LineNews::Finished { ok, outcome, .. } => {
                call.state = if *ok { AttemptState::Delivered } else { AttemptState::Failed };
                call.outcome = Some(outcome.clone());
            }
            LineNews::GivenUp { why } => {
                call.state = AttemptState::Failed;
                call.outcome = Some(why.clone());
            }
            LineNews::Withdrawn => call.state = AttemptState::Withdrawn,
            LineNews::Keys { keys, .. } => {
                call.keys = Some(keys.chars().take(16).collect());
                let (task, name) = (call.task, call.to.name.clone());
                return if is_asked_key(keys) { self.take_over(task, name, now) } else { None };
            }
        }
        None
    }

    /// 接办: the task is his until his claim lapses.
    fn take_over(&mut self, task: u16, name: String, now: Time) -> Option<u16> {
        let lapses = self.policy.clocks.claim_lapses;
        let t = self.tasks.iter_mut().find(|t| t.n == task && t.is_open() && t.claimed_by.is_none())?;
        t.claimed_by = Some(name);
        t.claimed_at = Some(now);
        // Continued by whoever sits at the screen, under his own name.
        t.taken_by = Some(0);
        t.due = now + lapses;
        Some(task)
    }

    /// Calls that have not left and whose task nobody needs to be rung for any more.
    pub fn recall_duty(&mut self) -> Vec<(Phone, LineLetter)> {
        let mut out = Vec::new();
        for call in self.duty_calls.iter_mut().filter(|c| c.state == AttemptState::Queued) {
            let wanted = self.tasks.iter().any(|t| t.n == call.task && t.is_open() && t.claimed_by.is_none());
            if let (false, Some(phone)) = (wanted, call.phone().cloned()) {
                call.state = AttemptState::Withdrawn;
                out.push((phone, LineLetter::Withdraw { attempt: DutyCall::attempt(self.id, call.n) }));
            }
        }
        out
    }
}
