//! The variables that SMS and voice templates may use, and what each says of the facts.

use crate::core::{
    message::{MessageFacts, cut, fit_list, plain},
    speech,
    time::Time,
    web_address,
};
use serde::Deserialize;
use std::borrow::Cow;

/// A variable as approved by a provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// `text`, `number`, `time` or `link`.
    pub kind: String,
    /// Longest length in characters.
    pub max: usize,
    /// Down to this length it may be shortened for the budget; without it, never.
    #[serde(default)]
    pub min: Option<usize>,
}

macro_rules! variables {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// One variable; its name stands between `${` and `}`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Variable { $($variant),* }
        impl Variable {
            pub const ALL: &[Variable] = &[$(Variable::$variant),*];
            pub fn name(self) -> &'static str {
                match self { $(Variable::$variant => $name),* }
            }
        }
    };
}
variables! {
    Organization = "organization",
    Hazard = "hazard",
    Level = "level",
    Places = "places",
    What = "what",
    Action = "action",
    Minutes = "minutes",
    Digit = "digit",
    Issuer = "issuer",
    Time = "time",
    Holders = "holders",
    Count = "count",
    When = "when",
    Ask = "ask",
    Ended = "ended",
    How = "how",
    Options = "options",
    Link = "link",
}

impl Variable {
    /// In the order in which they are shortened, and how far at that turn at most: a clause of what
    /// threatens is kept until the list of places has given way, too.
    pub const ELASTIC: [(Variable, usize); 6] = [
        (Variable::What, 18),
        (Variable::Ask, 0),
        (Variable::Holders, 0),
        (Variable::Options, 0),
        (Variable::Places, 0),
        (Variable::What, 0),
    ];

    pub fn parse(name: &str) -> Option<Variable> {
        Variable::ALL.iter().copied().find(|v| v.name() == name)
    }

    pub fn list() -> String {
        Variable::ALL.iter().map(|v| v.name()).collect::<Vec<_>>().join(", ")
    }

    /// The value as written, at most `limit` units, never empty: a provider refuses an empty variable.
    pub fn written(self, facts: &MessageFacts, organization: &str, limit: usize) -> String {
        let value = match self {
            Variable::Organization => or(organization, "应急"),
            Variable::Hazard => facts.hazard_zh().to_string(),
            Variable::Level => facts.level.name_zh().to_string(),
            Variable::Places => return clean(or(&fit_list(&facts.places, limit, "处"), "您负责的区域"), limit),
            Variable::What => or(&cut(&facts.gist(), limit), "详见通知"),
            Variable::Action => facts.action().to_string(),
            Variable::Minutes => facts.minutes.max(1).to_string(),
            Variable::Digit => facts.digit.to_string(),
            Variable::Issuer => or(&facts.issuer, "发布单位"),
            Variable::Time => moment(facts.sent),
            Variable::Holders => return clean(or(&fit_list(&facts.holders, limit, "人"), "责任人"), limit),
            Variable::Count => facts.count.max(1).to_string(),
            Variable::When => when(facts),
            Variable::Ask => return clean(or(&fit_list(&facts.ask, limit, "项"), "到岗、转移、险情"), limit),
            Variable::Ended => facts.end.map_or_else(|| "现".to_string(), |(at, _)| format!("于{}", moment(at))),
            Variable::How => facts.end.map_or("已结束", |(_, reason)| reason.words()).to_string(),
            Variable::Options => {
                let asks: Vec<String> = facts.options.iter().map(|o| format!("回{}{}", o.digit, o.what)).collect();
                or(&fit_list(&asks, limit, "项"), "请见各条短信")
            }
            Variable::Link => return cut(&or(facts.link.as_deref().unwrap_or_default(), "—"), limit),
        };
        clean(value, limit)
    }

    /// The value as spoken.
    pub fn spoken(self, facts: &MessageFacts, organization: &str, limit: usize) -> String {
        match self {
            Variable::Time => {
                let t = facts.sent.beijing();
                speech::clock(unsigned(t.hour()), unsigned(t.minute()))
            }
            Variable::Count => people_count(facts.count.max(1)),
            // Words are longer than digits: cut before and after.
            _ => {
                let mut room = limit;
                loop {
                    let spoken = speech::speakable(&self.written(facts, organization, room));
                    let long = crate::core::message::units(&spoken);
                    if long <= limit || room <= limit / 2 {
                        return cut(&spoken, limit);
                    }
                    room = room.saturating_sub((long - limit).max(1));
                }
            }
        }
    }
}

/// `两人` is what one says, not `二人`.
fn people_count(n: u32) -> String {
    if n == 2 { "两".into() } else { speech::number(u64::from(n)) }
}

/// `请于14时30分前` or `已逾期，请立即`.
pub fn when(facts: &MessageFacts) -> String {
    match facts.due {
        _ if facts.overdue => "已逾期，请立即".into(),
        Some(due) => format!("请于{}前", moment(due)),
        None => "请尽快".into(),
    }
}

/// `14时30分`, Beijing time.
pub fn moment(t: Time) -> String {
    let t = t.beijing();
    format!("{}时{:02}分", t.hour(), t.minute())
}

fn unsigned(n: i8) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn or(text: &str, otherwise: &str) -> String {
    if text.trim().is_empty() { otherwise.to_string() } else { text.to_string() }
}

/// One line without signature brackets and web addresses, within the limit.
fn clean(text: String, limit: usize) -> String {
    let text = match web_address::without(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(left) => or(&left, "—"),
    };
    let text = if text.contains(['【', '】']) { plain(&text) } else { text };
    let text = if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text };
    cut(&text, limit)
}
