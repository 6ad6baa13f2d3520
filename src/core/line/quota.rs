//! The provider's limits per callee, mirrored: at most `count` in any `window`, of all we sent to this
//! number through that account. A reserve is kept for red; drills use half.

use super::{Line, Member, Sent};
use crate::core::{
    hazard::Level,
    route::mix,
    time::{Span, Time},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Hours of the day in Beijing, written `"22:00-08:00"`; they may run over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes of the day, 0 to 1439.
    pub from: u16,
    pub to: u16,
}
impl Hours {
    fn contains(self, now: Time) -> bool {
        let minute = now.beijing_minute();
        if self.from <= self.to { (self.from..self.to).contains(&minute) } else { minute >= self.from || minute < self.to }
    }
    /// When the hours that `now` lies in began.
    fn began(self, now: Time) -> Time {
        let end = now.next_beijing_minute(self.from);
        if end > now { end - Span::hours(24) } else { end }
    }
}
impl std::fmt::Display for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, self.to / 60, self.to % 60)
    }
}
impl std::str::FromStr for Hours {
    type Err = String;
    fn from_str(text: &str) -> Result<Hours, String> {
        let part = |t: &str, below: u16| t.parse::<u16>().ok().filter(|n| t.len() == 2 && *n < below);
        let minute = |t: &str| t.trim().split_once(':').and_then(|(h, m)| Some(part(h, 24)? * 60 + part(m, 60)?));
        let hours = text.split_once('-').and_then(|(from, to)| Some(Hours { from: minute(from)?, to: minute(to)? }));
        hours.filter(|h| h.from != h.to).ok_or_else(|| format!("`{text}` are no hours of the day; write for example \"22:00-08:00\""))
    }
}
impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// One limit of an account per callee number. Windows slide: at most `count` in any of them, which keeps a
/// provider's own windows as well, wherever those begin (Aliyun counts its from the first call).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalleeRule {
    pub count: u16,
    pub window: Span,
    /// It holds only in these hours, and counts only what was sent in them; then 0 is none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Only messages that say the same are counted together: Tencent's 1 in 30 s, Huawei's 2 in 59 s.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_text: bool,
}
impl CalleeRule {
    fn counts(&self, account: &str, says: Saying, sent: &Sent) -> bool {
        sent.provider == account && (!self.same_text || sent.says == Some(says))
    }
}

/// What a message says, as far as limits of the same content ask: whose asks of which kind it carries. Two of them may
/// still differ (the warning was updated in between, another digit); then one waits that need not have, or goes by another
/// account. The other way round is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Saying(u32);
impl Saying {
    pub fn of<'a>(members: impl IntoIterator<Item = &'a Member>) -> Saying {
        // Added up, so that the order in which they were gathered is no matter.
        let one = |m: &Member| {
            let whose = u64::from(m.attempt.callout.warning.0) << 32 | u64::from(m.attempt.callout.ordinal);
            mix(whose ^ mix(u64::from(m.recipient.0) << 8 | m.kind as u64))
        };
        Saying((members.into_iter().map(one).fold(0, u64::wrapping_add) >> 32) as u32)
    }
}

/// From this length on a limit does not free itself in time for red.
const LONG: Span = Span::mins(10);

impl CalleeRule {
    /// Kept free for red: a fifth, at least one where more than one is granted.
    fn reserve(&self) -> u16 {
        let scarce = self.count >= 4 || (self.count >= 2 && self.window >= LONG);
        if scarce { (self.count / 5).max(1) } else { 0 }
    }
}

impl Line {
    /// Whether one more that `says` this may go through `account` now; else when it may.
    pub fn quota(&self, account: &str, rules: &[CalleeRule], says: Saying, level: Level, drill: bool, now: Time) -> Result<(), Time> {
        let mut wait: Option<Time> = None;
        for rule in rules.iter().filter(|r| r.hours.is_some()) {
            if let Some(hours) = rule.hours.filter(|h| h.contains(now)) {
                let began = hours.began(now).max(now - rule.window);
                let sent = self.log.iter().filter(|s| rule.counts(account, says, s) && s.at >= began).count();
                if sent >= usize::from(rule.count) {
                    let over = now.next_beijing_minute(hours.to);
                    wait = Some(wait.map_or(over, |w| w.max(over)));
                }
            }
        }
        for rule in rules.iter().filter(|r| r.hours.is_none()) {
            let of_account = |drills_only: bool| {
                let mut times: Vec<Time> = self
                    .log
                    .iter()
                    .filter(|s| rule.counts(account, says, s) && s.at + rule.window > now && (!drills_only || s.drill))
                    .map(|s| s.at)
                    .collect();
                times.sort_unstable();
                times
            };
            let mut limit = |allowed: u16, times: &[Time]| {
                let allowed = usize::from(allowed.max(1));
                if times.len() >= allowed {
                    // Free again when enough of the oldest have left the window.
                    let oldest = times[times.len() - allowed];
                    let free = oldest + rule.window;
                    wait = Some(wait.map_or(free, |w| w.max(free)));
                }
            };
            let reserve = if level == Level::Red { 0 } else { rule.reserve() };
            limit(rule.count - reserve, &of_account(false));
            if drill && rule.count >= 2 {
                limit(rule.count / 2, &of_account(true));
            }
        }
        wait.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        callout::state::{AskKind, Relation},
        ids::{AttemptId, CalloutId, RecipientId, WarningId},
    };

