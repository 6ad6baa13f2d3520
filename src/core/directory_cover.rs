//! What a change of the directory takes away: places where somebody would have been called and reached before, and nobody
//! any more. A desk, a cadre who looks after a village or a forest ranger who stays behind answers only for what the policy
//! calls him for, so it is coverage that is asked, before and after, of the divisions where a kind of person went.

use super::{
    callout::Channels,
    coverage::{CoverageInput, Filings, coverage},
    directory::{Directory, DivisionName, Place, Point, Post, Recipient, Role, Tier},
    division::Division,
    ids::RecipientId,
    numbers::DeadNumbers,
    phone::Phone,
    planner::Lookup,
    policy::{Policy, SHIPPED, parse_policy},
    time::Time,
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

/// What decides whether somebody would be called at a place, and could be reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Calling {
    pub policy: Arc<Policy>,
    /// Numbers that nobody will be reached at.
    pub dead: Arc<DeadNumbers>,
    pub channels: Channels,
    /// Who is in office now.
    pub now: Time,
}
impl Default for Calling {
    /// The shipped policy, every channel, no dead number, the beginning of time.
    fn default() -> Calling {
        static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(parse_policy(SHIPPED).unwrap_or_default()));
        let channels = Channels { sms: true, voice: true, email: true };
        Calling { policy: POLICY.clone(), dead: Arc::default(), channels, now: Time(0) }
    }
}

/// Places that a change leaves with less than they need: nobody at all whom one could reach where there was somebody, or
/// a row of the policy that called people of the place and now calls nobody, or nobody who can be reached. By place id.
/// What was missing before is not lost, and a new point that has nobody yet has lost nobody.
pub fn uncovered(old: &Directory, new: &Directory, calling: &Calling) -> Vec<Place> {
    let changed = changed(old, new);
    let words: BTreeSet<&str> = calling
        .policy
        .groups
        .values()
        .flat_map(|g| &g.select)
        .flat_map(|s| s.titles.iter().chain(&s.prefer_titles))
        .map(String::as_str)
        .collect();
    let (before, after) = (Kinds::of(old, &changed, calling, &words), Kinds::of(new, &changed, calling, &words));
    let still: BTreeSet<String> = after.reached.iter().map(|k| k.place.id()).collect();
    let emptied = before.reached.iter().map(|k| (k.place.id(), k.place.clone())).filter(|(id, _)| !still.contains(id));
    let mut lost: BTreeMap<String, Place> = emptied.collect();
    // Coverage takes its time: only where somebody went whom nobody of his kind is left for, or where a row may now prefer
    // somebody who cannot be reached.
    let gone = before.reached.difference(&after.reached);
    let preferred = after.unreached.difference(&before.unreached).filter(|k| !k.bears.is_empty() && !after.reached.contains(k));
    let weaker: BTreeSet<Division> = gone
        .chain(preferred)
        .flat_map(|k| [Some(k.place.division), k.place.point.as_ref().and_then(|c| new.points.get(c)).map(|p| p.division)])
        .flatten()
        .collect();
    if weaker.is_empty() {
        return lost.into_values().collect();
    }
    let points = points(old, new, &weaker);
    let before = silent(&part(old, new, &weaker, &points), calling);
    for (place, rows) in silent(&part(new, new, &weaker, &points), calling) {
        if before.get(&place).is_none_or(|known| !rows.is_subset(known)) {
            lost.entry(place.id()).or_insert(place);
        }
    }
    lost.into_values().collect()
}

/// All that a row of the policy asks of a post: two of one kind are called by the same rows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kind<'a> {
    place: &'a Place,
    role: &'a Role,
    tier: Tier,
    /// Those of the policy's title words that its title bears.
    bears: Vec<&'a str>,
}

/// The kinds of posts in force of some divisions, by whether somebody can be reached by them.
struct Kinds<'a> {
    reached: BTreeSet<Kind<'a>>,
    unreached: BTreeSet<Kind<'a>>,
}
impl<'a> Kinds<'a> {
    fn of(d: &'a Directory, within: &BTreeSet<Division>, calling: &Calling, words: &BTreeSet<&'a str>) -> Kinds<'a> {
        let living = |p: &Phone| calling.channels.reaches(p) && !calling.dead.is_dead(p);
        let has_door = |r: &Recipient| (calling.channels.email && r.email.is_some()) || r.phones.iter().any(living);
        let mut all = Kinds { reached: BTreeSet::new(), unreached: BTreeSet::new() };
        for post in d.posts.iter().filter(|p| within.contains(&p.place.division) && p.valid_at(calling.now)) {
            let bears = words.iter().copied().filter(|w| post.title.contains(w)).collect();
            let kind = Kind { place: &post.place, role: &post.role, tier: post.tier, bears };
            let reached = d.recipients.get(&post.recipient).is_some_and(has_door);
            if reached { &mut all.reached } else { &mut all.unreached }.insert(kind);
        }
        all
    }
}

