//! Filing (报备): signatures and templates that a provider, and the carriers behind it, must have approved before a message
//! passes. What was filed and how it stands is written in the configuration, because no provider tells it with a send: an
//! unfiled signature is accepted by the API and dropped by the carrier. It is shown, and warned about while there is time.

use super::template::TemplateSet;
use crate::core::time::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The last part of a wording's name where the answer link follows it.
pub const WITH_LINK: &str = "link";

/// How a filing stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilingState {
    /// Nobody has written it down.
    #[default]
    Unstated,
    Approved,
    /// Handed in, not decided.
    Pending,
    Rejected,
    /// It was approved once and is no more.
    Expired,
}
impl FilingState {
    pub fn name_zh(self) -> &'static str {
        match self {
            FilingState::Unstated => "未填写",
            FilingState::Approved => "已通过",
            FilingState::Pending => "待审核",
            FilingState::Rejected => "被驳回",
            FilingState::Expired => "已失效",
        }
    }
    /// Whether a wording in this state is chosen over the one that fits all. A code without a word about its filing is
    /// taken for approved: somebody got it from the provider.
    pub fn is_usable(self) -> bool {
        matches!(self, FilingState::Unstated | FilingState::Approved)
    }
}

/// A day such as `2027-01-31`, Beijing's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(jiff::civil::Date);
impl Day {
    pub fn of(t: Time) -> Day {
        Day(t.beijing().date())
    }
    /// Days from `earlier` to this one; negative when it lies before.
    pub fn days_after(self, earlier: Day) -> i64 {
        (self.0 - earlier.0).get_days().into()
    }
}
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl Serialize for Day {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Day, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map(Day).map_err(|_| de::Error::custom(format!("`{text}` is no day; write it as \"2027-01-31\"")))
    }
}

/// What a filing is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Signature,
    Template,
    Link,
}
impl Subject {
    /// What comes of it where it does not stand well.
    fn outcome_zh(self, state: FilingState) -> &'static str {
        match (self, state) {
            (Subject::Link, _) => "短信不带链接",
            // The provider would stop the whole account for it.
            (Subject::Template, FilingState::Rejected) => "不会发出",
            (_, FilingState::Pending) => "运营商可能拦截",
            _ => "运营商会拦截",
        }
    }
}

/// One thing filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filing {
    pub subject: Subject,
    /// In Chinese: `签名【某某应急】`, `模板 callout.rainstorm.red（SMS_1）`.
    pub what: String,
    pub state: FilingState,
    /// The last day it holds.
    pub valid_until: Option<Day>,
}

/// Renewing takes five to ten working days.
const SOON: i64 = 30;

impl Filing {
    pub fn signature(name: &str, state: FilingState, valid_until: Option<Day>) -> Filing {
        Filing { subject: Subject::Signature, what: format!("签名【{name}】"), state, valid_until }
    }

    /// How it stands, in a few words.
    pub fn standing(&self) -> String {
        match self.valid_until {
            Some(day) => format!("{}，有效期至 {day}", self.state.name_zh()),
            None => self.state.name_zh().to_string(),
        }
    }

    /// What somebody should see to, and how soon; `None` where all is well.
    pub fn concern(&self, today: Day) -> Option<String> {
        let (what, then) = (&self.what, self.subject.outcome_zh(self.state));
        match self.state {
            FilingState::Rejected => return Some(format!("{what}：报备被驳回，{then}")),
            FilingState::Pending => return Some(format!("{what}：报备待审核，{then}")),
            FilingState::Expired => return Some(format!("{what}：报备已失效，{then}")),
            FilingState::Unstated | FilingState::Approved => {}
        }
        match self.valid_until.map(|day| (day, day.days_after(today))) {
            Some((day, left)) if left < 0 => Some(format!("{what}：报备已于 {day} 到期，{then}")),
            Some((day, left)) if left <= SOON => Some(format!("{what}：报备将于 {day} 到期，还有 {left} 天")),
            _ if self.state == FilingState::Unstated => Some(format!("{what}：未填写报备状态")),
            _ => None,
        }
    }
}

/// What somebody should see to of one account, a line each; what nobody has written down is one line together.
pub fn concerns(account: &str, filings: &[Filing], today: Day) -> Vec<String> {
    let unstated = |f: &&Filing| f.state == FilingState::Unstated && f.valid_until.is_none();
    let mut out: Vec<String> =
        filings.iter().filter(|f| !unstated(f)).filter_map(|f| f.concern(today)).map(|c| format!("{account}：{c}")).collect();
    let silent = filings.iter().filter(unstated).count();
    if silent > 0 {
        out.push(format!("{account}：{silent} 项签名或模板未填写报备状态"));
    }
    out
}

