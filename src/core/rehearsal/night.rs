//! The night in which nobody answers, played by the gateway's own rules: callouts step, their calls and gathered messages
//! go through the numbers' lines, every call rings out. One of each sort of callout and number is played
//! ([`super::sorts`]); accounts have room for everybody, so that nothing waits but for the rules.

use super::{
    super::{
        callout::{
            self, Ctx,
            entry::Entry,
            event::{Event, LineNews},
            state::{AttemptState, Callout},
        },
        ids::{AttemptId, CalloutId, RecipientId, WarningId},
        line::{self, Line, LineEvent, LineLetter, LineStepped},
        phone::Phone,
        send::{Channel, Outcome},
        time::{Span, Time},
    },
    Ask, RungTaken,
    sorts::{Sorts, Way},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// More steps than any ladder has.
const STEPS: usize = 2_000;
/// The account of whoever rehearses; nothing leaves by it.
const REHEARSED: &str = "rehearsal";

/// A gathered message or a call that would leave, by the rung of the callout whose ask leads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    pub rung: u8,
    pub channel: Channel,
}

pub(super) struct Played {
    /// By sort.
    pub rungs: Vec<Arc<Vec<RungTaken>>>,
    /// By sort of number: what leaves to each of them.
    pub gone: Vec<Vec<Gone>>,
}

/// One callout of a sort on its way.
struct Part<'a> {
    ctx: Ctx<'a>,
    /// The people it may call, by their number in the chunk.
    slots: Vec<u16>,
    state: Callout,
    last: usize,
    taken: Vec<RungTaken>,
    over: bool,
    steps: usize,
}

#[derive(Default)]
struct Number {
    state: Line,
    letters: Vec<LineLetter>,
    gone: Vec<Gone>,
}

/// What comes due, in the order in which it is seen to at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Over { line: usize, lead: AttemptId },
    Part(usize),
    Line(usize),
}

struct Night<'s, 'a> {
    sorts: &'s Sorts,
    parts: Vec<Part<'a>>,
    lines: Vec<Number>,
    /// The sort that asks from a place of a line, and the rung of each of its attempts until it was over.
    askers: HashMap<(usize, u32), usize>,
    rung_of: HashMap<(usize, u16), u8>,
    due: BTreeSet<(Time, Due)>,
    part_due: Vec<Option<Time>>,
    line_due: Vec<Option<Time>>,
    start: Time,
    hold: Span,
    left: usize,
}

/// `parts`: of each sort its first, with whom it may call. `hold`: how long a call rings out.
pub(super) fn play<'a>(sorts: &Sorts, parts: Vec<(Ctx<'a>, Vec<u16>)>, start: Time, hold: Span) -> Played {
    let askers = sorts.sorts.iter().enumerate().flat_map(|(s, sort)| sort.ways.values().map(move |w| ((w.line, w.place), s))).collect();
    let mut night = Night {
        sorts,
        lines: sorts.numbers.iter().map(|_| Number::default()).collect(),
        askers,
        rung_of: HashMap::new(),
        due: BTreeSet::new(),
        part_due: vec![None; parts.len()],
        line_due: vec![None; sorts.numbers.len()],
        start,
        hold,
        left: parts.len(),
        parts: Vec::with_capacity(parts.len()),
    };
    for (i, (ctx, slots)) in parts.into_iter().enumerate() {
        let id = CalloutId::new(WarningId(0), i as u32);
        let state = callout::open(ctx, id, start, start).state;
        let last = ctx.ladder.rungs.len().saturating_sub(1);
        night.parts.push(Part { ctx, slots, state, last, taken: Vec::new(), over: false, steps: 0 });
        night.wait_for_part(i, start);
    }
    night.run();
    Played { rungs: night.parts.into_iter().map(|p| Arc::new(p.taken)).collect(), gone: night.lines.into_iter().map(|l| l.gone).collect() }
}

impl Night<'_, '_> {
    fn run(&mut self) {
        while self.left > 0 {
            let Some((now, due)) = self.due.pop_first() else { return };
            match due {
                Due::Over { line, lead } => {
                    let over = LineEvent::Finished { lead, ok: false, outcome: String::new(), number_dead: false };
                    self.line_step(line, &over, now);
                    self.wait_for_line(line, now);
                }
                Due::Part(i) => {
                    self.part_due[i] = None;
                    self.part_step(i, &Event::Tick, now);
                }
                Due::Line(l) => {
                    self.line_due[l] = None;
                    for letter in std::mem::take(&mut self.lines[l].letters) {
                        self.line_step(l, &LineEvent::Letter(letter), now);
                    }
                    self.line_step(l, &LineEvent::Tick, now);
                    self.depart(l, now);
                    self.wait_for_line(l, now);
                }
            }
        }
    }

    fn is_over(&mut self, i: usize) {
        if !std::mem::replace(&mut self.parts[i].over, true) {
            self.left -= 1;
        }
    }

    fn wait_for_part(&mut self, i: usize, now: Time) {
        let p = &self.parts[i];
        let due = (p.steps < STEPS).then(|| p.state.due(&p.ctx)).flatten().map(|t| t.max(now));
        if let Some(before) = self.part_due[i].take() {
            self.due.remove(&(before, Due::Part(i)));
        }
        self.part_due[i] = due;
        if let Some(t) = due {
            self.due.insert((t, Due::Part(i)));
        }
        // Nothing comes any more, or nothing but what officers are reminded of.
        let p = &self.parts[i];
        if due.is_none() || (p.at_last() && p.state.next_rung.is_none() && p.is_quiet()) {
            self.is_over(i);
        }
    }

