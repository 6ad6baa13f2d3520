//! The row of the policy that applies, made ready for asking post by post: who is called by which
//! ladder, what the night makes of it, and the table of ladders that the running warning keeps.

use super::lookup::{Lookup, tier_of};
use crate::core::{
    directory::{Directory, Place, Post, Role, Tier},
    hazard::{HazardCode, Level},
    policy::{
        AnswerRule, At, Ladder, NamedLadder, NightRule, Policy, Rule, Rung, RunningPolicy, Schedule, Selector, Supervise, TaskRule, Voice,
        Who,
    },
    rota::Seat,
    send::Channel,
    time::{Span, Time},
};
use std::collections::{BTreeSet, HashMap};

/// One line of a rule.
pub struct Line<'a> {
    selectors: Vec<&'a Selector>,
    pub ladder: &'a str,
    deadline: Option<Span>,
    night: &'a NightRule,
    pub answer: AnswerRule,
    /// 双叫应: which of the lines that are called side by side.
    pub side: Option<&'a str>,
}

/// A rule made ready. The built-in last resort has one line for everybody.
pub struct Row<'a> {
    pub lines: Vec<Line<'a>>,
    /// 逐级转发.
    pub relay: bool,
    pub supervise: Option<&'a Supervise>,
    pub feedback: Option<&'a Schedule>,
    /// Points, named or in a named township or village, take what lies downstream of them along.
    pub downstream: bool,
}

/// How one post is called, night included.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Index into the running policy's ladders.
    pub ladder: u8,
    pub answer: bool,
    pub deadline: Span,
    pub hold_until: Option<Time>,
    pub hold_voice_until: Option<Time>,
    pub name: String,
    /// A rung calls those beside the holder.
    pub beside: bool,
}
impl Way {
    /// How long the night holds the calls.
    pub fn hold(&self, now: Time) -> Span {
        self.hold_until.or(self.hold_voice_until).map_or(Span::ZERO, |m| (m - now).max(Span::ZERO))
    }
    /// The deadline from when the calls may begin.
    pub fn own_deadline(&self, now: Time) -> Span {
        Span(self.deadline.0 - self.hold(now).0)
    }
}

/// The name of the ladder used where no rule fits.
pub const LAST_RESORT: &str = "内置";

/// The ladder of last resort: as strict as life-threat, because nobody knows what it is for.
pub fn last_resort_ladder() -> Ladder {
    let voice = |times| Some(Voice { after: Span::secs(30), every: Span::secs(90), times, second_number_from: 2, night: true });
    let task = |title: &str, desk| Some(TaskRule { title: title.into(), desk, unclaimed: Span::mins(3) });
    let rung = |at, call: &[Who], times, task| Rung { at, call: call.to_vec(), send: vec![Channel::Sms], voice: voice(times), task };
    Ladder {
        answer: true,
        deadline: Tier::ALL.into_iter().map(|t| (t, Span::mins(10))).collect(),
        rungs: vec![
            rung(At::Start(Span::ZERO), &[Who::Holder], 4, None),
            rung(At::Deadline(Span::ZERO), &[Who::Holder, Who::Deputy], 3, None),
            rung(At::Deadline(Span::mins(3)), &[Who::TownshipDesk], 2, task("人工电话叫应", Who::TownshipDesk)),
            rung(At::Deadline(Span::mins(7)), &[Who::CountyDesk], 2, task("县值班员人工电话叫应，须签认", Who::CountyDesk)),
            rung(At::Deadline(Span::mins(15)), &[Who::ShiftLeader, Who::CityDesk], 2, task("报带班领导和市值班室", Who::ShiftLeader)),
        ],
        repeat: Span::mins(5),
    }
}

impl<'a> Row<'a> {
    pub fn of(policy: &'a Policy, rule: &'a Rule) -> Row<'a> {
        let lines = rule
            .calls
            .iter()
            .map(|c| Line {
                selectors: c.who.iter().filter_map(|g| policy.groups.get(g)).flat_map(|g| &g.select).collect(),
                ladder: &c.ladder,
                deadline: c.deadline,
                night: &c.night,
                answer: c.answer,
                side: c.line.as_deref(),
            })
            .collect();
        Row { lines, relay: rule.relay, supervise: rule.supervise.as_ref(), feedback: rule.feedback.as_ref(), downstream: rule.downstream }
    }

    /// Everybody whose role answers for the hazard, by the strictest means.
    pub fn last_resort(everybody: &'a Selector) -> Row<'a> {
        let line = Line {
            selectors: vec![everybody],
            ladder: LAST_RESORT,
            deadline: None,
            night: &NightRule::Full,
            answer: AnswerRule::Each,
            side: None,
        };
        Row { lines: vec![line], relay: false, supervise: None, feedback: None, downstream: true }
    }
}

