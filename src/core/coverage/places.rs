//! The places of the territory, who holds posts there, and which posts could be there.

use crate::core::{
    directory::{Directory, Place, Post, Role, Tier},
    division::{Division, DivisionLevel},
    ids::RecipientId,
    planner::{Lookup, lookup::tier_of},
    policy::Policy,
    time::Time,
};

/// A division or point, and the posts of people who answer for it.
pub(super) struct Site {
    pub place: Place,
    /// Indices of posts in force whose holders are in the directory; of a village, its points' too.
    pub own: Vec<u32>,
    /// Indices of posts of others who look after the place (包保): they do not make it answered for.
    pub beside: Vec<u32>,
    /// Indices of the same place's desks.
    pub desks: Vec<u32>,
    /// Where in the list of imagined posts this place's stand.
    pub imagined: std::ops::Range<usize>,
}

/// All places inside `within`, divisions first, and the posts that somebody could hold there: one for each role,
/// to ask a row whether it would call him.
pub(super) fn sites(
    policy: &Policy,
    directory: &Directory,
    lookup: &Lookup,
    now: Time,
    within: Option<Division>,
) -> (Vec<Site>, Vec<Post>) {
    let mut all = Vec::new();
    let mut imagined = Vec::new();
    let inside = |d: Division| within.is_none_or(|w| w.contains(d));
    for code in directory.divisions.keys().copied().filter(|d| inside(*d)) {
        let tier = match code.level() {
            DivisionLevel::City => Tier::City,
            DivisionLevel::County => Tier::County,
            DivisionLevel::Township => Tier::Township,
            DivisionLevel::Village => Tier::Village,
            DivisionLevel::Province => continue,
        };
        let in_force = lookup.posts_exactly(code).filter(|i| in_force(directory, *i, now));
        let (desks, own): (Vec<u32>, Vec<u32>) = in_force.partition(|i| directory.posts.get(*i as usize).is_some_and(|p| p.role.is_desk()));
        // A county's leader who looks after a township (包保) is not that township's own; nor is a town's man the village's.
        let (own, beside): (Vec<u32>, Vec<u32>) =
            own.into_iter().partition(|i| directory.posts.get(*i as usize).is_some_and(|p| is_own(p, tier)));
        let at_the_place = |i: &u32| directory.posts.get(*i as usize).is_some_and(|p| p.place.point.is_none());
        let beside = beside.into_iter().filter(at_the_place).collect();
        let place = Place { division: code, point: None };
        let start = imagined.len();
        imagine(policy, &place, tier, &mut imagined);
        all.push(Site { place, own, beside, desks, imagined: start..imagined.len() });
    }
    for point in directory.points.values().filter(|p| inside(p.division)) {
        let own: Vec<u32> = lookup.posts_of_point(&point.code).iter().copied().filter(|i| in_force(directory, *i, now)).collect();
        let place = Place { division: point.division, point: Some(point.code.clone()) };
        let start = imagined.len();
        // What a point is for: a reservoir's keeper answers for a reservoir.
        imagined.push(post_of(&place, Role::new(&point.kind), Tier::Point));
        all.push(Site { place, own, beside: Vec::new(), desks: Vec::new(), imagined: start..imagined.len() });
    }
    (all, imagined)
}

fn in_force(directory: &Directory, index: u32, now: Time) -> bool {
    directory.posts.get(index as usize).is_some_and(|p| p.valid_at(now) && directory.recipients.contains_key(&p.recipient))
}

fn is_own(post: &Post, tier: Tier) -> bool {
    match tier {
        Tier::Village => matches!(tier_of(post), Tier::Village | Tier::Point),
        other => post.place.point.is_none() && tier_of(post) == other,
    }
}

fn imagine(policy: &Policy, place: &Place, tier: Tier, out: &mut Vec<Post>) {
    for key in policy.roles.keys().filter(|k| !Role::new(k).is_desk()) {
        out.push(post_of(place, Role::new(key), tier));
    }
}

fn post_of(place: &Place, role: Role, tier: Tier) -> Post {
    Post::new(RecipientId(0), role, tier, place.clone())
}
