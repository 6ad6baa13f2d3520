//! Indexes over one directory, built once per directory version and then only read: posts by
//! division and point, desks, names, and the points whose position is known.

use crate::core::{
    directory::{Directory, Post, Role, Tier},
    directory_names::spoken_names,
    division::{Division, DivisionLevel},
    ids::RecipientId,
    numbers::DeadNumbers,
    outline::Outlines,
    rota::Seat,
    time::{Span, Time},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// What a place name or an area part stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Division(Division),
    /// By its code.
    Point(String),
}

/// How far a plan looks ahead into the duty rotas. No ladder climbs for longer; what is still open then rings the standing
/// desks and leaders.
pub const ROTA_AHEAD: Span = Span::hours(7 * 24);

/// The indexes. Hash maps here are only asked, never walked: no order depends on them.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// Of the directory this was built from.
    pub version: u64,
    /// Indexes of posts in the order of their division, beside that division's code.
    by_division: Vec<(u64, u32)>,
    by_point: HashMap<String, Vec<u32>>,
    desks: BTreeMap<Division, Vec<u32>>,
    shift_leaders: BTreeMap<Division, Vec<u32>>,
    names: HashMap<String, Vec<Target>>,
    /// The longest name in characters.
    longest_name: usize,
    /// Points with a position, by longitude.
    positioned: Vec<(f64, f64, String)>,
    /// Kinds of the points of each division.
    kinds: BTreeMap<Division, BTreeSet<String>>,
    /// See [`Lookup::tops`].
    tops: Vec<Division>,
    /// See [`Lookup::outlines`].
    outlines: Arc<Outlines>,
    /// See [`Lookup::dead`].
    dead: Arc<DeadNumbers>,
}

