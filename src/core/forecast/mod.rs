//! The forecast (预计完成时间): when SMS and calls will be done, who will not be reached before the deadline, and
//! what it costs. From the plan before anything is sent, from what is really queued while it runs; one model for both.
//!
//! Rooms: here the words · [`model`] plays the queue through · [`people`] what is still to be done for each person.
//!
//! The arithmetic is that of voice capacity: `lines = persons × mean attempts × hold seconds / window seconds`, of
//! those who have not answered the SMS before. With 1.4 attempts of 45 s, 2,000 persons take 50 lines 42 minutes,
//! and 17 minutes when 60 % have answered by SMS. The model adds what the formula leaves out: the order of
//! calling, the pause between two calls of one person, the deputies' rung, calls a second, night.

mod model;
pub mod people;
#[cfg(test)]
mod tests;

pub use model::forecast;

use super::{
    directory::Tier,
    hazard::Level,
    policy::{NamedLadder, Night},
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};

/// What nobody can know before: how people and calls behave. Each has a default; a bureau puts in its own figures
/// after its first drills.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assumptions {
    /// Of those who got an SMS, how many answer it (0 to 1), if it is left to them long enough. 0.6: the share the
    /// capacity table reckons with.
    pub answered_by_sms: f64,
    /// How long those take on average, from the SMS leaving. Answers thin out with time, as an exponential does.
    pub sms_answer: Span,
    /// How long a call holds its line, ringing and script together. 45 s: many press 1 before a 32 s script ends.
    pub hold: Span,
    /// Calls until somebody answers, on average (at least 1). 1.4 after the same table.
    pub attempts: f64,
    /// SMS that one text is charged as.
    pub sms_parts: f64,
}
impl Default for Assumptions {
    fn default() -> Self {
        Assumptions { answered_by_sms: 0.6, sms_answer: Span::secs(60), hold: Span::secs(45), attempts: 1.4, sms_parts: 1.0 }
    }
}
impl Assumptions {
    /// The same where people and calls are `speed` times faster than life, as the policy is there.
    pub fn at_speed(self, speed: f64) -> Assumptions {
        let faster = |span: Span| Span((span.0 as f64 / speed) as i64);
        Assumptions { sms_answer: faster(self.sms_answer), hold: faster(self.hold), ..self }
    }
    /// Kept within what can be reckoned with, whatever was configured.
    fn sane(self) -> Assumptions {
        let number = |x: f64, least: f64, most: f64| if x.is_finite() { x.clamp(least, most) } else { least };
        Assumptions {
            answered_by_sms: number(self.answered_by_sms, 0.0, 1.0),
            sms_answer: self.sms_answer.max(Span::ZERO),
            hold: self.hold.max(Span::ms(1)),
            attempts: number(self.attempts, 1.0, 100.0),
            sms_parts: number(self.sms_parts, 0.0, 100.0),
        }
    }
    /// How long so many lines take for so many persons, none of whom answers an SMS: the capacity formula.
    pub fn time_for(&self, persons: usize, lines: u32) -> Option<Span> {
        let a = self.sane();
        let work = persons as f64 * a.attempts * a.hold.0 as f64;
        (lines > 0).then(|| Span((work / f64::from(lines)).ceil() as i64))
    }
    /// How many lines so many persons need to be through within `window`; the same formula the other way round.
    pub fn lines_for(&self, persons: usize, window: Span) -> Option<u32> {
        let a = self.sane();
        let work = persons as f64 * a.attempts * a.hold.0 as f64;
        (window.0 > 0).then(|| (work / window.0 as f64).ceil().min(f64::from(u32::MAX)) as u32)
    }
}

/// What the accounts in use grant, of all gateways together: an account's grant is shared among them, and so is the
/// work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capacity {
    /// Messages a second; 0: there is no SMS.
    pub sms_per_second: u32,
    /// Calls at once; 0: there is no voice.
    pub lines: u32,
    /// Calls that may begin in a second.
    pub calls_per_second: u32,
}

/// A series of calls to one contact that has begun, or waits for its line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series {
    pub next: Time,
    pub every: Span,
    pub left: u8,
    /// To the holder; else to a deputy.
    pub holder: bool,
}

/// One person and what is still to be done for him. [`people`] makes them from a plan or from a callout.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub level: Level,
    pub tier: Tier,
    pub drill: bool,
    /// The ordinal in the plan.
    pub order: u32,
    /// Index into [`Input::ladders`].
    pub ladder: u16,
    pub start: Time,
    pub due_at: Time,
    /// The next rung and its time; `None` when no new one comes.
    pub next: Option<(u8, Time)>,
    pub hold_voice_until: Option<Time>,
    /// The holder can be written to, can be rung.
    pub sms: bool,
    pub voice: bool,
    /// Deputies that can be written to, that can be rung.
    pub deputies_sms: u8,
    pub deputies_voice: u8,
    /// When the holder's first SMS left, if it has.
    pub sms_at: Option<Time>,
    /// SMS that wait for their slot now.
    pub sms_waiting: u8,
    /// A call to the holder has been made.
    pub called: bool,
    /// Calls that ring now.
    pub ringing: u8,
    /// Calls waiting or to come of series that have begun, of whomever.
    pub calls: Vec<Series>,
}

/// Everything a forecast is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub now: Time,
    pub night: Night,
    pub ladders: &'a [&'a NamedLadder],
    pub subjects: &'a [Subject],
    /// Of other warnings: they take slots by their priority, and are not counted.
    pub others: &'a [Subject],
    pub capacity: Capacity,
    pub assumptions: Assumptions,
}

/// One rung of one ladder at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RungForecast {
    /// Index into [`Input::ladders`].
    pub ladder: u16,
    pub rung: u8,
    pub at: Time,
    /// How many persons are expected still to be silent then.
    pub persons: f64,
}

/// Those who must answer by the same moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeadlineForecast {
    pub due_at: Time,
    pub persons: u32,
    /// How many of them are expected to be silent still.
    pub missing: f64,
    /// How many could only answer the SMS, because no call to them ends in time.
    pub late: u32,
}

/// What is expected for one person, in the order of [`Input::subjects`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Each {
    /// The first call begins and ends then, if he has not answered before.
    pub first_call: Option<(Time, Time)>,
    /// He should be rung, and no call ends before his deadline.
    pub late: bool,
    /// The chance (0 to 1) that he is silent at his deadline.
    pub silent: f64,
}

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    pub now: Time,
    /// When the last first SMS has left; `None` when none is to be sent.
    pub sms_done_at: Option<Time>,
    /// When less than half a call is still to be expected. `None` when none is to be made, or there is no line.
    pub voice_done_at: Option<Time>,
    /// Expected calls, from now on.
    pub calls: f64,
    /// Expected messages, from now on, and what they are charged as.
    pub sms: f64,
    pub sms_segments: f64,
    /// Charged by the minute begun.
    pub voice_minutes: f64,
    /// Persons who should be rung while there is no line at all.
    pub without_line: u32,
    /// In order of time.
    pub rungs: Vec<RungForecast>,
    /// In order of time.
    pub deadlines: Vec<DeadlineForecast>,
    pub each: Vec<Each>,
}

impl Forecast {
    /// Persons expected to be silent at their deadlines.
    pub fn missing(&self) -> f64 {
        self.deadlines.iter().map(|d| d.missing).sum()
    }
    /// Persons no call will reach before their deadlines. With any, it must be warned of.
    pub fn late(&self) -> u32 {
        self.deadlines.iter().map(|d| d.late).sum()
    }
}