/// Divisions where a post differs, or a number of somebody who holds one.
fn changed(old: &Directory, new: &Directory) -> BTreeSet<Division> {
    let doors = |d: &Directory, id: &RecipientId| d.recipients.get(id).map(|r| (r.phones.clone(), r.email.clone()));
    let people: BTreeSet<RecipientId> = old.recipients.keys().filter(|id| doors(old, id) != doors(new, id)).copied().collect();
    let mut out = BTreeSet::new();
    let (mut before, mut after) = (old.posts.iter().peekable(), new.posts.iter().peekable());
    // Both are sorted: equal ones meet.
    while let Some(order) = match (before.peek(), after.peek()) {
        (Some(a), Some(b)) => Some(a.key().cmp(&b.key())),
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (None, None) => None,
    } {
        let a = before.next_if(|_| order != Ordering::Greater);
        let b = after.next_if(|_| order != Ordering::Less);
        if a != b || a.is_some_and(|p| people.contains(&p.recipient)) {
            out.extend([a, b].into_iter().flatten().map(|p| p.place.division));
        }
    }
    out
}

/// The points in these divisions, as they are now; those that are gone as they were, since their people went with them.
/// Before and after are judged by the same ones: what a point newly asks for was not lost.
fn points(old: &Directory, new: &Directory, within: &BTreeSet<Division>) -> BTreeMap<String, Point> {
    let inside = |p: &&Point| std::iter::successors(Some(p.division), |d| d.parent()).any(|d| within.contains(&d));
    let gone = old.points.values().filter(|p| !new.points.contains_key(&p.code));
    new.points.values().chain(gone).filter(inside).map(|p| (p.code.clone(), p.clone())).collect()
}

/// The part of a directory that says who is called in these divisions.
fn part(d: &Directory, new: &Directory, within: &BTreeSet<Division>, points: &BTreeMap<String, Point>) -> Directory {
    let posts: Vec<Post> = d.posts.iter().filter(|p| within.contains(&p.place.division)).cloned().collect();
    let recipients = posts.iter().filter_map(|p| d.recipients.get(&p.recipient)).map(|r| (r.id, r.clone())).collect();
    let named = |code: &Division| {
        let name = new.division_name(*code).unwrap_or_default().to_string();
        (*code, DivisionName { code: *code, name, clash: None })
    };
    Directory { recipients, posts, points: points.clone(), divisions: within.iter().map(named).collect(), ..Directory::default() }
}