impl Lookup {
    pub fn new(directory: &Directory) -> Lookup {
        let mut l = Lookup { version: directory.version, ..Lookup::default() };
        for (i, post) in directory.posts.iter().enumerate() {
            let Ok(i) = u32::try_from(i) else { break };
            l.by_division.push((post.place.division.0, i));
            if let Some(code) = &post.place.point {
                l.by_point.entry(code.clone()).or_default().push(i);
            }
            match post.role.0.as_str() {
                Role::DUTY => l.desks.entry(post.place.division).or_default().push(i),
                Role::SHIFT_LEADER => l.shift_leaders.entry(post.place.division).or_default().push(i),
                _ => {}
            }
        }
        if !l.by_division.is_sorted() {
            l.by_division.sort_unstable();
        }
        for d in directory.divisions.values() {
            for name in spoken_names(d.code, &d.name) {
                l.add_name(&name, Target::Division(d.code));
            }
        }
        for p in directory.points.values() {
            l.add_name(&p.name, Target::Point(p.code.clone()));
            l.kinds.entry(p.division).or_default().insert(p.kind.clone());
            if let Some([lon, lat]) = p.position.filter(|p| p.iter().all(|x| x.is_finite())) {
                l.positioned.push((lon, lat, p.code.clone()));
            }
        }
        l.positioned.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.2.cmp(&b.2)));
        for targets in l.names.values_mut() {
            targets.sort_unstable();
            targets.dedup();
        }
        l.tops = directory.divisions.keys().copied().filter(|d| ancestors(*d).all(|a| !directory.divisions.contains_key(&a))).collect();
        l
    }

    /// The same with the borders of divisions, as far as they are known.
    pub fn with_outlines(self, outlines: Arc<Outlines>) -> Lookup {
        Lookup { outlines, ..self }
    }

    /// The same with what receipts proved of numbers.
    pub fn with_numbers(self, dead: Arc<DeadNumbers>) -> Lookup {
        Lookup { dead, ..self }
    }

    /// The same, to be handed on to the next directory's lookup.
    pub fn dead_numbers(&self) -> Arc<DeadNumbers> {
        self.dead.clone()
    }

    /// Numbers that were proved dead; tried last.
    pub fn dead(&self) -> &DeadNumbers {
        &self.dead
    }

    /// Where the borders of divisions run; empty where nobody gave any.
    pub fn outlines(&self) -> &Outlines {
        &self.outlines
    }

    fn add_name(&mut self, name: &str, target: Target) {
        let chars = name.chars().count();
        if chars >= 2 {
            self.longest_name = self.longest_name.max(chars);
            self.names.entry(name.to_string()).or_default().push(target);
        }
    }

    /// Indexes of the posts of a division and of everything inside it.
    pub fn posts_inside(&self, d: Division) -> impl Iterator<Item = u32> + '_ {
        let (from, to) = d.range();
        self.slice(from, to)
    }

    /// Indexes of the posts of exactly this division, points of it included.
    pub fn posts_exactly(&self, d: Division) -> impl Iterator<Item = u32> + '_ {
        self.slice(d.0, d.0.saturating_add(1))
    }

    fn slice(&self, from: u64, to: u64) -> impl Iterator<Item = u32> + '_ {
        let lo = self.by_division.partition_point(|(d, _)| *d < from);
        let hi = self.by_division.partition_point(|(d, _)| *d < to);
        self.by_division.get(lo..hi).unwrap_or_default().iter().map(|(_, i)| *i)
    }

    pub fn posts_of_point(&self, code: &str) -> &[u32] {
        self.by_point.get(code).map_or(&[], Vec::as_slice)
    }

    pub fn by_name(&self, name: &str) -> &[Target] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn longest_name(&self) -> usize {
        self.longest_name
    }

    /// Whether the directory knows this division: by name, or because somebody or something is in it.
    pub fn knows(&self, directory: &Directory, d: Division) -> bool {
        let (from, to) = d.range();
        directory.divisions.range(Division(from)..Division(to)).next().is_some()
            || self.posts_inside(d).next().is_some()
            || self.kinds.range(Division(from)..Division(to)).next().is_some()
    }

    /// Named divisions that lie in no other named division: the whole of our territory.
    pub fn tops(&self) -> &[Division] {
        &self.tops
    }

    /// Whether a point of one of these kinds (`any`: of every kind) lies in the division.
    pub fn has_point(&self, d: Division, kinds: &[String]) -> bool {
        let (from, to) = d.range();
        let any = kinds.iter().any(|k| k == "any");
        self.kinds.range(Division(from)..Division(to)).any(|(_, there)| any || kinds.iter().any(|k| there.contains(k)))
    }

    /// Codes of the points with a position between two longitudes, with their positions.
    pub fn points_between(&self, west: f64, east: f64) -> impl Iterator<Item = (&str, [f64; 2])> + '_ {
        let lo = self.positioned.partition_point(|p| p.0 < west);
        let hi = self.positioned.partition_point(|p| p.0 <= east);
        self.positioned.get(lo..hi.max(lo)).unwrap_or_default().iter().map(|(lon, lat, code)| (code.as_str(), [*lon, *lat]))
    }

    /// The nearest desk from `level` of this place upwards that somebody else than `not` holds.
    pub fn desk(&self, dir: &Directory, place: Division, level: DivisionLevel, not: RecipientId, now: Time) -> Option<RecipientId> {
        climb(&self.desks, dir, place, level, not, now)
    }

    /// The shift leader (带班领导) nearest to this place.
    pub fn shift_leader(&self, dir: &Directory, place: Division, not: RecipientId, now: Time) -> Option<RecipientId> {
        climb(&self.shift_leaders, dir, place, DivisionLevel::Township, not, now)
    }

    /// The nearest rota of this role from `level` of the place upwards with a shift in the days ahead, but no further up
    /// than a standing desk or leader sits; and whether one sits in that very division.
    pub fn rota_over(&self, dir: &Directory, role: &Role, place: Division, level: DivisionLevel, now: Time) -> Option<(Seat, bool)> {
        if dir.rotas.is_empty() {
            return None;
        }
        let held = if role.0 == Role::DUTY { &self.desks } else { &self.shift_leaders };
        let start = place.at(level).unwrap_or(place);
        for division in std::iter::once(start).chain(ancestors(start)) {
            let standing = holder_of(held, dir, division, NOBODY, now).is_some();
            let seat = Seat { division, role: role.clone() };
            if dir.rotas.within(&seat, now, now + ROTA_AHEAD).next().is_some() {
                return Some((seat, standing));
            }
            if standing {
                return None;
            }
        }
        None
    }

    /// Whether a desk of its own stands in exactly this division.
    pub fn has_desk(&self, dir: &Directory, d: Division, now: Time) -> bool {
        holder_of(&self.desks, dir, d, NOBODY, now).is_some()
    }

    /// Who must know of a warning that concerns all of `home`: the shift leader over it (of the rota at this moment, else
    /// the standing one), its duty desk, or, where nobody sits that high, the first leader or desk below.
    pub fn in_charge_of(&self, dir: &Directory, home: Division, now: Time) -> Option<RecipientId> {
        let leader = |d: Division| on_duty(dir, &Seat::leader(d), now).or_else(|| holder_of(&self.shift_leaders, dir, d, NOBODY, now));
        let desk = |d: Division| holder_of(&self.desks, dir, d, NOBODY, now).or_else(|| on_duty(dir, &Seat::desk(d), now));
        let start = home.at(DivisionLevel::County).unwrap_or(home);
        let above = || std::iter::once(start).chain(ancestors(start));
        let (from, to) = home.range();
        let (from, to) = (Division(from), Division(to));
        let held = self.shift_leaders.range(from..to).chain(self.desks.range(from..to)).map(|(d, _)| *d);
        let inside: BTreeSet<Division> = held.chain(dir.rotas.iter().map(|(s, _)| s.division).filter(|d| from <= *d && *d < to)).collect();
        above()
            .find_map(leader)
            .or_else(|| above().find_map(desk))
            .or_else(|| inside.iter().copied().find_map(leader))
            .or_else(|| inside.iter().copied().find_map(desk))
    }
}

