//! What changed between two directories, in words an administrator can check before he applies it.

use super::{
    directory::{Directory, Place, Point, Post, Role},
    directory_cover::{Calling, uncovered},
    division::{Division, DivisionLevel},
    ids::RecipientId,
    phone::Phone,
    rota::{Seat, Shift},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One person's change, numbers masked: it may be shown and logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonChange {
    pub id: RecipientId,
    pub name: String,
    /// What changed, in Chinese: `手机`, `邮箱`, `新增岗位 防汛@140521101201` …
    pub what: Vec<String>,
    /// Numbers the person had and has no more, masked: nobody will be called at them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}
impl PersonChange {
    /// One line for people: `张三（r12）：手机，失去号码 154****0001`.
    pub fn told_zh(&self) -> String {
        let lost = self.lost.iter().map(|p| format!("失去号码 {p}"));
        let what: Vec<String> = self.what.iter().cloned().chain(lost).collect();
        format!("{}（{}）：{}", self.name, self.id, what.join("，"))
    }
}

/// One point's change: who answers for it is called by its code, its place and its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PointChange {
    pub code: String,
    pub name: String,
    /// What changed, in Chinese; name, place and kind from → to: `区划 柳庄社区（140521100001） → 宣化社区（140521100002）`,
    /// `坐标`, `下游` …
    pub what: Vec<String>,
}
impl PointChange {
    /// One line for people: `SK001 龙港水库：区划 … → …`.
    pub fn told_zh(&self) -> String {
        format!("{} {}：{}", self.code, self.name, self.what.join("，"))
    }
}

/// What changed in the rota of one seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeatChange {
    pub seat: Seat,
    pub added: usize,
    pub gone: usize,
}

/// The difference of two directories. Empty lists mean that nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DirectoryDiff {
    pub added: Vec<PersonChange>,
    pub changed: Vec<PersonChange>,
    pub gone: Vec<PersonChange>,
    /// Codes.
    pub points_added: Vec<String>,
    pub points_changed: Vec<PointChange>,
    /// Codes.
    pub points_gone: Vec<String>,
    /// Places that had somebody to call and have nobody any more, be it for some warnings only (see [`super::directory_cover`]).
    pub uncovered: Vec<Place>,
    /// Shifts of the duty rotas, by seat: `140521000000.duty`, how many are new and how many are gone.
    pub shifts: Vec<SeatChange>,
    /// Divisions whose name or entry changed.
    pub divisions_changed: usize,
}
impl DirectoryDiff {
    pub fn is_empty(&self) -> bool {
        *self == DirectoryDiff::default()
    }
    /// One line for people.
    pub fn summary_zh(&self) -> String {
        let shifts: (usize, usize) = self.shifts.iter().fold((0, 0), |(a, g), s| (a + s.added, g + s.gone));
        let shifts =
            if self.shifts.is_empty() { String::new() } else { format!("；值班新增 {} 班，撤销 {} 班", shifts.0, shifts.1) };
        format!(
            "新增 {} 人，变更 {} 人，移除 {} 人；新增点位 {} 个，变更 {} 个，移除 {} 个；失去最后责任人的地点 {} 处{shifts}",
            self.added.len(),
            self.changed.len(),
            self.gone.len(),
            self.points_added.len(),
            self.points_changed.len(),
            self.points_gone.len(),
            self.uncovered.len()
        )
    }
}

type PostsOf<'a> = BTreeMap<RecipientId, Vec<&'a Post>>;

fn posts_of(d: &Directory) -> PostsOf<'_> {
    let mut map: PostsOf = BTreeMap::new();
    for post in &d.posts {
        map.entry(post.recipient).or_default().push(post);
    }
    map
}

fn label(post: &Post) -> String {
    format!("{}@{}", post.role.name_zh(), post.place)
}

fn post_changes(old: &[&Post], new: &[&Post]) -> Vec<String> {
    let by_key = |posts: &[&Post]| -> BTreeMap<(String, String), Post> {
        posts.iter().map(|p| ((p.place.id(), p.role.0.clone()), (*p).clone())).collect()
    };
    let (old, new) = (by_key(old), by_key(new));
    let mut what = Vec::new();
    for (key, post) in &new {
        match old.get(key) {
            None => what.push(format!("新增岗位 {}", label(post))),
            Some(before) if before != post => what.push(format!("变更岗位 {}", label(post))),
            Some(_) => {}
        }
    }
    what.extend(old.iter().filter(|(key, _)| !new.contains_key(*key)).map(|(_, post)| format!("撤销岗位 {}", label(post))));
    what
}

