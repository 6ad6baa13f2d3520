//! The planner: warning × policy × directory → who is called, by which ladder, in which order.
//!
//! Pure, and made once: the plan is committed whole, and what it says is never read again from a
//! directory that somebody edits meanwhile. Nobody is left out by what is merely odd: a part of the
//! area that cannot be read, a role nobody knows, a hazard without a rule become findings.
//!
//! Rooms: [`lookup`] indexes a directory · [`area`], `drawn`, `names`, `shape` turn areas into places, `downstream` adds
//! what lies below points · `rows`
//! holds the policy's row · `near` measures how far places are from the hazard · `people` gathers posts into persons
//! and writes the entries · `relay` says who waits for whom · [`survey`] asks every post of the territory for coverage.

pub mod area;
mod downstream;
mod drawn;
mod expiry;
pub mod lookup;
mod names;
mod near;
mod people;
mod relay;
mod rows;
mod shape;
pub mod survey;

pub use area::{Resolved, resolve};
pub use expiry::default_expiry;
pub use lookup::{Lookup, Target};
pub use rows::{Row, Running, Way, last_resort_ladder};

use super::{
    directory::{Directory, Place, Post, Role, Tier},
    division::Division,
    hazard::Level,
    ids::RecipientId,
    phone::Phone,
    plan::PlanChunk,
    policy::{Policy, RunningPolicy, Selector, SuperviseAt},
    time::Time,
    warning::{Content, Finding},
};
use area::strength;
use lookup::{ancestors, tier_of};
use people::{KnownWay, Pick, Picks, write_entries};
use rows::Chooser;
use std::collections::BTreeMap;

/// Everything a plan is made from.
#[derive(Clone, Copy)]
pub struct PlanInput<'a> {
    pub content: &'a Content,
    pub policy: &'a Policy,
    pub directory: &'a Directory,
    /// Built from this very directory: [`Lookup::new`].
    pub lookup: &'a Lookup,
    /// Decides night and which posts are held today.
    pub now: Time,
    /// The issuer's rights; empty means all.
    pub issuer_divisions: &'a [Division],
    /// A drill is held until morning at night, unless its policy says otherwise.
    pub drill: bool,
    /// Narrows the plan: a drill for some, a place added by an operator.
    pub only: Option<&'a Only>,
}

/// Narrows a plan. An empty list is no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Only {
    pub tiers: Vec<Tier>,
    /// The post's place lies in one of these.
    pub divisions: Vec<Division>,
    /// Sorted.
    pub recipients: Vec<RecipientId>,
    /// Sorted. Not a limit: who has one of these numbers is called by it first.
    pub first: Vec<Phone>,
}
impl Only {
    fn takes(&self, tier: Tier, division: Division, recipient: RecipientId) -> bool {
        (self.tiers.is_empty() || self.tiers.contains(&tier))
            && (self.divisions.is_empty() || self.divisions.iter().any(|d| d.contains(division)))
            && (self.recipients.is_empty() || self.recipients.binary_search(&recipient).is_ok())
    }
}

/// The plan, ready to be committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanOutput {
    pub running: RunningPolicy,
    /// In the order of calling; each holds at most [`super::plan::CHUNK`] entries.
    pub chunks: Vec<PlanChunk>,
    /// Callouts: entries whose ladder asks an answer.
    pub expected: usize,
    /// Persons only told.
    pub told: usize,
    /// Distinct places of the callouts.
    pub places: usize,
    /// The counties where somebody is called.
    pub counties: BTreeMap<Division, CountyCalled>,
    /// The rows of the policy that apply, for people: `暴雨红色`.
    pub rules: Vec<String>,
    pub findings: Vec<Finding>,
    /// Area parts that could not be read.
    pub unreadable: Vec<String>,
    /// Why an officer must look at once: no area readable, or nobody to call.
    pub needs_officer: Option<String>,
    /// Every readable part of the area lies outside the issuer's rights.
    pub outside_rights: bool,
}