/// The condition that keeps a post from being called, in the order they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Its role does not answer for the hazard.
    Hazard,
    Tier,
    Role,
    /// Its division is of another level.
    Depth,
    Title,
    /// No point of the asked kinds is there.
    Point,
    /// Somebody else there bears the title that is preferred.
    Preferred,
}

/// Asks of posts: does this row call you, and by which line?
pub struct Chooser<'a> {
    pub policy: &'a Policy,
    pub directory: &'a Directory,
    pub lookup: &'a Lookup,
    pub hazard: &'a HazardCode,
    pub now: Time,
    /// The hazard's code is none of the national list's form, so that no role can be ruled out by it.
    pub foreign_code: bool,
    /// Role keys of the directory that the policy does not know.
    pub unknown_roles: BTreeSet<String>,
    /// Whether somebody at a place bears a title the selector asks for. Only asked, never walked.
    titled: HashMap<(&'a Selector, &'a Place), bool>,
}

impl<'a> Chooser<'a> {
    pub fn new(policy: &'a Policy, directory: &'a Directory, lookup: &'a Lookup, hazard: &'a HazardCode, now: Time) -> Chooser<'a> {
        let known = |r: &crate::core::policy::RoleRule| r.hazards.contains(hazard);
        let foreign_code = !is_national(hazard) && !policy.roles.values().any(known);
        Chooser { policy, directory, lookup, hazard, now, foreign_code, unknown_roles: BTreeSet::new(), titled: HashMap::new() }
    }

    /// The line that calls this post, and whether it owes feedback.
    pub fn choose(&mut self, row: &Row<'a>, post: &'a Post) -> Option<(usize, bool)> {
        if !self.role_answers(&post.role) {
            return None;
        }
        for (i, line) in row.lines.iter().enumerate() {
            for s in &line.selectors {
                if self.fits(s, post) && self.title_fits(s, post) {
                    return Some((i, s.feedback));
                }
            }
        }
        None
    }

    /// Desks answer for everything; so does a role that the policy does not know, because leaving
    /// its people out would be silence by a spelling mistake.
    pub(super) fn role_answers(&mut self, role: &Role) -> bool {
        if self.foreign_code || matches!(role.0.as_str(), Role::DUTY | Role::SHIFT_LEADER) {
            return true;
        }
        match self.policy.roles.get(&role.0) {
            Some(r) => r.answers_for(self.hazard),
            None => {
                if !self.unknown_roles.contains(&role.0) {
                    self.unknown_roles.insert(role.0.clone());
                }
                true
            }
        }
    }

    fn fits(&self, s: &Selector, post: &Post) -> bool {
        self.stop(s, post).is_none()
    }

    /// The first condition of a selector that a post does not meet, but for the titles it prefers.
    fn stop(&self, s: &Selector, post: &Post) -> Option<Stop> {
        if !(s.tiers.is_empty() || s.tiers.contains(&tier_of(post))) {
            Some(Stop::Tier)
        } else if !(s.roles.is_empty() || s.roles.contains(&post.role.0)) {
            Some(Stop::Role)
        } else if !(s.at.is_empty() || s.at.contains(&post.place.division.level())) {
            Some(Stop::Depth)
        } else if !(s.titles.is_empty() || bears(post, &s.titles)) {
            Some(Stop::Title)
        } else if !(s.point_kinds.is_empty() || self.starred(&s.point_kinds, post)) {
            Some(Stop::Point)
        } else {
            None
        }
    }

    /// Why a row does not call a post: at which condition it stops, by the selector that takes it farthest.
    pub fn stops_at(&mut self, row: &Row<'a>, post: &Post) -> Stop {
        if !self.role_answers(&post.role) {
            return Stop::Hazard;
        }
        let selectors = row.lines.iter().flat_map(|l| l.selectors.iter());
        selectors.map(|s| self.stop(s, post).unwrap_or(Stop::Preferred)).max().unwrap_or(Stop::Tier)
    }

    fn starred(&self, kinds: &[String], post: &Post) -> bool {
        if kinds.contains(&post.role.0) {
            return true;
        }
        match &post.place.point {
            Some(code) => kinds.iter().any(|k| k == "any") || self.directory.points.get(code).is_some_and(|p| kinds.contains(&p.kind)),
            None => self.lookup.has_point(post.place.division, kinds),
        }
    }

    fn title_fits(&mut self, s: &'a Selector, post: &'a Post) -> bool {
        if s.prefer_titles.is_empty() || bears(post, &s.prefer_titles) {
            return true;
        }
        // Nobody at the place bears the title: then it cannot be what tells its people apart.
        let key = (s, &post.place);
        if let Some(known) = self.titled.get(&key) {
            return !known;
        }
        let somebody = self
            .lookup
            .posts_exactly(post.place.division)
            .filter_map(|i| self.directory.posts.get(i as usize))
            .any(|p| p.place == post.place && self.in_charge(p) && bears(p, &s.prefer_titles) && self.fits(s, p));
        self.titled.insert(key, somebody);
        !somebody
    }
}