/// `沁水县龙港镇柳庄社区（140521100003）`, as far as the list has names.
fn place_zh(d: &Directory, division: Division) -> String {
    let levels = [DivisionLevel::County, DivisionLevel::Township, DivisionLevel::Village];
    let name: String = levels.iter().filter_map(|l| d.division_name(division.at(*l)?)).collect();
    if name.is_empty() { division.to_string() } else { format!("{name}（{division}）") }
}

fn point_change(d: &Directory, before: &Point, now: &Point) -> PointChange {
    let kind = |p: &Point| Role::new(&p.kind).name_zh().to_string();
    let mut what = Vec::new();
    for (differs, word, from, to) in [
        (before.name != now.name, "名称", before.name.clone(), now.name.clone()),
        (before.division != now.division, "区划", place_zh(d, before.division), place_zh(d, now.division)),
        (before.kind != now.kind, "类别", kind(before), kind(now)),
    ] {
        if differs {
            what.push(format!("{word} {from} → {to}"));
        }
    }
    for (differs, word) in [
        (before.category != now.category, "类型"),
        (before.position != now.position, "坐标"),
        (before.downstream != now.downstream, "下游"),
        (before.households != now.households, "户数"),
        (before.people != now.people, "人数"),
        (before.note != now.note, "备注"),
    ] {
        if differs {
            what.push(word.to_string());
        }
    }
    PointChange { code: now.code.clone(), name: now.name.clone(), what }
}

/// Compares two directories person by person, point by point, place by place; who can be called there, as `calling` has it.
pub fn diff(old: &Directory, new: &Directory, calling: &Calling) -> DirectoryDiff {
    let (old_posts, new_posts) = (posts_of(old), posts_of(new));
    let none = Vec::new();
    let posts = |map: &PostsOf<'_>, id: &RecipientId| -> Vec<String> { map.get(id).unwrap_or(&none).iter().map(|p| label(p)).collect() };
    let mut out = DirectoryDiff::default();
    for (id, now) in &new.recipients {
        let Some(before) = old.recipients.get(id) else {
            out.added.push(PersonChange { id: *id, name: now.name.clone(), what: posts(&new_posts, id), lost: Vec::new() });
            continue;
        };
        let lost: Vec<String> = before.phones.iter().filter(|p| !now.phones.contains(p)).map(Phone::masked).collect();
        let mut what = Vec::new();
        for (differs, word) in [
            (before.name != now.name, "姓名"),
            (before.phones != now.phones, "手机"),
            (before.email != now.email, "邮箱"),
            (before.im != now.im, "政务IM号"),
        ] {
            if differs {
                what.push(word.to_string());
            }
        }
        let (before, after) = (old_posts.get(id).unwrap_or(&none), new_posts.get(id).unwrap_or(&none));
        if before != after {
            what.extend(post_changes(before, after));
        }
        if !what.is_empty() {
            out.changed.push(PersonChange { id: *id, name: now.name.clone(), what, lost });
        }
    }
    for (id, before) in &old.recipients {
        if !new.recipients.contains_key(id) {
            out.gone.push(PersonChange { id: *id, name: before.name.clone(), what: posts(&old_posts, id), lost: Vec::new() });
        }
    }
    for (code, point) in &new.points {
        match old.points.get(code) {
            None => out.points_added.push(code.clone()),
            Some(before) if before != point => out.points_changed.push(point_change(new, before, point)),
            Some(_) => {}
        }
    }
    out.points_gone = old.points.keys().filter(|c| !new.points.contains_key(*c)).cloned().collect();
    out.uncovered = uncovered(old, new, calling);
    out.shifts = shifts(old, new);
    out.divisions_changed = new.divisions.iter().filter(|(c, d)| old.divisions.get(c) != Some(d)).count()
        + old.divisions.keys().filter(|c| !new.divisions.contains_key(c)).count();
    out
}