/// How a county is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountyCalled {
    /// The highest level by which anybody of the county is called.
    pub level: Level,
    /// Somebody at the county itself is called, not only below it.
    pub itself: bool,
}

/// Makes the plan. Cost grows with the posts inside the area and their logarithm, plus one byte a
/// post of the whole directory.
pub fn make_plan(input: PlanInput<'_>) -> PlanOutput {
    let mut resolved = resolve(input.content, input.directory, input.lookup, input.issuer_divisions);
    let mut out = PlanOutput {
        findings: resolved.findings.clone(),
        unreadable: resolved.unreadable.clone(),
        outside_rights: resolved.outside_rights,
        ..PlanOutput::default()
    };
    if input.content.level == Level::Unknown {
        out.findings.push(Finding::new("unknown_level", "没有读到预警级别，按橙色叫应"));
    }
    let everybody = Selector::default();
    let rows = rows_for(&input, &resolved, &everybody, &mut out);
    downstream::follow(&input, &rows, &mut resolved, &mut out.findings);
    let on_duty = on_duty(&input);
    let (covered, on_duty_covered) = cover(&input, &resolved, &on_duty);
    let mut running = Running::new(input.policy, input.now, input.drill);
    let mut picks = pick(&input, &rows, covered.iter().chain(&on_duty_covered), &on_duty, &mut running, &mut out.findings);
    picks.on_duty.clone_from(&on_duty);
    write_entries(&input, picks, &mut out);
    if let Some(morning) = running.drill_held() {
        out.findings.push(Finding::new("drill_held", format!("演练不在夜间响铃，留到 {}", morning.rfc3339())));
    }
    for name in &running.missing {
        out.findings.push(Finding::new("unknown_ladder", format!("规则中的梯子“{name}”不存在，按内置的最后手段叫应")));
    }
    let pressed = rows.values().filter_map(|(level, row)| Some(SuperviseAt { level: *level, rule: row.supervise?.clone() }));
    running.policy_out.supervise_by = pressed.collect();
    running.policy_out.relay = rows.values().any(|(_, r)| r.relay);
    out.running = running.policy_out;
    empty_places(&input, &resolved, &mut out);
    out.needs_officer = why_officer(&input, &resolved, &rows, &out);
    out
}

/// The policy's row for each level of the message.
fn rows_for<'a>(
    input: &PlanInput<'a>,
    resolved: &Resolved,
    everybody: &'a Selector,
    out: &mut PlanOutput,
) -> BTreeMap<u8, (Level, Row<'a>)> {
    let content = input.content;
    let mut rows = BTreeMap::new();
    let mut levels: Vec<Level> = resolved.targets.values().copied().collect();
    levels.sort_unstable_by_key(|l| std::cmp::Reverse(strength(*l)));
    levels.dedup();
    for level in levels {
        let row = match input.policy.rule_for(&content.hazard, level, content.stage.as_deref()) {
            Some(rule) => {
                out.rules.push(rule.name.clone());
                let stage = content.stage.as_deref().filter(|s| !s.trim().is_empty());
                if let Some(stage) = stage.filter(|_| rule.stages.is_empty()) {
                    let detail = format!("规则中没有“{stage}”这一行，按级别“{}”叫应", rule.name);
                    out.findings.push(Finding::new("unknown_stage", detail));
                }
                if let Some(reason) = &rule.nobody {
                    out.findings.push(Finding::new("nobody_by_rule", format!("按规则“{}”不用电话短信叫应：{reason}", rule.name)));
                }
                Row::of(input.policy, rule)
            }
            None => {
                let name = content.hazard.name().unwrap_or(content.hazard.0.as_str());
                let detail = format!("规则中没有{name}{}的条目，按内置的最后手段叫应所有责任人", level.name_zh());
                out.findings.push(Finding::new("no_rule", detail));
                out.rules.push("内置最后手段".into());
                Row::last_resort(everybody)
            }
        };
        rows.insert(strength(level), (level, row));
    }
    out.rules.dedup();
    rows
}