impl Chooser<'_> {
    /// In force, and no standing shift leader in whose stead the rota names another now.
    fn in_charge(&self, post: &Post) -> bool {
        let relieved = post.role.0 == Role::SHIFT_LEADER && post.place.point.is_none() && {
            let seat = Seat::leader(post.place.division);
            let mut on_duty = self.directory.rotas.at(&seat, self.now);
            on_duty.any(|s| self.directory.recipients.contains_key(&s.recipient))
        };
        post.valid_at(self.now) && !relieved
    }
}

fn bears(post: &Post, words: &[String]) -> bool {
    words.iter().any(|w| post.title.contains(w.as_str()))
}

/// Whether a code has the national form, such as `11B03`; anything else says nothing about who answers.
fn is_national(hazard: &HazardCode) -> bool {
    matches!(hazard.0.as_bytes(), [a, b, family, c, d]
        if [a, b, c, d].iter().all(|x| x.is_ascii_digit()) && family.is_ascii_uppercase())
}

/// What makes one ladder of a running policy differ from another.
#[derive(Clone, Copy)]
struct Key<'k> {
    name: &'k str,
    limit: Option<Span>,
    raised: bool,
    level: Level,
}
struct OwnedKey {
    name: String,
    limit: Option<Span>,
    raised: bool,
    level: Level,
}
impl OwnedKey {
    fn is(&self, k: &Key<'_>) -> bool {
        self.name == k.name && self.limit == k.limit && self.raised == k.raised && self.level == k.level
    }
}

/// The ladders and feedback rules that the plan's entries name by number.
pub struct Running<'a> {
    policy: &'a Policy,
    pub policy_out: RunningPolicy,
    /// What each ladder of `policy_out` was made from, in the same order.
    keys: Vec<OwnedKey>,
    now: Time,
    morning: Option<Time>,
    /// A drill at an hour when drills must not ring.
    hold_all: bool,
    /// Ladders that a rule names and the policy has not: the last resort stood in.
    pub missing: BTreeSet<String>,
}

