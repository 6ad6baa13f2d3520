//! Puts people and posts together, and notes every gap it is told to leave.

use super::{Sample, names, rng::Rng};
use crate::core::{
    directory::{Directory, DivisionName, Place, Point, Post, Recipient, Role, Tier},
    directory_gaps::{Gaps, SharedNumber},
    division::{Division, DivisionLevel},
    ids::RecipientId,
    phone::Phone,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Numbers of a person to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    One,
    Two,
    None,
    Landline,
    /// A desk's mobile and its landline.
    Desk,
    /// The first number of somebody else.
    SharedWith(RecipientId),
}

pub(super) struct Builder {
    pub rng: Rng,
    pub d: Directory,
    pub gaps: Gaps,
    names: HashSet<(u64, String)>,
    /// Mobiles and landlines given so far, and where the mobiles begin.
    mobiles: u64,
    landlines: u64,
    offset: u64,
    /// Deputies who hold no post themselves: they get their ids last. (holder, name, phone).
    only_deputies: Vec<(RecipientId, String, Phone)>,
}

impl Builder {
    pub fn new(divisions: BTreeMap<Division, DivisionName>, seed: u64) -> Builder {
        let mut rng = Rng::new(seed);
        let offset = rng.next() % 100_000_000;
        let d = Directory { version: 1, divisions, next_id: 1, ..Directory::default() };
        Builder { rng, d, gaps: Gaps::default(), names: HashSet::new(), mobiles: 0, landlines: 0, offset, only_deputies: Vec::new() }
    }

    /// How many people there are or will be.
    pub fn count(&self) -> usize {
        self.d.recipients.len() + self.only_deputies.len()
    }

    pub fn name_of(&self, division: Division) -> String {
        self.d.division_name(division).unwrap_or("").to_string()
    }

    /// Codes of one level, in order.
    pub fn codes(&self, level: DivisionLevel) -> Vec<Division> {
        self.d.divisions.keys().copied().filter(|c| c.level() == level).collect()
    }

    /// A mobile of the 154 prefix, each once: a walk through all hundred million by a step that is
    /// coprime to them, so that neighbours in a village do not have neighbouring numbers.
    fn mobile(&mut self) -> Option<Phone> {
        self.mobiles += 1;
        let n = (self.mobiles.wrapping_mul(61_803_399).wrapping_add(self.offset)) % 100_000_000;
        Phone::parse(&format!("154{n:08}"))
    }

    /// A local number beginning with 0, which no exchange gives.
    fn landline(&mut self) -> Option<Phone> {
        self.landlines += 1;
        Phone::parse(&format!("03560{:06}", self.landlines % 1_000_000))
    }

    /// A name that is new in its county, so that people can also be told apart by name there.
    fn fresh_name(&mut self, at: Division) -> String {
        let county = at.at(DivisionLevel::County).unwrap_or(at).0;
        loop {
            let name = names::person(&mut self.rng);
            if self.names.insert((county, name.clone())) {
                return name;
            }
            // A county of half a million people runs out of such names.
            let longer = format!("{name}{}", names::person(&mut self.rng));
            if self.names.len() > 200_000 && self.names.insert((county, longer.clone())) {
                return longer;
            }
        }
    }

    /// Adds a person with an invented name.
    pub fn person(&mut self, at: Division, numbers: Numbers) -> RecipientId {
        let name = self.fresh_name(at);
        self.named(name, numbers)
    }

    /// Adds a person, or a desk, of this name.
    pub fn named(&mut self, name: String, numbers: Numbers) -> RecipientId {
        let id = self.d.next_id();
        let phones: Vec<Option<Phone>> = match numbers {
            Numbers::One => vec![self.mobile()],
            Numbers::Two => vec![self.mobile(), self.mobile()],
            Numbers::None => Vec::new(),
            Numbers::Landline => vec![self.landline()],
            Numbers::Desk => vec![self.mobile(), self.landline()],
            Numbers::SharedWith(other) => vec![self.d.recipients.get(&other).and_then(|r| r.phones.first().cloned())],
        };
        let phones: Vec<Phone> = phones.into_iter().flatten().collect();
        match numbers {
            Numbers::None => drop(self.gaps.no_number.insert(id)),
            Numbers::Landline => drop(self.gaps.no_mobile.insert(id)),
            Numbers::SharedWith(other) => {
                self.gaps.shared_numbers.extend(phones.first().map(|p| SharedNumber { phone: p.clone(), who: vec![other, id] }));
            }
            Numbers::One | Numbers::Two | Numbers::Desk => {}
        }
        self.d.recipients.insert(id, Recipient { id, name, phones, email: None, im: None });
        self.d.next_id = id.0 + 1;
        id
    }