/// Places that rows of the policy find nobody at, or nobody who can be reached, with these rows.
fn silent(d: &Directory, calling: &Calling) -> BTreeMap<Place, BTreeSet<u16>> {
    let lookup = Lookup::new(d).with_numbers(calling.dead.clone());
    let found = coverage(&CoverageInput {
        policy: &calling.policy,
        directory: d,
        lookup: &lookup,
        channels: calling.channels,
        now: calling.now,
        filing: None,
        filings: &Filings::default(),
        within: None,
        hazard: None,
        level: None,
    });
    let mut all: BTreeMap<Place, BTreeSet<u16>> = BTreeMap::new();
    for gap in found.gaps.into_iter().filter(|g| g.kind.is_grave()) {
        all.entry(gap.place).or_default().extend(gap.rows);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        ids::{AttemptId, CalloutId, WarningId},
        numbers::DeadNumber,
        send::Channel,
    };

    const VILLAGE: &str = "140521101201";

    /// Somebody with a post: name's number, role, tier, place.
    fn directory(posts: &[(u32, &str, Tier, &str)]) -> Directory {
        let mut d = Directory::default();
        for (n, role, tier, division) in posts {
            let id = RecipientId(*n);
            let phones = vec![Phone::parse(&format!("154{n:08}")).unwrap()];
            d.recipients.insert(id, Recipient { id, name: format!("甲{n}"), phones, email: None, im: None });
            let place = Place { division: division.parse().unwrap(), point: None };
            d.posts.push(Post::new(id, Role::new(role), *tier, place));
        }
        d.sort_posts();
        d
    }

    /// What is lost with the first of them.
    fn without_the_first(posts: &[(u32, &str, Tier, &str)]) -> Vec<String> {
        let old = directory(posts);
        uncovered(&old, &directory(&posts[1..]), &Calling::default()).iter().map(Place::id).collect()
    }

    #[test]
    fn a_desk_a_cadre_or_a_ranger_who_stays_does_not_cover_a_place() {
        let head = (1, "flood_control", Tier::Village, VILLAGE);
        assert_eq!(without_the_first(&[head, (2, "contract", Tier::Township, VILLAGE)]), [VILLAGE], "a cadre of the township");
        assert_eq!(without_the_first(&[head, (2, "forest_fire", Tier::Village, VILLAGE)]), [VILLAGE], "a ranger");
        let town = "140521101000";
        let mayor = (1, "party_government", Tier::Township, town);
        assert_eq!(without_the_first(&[mayor, (2, "duty", Tier::DutyDesk, town)]), [town], "a desk");
        assert_eq!(without_the_first(&[mayor, (2, "party_government", Tier::County, town)]), [town], "a county's leader");
        // Somebody of the very place who is called as well; and the last of all, whoever he is.
        assert!(without_the_first(&[head, (2, "flood_control", Tier::Village, VILLAGE)]).is_empty());
        assert!(without_the_first(&[mayor, (2, "party_government", Tier::Township, town)]).is_empty());
        assert_eq!(without_the_first(&[(2, "contract", Tier::Township, VILLAGE)]), [VILLAGE]);
    }

    #[test]
    fn a_dead_number_covers_nothing() {
        let old = directory(&[(1, "flood_control", Tier::Village, VILLAGE), (2, "flood_control", Tier::Village, VILLAGE)]);
        let new = directory(&[(2, "flood_control", Tier::Village, VILLAGE)]);
        assert!(uncovered(&old, &new, &Calling::default()).is_empty());
        let evidence = DeadNumber {
            at: Time(1),
            channel: Channel::Voice,
            provider: "a".into(),
            attempt: AttemptId { callout: CalloutId::new(WarningId(1), 3), n: 2 },
            code: "空号".into(),
        };
        let dead = DeadNumbers(BTreeMap::from([(Phone::parse("15400000002").unwrap(), evidence)]));
        let calling = Calling { dead: Arc::new(dead), ..Calling::default() };
        assert_eq!(uncovered(&old, &new, &calling).len(), 1);
    }

    #[test]
    fn a_new_point_without_anybody_has_lost_nobody_and_one_that_goes_with_its_people_has() {
        let mut old = directory(&[(1, "flood_control", Tier::Village, VILLAGE)]);
        let mut new = old.clone();
        let point = Point::new("DZ-1", "后沟", "geological", VILLAGE.parse().unwrap());
        new.points.insert(point.code.clone(), point.clone());
        new.recipients.get_mut(&RecipientId(1)).unwrap().phones.push(Phone::parse("15400000009").unwrap());
        assert!(uncovered(&old, &new, &Calling::default()).is_empty());
        old.points.insert(point.code.clone(), point);
        let mut post = old.posts[0].clone();
        (post.place.point, post.role) = (Some("DZ-1".into()), Role::new("geological"));
        old.posts.push(post);
        old.sort_posts();
        new.points.clear();
        let lost: Vec<String> = uncovered(&old, &new, &Calling::default()).iter().map(Place::id).collect();
        assert!(lost.contains(&"DZ-1".to_string()), "{lost:?}");
    }

    #[test]
    fn a_point_that_moves_with_its_people_is_the_same_place_and_leaves_an_empty_village_behind() {
        let mut old = directory(&[(1, "geological", Tier::Point, VILLAGE)]);
        let elsewhere: Division = "140521101202".parse().unwrap();
        let point = Point::new("DZ-1", "后沟", "geological", VILLAGE.parse().unwrap());
        old.points.insert(point.code.clone(), point);
        old.posts[0].place.point = Some("DZ-1".into());
        let mut new = old.clone();
        new.points.get_mut("DZ-1").unwrap().division = elsewhere;
        new.posts[0].place.division = elsewhere;
        let lost: Vec<String> = uncovered(&old, &new, &Calling::default()).iter().map(Place::id).collect();
        assert_eq!(lost, [VILLAGE]);
    }

    #[test]
    fn who_is_preferred_by_title_and_cannot_be_reached_leaves_a_row_silent() {
        let old = directory(&[(1, "party_government", Tier::County, "140521")]);
        let mut new = directory(&[(1, "party_government", Tier::County, "140521"), (2, "party_government", Tier::County, "140521")]);
        new.posts[1].title = "分管副县长".into();
        assert!(uncovered(&old, &new, &Calling::default()).is_empty());
        new.recipients.get_mut(&RecipientId(2)).unwrap().phones.clear();
        assert_eq!(uncovered(&old, &new, &Calling::default()).len(), 1);
    }
}
