//! The hedge: a red ask that its provider took, and of which nothing more is heard in time, goes once more by another
//! way. One for an ask, never for another hedge; an answer or a receipt first means none. It is no repetition: what
//! repeats an attempt of unknown fate has a rule of its own, and is counted apart.

use super::{
    entry::{Entry, HedgeWay},
    ladder::Again,
    state::*,
    step::{Ctx, Work},
};
use crate::core::{hazard::Level, policy::Rung, send::Channel, time::Time};

impl Callout {
    /// When something goes beside this attempt, if nothing is heard until then.
    pub(super) fn hedge_at(&self, a: &Attempt, ctx: &Ctx<'_>) -> Option<Time> {
        let after = ctx.clocks.hedge?;
        let wanted = ctx.level() == Level::Red
            && !ctx.drill
            && a.channel == Channel::Sms
            && a.kind.asks()
            && a.state == AttemptState::Accepted
            && a.finished.is_none()
            && a.hedges.is_none()
            && !a.hedged
            && self.state.is_open()
            && self.ending.is_none()
            && !self.told_only
            && !self.claimed()
            && a.provider.as_deref().is_some_and(|p| ctx.routes.reports(p));
        wanted.then_some(a.accepted? + after)
    }

    /// The account a hedge must not go by: the silent one's own.
    pub fn never_by(&self, a: &Attempt) -> Option<&str> {
        let silent = self.attempt(a.hedges?)?;
        silent.provider.as_deref().filter(|_| silent.channel == a.channel)
    }
}

impl Work<'_> {
    pub(super) fn hedge_due(&mut self) {
        if self.ctx.clocks.hedge.is_none() {
            return;
        }
        for i in 0..self.state.attempts.len() {
            let a = self.state.attempts[i].clone();
            if self.state.hedge_at(&a, &self.ctx).is_some_and(|t| t <= self.now) {
                self.hedge(i as u16 + 1, &a);
            }
        }
    }

    fn hedge(&mut self, n: u16, a: &Attempt) {
        let silent: Vec<&str> = a.provider.as_deref().into_iter().collect();
        let again = Again { hedges: Some(n), ..Again::default() };
        if self.ctx.routes.another(a.channel, &silent) {
            self.did(Entry::Hedged { n, way: HedgeWay::Provider });
            if a.by_line {
                self.queue_by_line_as(a.contact, a.channel, a.kind, a.number, again);
            } else {
                self.did(Entry::Queued {
                    contact: a.contact,
                    channel: a.channel,
                    kind: a.kind,
                    number: a.number,
                    by_line: false,
                    not_before: None,
                    repeats: None,
                    hedges: Some(n),
                    failed_by: Vec::new(),
                });
            }
            return;
        }
        let Some(number) = self.number(a.contact, Channel::Voice, 0).filter(|_| self.may_call_now(a.contact)) else {
            return self.did(Entry::Hedged { n, way: HedgeWay::None });
        };
        self.did(Entry::Hedged { n, way: HedgeWay::Voice });
        // It is the next call of the series, now rather than later.
        if let Some(calls) = self.state.contacts.get(usize::from(a.contact)).and_then(|k| k.calls) {
            let left = calls.left.saturating_sub(1);
            let next = Calls { next: self.now + calls.every, left, made: calls.made.saturating_add(1), ..calls };
            self.did(Entry::CallsSet { contact: a.contact, calls: (left > 0).then_some(next) });
        }
        let kind = match a.kind {
            AskKind::Chase | AskKind::Renewed => AskKind::Callout,
            kind => kind,
        };
        self.queue_by_line_as(a.contact, Channel::Voice, kind, number, again);
    }

    /// Whether the rules of the night and of the plan let this contact be rung now, and no call of his is under way.
    pub(super) fn may_call_now(&self, contact: u8) -> bool {
        let taken = self.state.rung.map_or(0, |r| usize::from(r) + 1);
        let at_night = |r: &Rung| r.voice.is_some_and(|v| v.night);
        let night = self.ctx.night.contains(self.now.beijing_minute());
        self.ctx.channels.voice
            && (!night || self.ctx.ladder.rungs.iter().take(taken).any(at_night))
            && self.ctx.entry.hold_voice_until.is_none_or(|t| t <= self.now)
            && !self.state.attempts.iter().any(|a| a.contact == contact && a.rings())
    }
}
