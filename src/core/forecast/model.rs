//! The queue played through: events in order of time, one server for SMS, so many lines for calls. Nothing is drawn
//! by lot: a call that takes place with a chance of 0.4 holds its line for 0.4 of its time. Cost: a few heap
//! operations a call, tens of milliseconds for 10,000 persons.

use super::{Assumptions, DeadlineForecast, Each, Forecast, Input, RungForecast, Series, Subject};
use crate::core::{
    policy::{Ladder, Voice, Who},
    priority::Priority,
    time::{Span, Time},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// A call with less chance than this is not played.
const HARDLY: f64 = 0.001;

/// At one moment: what ended before is known to what is decided then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    CallEnds,
    LineFree,
    Deadline,
    Rung(u8),
    Ready(u32),
    /// The accounts may begin another call.
    Beat,
}

/// When, what, and whose by the place in the order of calling.
type Event = (Time, What, u32);

/// A call waiting for a line, or to become due.
#[derive(Clone, Copy)]
struct Call {
    place: u32,
    series: Series,
    /// Ready for a line.
    waits: bool,
    /// Another series took its place.
    dead: bool,
}

#[derive(Clone, Copy)]
struct Person {
    sms_at: Option<Time>,
    /// The chance that none of the calls so far was answered.
    silence: f64,
    /// The next call to the holder.
    next: Option<u32>,
}

struct Play<'a> {
    input: Input<'a>,
    a: Assumptions,
    /// Those asked about, then the others.
    all: Vec<&'a Subject>,
    /// Indexes into `all`, who is called first first.
    order: Vec<usize>,
    people: Vec<Person>,
    events: BinaryHeap<Reverse<Event>>,
    calls: Vec<Call>,
    /// Ready for a line: (place in the order, number of the call).
    ready: BinaryHeap<Reverse<(u32, u32)>>,
    busy: u32,
    sms_free_us: i64,
    next_call_us: i64,
    /// Ends of calls with their chances.
    ends: Vec<(Time, f64)>,
    rungs: BTreeMap<(Time, u16, u8), f64>,
    deadlines: BTreeMap<Time, DeadlineForecast>,
    out: Forecast,
}

/// Plays it through.
pub fn forecast(input: Input<'_>) -> Forecast {
    let all: Vec<&Subject> = input.subjects.iter().chain(input.others).collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    let priority = |s: &&Subject| Priority::of(s.level, s.drill, Some(s.tier), s.order, Some(s.due_at));
    order.sort_by_key(|i| all.get(*i).map(priority));
    let mut play = Play {
        a: input.assumptions.sane(),
        people: order.iter().filter_map(|i| all.get(*i)).map(|s| Person { sms_at: s.sms_at, silence: 1.0, next: None }).collect(),
        all,
        out: Forecast { now: input.now, each: vec![Each::default(); input.subjects.len()], ..Forecast::default() },
        input,
        order,
        events: BinaryHeap::new(),
        calls: Vec::new(),
        ready: BinaryHeap::new(),
        busy: 0,
        sms_free_us: input.now.0 * 1000,
        next_call_us: input.now.0 * 1000,
        ends: Vec::new(),
        rungs: BTreeMap::new(),
        deadlines: BTreeMap::new(),
    };
    play.begin();
    play.run();
    play.finish()
}