    const ANY: Saying = Saying(0);

    fn at(text: &str) -> Time {
        Time::parse_rfc3339(&format!("2026-07-08T{text}+08:00")).unwrap()
    }
    fn line(sent: &[(&str, bool)]) -> Line {
        let log = sent.iter().map(|(t, drill)| Sent { at: at(t), provider: "voice".into(), drill: *drill, says: None }).collect();
        Line { log, ..Line::default() }
    }
    fn rule(count: u16, window: Span) -> CalleeRule {
        CalleeRule { count, window, hours: None, same_text: false }
    }

    #[test]
    fn the_calls_of_a_minute_an_hour_and_a_day_are_counted_side_by_side() {
        // Aliyun's three for a number.
        let rules = [rule(1, Span::mins(1)), rule(5, Span::hours(1)), rule(20, Span::hours(24))];
        let asked = |l: &Line, now: &str| l.quota("voice", &rules, ANY, Level::Red, false, at(now));
        let l = line(&[("14:00:00", false)]);
        assert_eq!(asked(&l, "14:00:59"), Err(at("14:01:00")));
        assert_eq!(asked(&l, "14:01:00"), Ok(()));
        assert_eq!(l.quota("other", &rules, ANY, Level::Red, false, at("14:00:59")), Ok(()), "another account counts for itself");
        let l = line(&[("14:00:00", false), ("14:10:00", false), ("14:20:00", false), ("14:30:00", false), ("14:40:00", false)]);
        assert_eq!(asked(&l, "14:50:00"), Err(at("15:00:00")), "five in the hour: free when the first has left it");
        let many: Vec<(String, bool)> = (0..20).map(|i| (format!("{:02}:00:00", i), false)).collect();
        let l = line(&many.iter().map(|(t, d)| (t.as_str(), *d)).collect::<Vec<_>>());
        assert_eq!(asked(&l, "22:00:00"), Err(at("00:00:00") + Span::hours(24)));
    }

    #[test]
    fn in_any_window_of_the_providers_own_no_more_leave_than_it_grants() {
        // It leaves as soon as it may, for three hours; the provider's hour begins with the first call and
        // the next with the first call after it.
        let rules = [rule(1, Span::mins(1)), rule(5, Span::hours(1))];
        let mut l = Line::default();
        let (mut now, end) = (at("10:00:00"), at("13:00:00"));
        while now < end {
            match l.quota("voice", &rules, ANY, Level::Red, false, now) {
                Ok(()) => l.log.push(Sent { at: now, provider: "voice".into(), drill: false, says: None }),
                Err(until) => {
                    assert!(until > now);
                    now = until;
                }
            }
        }
        let (mut begun, mut count) = (Time(i64::MIN / 2), 0);
        for s in &l.log {
            if s.at >= begun + Span::hours(1) {
                (begun, count) = (s.at, 0);
            }
            count += 1;
            assert!(count <= 5, "{:?}", l.log);
        }
        assert!(l.log.len() >= 15);
    }

    #[test]
    fn of_every_long_limit_a_part_is_kept_for_red() {
        for (count, window, others) in [
            (5, Span::hours(1), 4),
            (4, Span::hours(1), 3),
            (2, Span::mins(10), 1),
            (20, Span::hours(24), 16),
            (1, Span::mins(1), 1),
            (2, Span::secs(30), 2),
        ] {
            let rules = [rule(count, window)];
            let may = |level: Level, n: u16| {
                let sent: Vec<(&str, bool)> = (0..n).map(|_| ("14:00:00", false)).collect();
                line(&sent).quota("voice", &rules, ANY, level, false, at("14:00:10")).is_ok()
            };
            assert!(may(Level::Blue, others - 1) && !may(Level::Blue, others), "{count} in {window:?}: blue has {others}");
            assert!(may(Level::Red, count - 1) && !may(Level::Red, count), "{count} in {window:?}: red has all");
        }
    }

