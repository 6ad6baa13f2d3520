//! Looks for what is missing, place by place and row by row.

use super::{
    Coverage, CoverageInput, Gap, GapKind,
    dead::Beside,
    never,
    places::{Site, sites},
};
use crate::core::{
    directory::{Directory, Place, Post, Recipient, Role},
    division::DivisionLevel,
    ids::RecipientId,
    numbers::DeadNumber,
    phone::Phone,
    planner::survey::{self, Asked, Surveyor},
    policy::Selector,
    rota::Seat,
};
use std::collections::{BTreeMap, BTreeSet};

/// The role that every place has people of.
const LEADERS: &str = "party_government";

/// A gap's key: what, where (index of the site), whose.
type Key = (GapKind, usize, Option<RecipientId>, Option<Phone>);

/// Finds every gap. Cost: posts × rows of the policy that differ, and places × rows; a city's tens of
/// thousands take a fraction of a second.
pub fn coverage(input: &CoverageInput<'_>) -> Coverage {
    let rows = survey::rows(input.policy, input.hazard, input.level);
    let (places, imagined) = sites(input.policy, input.directory, input.lookup, input.now, input.within);
    let everybody = Selector::default();
    let held =
        input.directory.posts.iter().filter(|p| input.within.is_none_or(|w| w.contains(p.place.division))).map(|p| &p.role).collect();
    let mut look = Look {
        input,
        held,
        found: BTreeMap::new(),
        called: BTreeSet::new(),
        wanted: BTreeMap::new(),
        unheld: BTreeMap::new(),
        beside: Beside::new(input),
    };
    let mut ever = vec![false; input.directory.posts.len()];
    for (n, row) in (0u16..).zip(&rows) {
        let Some(mut surveyor) = Surveyor::new(input.policy, input.directory, input.lookup, row, &everybody, input.now) else { continue };
        let asked: Vec<Asked> = input.directory.posts.iter().map(|p| surveyor.ask(p)).collect();
        ever.iter_mut().zip(&asked).for_each(|(e, a)| *e |= *a != Asked::No);
        for (at, site) in places.iter().enumerate() {
            if !look.people(at, site, n, &asked) {
                let expected = imagined.get(site.imagined.clone()).unwrap_or_default();
                let wanted: Vec<&Role> = expected.iter().filter(|p| surveyor.ask(p) != Asked::No).map(|p| &p.role).collect();
                look.empty(at, site, &wanted, n);
            }
        }
    }
    let silent: BTreeSet<usize> = look.found.keys().filter(|k| k.0 == GapKind::Nobody).map(|k| k.1).collect();
    // Where there is nobody at all, that no role is held need not be told as well.
    look.found.retain(|k, _| k.0 != GapKind::RoleEmpty || !silent.contains(&k.1));
    let people = look.called.len();
    let mut gaps: Vec<Gap> = look
        .found
        .iter()
        .filter_map(|((kind, at, who, phone), rows)| {
            let wanted = look.wanted.get(at).filter(|_| *kind == GapKind::RoleEmpty);
            look.gap(*kind, places.get(*at)?, *who, phone.as_ref(), rows, wanted)
        })
        .collect();
    look.beside.of_seats(input, &places);
    gaps.extend(look.beside.gaps(input, &look.called));
    gaps.extend(look.desks(&places));
    gaps.extend(look.empty_roles(&places));
    gaps.extend(look.roles_of_nobody());
    gaps.extend(look.stale());
    if input.hazard.is_none() && input.level.is_none() {
        gaps.extend(never::called(input, &rows, &ever));
    }
    gaps.sort_by(|a, b| {
        (a.kind, a.division, &a.place, a.recipient, &a.detail).cmp(&(b.kind, b.division, &b.place, b.recipient, &b.detail))
    });
    Coverage { rows, gaps, places: places.len(), people }
}

/// A gap of a place, about nobody yet.
pub(super) fn bare(directory: &Directory, kind: GapKind, place: &Place, detail: String) -> Gap {
    let levels = [DivisionLevel::County, DivisionLevel::Township, DivisionLevel::Village];
    let path: Vec<&str> = levels.into_iter().filter_map(|l| directory.division_name(place.division.at(l)?)).collect();
    Gap {
        kind,
        place: place.clone(),
        place_name: directory.place_name(place),
        division: place.division,
        path: path.join(" "),
        recipient: None,
        name: None,
        phone: None,
        rows: Vec::new(),
        detail,
        evidence: None,
    }
}