/// No recipient: for asking after anybody.
const NOBODY: RecipientId = RecipientId(u32::MAX);

/// Who sits there by the rota; somebody with a number, if there is one.
fn on_duty(dir: &Directory, seat: &Seat, now: Time) -> Option<RecipientId> {
    let people = || dir.rotas.at(seat, now).filter_map(|s| dir.recipients.get(&s.recipient));
    people().find(|r| !r.phones.is_empty()).or_else(|| people().next()).map(|r| r.id)
}

/// Every division that contains this one, nearest first.
pub fn ancestors(d: Division) -> impl Iterator<Item = Division> {
    std::iter::successors(d.parent(), |d| d.parent())
}

/// The tier a post is called in: a desk is a desk, whatever column of the sheet it stood in.
pub fn tier_of(post: &Post) -> Tier {
    match post.role.0.as_str() {
        Role::DUTY | Role::SHIFT_LEADER => Tier::DutyDesk,
        _ => post.tier,
    }
}

fn climb(
    held: &BTreeMap<Division, Vec<u32>>,
    dir: &Directory,
    place: Division,
    level: DivisionLevel,
    not: RecipientId,
    now: Time,
) -> Option<RecipientId> {
    let start = place.at(level).unwrap_or(place);
    std::iter::once(start).chain(ancestors(start)).find_map(|d| holder_of(held, dir, d, not, now))
}

/// Whoever holds a post of these in exactly this division now; somebody with a number, if there is one.
fn holder_of(held: &BTreeMap<Division, Vec<u32>>, dir: &Directory, d: Division, not: RecipientId, now: Time) -> Option<RecipientId> {
    let people = || {
        let posts = held.get(&d).into_iter().flatten().filter_map(|i| dir.posts.get(*i as usize));
        posts.filter(|p| p.recipient != not && p.valid_at(now)).filter_map(|p| dir.recipients.get(&p.recipient))
    };
    people().find(|r| !r.phones.is_empty()).or_else(|| people().next()).map(|r| r.id)
}
