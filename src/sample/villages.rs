//! The people of the villages, with hazard points, valleys and reservoirs.

use super::{
    build::{Builder, Numbers},
    names::{HOLLOWS, ROUTES, SHELTERS},
    offices::Township,
};
use crate::core::{
    directory::{Place, Tier},
    directory_names::spoken_names,
    division::{Division, DivisionLevel},
    ids::RecipientId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Villages left without anybody where there are people for all the others.
const PLANTED_EMPTY: usize = 12;

/// How many points of each kind a county has so far; their codes go on from there.
#[derive(Default)]
struct Counters {
    villages: usize,
    slopes: usize,
    valleys: usize,
    reservoirs: usize,
}

/// Villages in the order in which they get people: by turns of counties, then of townships.
fn by_turns(b: &Builder) -> Vec<Division> {
    let mut queues: BTreeMap<Division, BTreeMap<Division, Vec<Division>>> = BTreeMap::new();
    for village in b.codes(DivisionLevel::Village) {
        if let (Some(county), Some(township)) = (village.at(DivisionLevel::County), village.at(DivisionLevel::Township)) {
            queues.entry(county).or_default().entry(township).or_default().push(village);
        }
    }
    // (turn of the township in its county, county, village): sorted, this deals them out.
    let mut dealt: Vec<(usize, Division, Division)> = Vec::new();
    for (county, townships) in queues {
        let longest = townships.values().map(Vec::len).max().unwrap_or(0);
        let in_county = (0..longest).flat_map(|n| townships.values().filter_map(move |t| t.get(n)));
        dealt.extend(in_county.enumerate().map(|(turn, village)| (turn, county, *village)));
    }
    dealt.sort_unstable();
    dealt.into_iter().map(|(_, _, village)| village).collect()
}

/// Fills villages until there are `persons` people in all.
pub(super) fn fill(b: &mut Builder, townships: &BTreeMap<Division, Township>, persons: usize) {
    let mut order = by_turns(b);
    let left = persons.saturating_sub(b.count());
    let staffed = (left / 4).max(6).min(order.len());
    if staffed + PLANTED_EMPTY > order.len() {
        // Enough people for all: leave a few villages out, anywhere.
        for _ in 0..PLANTED_EMPTY {
            let at = b.rng.below(order.len());
            b.gaps.empty_villages.insert(order.remove(at));
        }
    }
    let staffed = staffed.min(order.len());
    let unstaffed: BTreeSet<Division> = order.split_off(staffed).into_iter().collect();
    b.gaps.empty_villages.extend(unstaffed);

    let mut counters: BTreeMap<Division, Counters> = BTreeMap::new();
    let (each, more) = (left / staffed.max(1), left % staffed.max(1));
    for (n, village) in order.iter().enumerate() {
        let county = village.at(DivisionLevel::County).unwrap_or(*village);
        let township = village.at(DivisionLevel::Township).and_then(|t| townships.get(&t)).cloned().unwrap_or_default();
        let count = each + usize::from(n < more);
        fill_one(b, *village, count, &township, counters.entry(county).or_default());
    }
    // Points that somebody found and nobody was named for.
    for (county, counter) in counters.iter_mut().take(3) {
        if let Some(village) = order.iter().find(|v| county.contains(**v)).copied() {
            let code = slope_code(*county, counter);
            b.point(code.clone(), format!("{}新增隐患点", b.name_of(village)), "geological", village);
            b.gaps.empty_points.insert(code);
        }
    }
}

fn slope_code(county: Division, counter: &mut Counters) -> String {
    counter.slopes += 1;
    format!("DZ-{}-{:04}", county.0 / 1_000_000, counter.slopes)
}

/// What the numbers of the `n`-th person of a village are like; gaps as often as in life.
fn numbers(b: &mut Builder, n: usize, head: Option<RecipientId>) -> Numbers {
    let lot = b.rng.below(240);
    match (lot, head) {
        (0..=3, _) if n > 0 => Numbers::None,
        (4..=6, _) => Numbers::Landline,
        // His neighbour's or her husband's telephone.
        (7..=10, Some(head)) if n == 1 && b.d.recipients.get(&head).is_some_and(|r| r.phones.iter().any(|p| p.is_mobile())) => {
            Numbers::SharedWith(head)
        }
        (11..=50, _) => Numbers::Two,
        _ => Numbers::One,
    }
}

fn fill_one(b: &mut Builder, village: Division, count: usize, township: &Township, counter: &mut Counters) {
    let name = b.name_of(village);
    let county = village.at(DivisionLevel::County).unwrap_or(village);
    let short = spoken_names(village, &name).into_iter().nth(1).unwrap_or_else(|| name.clone());
    counter.villages += 1;
    let ordinal = counter.villages;
    let from = b.d.posts.len();
    let own_deputy = count >= 4 && ordinal.is_multiple_of(6);
    let rows = count - usize::from(own_deputy);
    let mut people: Vec<RecipientId> = Vec::with_capacity(rows);
    for n in 0..rows {
        let numbers = numbers(b, n, people.first().copied());
        let id = b.person(village, numbers);
        people.push(id);
        let households = 15 + b.rng.below(60) as u32;
        let souls = households * 3 + b.rng.below(9) as u32;
        match n {
            0 => {
                let title = if name.contains("社区") { "社区主任" } else { "村委会主任" };
                for role in ["party_government", "flood_control"] {
                    let post = b.post(id, role, title, Tier::Village, village);
                    (post.households, post.people) = (households * 4, souls * 4);
                }
                b.post(id, "forest_chief", "村级林长", Tier::Village, village);
            }
            2 => warner(b, id, village, &short, county, counter),
            3 if ordinal % 3 == 1 => watcher(b, id, village, &short, county, counter),
            4 => {
                b.post(id, "forest_fire", "护林员", Tier::Village, village);
            }
            _ => {
                let title = if n == 1 { "网格员".to_string() } else { format!("第{n}网格联户员") };
                let post = b.post(id, "grid", &title, Tier::Village, village);
                (post.households, post.people) = (households, souls);
            }
        }
    }
    if ordinal % 11 == 5 {
        reservoir(b, village, &short, county, township, people.get(1).or(people.first()).copied(), counter);
    }
    if let Some(patron) = township.patrons.get(ordinal % township.patrons.len().max(1)) {
        let post = b.post(*patron, "contract", "乡领导包村", Tier::Township, village);
        (post.deputy, post.superior) = (township.in_charge.filter(|d| d != patron), township.head.filter(|s| s != patron));
        if post.deputy.is_none() {
            post.deputy = township.head;
        }
    }
    let head = people.first().copied();
    let without = ordinal % 25 == 7;
    for (n, id) in people.iter().enumerate() {
        let deputy = people.get((n + 1) % people.len()).copied().filter(|d| d != id && !without);
        b.lines(from, *id, deputy, if n == 0 { township.in_charge } else { head });
        if deputy.is_none() && !(n == 0 && own_deputy) {
            b.no_deputy(from, *id);
        }
    }
    if let (true, Some(head)) = (own_deputy, head) {
        b.deputy_of_his_own(head, village);
    }
}

/// 山洪预警员 of the village, in every fifth also of a valley.
fn warner(b: &mut Builder, id: RecipientId, village: Division, short: &str, county: Division, counter: &mut Counters) {
    let (route, shelter) = (b.rng.pick(ROUTES), b.rng.pick(SHELTERS));
    let post = b.post(id, "flash_flood", "山洪预警员", Tier::Village, village);
    (post.route, post.shelter) = (route.into(), format!("{short}{shelter}"));
    if counter.villages % 5 != 2 {
        return;
    }
    counter.valleys += 1;
    let code = format!("SH-{}-{:04}", county.0 / 1_000_000, counter.valleys);
    let valley = format!("{short}{}", b.rng.pick(HOLLOWS));
    b.point(code.clone(), valley, "flash_flood", village);
    let post = b.post(id, "flash_flood", "山洪沟道责任人", Tier::Point, village);
    post.place = Place { division: village, point: Some(code) };
    (post.route, post.shelter) = (route.into(), format!("{short}{shelter}"));
}

/// 群测群防员 of a slope.
fn watcher(b: &mut Builder, id: RecipientId, village: Division, short: &str, county: Division, counter: &mut Counters) {
    let code = slope_code(county, counter);
    let name = format!("{short}{}{}", b.rng.pick(HOLLOWS), b.rng.pick(&["滑坡", "崩塌", "泥石流", "不稳定斜坡"]));
    b.point(code.clone(), name, "geological", village);
    let (households, route, shelter) = (1 + b.rng.below(14) as u32, b.rng.pick(ROUTES), b.rng.pick(SHELTERS));
    let souls = households * 3 + b.rng.below(4) as u32;
    let post = b.post(id, "geological", "群测群防员", Tier::Point, village);
    post.place = Place { division: village, point: Some(code) };
    (post.households, post.people) = (households, souls);
    (post.route, post.shelter) = (route.into(), format!("{short}{shelter}"));
}

/// A small reservoir with its three responsible persons: administrative, technical, patrol.
fn reservoir(
    b: &mut Builder,
    village: Division,
    short: &str,
    county: Division,
    township: &Township,
    patrol: Option<RecipientId>,
    counter: &mut Counters,
) {
    counter.reservoirs += 1;
    let code = format!("SK-{}-{:04}", county.0 / 1_000_000, counter.reservoirs);
    b.point(code.clone(), format!("{short}水库"), "reservoir", village);
    let three = [(township.head, "水库行政责任人"), (township.water, "水库技术责任人"), (patrol, "水库巡查责任人")];
    let mut seen: BTreeSet<RecipientId> = BTreeSet::new();
    for (id, title) in three {
        // Where the offices are small one person is two of the three.
        if let Some(id) = id.filter(|id| seen.insert(*id)) {
            let post = b.post(id, "reservoir", title, Tier::Point, village);
            post.place = Place { division: village, point: Some(code.clone()) };
            post.deputy = [township.in_charge, township.head].into_iter().flatten().find(|d| *d != id);
            post.superior = township.head.filter(|h| *h != id);
            if post.deputy.is_none() {
                b.gaps.no_deputy.insert((id, code.clone()));
            }
        }
    }
}