impl<'a> Running<'a> {
    pub fn new(policy: &'a Policy, now: Time, drill: bool) -> Running<'a> {
        let morning = policy.morning_after(now);
        let policy_out = RunningPolicy {
            source: policy.source(),
            hash: policy.origin.hash.clone(),
            clocks: policy.clocks,
            night: policy.night,
            ..RunningPolicy::default()
        };
        let hold_all = drill && morning.is_some() && !policy.drill.at_night;
        Running { policy, policy_out, keys: Vec::new(), now, morning, hold_all, missing: BTreeSet::new() }
    }

    pub fn drill_held(&self) -> Option<Time> {
        self.morning.filter(|_| self.hold_all)
    }

    /// How a line calls somebody of this tier at this hour.
    pub fn way(&mut self, line: &Line<'_>, tier: Tier, level: Level) -> Way {
        let night = self.morning.map(|m| (m, line.night));
        let (name, raised) = match night {
            Some((_, NightRule::Raise(stricter))) => (stricter.as_str(), true),
            _ => (line.ladder, false),
        };
        let index = self.ladder(Key { name, limit: line.deadline, raised, level });
        let (answer, own) = self
            .policy_out
            .ladders
            .get(usize::from(index))
            .map_or((true, Span::mins(10)), |l| (l.ladder.answer, Policy::deadline(&l.ladder, tier)));
        let (hold_until, hold_voice_until) = match night {
            Some((m, _)) if self.hold_all => (Some(m), Some(m)),
            Some((m, NightRule::HoldUntilMorning)) => (Some(m), Some(m)),
            Some((m, NightRule::SmsUntilMorning)) => (None, Some(m)),
            _ => (None, self.rings_next_morning(index, line.night, own)),
        };
        // A deadline that runs out while the calls are held would hand sleeping people to officers.
        let deadline = match hold_until.or(hold_voice_until) {
            Some(m) if answer => Span((m - self.now).0.saturating_add(own.0)),
            _ => own,
        };
        let rungs = self.policy_out.ladders.get(usize::from(index)).map(|l| l.ladder.rungs.as_slice()).unwrap_or_default();
        let beside = rungs.iter().any(|r| r.call.contains(&Who::Others));
        Way { ladder: index, answer, deadline, hold_until, hold_voice_until, name: name.to_string(), beside }
    }

    /// The morning, where who is called now would be rung in the night that is about to begin, and must not be: by the
    /// first call or by a further one of its series, himself or whoever is asked in his stead. Desks are awake.
    fn rings_next_morning(&self, ladder: u8, night: &NightRule, deadline: Span) -> Option<Time> {
        let rungs = &self.policy_out.ladders.get(usize::from(ladder))?.ladder.rungs;
        let quiet = matches!(night, NightRule::HoldUntilMorning | NightRule::SmsUntilMorning);
        let sleepers = |r: &&Rung| r.call.iter().any(|w| matches!(w, Who::Holder | Who::Deputy | Who::Superior | Who::Others));
        let of_rung = |(k, rung): (usize, &Rung)| {
            let v = rung.voice?;
            let first = rung.at.time(self.now, self.now + deadline) + v.after;
            // A later rung that may not ring at night waits by itself; the first one's wait moves the deadline.
            let waits = k > 0 && !v.night && self.policy.morning_after(first).is_some();
            let barred = quiet || k == 0 && !v.night;
            let series = (0..v.times).map(|n| first + Span(v.every.0.saturating_mul(i64::from(n))));
            series.filter(|_| barred && !waits).find_map(|call| self.policy.morning_after(call))
        };
        rungs.iter().enumerate().filter(|(_, r)| sleepers(r)).find_map(of_rung)
    }

    fn ladder(&mut self, key: Key<'_>) -> u8 {
        if let Some(i) = self.keys.iter().position(|k| k.is(&key)) {
            return u8::try_from(i).unwrap_or(u8::MAX);
        }
        let mut ladder = self.policy.ladders.get(key.name).cloned().unwrap_or_else(|| {
            if key.name != LAST_RESORT {
                self.missing.insert(key.name.to_string());
            }
            last_resort_ladder()
        });
        if let Some(limit) = key.limit {
            // The line's limit replaces the ladder's own, unless the night raised it to a shorter one.
            let of = |t| if key.raised { limit.min(Policy::deadline(&ladder, t)) } else { limit };
            ladder.deadline = Tier::ALL.into_iter().map(|t| (t, of(t))).collect();
        }
        let Ok(index) = u8::try_from(self.keys.len()) else { return u8::MAX };
        self.keys.push(OwnedKey { name: key.name.to_string(), limit: key.limit, raised: key.raised, level: key.level });
        self.policy_out.ladders.push(NamedLadder { name: key.name.to_string(), level: key.level, ladder });
        index
    }

    /// The number of a line's name among those called side by side.
    pub fn side(&mut self, name: &str) -> Option<u8> {
        let at = self.policy_out.lines.iter().position(|l| l == name).unwrap_or_else(|| {
            self.policy_out.lines.push(name.to_string());
            self.policy_out.lines.len() - 1
        });
        u8::try_from(at).ok()
    }

    /// The number of a schedule in the running policy. Where only the calls are held, the text goes
    /// out at night, but nobody owes a report before he can be called.
    pub fn feedback(&mut self, schedule: &Schedule, way: &Way) -> Option<u8> {
        let mut schedule = schedule.clone();
        if let (None, Some(morning)) = (way.hold_until, way.hold_voice_until) {
            for rule in &mut schedule.0 {
                rule.first = Span((morning - self.now).0.saturating_add(rule.first.0));
            }
        }
        let at = self.policy_out.feedback.iter().position(|f| *f == schedule).unwrap_or_else(|| {
            self.policy_out.feedback.push(schedule);
            self.policy_out.feedback.len() - 1
        });
        u8::try_from(at).ok()
    }
}
