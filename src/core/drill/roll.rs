//! The roll call (点名): every number of the directory proved once a quarter, a share of them each week.
//!
//! Proved is a number that a provider says a message was delivered to or a call was heard at, or that somebody
//! answered from. Chosen first is what was never tried, then what was tried longest ago, so that a number that
//! fails each time does not keep the others from their turn. No chance: the same directory, record and day
//! choose the same numbers.

use crate::core::{
    callout::Channels,
    directory::{Directory, Post, Tier},
    division::Division,
    ids::{RecipientId, WarningId},
    numbers::NOT_ME,
    phone::Phone,
    planner::lookup::tier_of,
    time::{Span, Time},
};
use jiff::civil;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What drills have shown of a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When a drill last used it.
    pub tried: Time,
    /// When it last proved good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<Time>,
    /// Which drill tried it last.
    pub drill: WarningId,
    /// What came of it: `delivered`, `heard`, `answered`, `非本人` ([`NOT_ME`]), or why it failed.
    pub outcome: String,
}
impl Proof {
    /// The newer of two, and the newest time it was proved; what it proved before it was disowned is void.
    pub fn join(&mut self, other: &Proof) {
        let proved = self.proved.max(other.proved);
        if other.tried >= self.tried {
            *self = other.clone();
        }
        self.proved = proved.filter(|_| self.outcome != NOT_ME);
    }
}

/// By number.
pub type Proofs = BTreeMap<Phone, Proof>;

/// The first instant of the quarter that `now` is in, and of the next. Beijing time.
pub fn quarter(now: Time) -> (Time, Time) {
    let date = now.beijing().date();
    let first = (date.month() - 1) / 3 * 3 + 1;
    let at = |year: i16, month: i8| civil::Date::new(year, month, 1).ok().and_then(|d| Time::from_beijing(d.at(0, 0, 0, 0))).unwrap_or(now);
    let next = if first == 10 { (date.year() + 1, 1) } else { (date.year(), first + 3) };
    (at(date.year(), first), at(next.0, next.1))
}

/// A number that is to be proved, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Never tried comes before any time.
    pub tried: Option<Time>,
    /// Which of its person's numbers: all first ones before any second one, for a week takes one number a person and
    /// the last weeks must not be left with two of the same few.
    pub rank: usize,
    pub recipient: RecipientId,
    pub phone: Phone,
}

/// How the quarter stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roll {
    pub from: Time,
    pub to: Time,
    /// Numbers of people in office whom some channel reaches.
    pub numbers: usize,
    pub proved: usize,
    /// Tried in this quarter, and nothing came of it.
    pub failed: Vec<Due>,
    /// Neither tried nor proved in this quarter.
    pub untried: Vec<Due>,
}
impl Roll {
    /// How it stands now, over all or inside a division, over all tiers (`[]`) or these.
    pub fn of(directory: &Directory, channels: Channels, proofs: &Proofs, now: Time, within: Option<Division>, tiers: &[Tier]) -> Roll {
        let (from, to) = quarter(now);
        let mut roll = Roll { from, to, ..Roll::default() };
        let mut people: BTreeSet<RecipientId> = BTreeSet::new();
        let here = |p: &&Post| {
            let tier = tiers.is_empty() || tiers.contains(&tier_of(p));
            p.valid_at(now) && tier && within.is_none_or(|w| w.contains(p.place.division))
        };
        for post in directory.posts.iter().filter(here) {
            people.insert(post.recipient);
            // He is rung when the holder is silent: his number must be good too.
            people.extend(post.deputy);
        }
        // Whoever sits at a desk or leads a shift by rota, this quarter.
        if tiers.is_empty() || tiers.contains(&Tier::DutyDesk) {
            let seats = directory.rotas.iter().filter(|(seat, _)| within.is_none_or(|w| w.contains(seat.division)));
            people.extend(seats.flat_map(|(_, shifts)| shifts.iter().filter(|s| s.to > from && s.from < to).map(|s| s.recipient)));
        }
        let mut seen: BTreeSet<&Phone> = BTreeSet::new();
        for person in people.iter().filter_map(|id| directory.recipients.get(id)) {
            for (rank, phone) in person.phones.iter().filter(|p| channels.reaches(p)).enumerate() {
                if !seen.insert(phone) {
                    continue;
                }
                roll.numbers += 1;
                let proof = proofs.get(phone);
                let due = Due { tried: proof.map(|p| p.tried), rank, recipient: person.id, phone: phone.clone() };
                match proof {
                    Some(p) if p.proved.is_some_and(|t| t >= from) => roll.proved += 1,
                    Some(p) if p.tried >= from => roll.failed.push(due),
                    _ => roll.untried.push(due),
                }
            }
        }
        roll.untried.sort();
        roll.failed.sort();
        roll
    }

