//! Rungs, calls and the deadline: what happens because time passed and nobody answered.

use super::{entry::Entry, state::*, step::Work};
use crate::core::{
    ids::CalloutId,
    line::{LineAsk, LineLetter},
    phone::Phone,
    plan::PlanPerson,
    policy::{Rung, Who},
    send::Channel,
    time::{Span, Time},
};

/// What an ask is besides the first of its kind.
#[derive(Clone, Copy, Default)]
pub(super) struct Again {
    pub not_before: Option<Time>,
    pub repeats: Option<u16>,
    pub hedges: Option<u16>,
}

impl Contact {
    /// Bit k: number k is of no use for this channel.
    pub(super) fn lost(&self, channel: Channel) -> u8 {
        self.dead
            | match channel {
                Channel::Sms => self.no_sms,
                Channel::Voice => self.no_voice,
                Channel::Email | Channel::Im => 0,
            }
    }
}

impl Work<'_> {
    pub(super) fn open(&mut self, id: CalloutId, start: Time) {
        let entry = self.ctx.entry;
        let told_only = !self.ctx.ladder.answer;
        let holder = self.ctx.person(entry.person);
        let has_door = holder.is_some_and(|p| self.has_door(p));
        let unreachable = !has_door && !told_only;
        // In a relay it is called when somebody above has answered, or had the time to.
        let wait = entry.relay.as_ref().map_or(Span::ZERO, |r| r.wait);
        let first = self.ctx.ladder.rungs.first().map(|r| r.at.time(start + wait, start + entry.deadline));
        let next_rung = first.map(|t| entry.hold_until.map_or(t, |h| h.max(t)));
        self.did(Entry::Opened {
            id,
            start,
            due_at: start + entry.deadline,
            told_only,
            unreachable,
            person: entry.person,
            holder: holder.map_or(crate::core::ids::RecipientId(0), |p| p.id),
            next_rung: if has_door { next_rung } else { None },
        });
        if unreachable {
            // It begins at the deputy's rung (contract, States).
            self.skip_to_deputy("责任人没有可用的联系方式");
        }
    }

    fn has_door(&self, p: &PlanPerson) -> bool {
        let c = self.ctx.channels;
        p.phones.iter().any(|n| c.reaches(n)) || (c.email && p.email.is_some())
    }

    /// Somebody above answered (逐级转发): it is this one's turn, unless it came already.
    pub(super) fn forwarded(&mut self) {
        let waits = self.state.rung.is_none() && self.state.forwarded.is_none() && self.state.next_rung.is_some_and(|t| t > self.now);
        if self.ctx.entry.relay.is_none() || !waits || !self.state.state.is_open() {
            return;
        }
        let next_rung = self.ctx.entry.hold_until.map_or(self.now, |h| h.max(self.now));
        self.did(Entry::Forwarded { next_rung });
    }

    /// The deadline passed without an answer.
    pub(super) fn deadline(&mut self) {
        let waiting = matches!(self.state.state, CalloutState::Queued | CalloutState::Calling);
        if waiting && !self.state.told_only && self.now >= self.state.due_at {
            self.did(Entry::Overdue);
            self.effects.announce.push("callout.overdue");
        }
    }

    /// Takes every rung whose time has come. After a long stop several are due at once: each is
    /// taken, but the holder is written to only once.
    pub(super) fn climb_due(&mut self) {
        let mut written = false;
        while !self.state.claimed() && self.state.next_rung.is_some_and(|t| t <= self.now) {
            let last = self.ctx.ladder.rungs.len().saturating_sub(1);
            let k = match self.state.rung {
                Some(r) => (usize::from(r) + 1).min(last),
                None => 0,
            };
            let Some(rung) = self.ctx.ladder.rungs.get(k) else { return };
            let rung = rung.clone();
            let next = match self.ctx.ladder.rungs.get(k + 1) {
                // Never before now: a rung whose time has passed follows at once, in its own turn.
                Some(r) => {
                    let (start, due_at) = self.state.ladder_times(self.ctx.entry);
                    Some(r.at.time(start, due_at))
                }
                None if self.state.told_only => None,
                None => Some(self.now + self.ctx.ladder.repeat),
            };
            self.did(Entry::Climbed { rung: k as u8, next_rung: next });
            self.take(&rung, k, &mut written);
        }
    }

    fn take(&mut self, rung: &Rung, k: usize, written: &mut bool) {
        for who in &rung.call {
            for (place, person) in self.ctx.entry.people_at(*who, self.ctx.rotas, self.now).into_iter().enumerate() {
                let relation = match who {
                    Who::Holder => Relation::Holder,
                    Who::Deputy => Relation::Deputy,
                    // Those beside him answer for posts of their own, not for his: they take over, as those above do.
                    Who::Superior | Who::ShiftLeader | Who::Others => Relation::Superior,
                    Who::TownshipDesk | Who::CountyDesk | Who::CityDesk => Relation::DutyDesk,
                };
                if person == self.ctx.entry.person && relation != Relation::Holder {
                    continue;
                }
                let Some(contact) = self.contact_for(relation, person) else { continue };
                if self.state.contacts[usize::from(contact)].handed {
                    continue;
                }
                // At a desk its own number rings first; the person who sits there has the text at once and is rung an
                // interval later, if nobody has taken over by then.
                let behind = relation == Relation::DutyDesk && place > 0 && self.rings_ahead(rung, *who);
                self.ask(contact, rung, k, behind, written);
            }
        }
        if let Some(task) = &rung.task
            && !self.state.told_only
        {
            self.open_ladder_task(task);
        }
    }

    /// Whether this desk's own number can be rung by the rung.
    fn rings_ahead(&self, rung: &Rung, who: Who) -> bool {
        let desk = self.ctx.entry.people_of(who).first().and_then(|p| self.ctx.person(*p)).map(|p| p.id);
        let contact = self.state.contacts.iter().position(|k| Some(k.id) == desk);
        rung.voice.is_some() && contact.is_some_and(|i| self.number(i as u8, Channel::Voice, 0).is_some())
    }

    /// The contact of this person, added if new. A person is one contact, whatever rungs name him.
    pub(super) fn contact_for(&mut self, relation: Relation, person: u16) -> Option<u8> {
        let id = self.ctx.person(person)?.id;
        if let Some(i) = self.state.contacts.iter().position(|k| k.id == id) {
            return Some(i as u8);
        }
        if self.state.contacts.len() >= usize::from(u8::MAX) {
            return None;
        }
        self.did(Entry::ContactAdded { relation, person, id });
        Some(self.state.contacts.len() as u8 - 1)
    }

    /// Writes to a contact by the rung's channels and starts its series of calls.
    fn ask(&mut self, contact: u8, rung: &Rung, k: usize, behind: bool, written: &mut bool) {
        let relation = self.state.contacts[usize::from(contact)].relation;
        let kind = match relation {
            Relation::Holder if self.state.told_only => AskKind::Info,
            Relation::Holder if k == 0 || self.state.attempts.is_empty() => AskKind::Callout,
            Relation::Holder => AskKind::Chase,
            Relation::Deputy => AskKind::Deputy,
            Relation::Superior | Relation::DutyDesk => AskKind::Takeover,
        };
        let holder = relation == Relation::Holder;
        if !(holder && *written) {
            for channel in &rung.send {
                match channel {
                    Channel::Sms => self.queue_sms(contact, kind),
                    Channel::Email if holder => self.queue_email(contact, kind),
                    // Group chats get one digest a warning, not one message a person; the gateway's
                    // digest is not a callout's business.
                    Channel::Email | Channel::Im | Channel::Voice => {}
                }
            }
        }
        *written |= holder;
        if let Some(v) = rung.voice.filter(|_| self.ctx.channels.voice)
            && self.number(contact, Channel::Voice, 0).is_some()
        {
            let made = self.state.contacts[usize::from(contact)].calls.map_or(0, |c| c.made);
            let mut next = self.now + v.after + if behind { v.every } else { Span::ZERO };
            if let Some(hold) = self.ctx.entry.hold_voice_until {
                next = next.max(hold);
            }
            if !v.night && self.ctx.night.contains(next.beijing_minute()) {
                next = next.next_beijing_minute(self.ctx.night.morning);
            }
            let calls = Calls { next, every: v.every, left: v.times, made, second_from: v.second_number_from };
            self.did(Entry::CallsSet { contact, calls: Some(calls) });
        }
    }

    /// Makes the calls whose time has come.
    pub(super) fn call_due(&mut self) {
        if self.state.claimed() {
            return;
        }
        for i in 0..self.state.contacts.len() {
            let contact = i as u8;
            let Some(calls) = self.state.contacts[i].calls else { continue };
            if calls.next > self.now {
                continue;
            }
            let under_way = self.state.attempts.iter().any(|a| a.contact == contact && a.rings());
            if under_way {
                // The last call is not over: the next waits its turn, it is not lost.
                self.did(Entry::CallsSet { contact, calls: Some(Calls { next: self.now + calls.every, ..calls }) });
                continue;
            }
            let Some(number) = self.number(contact, Channel::Voice, if calls.made + 1 >= calls.second_from { calls.made } else { 0 })
            else {
                self.did(Entry::CallsSet { contact, calls: None });
                continue;
            };
            let relation = self.state.contacts[i].relation;
            let kind = match relation {
                Relation::Holder => AskKind::Callout,
                Relation::Deputy => AskKind::Deputy,
                _ => AskKind::Takeover,
            };
            let left = calls.left.saturating_sub(1);
            let made = calls.made.saturating_add(1);
            let next = Calls { next: self.now + calls.every, left, made, ..calls };
            self.did(Entry::CallsSet { contact, calls: (left > 0).then_some(next) });
            self.queue_by_line(contact, Channel::Voice, kind, number);
        }
    }

    /// Jumps to the first rung not yet taken that calls a deputy; without one, to the next rung.
    pub(super) fn skip_to_deputy(&mut self, why: &str) {
        if self.state.told_only {
            return;
        }
        let rungs = &self.ctx.ladder.rungs;
        let from = self.state.rung.map_or(0, |r| usize::from(r) + 1);
        let has_deputy = !self.ctx.entry.people_at(Who::Deputy, self.ctx.rotas, self.now).is_empty();
        let wanted = |r: &Rung| r.call.iter().any(|w| if has_deputy { *w == Who::Deputy } else { *w != Who::Holder });
        let target = rungs.iter().enumerate().skip(from).find(|(_, r)| wanted(r)).map(|(k, _)| k);
        let Some(k) = target else { return self.hasten(why) };
        // Taking rung k next means the one before counts as taken.
        if k > from {
            self.did(Entry::Climbed { rung: (k - 1) as u8, next_rung: Some(self.now) });
        }
        self.hasten(why);
    }

    /// The next rung now.
    pub(super) fn hasten(&mut self, why: &str) {
        self.did(Entry::Hastened { next_rung: self.now, why: why.to_string() });
    }

    /// A number of the contact that can carry the channel, the `turn`-th by turns; `None` when all
    /// are dead or disowned.
    pub(super) fn number(&self, contact: u8, channel: Channel, turn: u8) -> Option<u8> {
        let live = self.numbers(contact, channel);
        live.get(usize::from(turn).checked_rem(live.len())?).copied()
    }

    /// All of them, the first before the second.
    pub(super) fn numbers(&self, contact: u8, channel: Channel) -> Vec<u8> {
        let Some(k) = self.state.contacts.get(usize::from(contact)) else { return Vec::new() };
        let phones = self.ctx.person(k.person).map(|p| p.phones.as_slice()).unwrap_or_default();
        let carries = |i: usize, n: &Phone| k.lost(channel) & (1 << i) == 0 && (channel != Channel::Sms || n.is_mobile());
        phones.iter().take(8).enumerate().filter(|(i, n)| carries(*i, n)).map(|(i, _)| i as u8).collect()
    }

    pub(super) fn queue_sms(&mut self, contact: u8, kind: AskKind) {
        if !self.ctx.channels.sms {
            return;
        }
        let Some(number) = self.number(contact, Channel::Sms, 0) else { return };
        if self.state.contacts[usize::from(contact)].relation == Relation::Holder {
            self.did(Entry::Queued {
                contact,
                channel: Channel::Sms,
                kind,
                number,
                by_line: false,
                not_before: None,
                repeats: None,
                hedges: None,
                failed_by: Vec::new(),
            });
        } else {
            self.queue_by_line(contact, Channel::Sms, kind, number);
        }
    }

    pub(super) fn queue_email(&mut self, contact: u8, kind: AskKind) {
        let person = self.state.contacts[usize::from(contact)].person;
        if self.ctx.channels.email && self.ctx.person(person).is_some_and(|p| p.email.is_some()) {
            self.did(Entry::Queued {
                contact,
                channel: Channel::Email,
                kind,
                number: 0,
                by_line: false,
                not_before: None,
                repeats: None,
                hedges: None,
                failed_by: Vec::new(),
            });
        }
    }

    /// Hands an ask to the number's line, which gathers and keeps one call in flight per number.
    pub(super) fn queue_by_line(&mut self, contact: u8, channel: Channel, kind: AskKind, number: u8) {
        self.queue_by_line_as(contact, channel, kind, number, Again::default());
    }

    /// The same, not before a time, or as the repetition of an attempt whose fate stayed unknown, or beside one.
    pub(super) fn queue_by_line_as(&mut self, contact: u8, channel: Channel, kind: AskKind, number: u8, again: Again) {
        let Again { not_before, repeats, hedges } = again;
        if self.is_full() {
            return;
        }
        let k = &self.state.contacts[usize::from(contact)];
        let (relation, recipient) = (k.relation, k.id);
        let Some(phone) = self.ctx.person(k.person).and_then(|p| p.phones.get(usize::from(number))).cloned() else { return };
        let failed_by = repeats.map(|n| self.failed_before(n)).unwrap_or_default();
        self.did(Entry::Queued { contact, channel, kind, number, by_line: true, not_before, repeats, hedges, failed_by });
        let n = self.state.attempts.len() as u16;
        let ask = LineAsk {
            attempt: self.attempt_id(n),
            contact,
            recipient,
            relation,
            channel,
            kind,
            level: self.ctx.level(),
            drill: self.ctx.drill,
            call_timeout: self.ctx.clocks.call_timeout,
            gather: self.ctx.clocks.gather,
            voice_unknown: self.ctx.clocks.voice_unknown,
            lookups: self.ctx.clocks.lookup,
            sending_timeout: self.ctx.sending_timeout,
            not_before,
            patience: self.state.patience(kind, self.now),
            failed_by: self.state.attempt(n).map(|a| a.failed_by.clone()).unwrap_or_default(),
            never: hedges.filter(|_| channel == Channel::Sms).and_then(|h| self.state.attempt(h)?.provider.clone()),
            tier: self.ctx.entry.posts.first().map(|p| p.tier),
            due: Some(self.state.due_at),
        };
        self.effects.line.push((phone, LineLetter::Ask(ask)));
    }
}
