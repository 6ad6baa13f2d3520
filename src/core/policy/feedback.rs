//! What is to be reported after an answer (反馈), and when: a schedule of clocks, each with its own asks, reminder
//! and task. A report answers the clocks it speaks of, and those whose time has come.

use crate::core::{
    callout::state::{FeedbackClock, Report, Reported},
    serde_one_or_many,
    time::{Span, Time},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The clocks of one row. Written (and stored) as one table where there is one, else as a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(pub Vec<FeedbackRule>);

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        serde_one_or_many::serialize(&self.0, |_| true, s)
    }
}
impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        serde_one_or_many::deserialize(d).map(Schedule)
    }
}

/// The most clocks a row may have: a callout names them in 8 bits, and a person can keep few in mind.
pub const MOST_CLOCKS: usize = 12;

impl Schedule {
    /// Everything that is asked for, in order.
    pub fn asks(&self) -> Vec<String> {
        self.0.iter().flat_map(|r| r.ask.iter().cloned()).collect()
    }
    pub fn get(&self, ask: u8) -> Option<&FeedbackRule> {
        self.0.get(usize::from(ask))
    }
}

/// One clock: what must be reported, by when, how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackRule {
    /// From the first send to this person.
    pub first: Span,
    /// Afterwards, until the warning ends.
    #[serde(default)]
    pub every: Option<Span>,
    /// Overdue: a reminder at once, and after this long a task.
    #[serde(default = "ten_minutes")]
    pub task_after: Span,
    /// What is asked for, in Chinese: 到岗, 转移, 关停, 险情.
    #[serde(default)]
    pub ask: Vec<String>,
    /// What a report must speak of to answer this in the first two thirds of its time; from then on any report does. Left
    /// out: any report at any time; an empty list: none sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Vec<Topic>>,
}

/// What a report can speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// 到岗
    OnPost,
    /// 转移
    Move,
    /// 关停
    Close,
    /// 险情
    Danger,
    /// 断路断电断网
    Outage,
}
impl Topic {
    pub fn name_zh(self) -> &'static str {
        match self {
            Topic::OnPost => "到岗",
            Topic::Move => "转移",
            Topic::Close => "关停",
            Topic::Danger => "险情",
            Topic::Outage => "断路断电断网",
        }
    }
    fn said_by(self, report: &Report) -> bool {
        match self {
            Topic::OnPost => report.on_post,
            Topic::Move => report.to_move > 0 || report.moved > 0 || report.refused > 0,
            Topic::Close => !report.closures.is_empty(),
            Topic::Danger => report.danger.present,
            Topic::Outage => !report.outage.is_empty(),
        }
    }
}

impl FeedbackRule {
    /// Whether a report given at `at` answers this clock. It does where it speaks of what is
    /// asked, and in the last third of the clock's time, or once it is overdue, whatever it says: a report
    /// of nothing is a report.
    pub fn answered_by(&self, report: &Report, clock: &FeedbackClock, at: Time) -> bool {
        clock.overdue_since.is_some_and(|since| at >= since)
            || self.about.as_ref().is_none_or(|about| about.iter().any(|t| t.said_by(report)))
            // Asked for again because it is overdue, its time is still the first one's.
            || at + Span(self.span(clock).0 / 3) >= clock.overdue_since.unwrap_or(clock.due)
    }

    /// Whether a report that came before counts for this clock, too.
    pub fn counts(&self, given: &Reported, clock: &FeedbackClock) -> bool {
        let began = clock.since.unwrap_or(clock.due - self.span(clock));
        // The first report may come before its clock: with the answer, or as the answer.
        (!clock.first_in || given.at > began) && self.answered_by(&given.report, clock, given.at)
    }

    fn span(&self, clock: &FeedbackClock) -> Span {
        if clock.first_in { self.every.unwrap_or(self.first) } else { self.first }
    }

    /// Being on post is asked of the person; all else of each of his places.
    pub fn is_personal(&self) -> bool {
        self.about.as_deref() == Some(&[Topic::OnPost])
    }
}

fn ten_minutes() -> Span {
    Span::mins(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> FeedbackRule {
        FeedbackRule {
            first: Span::mins(30),
            every: Some(Span::mins(60)),
            task_after: Span::mins(10),
            ask: vec!["转移".into()],
            about: Some(vec![Topic::Move]),
        }
    }

    #[test]
    fn a_report_answers_what_it_speaks_of_and_what_is_due_soon() {
        let clock =
            FeedbackClock { ask: 0, due: Time(0) + Span::mins(30), reminded: false, first_in: false, overdue_since: None, since: None };
        let later = FeedbackClock { first_in: true, ..clock };
        let overdue = FeedbackClock { overdue_since: Some(Time(0)), due: Time(0) + Span::mins(90), ..clock };
        let at = |m| Time(0) + Span::mins(m);
        let on_post = Report { on_post: true, ..Report::default() };
        let moved = Report { moved: 1, ..Report::default() };
        assert!(rule().answered_by(&moved, &clock, at(1)), "it speaks of moving");
        assert!(
            !rule().answered_by(&on_post, &clock, at(19)),
            "being there is not moving people: a late word of being on post must not silence the question of people"
        );
        assert!(rule().answered_by(&on_post, &clock, at(20)), "soon before it is due a report of nothing is a report");
        assert!(!rule().answered_by(&on_post, &later, at(9)) && rule().answered_by(&on_post, &later, at(10)), "twenty minutes of sixty");
        assert!(rule().answered_by(&on_post, &overdue, at(1)), "what is overdue is answered by any report");
        assert!(FeedbackRule { about: None, ..rule() }.answered_by(&on_post, &clock, at(0)));
        assert!(!FeedbackRule { about: Some(vec![]), ..rule() }.answered_by(&moved, &clock, at(14)));
    }

    #[test]
    fn one_clock_is_stored_as_it_always_was_and_several_as_a_list() {
        let old = r#"{"first":"15m","every":"60m","task_after":"10m","ask":["到岗"]}"#;
        let one: Schedule = serde_json::from_str(old).unwrap();
        assert_eq!(serde_json::to_value(&one).unwrap(), serde_json::to_value(FeedbackRule { about: None, ..one.0[0].clone() }).unwrap());
        let two = Schedule(vec![rule(), rule()]);
        assert_eq!(serde_json::from_value::<Schedule>(serde_json::to_value(&two).unwrap()).unwrap(), two);
        let bad = serde_json::from_str::<Schedule>(r#"[{"first":"15m","evry":"1m"}]"#).unwrap_err().to_string();
        assert!(bad.contains("unknown field `evry`"), "{bad}");
    }
}