/// The posts that the duty rotas make for this moment: the shift leader in the standing one's stead, and whoever sits at a
/// desk that has no number of its own. Beside a desk of its own he is that desk's deputy (see `people`).
fn on_duty(input: &PlanInput<'_>) -> Vec<Post> {
    let directory = input.directory;
    let mut out = Vec::new();
    for (seat, _) in directory.rotas.iter() {
        if seat.role.0 == Role::DUTY && input.lookup.has_desk(directory, seat.division, input.now) {
            continue;
        }
        let title = if seat.role.0 == Role::DUTY { "值班员" } else { "带班领导" };
        let place = Place { division: seat.division, point: None };
        let here = directory.rotas.at(seat, input.now).filter(|s| directory.recipients.contains_key(&s.recipient));
        out.extend(here.map(|s| Post { title: title.into(), ..Post::new(s.recipient, seat.role.clone(), Tier::DutyDesk, place.clone()) }));
    }
    out
}

/// The strength of the level at each post of the directory and at each of `on_duty`, 0 where the warning does not reach.
fn cover(input: &PlanInput<'_>, resolved: &Resolved, on_duty: &[Post]) -> (Vec<u8>, Vec<u8>) {
    let posts = &input.directory.posts;
    let mut covered = vec![0u8; posts.len()];
    let mut mark = |i: u32, s: u8| {
        if let Some(c) = covered.get_mut(i as usize) {
            *c = (*c).max(s);
        }
    };
    // Those above many places are asked once for each distinct place above, not once for each place.
    let mut above: BTreeMap<Division, u8> = BTreeMap::new();
    let mut raise = |d: Division, s: u8| {
        let known = above.entry(d).or_insert(s);
        *known = s.max(*known);
    };
    for (target, level) in &resolved.targets {
        let s = strength(*level);
        match target {
            Target::Division(d) => {
                input.lookup.posts_inside(*d).for_each(|i| mark(i, s));
                ancestors(*d).for_each(|a| raise(a, s));
            }
            Target::Point(code) => {
                input.lookup.posts_of_point(code).iter().for_each(|i| mark(*i, s));
                if let Some(p) = input.directory.points.get(code) {
                    raise(p.division, s);
                    ancestors(p.division).for_each(|a| raise(a, s));
                    // The point's own village is responsible for its people.
                    let village = input.lookup.posts_exactly(p.division);
                    village.filter(|i| is_tier(posts, *i, &[Tier::Village])).for_each(|i| mark(i, s));
                }
            }
        }
    }
    const ABOVE: [Tier; 4] = [Tier::City, Tier::County, Tier::Township, Tier::DutyDesk];
    for (d, s) in &above {
        input.lookup.posts_exactly(*d).filter(|i| is_tier(posts, *i, &ABOVE)).for_each(|i| mark(i, *s));
    }
    let at_desk = |post: &Post| {
        let d = post.place.division;
        let inside = resolved.targets.iter().filter(|(t, _)| matches!(t, Target::Division(t) if t.contains(d)));
        inside.map(|(_, level)| strength(*level)).chain(above.get(&d).copied()).max().unwrap_or(0)
    };
    (covered, on_duty.iter().map(at_desk).collect())
}

/// Whether a post answers for a whole division and stands in one of these tiers.
fn is_tier(posts: &[super::directory::Post], index: u32, tiers: &[Tier]) -> bool {
    posts.get(index as usize).is_some_and(|p| p.place.point.is_none() && tiers.contains(&tier_of(p)))
}

