//! The offices of city, counties and townships: the 24-hour desk, the shift leader, leaders and
//! departments, who look after (包保) the divisions one level down.

use super::build::{Builder, Numbers};
use crate::core::{
    directory::{Role, Tier},
    division::{Division, DivisionLevel},
    ids::RecipientId,
};
use std::collections::BTreeMap;

/// A seat: title, roles.
type Seat = (&'static str, &'static [&'static str]);

const CITY: &[Seat] = &[
    ("市长", &["party_government"]),
    ("分管副市长", &["party_government", "flood_control", Role::SHIFT_LEADER, "contract"]),
    ("市应急管理局局长", &["department", "flood_control"]),
    ("市委副书记", &["party_government", "forest_chief", "contract"]),
    ("市政府秘书长", &["party_government", "contract"]),
    ("市水务局局长", &["department", "river_chief", "reservoir"]),
    ("市规划和自然资源局局长", &["department", "geological"]),
    ("市气象局局长", &["department"]),
    ("市林业和草原局局长", &["department", "forest_fire"]),
];
const COUNTY: &[Seat] = &[
    ("县长", &["party_government", "river_chief"]),
    ("分管副县长", &["party_government", "flood_control", Role::SHIFT_LEADER, "contract"]),
    ("应急管理局局长", &["department", "flood_control"]),
    ("县委书记", &["party_government", "forest_chief"]),
    ("常务副县长", &["party_government", "contract"]),
    ("县委副书记", &["party_government", "contract"]),
    ("防汛抗旱指挥部办公室主任", &["flood_control", "flash_flood"]),
    ("水务局局长", &["department", "flood_control", "reservoir"]),
    ("自然资源局局长", &["department", "geological"]),
    ("林业局局长", &["department", "forest_fire"]),
    ("气象局局长", &["department"]),
    ("住房和城乡建设局局长", &["department"]),
    ("教育局局长", &["department"]),
    ("文化和旅游局局长", &["department"]),
    ("交通运输局局长", &["department"]),
];
const TOWNSHIP: &[Seat] = &[
    ("镇长", &["party_government", "flood_control", "river_chief"]),
    ("分管副镇长", &["flood_control", "flash_flood", Role::SHIFT_LEADER, "contract"]),
    ("党委书记", &["party_government", "forest_chief"]),
    ("人大主席", &["party_government", "field_chief", "contract"]),
    ("应急办主任", &["department", "flood_control", "rescue", "earthquake"]),
    ("自然资源所所长", &["geological", "forest_fire"]),
    ("水利员", &["flood_control", "embankment"]),
];
/// Where there are few people, one holds what matters of all.
const TOWNSHIP_SMALL: &[Seat] =
    &[("镇长", &["party_government", "flood_control", "flash_flood", "geological", "forest_fire", Role::SHIFT_LEADER])];

/// The people whom villages need to know.
#[derive(Clone, Debug, Default)]
pub(super) struct Township {
    /// 镇长.
    pub head: Option<RecipientId>,
    /// 分管副镇长, else the head: the superior of village heads.
    pub in_charge: Option<RecipientId>,
    /// Who looks after villages.
    pub patrons: Vec<RecipientId>,
    /// 水利员, else the head: the technical person of reservoirs.
    pub water: Option<RecipientId>,
}

fn local(title: &str, place: &str) -> String {
    let title = if place.ends_with('市') { title.replace("县委", "市委").replace("县长", "市长") } else { title.to_string() };
    let title = if place.ends_with('区') { title.replace("县委", "区委").replace("县长", "区长") } else { title };
    let title = if place.ends_with('乡') { title.replace("镇长", "乡长") } else { title };
    if place.ends_with("街道") {
        title.replace("党委书记", "党工委书记").replace("副镇长", "副主任").replace("镇长", "主任")
    } else {
        title
    }
}

/// Fills one office; its people in the order of the seats.
fn office(b: &mut Builder, at: Division, tier: Tier, seats: &[Seat], landline_only: bool) -> Vec<RecipientId> {
    let place = b.name_of(at);
    let prefix = at.parent().filter(|_| tier == Tier::Township).map(|c| b.name_of(c)).unwrap_or_default();
    let desk = b.named(format!("{prefix}{place}应急值班室"), if landline_only { Numbers::Landline } else { Numbers::Desk });
    b.post(desk, Role::DUTY, "24小时值班", Tier::DutyDesk, at);
    let mut people = Vec::with_capacity(seats.len());
    for (title, roles) in seats {
        let two = b.rng.one_in(3);
        let id = b.person(at, if two { Numbers::Two } else { Numbers::One });
        b.office_channels(id);
        let title = local(title, &place);
        // 包保 is held over the divisions one level down, not over one's own.
        for role in roles.iter().filter(|r| **r != "contract") {
            let tier = if *role == Role::SHIFT_LEADER { Tier::DutyDesk } else { tier };
            b.post(id, role, &title, tier, at);
        }
        people.push(id);
    }
    people
}

/// Everybody is the next one's deputy; `superior` stands over the first, who stands over the rest.
fn lines(b: &mut Builder, from: usize, people: &[RecipientId], superior: Option<RecipientId>) {
    for (n, id) in people.iter().enumerate() {
        let deputy = people.get((n + 1) % people.len()).copied().filter(|d| d != id);
        let over = if n == 0 { superior } else { people.first().copied() };
        b.lines(from, *id, deputy, over);
        if deputy.is_none() {
            b.no_deputy(from, *id);
        }
    }
}

/// The people of seats that look after others.
fn patrons(people: &[RecipientId], seats: &[Seat]) -> Vec<RecipientId> {
    people.iter().zip(seats).filter(|(_, (_, roles))| roles.contains(&"contract")).map(|(id, _)| *id).collect()
}

/// 包保 of `places` by turns.
fn look_after(b: &mut Builder, patrons: &[RecipientId], places: &[Division], tier: Tier, title: &str) {
    for (place, id) in places.iter().zip(patrons.iter().cycle()) {
        b.post(*id, "contract", title, tier, *place);
    }
}

/// Fills all offices. `full`: every seat; else few. Townships without villages in the list get
/// nobody: they exist in the other list only.
pub(super) fn fill(b: &mut Builder, full: bool) -> BTreeMap<Division, Township> {
    let some = |seats: &'static [Seat], few: usize| if full { seats } else { seats.get(..few).unwrap_or(seats) };
    let (counties, townships) = (b.codes(DivisionLevel::County), b.codes(DivisionLevel::Township));
    let with_villages: Vec<Division> = b.codes(DivisionLevel::Village).iter().filter_map(|v| v.at(DivisionLevel::Township)).collect();
    let mut city_in_charge = None;
    for city in b.codes(DivisionLevel::City) {
        let seats = some(CITY, 3);
        let from = b.d.posts.len();
        let people = office(b, city, Tier::City, seats, false);
        look_after(b, &patrons(&people, seats), &counties, Tier::City, "市领导包县");
        lines(b, from, &people, None);
        city_in_charge = people.get(1).copied();
    }
    let mut out = BTreeMap::new();
    for county in counties {
        let seats = some(COUNTY, 3);
        let from = b.d.posts.len();
        let people = office(b, county, Tier::County, seats, false);
        let own: Vec<Division> = townships.iter().copied().filter(|t| county.contains(*t) && with_villages.contains(t)).collect();
        look_after(b, &patrons(&people, seats), &own, Tier::County, "县领导包乡");
        lines(b, from, &people, city_in_charge);
        let in_charge = people.get(1).copied();
        for (n, township) in own.into_iter().enumerate() {
            let seats = if full { TOWNSHIP } else { TOWNSHIP_SMALL };
            let from = b.d.posts.len();
            let people = office(b, township, Tier::Township, seats, n % 3 == 2);
            lines(b, from, &people, in_charge);
            let head = people.first().copied();
            let town = Township {
                head,
                in_charge: people.get(1).copied().or(head),
                patrons: patrons(&people, seats),
                water: people.last().copied(),
            };
            out.insert(township, town);
        }
    }
    for township in townships.into_iter().filter(|t| !out.contains_key(t)) {
        b.gaps.empty_offices.insert(township);
        b.gaps.no_desk.insert(township);
    }
    out
}