    #[test]
    fn a_drill_takes_half_of_a_numbers_quota_and_no_more() {
        let rules = [rule(10, Span::hours(24))];
        let drills = |n: usize| line(&vec![("14:00:00", true); n]);
        assert!(drills(4).quota("voice", &rules, ANY, Level::Red, true, at("14:30:00")).is_ok());
        assert!(drills(5).quota("voice", &rules, ANY, Level::Red, true, at("14:30:00")).is_err());
        assert!(drills(5).quota("voice", &rules, ANY, Level::Red, false, at("14:30:00")).is_ok(), "the other half is the real warning's");
    }

    #[test]
    fn of_the_same_text_fewer_go_and_another_text_goes_meanwhile() {
        let member = |ordinal: u32, kind: AskKind| Member {
            attempt: AttemptId { callout: CalloutId { warning: WarningId(1), ordinal }, n: ordinal as u16 },
            contact: 0,
            recipient: RecipientId(7),
            relation: Relation::Holder,
            kind,
            level: Level::Red,
            drill: false,
        };
        let (one, two, chase) = (member(1, AskKind::Callout), member(2, AskKind::Callout), member(1, AskKind::Chase));
        let again = Member { attempt: AttemptId { n: 9, ..one.attempt }, ..one.clone() };
        assert_eq!(Saying::of([&one, &two]), Saying::of([&two, &again]), "the order and the attempt are no matter");
        // Huawei's.
        let rules = [CalleeRule { same_text: true, ..rule(2, Span::secs(59)) }, CalleeRule { same_text: true, ..rule(5, Span::mins(59)) }];
        let sent = |t: &str, m: &Member| Sent { at: at(t), provider: "hw".into(), drill: false, says: Some(Saying::of([m])) };
        let mut l = Line { log: vec![sent("02:00:00", &one), sent("02:00:20", &again)], ..Line::default() };
        let asked = |l: &Line, m: &Member, now: &str| l.quota("hw", &rules, Saying::of([m]), Level::Red, false, at(now));
        assert_eq!(asked(&l, &one, "02:00:30"), Err(at("02:00:59")));
        assert_eq!(asked(&l, &one, "02:00:59"), Ok(()));
        for other in [&two, &chase] {
            assert_eq!(asked(&l, other, "02:00:30"), Ok(()));
        }
        let both = Saying::of([&one, &two]);
        assert_eq!(l.quota("hw", &rules, both, Level::Red, false, at("02:00:30")), Ok(()), "gathered it says more");
        for t in ["02:10:00", "02:20:00", "02:30:00"] {
            l.log.push(sent(t, &one));
        }
        assert_eq!(asked(&l, &one, "02:40:00"), Err(at("02:59:00")));
        assert_eq!(asked(&l, &two, "02:40:00"), Ok(()));
    }

    #[test]
    fn a_nights_limit_holds_from_its_evening_to_its_morning() {
        let night = CalleeRule { count: 1, window: Span::hours(24), hours: Some("22:00-08:00".parse().unwrap()), same_text: false };
        let l = line(&[("21:59:00", false)]);
        let asked = |l: &Line, now: Time| l.quota("voice", &[night], ANY, Level::Red, false, now);
        assert_eq!(asked(&l, at("22:30:00")), Ok(()), "what rang before the night does not count");
        let l = line(&[("22:30:00", false)]);
        let morning = at("08:00:00") + Span::hours(24);
        assert_eq!(asked(&l, at("23:00:00")), Err(morning));
        assert_eq!(asked(&l, at("03:00:00") + Span::hours(24)), Err(morning));
        assert_eq!(asked(&l, morning), Ok(()));
        let closed = CalleeRule { count: 0, ..night };
        assert_eq!(Line::default().quota("voice", &[closed], ANY, Level::Red, false, at("01:00:00")), Err(at("08:00:00")));
        for wrong in ["22-8", "22:00", "24:00-08:00", "08:00-08:00", "8:00-9:00", ""] {
            assert!(wrong.parse::<Hours>().unwrap_err().contains("22:00-08:00"), "{wrong}");
        }
        assert_eq!("22:00-08:00".parse::<Hours>().unwrap().to_string(), "22:00-08:00");
    }
}