impl<'a> Play<'a> {
    fn subject(&self, place: u32) -> Option<&'a Subject> {
        let i = self.order.get(place as usize)?;
        self.all.get(*i).copied()
    }
    fn ladder(&self, s: &Subject) -> Option<&'a Ladder> {
        self.input.ladders.get(usize::from(s.ladder)).map(|l| &l.ladder)
    }
    /// Whether it is one of those asked about.
    fn counts(&self, place: u32) -> bool {
        self.order.get(place as usize).is_some_and(|i| *i < self.input.subjects.len())
    }
    fn each(&mut self, place: u32) -> Option<&mut Each> {
        let i = *self.order.get(place as usize)?;
        self.out.each.get_mut(i)
    }
    fn at(&mut self, time: Time, what: What, place: u32) {
        self.events.push(Reverse((time.max(self.input.now), what, place)));
    }

    fn begin(&mut self) {
        for place in 0..self.order.len() as u32 {
            let Some(s) = self.subject(place) else { continue };
            if let Some((k, time)) = s.next {
                self.at(time, What::Rung(k), place);
            }
            if self.counts(place) && self.ladder(s).is_some_and(|l| l.answer) {
                self.at(s.due_at, What::Deadline, place);
            }
            for _ in 0..s.sms_waiting {
                self.write(place, self.input.now, 1.0, true);
            }
            for _ in 0..s.ringing {
                // Begun some time ago: half of it is over, on average.
                let end = self.input.now + Span(self.a.hold.0 / 2);
                self.busy += 1;
                self.at(end, What::LineFree, place);
                self.at(end, What::CallEnds, place);
            }
            for series in &s.calls {
                self.call_from(place, *series);
            }
            let begins = s.next.is_some_and(|(k, _)| k == 0) && s.voice && self.first_voice(s);
            self.out.without_line += u32::from(self.counts(place) && self.input.capacity.lines == 0 && (begins || !s.calls.is_empty()));
        }
    }

    fn run(&mut self) {
        while let Some(Reverse((time, what, place))) = self.events.pop() {
            match what {
                What::CallEnds => {
                    let r = 1.0 - 1.0 / self.a.attempts;
                    if let Some(p) = self.people.get_mut(place as usize) {
                        p.silence *= r;
                    }
                }
                What::LineFree => self.busy = self.busy.saturating_sub(1),
                What::Deadline => self.deadline(place, time),
                What::Rung(k) => self.rung(place, usize::from(k), time),
                What::Ready(n) => {
                    if let Some(c) = self.calls.get_mut(n as usize) {
                        c.waits = true;
                    }
                    self.ready.push(Reverse((place, n)));
                }
                What::Beat => {}
            }
            // Everything of this moment first: who is ready together is called in order.
            let together = self.events.peek().is_some_and(|Reverse((t, _, _))| *t == time);
            if !together {
                self.take_lines(time);
            }
        }
    }

    /// The chance that this person has not answered by `time`, given that he had not when we began.
    fn silent(&self, place: u32, time: Time) -> f64 {
        let Some(p) = self.people.get(place as usize) else { return 0.0 };
        let Some(sent) = p.sms_at else { return p.silence };
        let by = |t: Time| 1.0 - self.a.answered_by_sms * answered_share(t - sent, self.a.sms_answer);
        let known = by(self.input.now).max(HARDLY);
        (by(time) / known).clamp(0.0, 1.0) * p.silence
    }

    fn deadline(&mut self, place: u32, time: Time) {
        let Some(s) = self.subject(place) else { return };
        let silent = self.silent(place, time);
        let in_time = s.called || self.each(place).is_some_and(|e| e.first_call.is_some_and(|(_, end)| end <= s.due_at));
        let late = s.voice && !in_time && self.first_voice(s);
        if let Some(e) = self.each(place) {
            e.silent = silent;
            e.late = late;
        }
        let d = self.deadlines.entry(s.due_at).or_insert(DeadlineForecast { due_at: s.due_at, persons: 0, missing: 0.0, late: 0 });
        d.persons += 1;
        d.missing += silent;
        d.late += u32::from(late);
    }

    /// Whether the ladder rings the holder before anybody else's turn comes.
    fn first_voice(&self, s: &Subject) -> bool {
        self.ladder(s).and_then(|l| l.rungs.first()).is_some_and(|r| r.voice.is_some() && r.call.contains(&Who::Holder))
    }

    /// A rung is taken for whoever is silent still.
    fn rung(&mut self, place: u32, k: usize, time: Time) {
        let Some(s) = self.subject(place) else { return };
        let Some(ladder) = self.ladder(s) else { return };
        let Some(rung) = ladder.rungs.get(k) else { return };
        let silent = self.silent(place, time);
        if self.counts(place) {
            *self.rungs.entry((time, s.ladder, k as u8)).or_default() += silent;
        }
        if let Some(next) = ladder.rungs.get(k + 1).filter(|_| silent >= HARDLY) {
            self.at(next.at.time(s.start, s.due_at).max(time), What::Rung(k as u8 + 1), place);
        }
        for who in &rung.call {
            // What rises to desks and leaders is gathered into a few calls each: no load to speak of.
            let (sms, voice) = match who {
                Who::Holder => (u8::from(s.sms), u8::from(s.voice)),
                Who::Deputy => (s.deputies_sms, s.deputies_voice),
                _ => (0, 0),
            };
            if rung.send.contains(&crate::core::send::Channel::Sms) {
                for _ in 0..sms {
                    self.write(place, time, silent, *who == Who::Holder);
                }
            }
            if let Some(v) = rung.voice.filter(|_| ladder.answer) {
                for _ in 0..voice {
                    let mut series = self.series(s, &v, time, *who == Who::Holder);
                    if series.holder {
                        self.replace(place, &mut series);
                    }
                    self.call_from(place, series);
                }
            }
        }
    }

    /// The calls of a rung taken at `time`, with what the night holds back.
    fn series(&self, s: &Subject, v: &Voice, time: Time, holder: bool) -> Series {
        let mut next = time + v.after;
        if let Some(hold) = s.hold_voice_until {
            next = next.max(hold);
        }
        if !v.night && self.input.night.contains(next.beijing_minute()) {
            next = next.next_beijing_minute(self.input.night.morning);
        }
        Series { next, every: v.every, left: v.times, holder }
    }

    /// Only the holder's first counts as his being written to.
    fn write(&mut self, place: u32, time: Time, chance: f64, holder: bool) {
        let rate = self.input.capacity.sms_per_second;
        if rate == 0 {
            return;
        }
        let at = self.sms_free_us.max(time.0.saturating_mul(1000));
        self.sms_free_us = at + (1_000_000.0 * chance / f64::from(rate)).round() as i64;
        let counts = self.counts(place);
        if counts {
            self.out.sms += chance;
        }
        let left = Time(at / 1000);
        if let Some(p) = self.people.get_mut(place as usize).filter(|_| holder)
            && p.sms_at.is_none()
        {
            p.sms_at = Some(left);
            if !counts {
                return;
            }
            self.out.sms_done_at = self.out.sms_done_at.max(Some(Time(self.sms_free_us / 1000)));
        }
    }

    /// A new series takes the place of the holder's last one; a call that waits for a line goes on waiting.
    fn replace(&mut self, place: u32, series: &mut Series) {
        let Some(n) = self.people.get_mut(place as usize).and_then(|p| p.next.take()) else { return };
        let Some(c) = self.calls.get_mut(n as usize) else { return };
        c.dead = true;
        series.left = series.left.saturating_add(u8::from(c.waits));
    }

    fn call_from(&mut self, place: u32, series: Series) {
        if series.left > 0 && self.input.capacity.lines > 0 {
            let n = self.calls.len() as u32;
            self.calls.push(Call { place, series, waits: false, dead: false });
            if let Some(p) = self.people.get_mut(place as usize).filter(|_| series.holder) {
                p.next = Some(n);
            }
            self.at(series.next, What::Ready(n), place);
        }
    }

    fn take_lines(&mut self, now: Time) {
        let gap = 1_000_000.0 / f64::from(self.input.capacity.calls_per_second.max(1));
        while self.busy < self.input.capacity.lines {
            if self.next_call_us > now.0 * 1000 + 999 {
                if !self.ready.is_empty() {
                    self.at(Time((self.next_call_us + 999) / 1000), What::Beat, 0);
                }
                return;
            }
            let Some(Reverse((place, n))) = self.ready.pop() else { return };
            let Some(call) = self.calls.get(n as usize).copied().filter(|c| !c.dead) else { continue };
            if let Some(p) = self.people.get_mut(place as usize).filter(|_| call.series.holder) {
                p.next = None;
            }
            let chance = self.silent(place, now);
            if chance < HARDLY {
                continue;
            }
            self.next_call_us = self.next_call_us.max(now.0 * 1000) + (gap * chance) as i64;
            self.begin_call(&call, now, chance);
        }
    }

    fn begin_call(&mut self, call: &Call, now: Time, chance: f64) {
        let place = call.place;
        let end = now + self.a.hold;
        self.busy += 1;
        self.at(now + Span(((self.a.hold.0 as f64) * chance).ceil() as i64), What::LineFree, place);
        self.at(end, What::CallEnds, place);
        if self.counts(place) {
            self.out.calls += chance;
            self.out.voice_minutes += chance * ((self.a.hold.0 + 59_999) / 60_000) as f64;
            self.ends.push((end, chance));
        }
        if let Some(e) = self.each(place)
            && e.first_call.is_none()
        {
            e.first_call = Some((now, end));
        }
        let s = call.series;
        if s.left > 1 {
            // The next comes due by its own clock, and waits for the end of this one.
            let every = s.every.0.max(1);
            let turns = ((end - s.next).0 + every - 1) / every;
            let next = s.next + Span(every * turns.max(1));
            self.call_from(place, Series { next, left: s.left - 1, ..s });
        }
    }

    fn finish(mut self) -> Forecast {
        self.ends.sort_unstable_by_key(|(t, _)| Reverse(*t));
        let threshold = (self.out.calls / 2.0).min(0.5);
        let mut rest = 0.0;
        for (end, chance) in &self.ends {
            rest += chance;
            if rest >= threshold {
                self.out.voice_done_at = Some(*end);
                break;
            }
        }
        self.out.sms_segments = self.out.sms * self.a.sms_parts;
        self.out.rungs = self.rungs.into_iter().map(|((at, ladder, rung), persons)| RungForecast { ladder, rung, at, persons }).collect();
        self.out.deadlines = self.deadlines.into_values().collect();
        self.out
    }
}

/// Of those who answer an SMS at all, how many have after `since`.
fn answered_share(since: Span, mean: Span) -> f64 {
    match (since.0, mean.0) {
        (s, _) if s < 0 => 0.0,
        (_, 0) => 1.0,
        (s, m) => 1.0 - (-(s as f64) / m as f64).exp(),
    }
}