/// The templates of an account, variants included.
pub fn of_templates(set: &TemplateSet, drill_set: Option<&TemplateSet>) -> Vec<Filing> {
    let mut out = Vec::new();
    for (set, word) in [(Some(set), "模板"), (drill_set, "演练模板")] {
        for (kind, t) in set.iter().flat_map(|s| &s.0) {
            let kind = kind.as_str();
            let one = |name: String, t: &super::ProviderTemplate| Filing {
                subject: Subject::Template,
                what: format!("{word} {name}（{}）", t.code),
                state: t.filing,
                valid_until: t.valid_until,
            };
            out.push(one(kind.to_string(), t));
            out.extend(t.variants.iter().map(|(name, v)| one(format!("{kind}.{name}"), v)));
        }
    }
    out
}

/// What an account that sends free text had filed: its signature, where it has one, and the link, once somebody has stated it.
pub fn of_free_text(sign_name: Option<&str>, sign: (FilingState, Option<Day>), link: (FilingState, Option<Day>)) -> Vec<Filing> {
    let signature = sign_name.map(|name| Filing::signature(name, sign.0, sign.1));
    let stated = link.0 != FilingState::Unstated || link.1.is_some();
    signature
        .into_iter()
        .chain(stated.then(|| Filing { subject: Subject::Link, what: "应答链接".into(), state: link.0, valid_until: link.1 }))
        .collect()
}

/// Whether free text may go in this wording: any, but with a link only where that was approved. A template's code comes from
/// the provider; here nobody but the configuration knows that somebody has asked.
pub fn free_text_may_go(variant: &str, (link, until): (FilingState, Option<Day>), today: Option<Day>) -> bool {
    variant.rsplit('.').next() != Some(WITH_LINK) || link == FilingState::Approved && !is_over(until, today)
}

/// Whether the last day of a filing has passed.
pub fn is_over(until: Option<Day>, today: Option<Day>) -> bool {
    until.zip(today).is_some_and(|(until, today)| until < today)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_carries_a_link_only_where_that_was_approved() {
        for (variant, link, may) in [
            ("", FilingState::Unstated, true),
            ("rainstorm.red", FilingState::Rejected, true),
            ("link", FilingState::Unstated, false),
            ("rainstorm.red.link", FilingState::Pending, false),
            ("link", FilingState::Expired, false),
            ("rainstorm.red.link", FilingState::Approved, true),
        ] {
            assert_eq!(free_text_may_go(variant, (link, None), None), may, "{variant} {link:?}");
        }
        let day = |d: &str| Some(Day(d.parse().unwrap()));
        for (today, may) in [("2026-12-31", true), ("2027-01-01", false)] {
            assert_eq!(free_text_may_go("link", (FilingState::Approved, day("2026-12-31")), day(today)), may, "{today}");
        }
    }

    fn filing(state: FilingState, until: Option<&str>) -> Filing {
        Filing::signature("某某应急", state, until.map(|d| Day(d.parse().unwrap())))
    }

    #[test]
    fn what_is_not_approved_or_soon_is_no_more_is_told() {
        let today = Day::of(Time::parse_rfc3339("2026-11-24T23:30:00+08:00").unwrap());
        for (state, until, want) in [
            (FilingState::Approved, None, None),
            (FilingState::Approved, Some("2027-06-30"), None),
            (FilingState::Approved, Some("2026-12-24"), Some("还有 30 天")),
            (FilingState::Approved, Some("2026-11-24"), Some("还有 0 天")),
            (FilingState::Approved, Some("2026-11-23"), Some("已于 2026-11-23 到期")),
            (FilingState::Pending, Some("2027-06-30"), Some("待审核")),
            (FilingState::Rejected, None, Some("被驳回")),
            (FilingState::Expired, None, Some("已失效")),
            (FilingState::Unstated, None, Some("未填写报备状态")),
        ] {
            let told = filing(state, until).concern(today);
            match want {
                None => assert_eq!(told, None, "{state:?} {until:?}"),
                Some(want) => assert!(told.as_ref().is_some_and(|t| t.contains(want) && t.contains("某某应急")), "{state:?}: {told:?}"),
            }
        }
    }

    #[test]
    fn what_nobody_has_written_down_is_one_line_of_an_account() {
        let today = Day::of(Time::parse_rfc3339("2026-11-24T23:30:00+08:00").unwrap());
        let all = [
            filing(FilingState::Unstated, None),
            filing(FilingState::Pending, None),
            filing(FilingState::Unstated, None),
            filing(FilingState::Approved, None),
        ];
        let told = concerns("sms", &all, today);
        assert_eq!(told, ["sms：签名【某某应急】：报备待审核，运营商可能拦截", "sms：2 项签名或模板未填写报备状态"]);
    }

    #[test]
    fn a_day_is_written_as_people_write_it_and_nothing_else() {
        #[derive(Deserialize)]
        struct S {
            d: Day,
        }
        assert_eq!(toml::from_str::<S>("d = '2027-01-31'").unwrap().d.to_string(), "2027-01-31");
        for bad in ["2027-02-30", "31.1.2027", "soon", ""] {
            assert!(toml::from_str::<S>(&format!("d = '{bad}'")).is_err(), "{bad}");
        }
    }
}