/// Whose number is dead, and by which receipt.
pub(super) fn dead_told(whose: &str, phone: Option<&Phone>, evidence: Option<&DeadNumber>) -> String {
    let told = evidence.map(DeadNumber::told_zh).unwrap_or_default();
    format!("{whose}的号码{}：{told}", phone.map(Phone::masked).unwrap_or_default())
}

/// How a desk or a shift leader's seat is held.
enum Seated {
    Nobody,
    /// Somebody is registered for it, but not for this hour.
    NotNow,
    WithoutNumber,
    There,
}

struct Look<'a> {
    input: &'a CoverageInput<'a>,
    /// Roles that somebody holds somewhere.
    held: BTreeSet<&'a Role>,
    found: BTreeMap<Key, BTreeSet<u16>>,
    called: BTreeSet<RecipientId>,
    /// Roles that rows ask for at a place where nobody holds them.
    wanted: BTreeMap<usize, BTreeSet<Role>>,
    /// Roles that rows ask for and nobody holds anywhere.
    unheld: BTreeMap<Role, BTreeSet<u16>>,
    /// Dead numbers of those whom only rungs ring.
    beside: Beside,
}

impl<'a> Look<'a> {
    fn note(&mut self, key: Key, row: u16) {
        self.found.entry(key).or_default().insert(row);
    }

    /// A row calls nobody of a place, and would call people of these roles. Where its own leaders are among them, it is
    /// the place that is empty; where only those of certain roles, it is the role.
    fn empty(&mut self, at: usize, site: &Site, wanted: &[&Role], row: u16) {
        let leaders = wanted.iter().any(|r| r.0 == LEADERS) || !self.input.policy.roles.contains_key(LEADERS);
        if !wanted.is_empty() && (site.place.point.is_some() || leaders) {
            return self.note((GapKind::Nobody, at, None, None), row);
        }
        for role in wanted {
            if self.held.contains(*role) {
                self.note((GapKind::RoleEmpty, at, None, None), row);
                self.wanted.entry(at).or_default().insert((*role).clone());
            } else {
                self.unheld.entry((*role).clone()).or_default().insert(row);
            }
        }
    }

    /// What is missing among the people whom a row calls at a place. Answers whether it calls anybody.
    fn people(&mut self, at: usize, site: &Site, row: u16, asked: &[Asked]) -> bool {
        let directory = self.input.directory;
        let mut any = false;
        let mut numbers: Vec<&Phone> = Vec::new();
        let mut mail = false;
        let own = site.own.iter().map(|i| (i, true));
        for (i, counts) in own.chain(site.beside.iter().map(|i| (i, false))) {
            let how = asked.get(*i as usize).copied().unwrap_or(Asked::No);
            if how == Asked::No {
                continue;
            }
            let Some(post) = directory.posts.get(*i as usize) else { continue };
            let Some(person) = directory.recipients.get(&post.recipient) else { continue };
            self.called.insert(person.id);
            let usable = self.usable(person);
            // Of a village, its points' people are looked at where they stand: at the point.
            if post.place == site.place {
                self.person(at, post, person, how, usable.is_empty(), row);
            }
            if !counts {
                continue;
            }
            any = true;
            mail |= self.has_mail(person);
            for phone in usable {
                if !numbers.contains(&phone) {
                    numbers.push(phone);
                }
            }
        }
        if any && numbers.is_empty() && !mail {
            self.note((GapKind::NoDoor, at, None, None), row);
        }
        if any && numbers.len() == 1 {
            self.note((GapKind::OneNumber, at, None, None), row);
        }
        any
    }

