//! Lookups over a directory: by division, person, number, name. Built once per snapshot and kept
//! small (a few bytes a row, no copied text), because a city's directory may hold a million people.

use super::{
    directory::{Directory, Place, Point, Post, Recipient, Role},
    division::Division,
    ids::RecipientId,
    phone::Phone,
    time::Time,
};
use std::{ops::Deref, sync::Arc};

/// A directory with its lookups. Reads as the [`Directory`] it was built from.
#[derive(Debug)]
pub struct DirectoryIndex {
    directory: Arc<Directory>,
    /// Post numbers by (recipient, number).
    by_recipient: Vec<(RecipientId, u32)>,
    /// Post numbers of those posts that somebody else deputises, by (deputy, number).
    by_deputy: Vec<(RecipientId, u32)>,
    /// (digits as a number, recipient): equal keys are compared as text when looked up.
    by_phone: Vec<(u64, RecipientId)>,
    /// Recipients by (name, id).
    by_name: Vec<RecipientId>,
    /// Posts of [`Role::DUTY`] and of [`Role::SHIFT_LEADER`], by (division, number).
    duty: Vec<(Division, u32)>,
    shift: Vec<(Division, u32)>,
    points: Vec<(Division, String)>,
}

/// The digits as one number. Two different numbers may share it (a leading zero is lost); whoever
/// looks up compares the text as well.
fn phone_key(phone: &Phone) -> u64 {
    phone.reveal().bytes().filter(u8::is_ascii_digit).fold(0u64, |n, b| n.wrapping_mul(10).wrapping_add(u64::from(b - b'0')))
}

/// The run of entries whose first part is `key`.
fn run<'a, K: Ord, V>(sorted: &'a [(K, V)], key: &K) -> impl Iterator<Item = &'a V> + use<'a, K, V> {
    let start = sorted.partition_point(|(k, _)| k < key);
    let end = sorted.partition_point(|(k, _)| k <= key);
    sorted.get(start..end).unwrap_or_default().iter().map(|(_, v)| v)
}

impl DirectoryIndex {
    /// Builds all lookups; sorts the posts first where the directory was put together by hand.
    pub fn new(directory: impl Into<Arc<Directory>>) -> DirectoryIndex {
        let mut directory = directory.into();
        if !directory.posts.is_sorted_by(|a, b| a.key() <= b.key()) {
            Arc::make_mut(&mut directory).sort_posts();
        }
        let numbered = || directory.posts.iter().zip(0u32..);
        let sorted = |mut v: Vec<(RecipientId, u32)>| {
            v.sort_unstable();
            v
        };
        let desk = |role: &str| -> Vec<(Division, u32)> {
            numbered().filter(|(p, _)| p.role.0 == role && p.place.point.is_none()).map(|(p, n)| (p.place.division, n)).collect()
        };
        let mut by_phone: Vec<(u64, RecipientId)> =
            directory.recipients.values().flat_map(|r| r.phones.iter().map(|p| (phone_key(p), r.id))).collect();
        by_phone.sort_unstable();
        by_phone.dedup();
        let mut named: Vec<(&str, RecipientId)> = directory.recipients.values().map(|r| (r.name.as_str(), r.id)).collect();
        named.sort_unstable();
        let by_name = named.into_iter().map(|(_, id)| id).collect();
        let mut points: Vec<(Division, String)> = directory.points.values().map(|p| (p.division, p.code.clone())).collect();
        points.sort_unstable();
        DirectoryIndex {
            by_recipient: sorted(numbered().map(|(p, n)| (p.recipient, n)).collect()),
            by_deputy: sorted(numbered().filter_map(|(p, n)| Some((p.deputy?, n))).collect()),
            by_phone,
            by_name,
            duty: desk(Role::DUTY),
            shift: desk(Role::SHIFT_LEADER),
            points,
            directory,
        }
    }

    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub fn recipient(&self, id: RecipientId) -> Option<&Recipient> {
        self.directory.recipients.get(&id)
    }