    /// Whose turn it is this week: as many as must be for all to have had theirs by the quarter's end, one number a
    /// person; what failed is tried again behind them, in the room that is left.
    pub fn this_week(&self, now: Time) -> Vec<Due> {
        let weeks = ((self.to - now).0 + WEEK.0 - 1).div_euclid(WEEK.0).max(1);
        let open = self.untried.len() + self.failed.len();
        self.pick(open.div_ceil(usize::try_from(weeks).unwrap_or(1)))
    }

    /// One in `share` of all numbers.
    pub fn share(&self, share: u16) -> Vec<Due> {
        self.pick(self.numbers.div_ceil(usize::from(share.max(1))))
    }

    fn pick(&self, count: usize) -> Vec<Due> {
        let mut people: BTreeSet<RecipientId> = BTreeSet::new();
        self.untried.iter().chain(&self.failed).filter(|d| people.insert(d.recipient)).take(count).cloned().collect()
    }
}

const WEEK: Span = Span::hours(7 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_begin_on_their_first_day_in_beijing() {
        let at = |s: &str| Time::parse_rfc3339(s).unwrap();
        let (from, to) = quarter(at("2026-11-30T12:00:00+08:00"));
        assert_eq!((from.rfc3339(), to.rfc3339()), ("2026-10-01T00:00:00+08:00".into(), "2027-01-01T00:00:00+08:00".into()));
        assert_eq!(quarter(at("2026-03-31T23:59:59+08:00")).0, at("2026-01-01T00:00:00+08:00"));
        assert_eq!(quarter(at("2026-03-31T16:00:00Z")).0, at("2026-04-01T00:00:00+08:00"));
    }

    #[test]
    fn a_quarter_of_weekly_shares_tries_every_number_of_persons_with_two() {
        use crate::core::{
            directory::{Place, Recipient, Role},
            ids::WarningId,
        };
        for people in [1u32, 7, 13, 20, 100] {
            let place = Place { division: "140521101201".parse().unwrap(), point: None };
            let phone = |n: u32| Phone::parse(&format!("154{n:08}")).unwrap();
            let mut d = Directory::default();
            for n in 1..=people {
                let id = RecipientId(n);
                let phones = vec![phone(n), phone(1_000 + n)];
                d.recipients.insert(id, Recipient { id, name: format!("甲{n}"), phones, email: None, im: None });
                d.posts.push(Post::new(id, Role("flood_control".into()), Tier::Village, place.clone()));
            }
            let all = Channels { sms: true, voice: true, email: true };
            let from = quarter(Time::parse_rfc3339("2026-01-05T10:00:00+08:00").unwrap()).0;
            let mut proofs = Proofs::new();
            let roll = |proofs: &Proofs, now: Time| Roll::of(&d, all, proofs, now, None, &[]);
            for week in 0..13 {
                let now = from + Span::hours(week * 7 * 24 + 10);
                for due in roll(&proofs, now).this_week(now) {
                    let proof = Proof { tried: now, proved: Some(now), drill: WarningId(week as u32 + 1), outcome: "heard".into() };
                    proofs.insert(due.phone, proof);
                }
            }
            let last = from + Span::hours(90 * 24 - 1);
            let roll = roll(&proofs, last);
            assert_eq!((roll.proved, roll.untried.len()), (people as usize * 2, 0), "{people} persons of two numbers");
        }
    }

    #[test]
    fn a_number_that_fails_each_week_does_not_keep_others_from_their_turn() {
        let due = |n: u32, tried: Option<i64>| Due {
            tried: tried.map(Time),
            rank: 0,
            recipient: RecipientId(n),
            phone: Phone::parse(&format!("154{n:08}")).unwrap(),
        };
        let now = Time::parse_rfc3339("2026-10-01T10:00:00+08:00").unwrap();
        let (from, to) = quarter(now);
        let untried = (1..=20).map(|n| due(n, None)).collect();
        let failed = (21..=26).map(|n| due(n, Some(from.0 + 1))).collect();
        let roll = Roll { from, to, numbers: 30, proved: 4, failed, untried };
        let chosen: Vec<u32> = roll.this_week(now).iter().map(|d| d.recipient.0).collect();
        assert_eq!(chosen, [1, 2], "26 open numbers in the 14 weeks that are left");
        assert_eq!(roll.share(3).len(), 10);
        let last = Time(to.0 - 1);
        assert_eq!(roll.this_week(last).len(), 26, "all that is left in the last week");
    }
}