fn shifts(old: &Directory, new: &Directory) -> Vec<SeatChange> {
    let seats: BTreeSet<&Seat> = old.rotas.iter().chain(new.rotas.iter()).map(|(s, _)| s).collect();
    let change = |seat: &Seat| {
        let (before, after): (BTreeSet<&Shift>, BTreeSet<&Shift>) =
            (old.rotas.of(seat).iter().collect(), new.rotas.of(seat).iter().collect());
        let (added, gone) = (after.difference(&before).count(), before.difference(&after).count());
        (added + gone > 0).then(|| SeatChange { seat: seat.clone(), added, gone })
    };
    seats.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        directory::{DivisionName, Recipient, Tier},
        time::Time,
    };

    const NOW: Time = Time(1_000);

    fn lost(old: &Directory, new: &Directory) -> usize {
        diff(old, new, &Calling { now: NOW, ..Calling::default() }).uncovered.len()
    }

    /// Two people of one village, the second without any number.
    fn directory() -> Directory {
        let person = |n: u32, phones: Vec<Phone>| Recipient { id: RecipientId(n), name: format!("甲{n}"), phones, email: None, im: None };
        let people = [person(1, vec![Phone::parse("15400000001").unwrap()]), person(2, vec![])];
        let place = Place { division: "140521101201".parse().unwrap(), point: None };
        let post = |n: u32| Post::new(RecipientId(n), Role("flood_control".into()), Tier::Village, place.clone());
        Directory { recipients: people.into_iter().map(|r| (r.id, r)).collect(), posts: vec![post(1), post(2)], ..Directory::default() }
    }

    #[test]
    fn a_place_is_lost_with_the_last_person_who_is_in_office_and_can_be_called() {
        let lost = |edit: fn(&mut Directory)| {
            let (old, mut new) = (directory(), directory());
            edit(&mut new);
            lost(&old, &new)
        };
        assert_eq!(lost(|_| ()), 0);
        assert_eq!(lost(|d| d.posts.retain(|p| p.recipient != RecipientId(1))), 1, "the other has no number");
        assert_eq!(lost(|d| d.posts[0].valid_to = Some(NOW)), 1, "ended");
        assert_eq!(lost(|d| d.posts[0].valid_from = Some(Time(NOW.0 + 1))), 1, "not yet begun");
        assert_eq!(lost(|d| d.posts[0].valid_to = Some(Time(NOW.0 + 1))), 0, "still in office");
        assert_eq!(lost(|d| d.recipients.values_mut().for_each(|r| r.phones.clear())), 1);
        let address = |d: &mut Directory| {
            d.recipients.values_mut().for_each(|r| (r.phones, r.email) = (Vec::new(), Some("a@example.cn".into())));
        };
        assert_eq!(lost(address), 0, "an address is something to write to");
        assert_eq!(lost(|d| d.posts.retain(|p| p.recipient != RecipientId(2))), 0);
    }

    #[test]
    fn a_changed_point_is_told_from_where_to_where() {
        let (mut old, mut new) = (directory(), directory());
        let name = |code: &str, name: &str| {
            let code: Division = code.parse().unwrap();
            (code, DivisionName { code, name: name.into(), clash: None })
        };
        new.divisions = [name("140521", "沁水县"), name("140521101", "中村镇"), name("140521101201", "南河村")].into();
        old.divisions = new.divisions.clone();
        let point = Point::new("SK1", "上河水库", "reservoir", "140521101".parse().unwrap());
        old.points.insert("SK1".into(), point.clone());
        let moved = Point { division: "140521101201".parse().unwrap(), position: Some([112.0, 35.0]), ..point };
        new.points.insert("SK1".into(), moved);
        let changes = diff(&old, &new, &Calling { now: NOW, ..Calling::default() }).points_changed;
        let told: Vec<String> = changes.iter().map(PointChange::told_zh).collect();
        assert_eq!(told, ["SK1 上河水库：区划 沁水县中村镇（140521101000） → 沁水县中村镇南河村（140521101201），坐标"]);
    }

    #[test]
    fn what_covered_nothing_before_is_not_lost() {
        let (mut old, mut new) = (directory(), directory());
        old.posts[0].valid_to = Some(Time(1));
        new.posts.clear();
        assert_eq!(lost(&old, &new), 0);
    }
}