    /// An e-mail address and an account of the office messenger, as officials have them.
    pub fn office_channels(&mut self, id: RecipientId) {
        let domain = self.rng.pick(&["example.cn", "example.com"]);
        if let Some(r) = self.d.recipients.get_mut(&id) {
            r.email = Some(format!("u{}@{domain}", id.0));
            r.im = Some(format!("jc{:06}", id.0));
        }
    }

    /// Adds a post; the caller may fill in more of it.
    pub fn post(&mut self, id: RecipientId, role: &str, title: &str, tier: Tier, division: Division) -> &mut Post {
        let post = Post {
            recipient: id,
            role: Role::new(role),
            title: title.to_string(),
            tier,
            place: Place { division, point: None },
            deputy: None,
            superior: None,
            valid_from: None,
            valid_to: None,
            households: 0,
            people: 0,
            route: String::new(),
            shelter: String::new(),
            note: String::new(),
        };
        self.d.posts.push(post);
        let last = self.d.posts.len() - 1;
        &mut self.d.posts[last]
    }

    /// Adds a point at a place of the county's inner box: each township has a part of it.
    pub fn point(&mut self, code: String, name: String, kind: &str, division: Division) {
        let position = Some(position(division, &mut self.rng));
        let point = Point { position, ..Point::new(code.clone(), name, kind, division) };
        self.d.points.insert(code, point);
    }

    /// Sets deputy and superior in all posts (desks aside) of a person from post number `from` on.
    pub fn lines(&mut self, from: usize, id: RecipientId, deputy: Option<RecipientId>, superior: Option<RecipientId>) {
        for post in self.d.posts.iter_mut().skip(from).filter(|p| p.recipient == id && !p.role.is_desk()) {
            post.deputy = deputy.filter(|d| *d != id);
            post.superior = superior.filter(|s| *s != id);
        }
    }

    /// A deputy who holds no post himself.
    pub fn deputy_of_his_own(&mut self, holder: RecipientId, at: Division) {
        let name = self.fresh_name(at);
        if let Some(phone) = self.mobile() {
            self.only_deputies.push((holder, name, phone));
        }
    }

    /// Gives the remaining ids, sorts, and notes the gaps that follow from what is missing.
    pub fn finish(mut self) -> Sample {
        let mut only = std::mem::take(&mut self.only_deputies);
        only.sort_by_key(|(holder, _, _)| *holder);
        let mut own_deputy: BTreeMap<RecipientId, RecipientId> = BTreeMap::new();
        for (holder, name, phone) in only {
            let id = self.d.next_id();
            self.d.recipients.insert(id, Recipient { id, name, phones: vec![phone], email: None, im: None });
            self.d.next_id = id.0 + 1;
            own_deputy.insert(holder, id);
        }
        for post in self.d.posts.iter_mut().filter(|p| !p.role.is_desk()) {
            post.deputy = own_deputy.get(&post.recipient).copied().or(post.deputy);
        }
        self.d.sort_posts();
        self.gaps.shared_numbers.sort_by(|a, b| a.phone.cmp(&b.phone));
        Sample { directory: self.d, gaps: self.gaps }
    }

    /// Notes that a person's posts were left without a deputy on purpose.
    pub fn no_deputy(&mut self, from: usize, id: RecipientId) {
        let places: BTreeSet<String> =
            self.d.posts.iter().skip(from).filter(|p| p.recipient == id && !p.role.is_desk()).map(|p| p.place.id()).collect();
        self.gaps.no_deputy.extend(places.into_iter().map(|place| (id, place)));
    }
}

/// Boxes that lie wholly inside the counties: west, south, east, north.
const BOXES: &[(u64, [f64; 4])] = &[
    (140_502, [112.826, 35.453, 112.870, 35.550]),
    (140_521, [112.210, 35.710, 112.674, 35.894]),
    (140_522, [112.187, 35.260, 112.557, 35.519]),
    (140_524, [113.167, 35.546, 113.487, 35.827]),
    (140_525, [112.650, 35.294, 112.970, 35.410]),
    (140_581, [112.756, 35.710, 113.098, 35.885]),
];

fn position(division: Division, rng: &mut Rng) -> [f64; 2] {
    let county = division.0 / 1_000_000;
    let [west, south, east, north] = BOXES.iter().find(|(c, _)| *c == county).map_or([112.3, 35.4, 113.1, 35.8], |(_, b)| *b);
    // The township's own cell of a 5 × 5 grid, so that a village's points are near each other.
    let town = division.0 / 1_000 % 1_000 % 25;
    let (column, row) = ((town % 5) as f64, (town / 5) as f64);
    let x = west + (east - west) * (column + rng.unit()) / 5.0;
    let y = south + (north - south) * (row + rng.unit()) / 5.0;
    let round = |v: f64| (v * 1e6).round() / 1e6;
    [round(x), round(y)]
}