    /// What is missing for one person who is called.
    fn person(&mut self, at: usize, post: &Post, person: &Recipient, how: Asked, no_number: bool, row: u16) {
        if no_number && !self.has_mail(person) {
            self.note((GapKind::NoNumber, at, Some(person.id), None), row);
        }
        for phone in person.phones.iter().filter(|p| self.input.lookup.dead().is_dead(p)).cloned().collect::<Vec<_>>() {
            self.note((GapKind::DeadNumber, at, Some(person.id), Some(phone)), row);
        }
        if how == Asked::Answer {
            self.beside.of_post(self.input, post, row);
            if !self.deputised(post) {
                self.note((GapKind::NoDeputy, at, Some(person.id), None), row);
            }
        }
    }

    /// Numbers that some account can reach and no receipt proved dead.
    fn usable<'p>(&self, person: &'p Recipient) -> Vec<&'p Phone> {
        let carries = |p: &&Phone| self.input.channels.reaches(p) && !self.input.lookup.dead().is_dead(p);
        person.phones.iter().filter(carries).collect()
    }
    fn has_mail(&self, person: &Recipient) -> bool {
        self.input.channels.email && person.email.is_some()
    }

    fn deputised(&self, post: &Post) -> bool {
        let deputy = post.deputy.filter(|d| *d != post.recipient).and_then(|d| self.input.directory.recipients.get(&d));
        deputy.is_some_and(|d| !self.usable(d).is_empty() || self.has_mail(d))
    }

    fn gap(
        &self,
        kind: GapKind,
        site: &Site,
        who: Option<RecipientId>,
        phone: Option<&Phone>,
        rows: &BTreeSet<u16>,
        wanted: Option<&BTreeSet<Role>>,
    ) -> Option<Gap> {
        let person = who.and_then(|id| self.input.directory.recipients.get(&id));
        let name = person.map_or("", |p| p.name.as_str());
        let evidence = phone.and_then(|p| self.input.lookup.dead().get(p)).cloned();
        // Where nobody has a door, the place says so; its people are not told one by one as well.
        let detail = match kind {
            GapKind::Nobody => "按规则应叫应此处的责任人，但名册中没有".to_string(),
            GapKind::NoDoor => "被叫应的责任人都没有可用的号码".to_string(),
            GapKind::OneNumber => "全部责任人合计只有一个可用号码".to_string(),
            GapKind::NoNumber => format!("{name}没有可用的号码"),
            GapKind::DeadNumber => dead_told(name, phone, evidence.as_ref()),
            GapKind::RoleEmpty => format!("按规则应叫应的责任类别在此处无人：{}", self.names(wanted.into_iter().flatten())),
            GapKind::NoDeputy => format!("{name}的岗位没有能联系上的代理人"),
            _ => String::new(),
        };
        let gap = self.make(kind, &site.place, detail);
        Some(Gap {
            recipient: who,
            name: person.map(|p| p.name.clone()),
            phone: phone.cloned(),
            rows: rows.iter().copied().collect(),
            evidence,
            ..gap
        })
    }

    fn make(&self, kind: GapKind, place: &Place, detail: String) -> Gap {
        bare(self.input.directory, kind, place, detail)
    }

    fn names<'r>(&self, roles: impl Iterator<Item = &'r Role>) -> String {
        roles.map(|r| self.input.policy.role_name(r).to_string()).collect::<Vec<_>>().join("、")
    }

    /// Roles that nobody holds anywhere are told once, not at every place.
    fn roles_of_nobody(&self) -> Vec<Gap> {
        let top = self.input.within.or_else(|| self.input.lookup.tops().first().copied()).unwrap_or_default();
        let gap = |(role, rows): (&Role, &BTreeSet<u16>)| {
            let detail = format!("规则要叫“{}”，名册中一个也没有", self.names(std::iter::once(role)));
            let gap = self.make(GapKind::RoleEmpty, &Place { division: top, point: None }, detail);
            Gap { rows: rows.iter().copied().collect(), ..gap }
        };
        self.unheld.iter().map(gap).collect()
    }

    /// Who sits in a seat, by a standing post or by its rota.
    fn seated(&self, site: &Site, seat: &Seat) -> Seated {
        let directory = self.input.directory;
        let holds = |i: &u32| directory.posts.get(*i as usize).filter(|p| p.role == seat.role && p.place == site.place);
        let registered =
            self.input.lookup.posts_exactly(seat.division).any(|i| holds(&i).is_some()) || !directory.rotas.of(seat).is_empty();
        let standing = site.desks.iter().filter_map(|i| Some(holds(i)?.recipient));
        let by_rota = directory.rotas.at(seat, self.input.now).map(|s| s.recipient);
        let now: Vec<&Recipient> = standing.chain(by_rota).filter_map(|id| directory.recipients.get(&id)).collect();
        if !registered {
            Seated::Nobody
        } else if now.is_empty() {
            Seated::NotNow
        } else if now.iter().all(|r| self.usable(r).is_empty()) {
            Seated::WithoutNumber
        } else {
            Seated::There
        }
    }

    /// Desks and shift leaders: none, none that can be reached, nobody there now.
    fn desks(&self, places: &[Site]) -> Vec<Gap> {
        let mut out = Vec::new();
        for site in places.iter().filter(|s| s.place.point.is_none() && s.place.division.level() < DivisionLevel::Village) {
            let desk = match self.seated(site, &Seat::desk(site.place.division)) {
                Seated::Nobody => Some((GapKind::NoDesk, "没有登记24小时值班电话，升级时只能找上一级")),
                Seated::NotNow => Some((GapKind::DeskUnstaffed, "登记了值班，但此刻无人在岗（值班表或有效期）")),
                Seated::WithoutNumber => Some((GapKind::DeskWithoutNumber, "值班室没有可用的号码")),
                Seated::There => None,
            };
            let high = site.place.division.level() < DivisionLevel::Township;
            let leader = match self.seated(site, &Seat::leader(site.place.division)) {
                Seated::Nobody if high => Some("没有登记带班领导（常设或值班表），任务无人认领时只能找上一级"),
                Seated::NotNow if high => Some("登记了带班领导，但此刻无人带班（值班表或有效期）"),
                Seated::WithoutNumber => Some("带班领导没有可用的号码"),
                Seated::Nobody | Seated::NotNow | Seated::There => None,
            };
            let leader = leader.map(|detail| (GapKind::NoShiftLeader, detail));
            out.extend(desk.into_iter().chain(leader).map(|(kind, detail)| self.make(kind, &site.place, detail.to_string())));
        }
        out
    }

    /// What each point of a kind must have, by the policy's `expects`.
    fn empty_roles(&self, places: &[Site]) -> Vec<Gap> {
        let directory = self.input.directory;
        let mut out = Vec::new();
        for site in places {
            let Some(point) = site.place.point.as_ref().and_then(|c| directory.points.get(c)) else { continue };
            let Some(role) = self.input.policy.roles.get(&point.kind).filter(|r| !r.expects.is_empty()) else { continue };
            let posts: Vec<&Post> =
                site.own.iter().filter_map(|i| directory.posts.get(*i as usize)).filter(|p| p.role.0 == point.kind).collect();
            let has = |word: &str| match word {
                "转移路线" => posts.iter().any(|p| !p.route.trim().is_empty()),
                "安全地点" => posts.iter().any(|p| !p.shelter.trim().is_empty()),
                _ => posts.iter().any(|p| word.split('|').any(|w| p.title.contains(w.trim()))),
            };
            let missing: Vec<String> = role.expects.iter().filter(|w| !has(w)).map(|w| w.replace('|', "或")).collect();
            if !missing.is_empty() {
                out.push(self.make(GapKind::RoleEmpty, &site.place, format!("缺：{}", missing.join("、"))));
            }
        }
        out
    }

    fn stale(&self) -> Vec<Gap> {
        let Some(date) = self.input.filing else { return Vec::new() };
        let since = date.last_before(self.input.now);
        let stale = self.input.filings.stale(self.input.directory, self.input.lookup, since, self.input.within);
        stale
            .into_iter()
            .map(|division| {
                let last = match self.input.filings.of(division) {
                    Some(f) => format!("上次核对 {}（{}）", f.at.beijing().date(), f.by),
                    None => "从未核对".to_string(),
                };
                let detail = format!("自 {} 起尚未核对名册；{last}", since.beijing().date());
                self.make(GapKind::StaleFiling, &Place { division, point: None }, detail)
            })
            .collect()
    }
}