    fn wait_for_line(&mut self, l: usize, now: Time) {
        let line = &self.lines[l];
        let due = if line.letters.is_empty() { line.state.due().map(|t| t.max(now + Span::ms(1))) } else { Some(now) };
        if let Some(before) = self.line_due[l].take() {
            self.due.remove(&(before, Due::Line(l)));
        }
        self.line_due[l] = due;
        if let Some(t) = due {
            self.due.insert((t, Due::Line(l)));
        }
    }

    fn part_step(&mut self, i: usize, event: &Event, now: Time) {
        let after = now - self.start;
        let p = &mut self.parts[i];
        p.steps += 1;
        // Its last rung, taken again: what comes from there on is no longer its first way up.
        let (mut at_last, mut again) = (p.at_last(), false);
        let stepped = callout::step(p.ctx, &p.state, event, now);
        p.state = stepped.state;
        // An attempt's number is its place among all of them.
        let mut n = p.state.attempts.len() - stepped.entries.iter().filter(|e| matches!(e, Entry::Queued { .. })).count();
        for e in &stepped.entries {
            if matches!(e, Entry::Queued { .. }) {
                n += 1;
            }
            if let Entry::Climbed { rung, .. } = e {
                again |= at_last;
                at_last = usize::from(*rung) >= p.last;
            }
            if p.over || again {
                continue;
            }
            match e {
                Entry::Climbed { rung, .. } => p.taken.push(RungTaken { rung: *rung, after, asks: Vec::new(), task: None }),
                Entry::Queued { contact, channel, number, by_line, .. } => {
                    let k = p.state.contacts.get(usize::from(*contact));
                    let who = k.and_then(|k| p.slots.iter().position(|s| *s == k.person));
                    if let (Some(k), Some(who), Some(rung)) = (k, who, p.taken.last_mut()) {
                        rung.asks.push(Ask {
                            after,
                            relation: k.relation,
                            channel: *channel,
                            number: *number,
                            by_line: *by_line,
                            who: who as u8,
                        });
                        self.rung_of.insert((i, n as u16), rung.rung);
                    }
                }
                Entry::TaskOpened { title, .. } => {
                    if let Some(rung) = p.taken.last_mut() {
                        rung.task = Some(title.clone());
                    }
                }
                _ => {}
            }
        }
        leave(&mut p.state, now);
        if again {
            self.is_over(i);
        }
        let idle = stepped.entries.is_empty();
        for (phone, letter) in stepped.effects.line {
            self.post(i, &phone, letter, now);
        }
        // A clock that brings nothing about is not looked at for ever.
        self.wait_for_part(i, if idle && *event == Event::Tick { now + Span::ms(1) } else { now });
    }

    /// A letter to the number's sort, in its terms: from this sort's place there, to that person of those it has.
    fn post(&mut self, i: usize, phone: &Phone, letter: LineLetter, now: Time) {
        let Some(Way { line, place, persons }) = self.sorts.sorts[i].ways.get(phone).cloned() else { return };
        let from = |a: AttemptId| AttemptId { callout: CalloutId::new(WarningId(0), place), n: a.n };
        let letter = match letter {
            LineLetter::Ask(mut ask) => {
                ask.attempt = from(ask.attempt);
                ask.recipient = RecipientId(persons.get(&ask.recipient.0).copied().unwrap_or(u32::MAX));
                LineLetter::Ask(ask)
            }
            LineLetter::Withdraw { attempt } => LineLetter::Withdraw { attempt: from(attempt) },
            // Of a failover; none happens here.
            LineLetter::Flew { .. } | LineLetter::Wrote { .. } => return,
        };
        self.lines[line].letters.push(letter);
        self.wait_for_line(line, now);
    }

    fn line_step(&mut self, l: usize, event: &LineEvent, now: Time) {
        let LineStepped { state, news, .. } = line::step(&self.lines[l].state, event, now);
        self.lines[l].state = state;
        for (attempt, news) in news {
            // That it waits changes nothing for the callout.
            if matches!(news, LineNews::Deferred { .. }) {
                continue;
            }
            if let Some(i) = self.askers.get(&(l, attempt.callout.ordinal)).copied() {
                self.part_step(i, &Event::Line { n: attempt.n, news }, now);
            }
        }
    }

    /// Whatever may leave by the rules leaves, and is taken.
    fn depart(&mut self, l: usize, now: Time) {
        let offered: Vec<AttemptId> = self.lines[l].state.departures(now).into_iter().map(|d| d.lead).collect();
        for lead in offered {
            self.line_step(l, &LineEvent::Depart { lead, provider: REHEARSED.into() }, now);
            let Some(channel) = self.lines[l].state.flights.iter().find(|f| f.lead == lead).map(|f| f.channel) else { continue };
            let asker = self.askers.get(&(l, lead.callout.ordinal));
            if let Some(rung) = asker.and_then(|i| self.rung_of.get(&(*i, lead.n))).copied() {
                self.lines[l].gone.push(Gone { rung, channel });
            }
            let outcome = Outcome::Accepted { provider_message_id: String::new() };
            self.line_step(l, &LineEvent::Outcome { lead, outcome, others: Vec::new() }, now);
            if channel == Channel::Voice {
                self.due.insert((now + self.hold, Due::Over { line: l, lead }));
            }
        }
    }
}

impl Part<'_> {
    fn is_quiet(&self) -> bool {
        self.state.contacts.iter().all(|k| k.calls.is_none())
    }
    fn at_last(&self) -> bool {
        self.state.rung.is_some_and(|r| usize::from(r) >= self.last)
    }
}

/// What leaves without a line has left at once, and nobody was reached by it.
fn leave(state: &mut Callout, now: Time) {
    for a in state.attempts.iter_mut().filter(|a| a.state == AttemptState::Queued && !a.by_line) {
        a.state = AttemptState::Accepted;
        a.sent = Some(now);
        a.finished = Some(now);
    }
}