    fn posts_by<'a>(&'a self, table: &'a [(RecipientId, u32)], id: RecipientId) -> impl Iterator<Item = &'a Post> + 'a {
        run(table, &id).filter_map(|n| self.directory.posts.get(*n as usize))
    }

    /// The posts a person holds, in the directory's order.
    pub fn posts_of(&self, id: RecipientId) -> impl Iterator<Item = &Post> {
        self.posts_by(&self.by_recipient, id)
    }

    /// The posts of others that this person deputises.
    pub fn deputised_by(&self, id: RecipientId) -> impl Iterator<Item = &Post> {
        self.posts_by(&self.by_deputy, id)
    }

    /// Everybody with this number: families and offices share one.
    pub fn by_phone(&self, phone: &Phone) -> impl Iterator<Item = &Recipient> {
        run(&self.by_phone, &phone_key(phone)).filter_map(|id| self.recipient(*id)).filter(|r| r.phones.contains(phone))
    }

    /// Everybody of exactly this name.
    pub fn by_name(&self, name: &str) -> impl Iterator<Item = &Recipient> {
        let name_of = |id: &RecipientId| self.recipient(*id).map_or("", |r| r.name.as_str());
        let start = self.by_name.partition_point(|id| name_of(id) < name);
        let end = self.by_name.partition_point(|id| name_of(id) <= name);
        self.by_name.get(start..end).unwrap_or_default().iter().filter_map(|id| self.recipient(*id))
    }

    fn desk<'a>(&'a self, table: &'a [(Division, u32)], division: Division, now: Time) -> impl Iterator<Item = &'a Recipient> + 'a {
        run(table, &division)
            .filter_map(|n| self.directory.posts.get(*n as usize))
            .filter(move |p| p.valid_at(now))
            .filter_map(|p| self.recipient(p.recipient))
    }

    /// The 24-hour desks of exactly this division.
    pub fn duty_desks(&self, division: Division, now: Time) -> impl Iterator<Item = &Recipient> {
        self.desk(&self.duty, division, now)
    }

    /// The shift leaders (带班领导) of exactly this division.
    pub fn shift_leaders(&self, division: Division, now: Time) -> impl Iterator<Item = &Recipient> {
        self.desk(&self.shift, division, now)
    }

    /// The nearest desk at or above a division: its own, else its parent's, and so on.
    pub fn duty_desk_over(&self, division: Division, now: Time) -> Option<&Recipient> {
        std::iter::successors(Some(division), |d| d.parent()).find_map(|d| self.duty_desks(d, now).next())
    }

    /// The nearest shift leader at or above a division.
    pub fn shift_leader_over(&self, division: Division, now: Time) -> Option<&Recipient> {
        std::iter::successors(Some(division), |d| d.parent()).find_map(|d| self.shift_leaders(d, now).next())
    }

    /// The points inside a division, by (division, code).
    pub fn points_in(&self, within: Division) -> impl Iterator<Item = &Point> {
        let (from, to) = within.range();
        let start = self.points.partition_point(|(d, _)| d.0 < from);
        let end = self.points.partition_point(|(d, _)| d.0 < to);
        self.points.get(start..end).unwrap_or_default().iter().filter_map(|(_, code)| self.directory.points.get(code))
    }

    /// The place a text id names: a point's code, or a division's digits that the list knows.
    pub fn place(&self, id: &str) -> Option<Place> {
        if let Some(point) = self.directory.points.get(id) {
            return Some(Place { division: point.division, point: Some(point.code.clone()) });
        }
        let division: Division = id.parse().ok()?;
        self.directory.divisions.contains_key(&division).then_some(Place { division, point: None })
    }
}
impl Deref for DirectoryIndex {
    type Target = Directory;
    fn deref(&self) -> &Directory {
        &self.directory
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::Tier;
    use super::*;

    fn person(id: u32, name: &str, phones: &[&str]) -> Recipient {
        let phones = phones.iter().map(|p| Phone::parse(p).unwrap()).collect();
        Recipient { id: RecipientId(id), name: name.into(), phones, email: None, im: None }
    }
    fn post(id: u32, role: &str, division: &str, point: Option<&str>, deputy: Option<u32>) -> Post {
        Post {
            recipient: RecipientId(id),
            role: Role::new(role),
            title: String::new(),
            tier: Tier::Village,
            place: Place { division: division.parse().unwrap(), point: point.map(Into::into) },
            deputy: deputy.map(RecipientId),
            superior: None,
            valid_from: None,
            valid_to: None,
            households: 0,
            people: 0,
            route: String::new(),
            shelter: String::new(),
            note: String::new(),
        }
    }

    #[test]
    fn people_are_found_by_place_number_name_and_office() {
        let mut d = Directory::default();
        for r in [person(1, "甲", &["15400000001"]), person(2, "乙", &["15400000001", "0356-0111111"]), person(3, "甲", &[])] {
            d.recipients.insert(r.id, r);
        }
        let mut shift = post(1, Role::SHIFT_LEADER, "140521", None, None);
        shift.valid_to = Some(Time(1000));
        d.posts = vec![
            post(3, "grid", "140521101201", None, Some(1)),
            post(2, "duty", "140521", None, None),
            shift,
            post(1, "geological", "140521101202", Some("DZ-140521-0001"), Some(3)),
        ];
        let point = Point::new("DZ-140521-0001", "后沟", "geological", "140521101202".parse().unwrap());
        d.points.insert(point.code.clone(), point);
        let index = DirectoryIndex::new(d);
        let ids = |i: &mut dyn Iterator<Item = &Recipient>| i.map(|r| r.id.0).collect::<Vec<_>>();
        let (county, town): (Division, Division) = ("140521".parse().unwrap(), "140521101".parse().unwrap());
        assert_eq!(index.posts_in(county).len(), 4);
        assert_eq!(index.posts_in(town).len(), 2);
        assert_eq!(index.posts_at(&index.place("DZ-140521-0001").unwrap()).len(), 1);
        assert_eq!(ids(&mut index.by_phone(&Phone::parse("15400000001").unwrap())), [1, 2]);
        assert_eq!(ids(&mut index.by_name("甲")), [1, 3]);
        assert_eq!(ids(&mut index.by_name("丙")), [0u32; 0]);
        assert_eq!(index.duty_desk_over("140521101201".parse().unwrap(), Time(0)).map(|r| r.id.0), Some(2));
        assert_eq!(ids(&mut index.shift_leaders(county, Time(999))), [1]);
        assert_eq!(ids(&mut index.shift_leaders(county, Time(1000))), [0u32; 0], "no longer in office");
        assert_eq!(index.posts_of(RecipientId(1)).count(), 2);
        assert_eq!(index.deputised_by(RecipientId(1)).count(), 1);
        assert_eq!(index.points_in(town).map(|p| p.code.as_str()).collect::<Vec<_>>(), ["DZ-140521-0001"]);
        assert_eq!(index.place("140599"), None);
    }
}
