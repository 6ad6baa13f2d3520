//! A small county, another for every seed: two towns, three to six villages, desks and shift leaders,
//! deputies, numbers shared, doubled or missing, one person with several posts.

use super::rng::Rng;
use jiaoying::core::{
    directory::{Directory, DivisionName, Place, Point, Post, Recipient, Role, Tier},
    division::Division,
    ids::RecipientId,
    phone::Phone,
};

pub const CITY: &str = "140500";
pub const COUNTY: &str = "140521";
pub const TOWNS: [&str; 2] = ["140521101", "140521102"];
pub const SLOPE: &str = "DZ-140521-0001";

pub struct Town {
    pub directory: Directory,
    /// Villages, by code.
    pub villages: Vec<String>,
}

pub fn division(code: &str) -> Division {
    code.parse().unwrap()
}

/// Builds a directory person by person; smoke tests use it by hand.
#[derive(Default)]
pub struct Builder {
    pub directory: Directory,
}

impl Builder {
    pub fn county() -> Builder {
        let mut b = Builder::default();
        b.name(CITY, "晋城市");
        b.name(COUNTY, "沁水县");
        b.name(TOWNS[0], "龙港镇");
        b.name(TOWNS[1], "中村镇");
        b
    }
    pub fn name(&mut self, code: &str, name: &str) {
        let code = division(code);
        self.directory.divisions.insert(code, DivisionName { code, name: name.into(), clash: None });
    }
    pub fn point(&mut self, code: &str, name: &str, kind: &str, at: &str) {
        self.directory.points.insert(code.into(), Point::new(code, name, kind, division(at)));
    }
    pub fn person(&mut self, name: &str, phones: &[&str]) -> RecipientId {
        let id = RecipientId(self.directory.recipients.len() as u32 + 1);
        let phones = phones.iter().map(|p| Phone::parse(p).unwrap()).collect();
        self.directory.recipients.insert(id, Recipient { id, name: name.into(), phones, email: None, im: None });
        id
    }
    pub fn post(&mut self, recipient: RecipientId, role: &str, tier: Tier, place: &str) -> &mut Post {
        let place = match self.directory.points.get(place) {
            Some(p) => Place { division: p.division, point: Some(place.into()) },
            None => Place { division: division(place), point: None },
        };
        self.directory.posts.push(Post {
            recipient,
            role: Role(role.into()),
            title: "负责人".into(),
            tier,
            place,
            deputy: None,
            superior: None,
            valid_from: None,
            valid_to: None,
            households: 0,
            people: 0,
            route: String::new(),
            shelter: String::new(),
            note: String::new(),
        });
        self.directory.posts.last_mut().unwrap()
    }
    pub fn done(mut self) -> Directory {
        self.directory.sort_posts();
        self.directory
    }
}

/// The numbers of one seed: sometimes a second one, sometimes another's, sometimes none.
struct Numbers {
    next: u32,
    given: Vec<String>,
}
impl Numbers {
    fn fresh(&mut self) -> String {
        self.next += 1;
        let n = format!("154{:08}", self.next);
        self.given.push(n.clone());
        n
    }
    fn of_a_person(&mut self, rng: &mut Rng) -> Vec<String> {
        match rng.below(100) {
            0..6 => vec![],
            6..14 if !self.given.is_empty() => vec![rng.pick(&self.given.clone()).clone()],
            14..40 => vec![self.fresh(), self.fresh()],
            _ => vec![self.fresh()],
        }
    }
}

pub fn random(rng: &mut Rng) -> Town {
    let mut b = Builder::county();
    let mut numbers = Numbers { next: 0, given: Vec::new() };
    let person = |b: &mut Builder, rng: &mut Rng, numbers: &mut Numbers, name: String| {
        let phones = numbers.of_a_person(rng);
        let id = b.person(&name, &phones.iter().map(String::as_str).collect::<Vec<_>>());
        if rng.chance(25) {
            b.directory.recipients.get_mut(&id).unwrap().email = Some(format!("p{}@example.org", id.0));
        }
        id
    };
    let desk = |b: &mut Builder, rng: &mut Rng, numbers: &mut Numbers, name: String, at: &str| {
        let phone = if rng.chance(50) { format!("0356{:07}", 2_000_000 + numbers.given.len()) } else { numbers.fresh() };
        let id = b.person(&name, &[&phone]);
        b.post(id, "duty", Tier::DutyDesk, at);
    };
    desk(&mut b, rng, &mut numbers, "县值班室".into(), COUNTY);
    if rng.chance(50) {
        desk(&mut b, rng, &mut numbers, "市值班室".into(), CITY);
    }
    let leader = b.person("县带班领导", &[&numbers.fresh()]);
    b.post(leader, "shift_leader", Tier::DutyDesk, COUNTY);
    let mayor = person(&mut b, rng, &mut numbers, "县长".into());
    b.post(mayor, "party_government", Tier::County, COUNTY);
    let mut heads = Vec::new();
    for (t, town) in TOWNS.iter().enumerate() {
        if rng.chance(80) {
            desk(&mut b, rng, &mut numbers, format!("镇{t}值班室"), town);
        }
        let head = person(&mut b, rng, &mut numbers, format!("镇长{t}"));
        b.post(head, "party_government", Tier::Township, town).superior = Some(mayor);
        heads.push(head);
    }
    let mut villages = Vec::new();
    let mut previous: Option<RecipientId> = None;
    for v in 0..rng.between(3, 6) as usize {
        let t = v % 2;
        let code = format!("{}{}", TOWNS[t], 201 + v);
        b.name(&code, &format!("村{v}"));
        let chief = person(&mut b, rng, &mut numbers, format!("支书{v}"));
        let deputy = match rng.below(10) {
            0..2 => None,
            2..4 if previous.is_some() => previous,
            _ => Some(person(&mut b, rng, &mut numbers, format!("副支书{v}"))),
        };
        let post = b.post(chief, "party_government", Tier::Village, &code);
        post.deputy = deputy;
        post.superior = Some(heads[t]);
        if rng.chance(60) {
            let watcher = if rng.chance(25) { chief } else { person(&mut b, rng, &mut numbers, format!("山洪员{v}")) };
            let post = b.post(watcher, "flash_flood", Tier::Village, &code);
            post.deputy = if watcher == chief { deputy } else { Some(chief) };
        }
        if v == 0 && rng.chance(70) {
            b.point(SLOPE, "后山滑坡", "geological", &code);
            let guard = person(&mut b, rng, &mut numbers, "群测员".into());
            b.post(guard, "geological", Tier::Point, SLOPE).deputy = Some(chief);
        }
        // One person answers for two villages.
        if let Some(p) = previous.filter(|_| rng.chance(30)) {
            b.post(p, "assigned", Tier::Village, &code).deputy = deputy.filter(|d| *d != p);
        }
        previous = Some(chief);
        villages.push(code);
    }
    Town { directory: b.done(), villages }
}