/// Asks every covered post.
fn pick<'a>(
    input: &PlanInput<'a>,
    rows: &BTreeMap<u8, (Level, Row<'a>)>,
    covered: impl Iterator<Item = &'a u8>,
    on_duty: &'a [Post],
    running: &mut Running<'a>,
    findings: &mut Vec<Finding>,
) -> Picks {
    let mut chooser = Chooser::new(input.policy, input.directory, input.lookup, &input.content.hazard, input.now);
    let mut picks = Vec::new();
    let mut ways: Vec<KnownWay> = Vec::new();
    let mut nameless = 0usize;
    let relieved = |p: &Post| p.role.0 == Role::SHIFT_LEADER && on_duty.iter().any(|d| d.role == p.role && d.place == p.place);
    let standing = input.directory.posts.len();
    for (i, (post, s)) in input.directory.posts.iter().chain(on_duty).zip(covered).enumerate() {
        let Some((level, row)) = rows.get(s).filter(|_| post.valid_at(input.now)) else { continue };
        if i < standing && relieved(post) {
            continue;
        }
        let tier = tier_of(post);
        if input.only.is_some_and(|o| !o.takes(tier, post.place.division, post.recipient)) {
            continue;
        }
        let Some((line_at, owes)) = chooser.choose(row, post) else { continue };
        let Some(line) = row.lines.get(line_at) else { continue };
        if !input.directory.recipients.contains_key(&post.recipient) {
            nameless += 1;
            continue;
        }
        let key = (*s, line_at, tier);
        let way = match ways.iter().position(|w| w.key == key) {
            Some(w) => w,
            None => {
                let way = running.way(line, tier, *level);
                let feedback = row.feedback.filter(|_| way.answer).and_then(|f| running.feedback(f, &way));
                let side = line.side.and_then(|name| running.side(name));
                ways.push(KnownWay { key, level: *level, rule: line.answer, relay: row.relay && way.answer, side, way, feedback });
                ways.len() - 1
            }
        };
        picks.push(Pick { recipient: post.recipient, post: i, way, owes });
    }
    if chooser.foreign_code && !picks.is_empty() {
        let detail = format!("灾种代码“{}”不认识，各责任类别的人都叫应", input.content.hazard);
        findings.push(Finding::new("unknown_hazard", detail));
    }
    for role in &chooser.unknown_roles {
        findings.push(Finding::new("unknown_role", format!("名册中的责任类别“{role}”不在规则的 [role] 里，按对所有灾种负责叫应")));
    }
    if nameless > 0 {
        findings.push(Finding::new("post_without_person", format!("{nameless}个岗位的责任人不在名册中，未能叫应")));
    }
    Picks { ways, picks, on_duty: Vec::new() }
}

/// Named places of the area where nobody at all is registered.
fn empty_places(input: &PlanInput<'_>, resolved: &Resolved, out: &mut PlanOutput) {
    let mut empty = Vec::new();
    for target in resolved.targets.keys() {
        let (nobody, name) = match target {
            Target::Division(d) => (
                input.lookup.posts_inside(*d).next().is_none(),
                input.directory.division_name(*d).map_or_else(|| d.to_string(), str::to_string),
            ),
            Target::Point(code) => (
                input.lookup.posts_of_point(code).is_empty(),
                input.directory.points.get(code).map_or_else(|| code.clone(), |p| p.name.clone()),
            ),
        };
        if nobody {
            empty.push(name);
        }
    }
    if !empty.is_empty() {
        let n = empty.len();
        empty.truncate(10);
        let more = if n > empty.len() { format!("等{n}处") } else { String::new() };
        out.findings.push(Finding::new("place_without_people", format!("{}{more}没有登记责任人，只叫应其上级", empty.join("、"))));
    }
}

fn why_officer(input: &PlanInput<'_>, resolved: &Resolved, rows: &BTreeMap<u8, (Level, Row<'_>)>, out: &PlanOutput) -> Option<String> {
    if resolved.outside_rights {
        return None;
    }
    if resolved.targets.is_empty() {
        let parts = if out.unreadable.is_empty() { "没有给出区域".to_string() } else { out.unreadable.join("；") };
        return Some(format!("预警区域无法识别（{parts}），请立即人工确定叫应范围"));
    }
    let silent_by_rule = rows.values().all(|(_, r)| r.lines.is_empty());
    if out.expected + out.told == 0 && !silent_by_rule && input.only.is_none() {
        return Some("预警区域内没有可叫应的责任人，请立即人工处置".into());
    }
    None
}
