//! 逐级转发: whose answer each person waits for, and how long at most. A tier is called when somebody of the
//! nearest tier above it has answered, for the same or a containing division; and when that tier's deadline has
//! passed all the same, so that nobody is forgotten because somebody above sleeps.

use super::{
    PlanInput,
    lookup::{ancestors, tier_of},
    people::{KnownWay, Pick, Picks},
};
use crate::core::{
    directory::{Post, Tier},
    division::Division,
    plan::{Relay, relay_record},
    time::Span,
};
use std::collections::{BTreeMap, BTreeSet};

/// From the top; desks stand outside, they are called at once.
const ORDER: [Tier; 5] = [Tier::City, Tier::County, Tier::Township, Tier::Village, Tier::Point];

fn rank(tier: Tier) -> Option<usize> {
    ORDER.iter().position(|t| *t == tier)
}

/// When those of one tier of one division have had their time, from acceptance: the first of them counts.
type Over = BTreeMap<(usize, Division), Span>;

/// Who waits for whom in a plan. Empty where no row is a relay.
#[derive(Default)]
pub struct Turns {
    over: Over,
    waited_for: BTreeSet<(usize, Division)>,
}

impl Turns {
    pub fn new(input: &PlanInput<'_>, all: &Picks) -> Turns {
        let mut turns = Turns::default();
        if !all.ways.iter().any(|w| w.relay) {
            return turns;
        }
        // From the top down: how long a tier may wait is known when the tier above it is.
        for (tier, _) in ORDER.iter().enumerate() {
            for (post, way) in relayed(input, all).filter(|(p, _)| rank(tier_of(p)) == Some(tier)) {
                let place = post.place.division;
                let uppers = turns.uppers(tier, place);
                let wait = turns.wait(&uppers);
                turns.waited_for.extend(uppers);
                if post.place.point.is_none() {
                    let over = wait.max(way.way.hold(input.now)) + way.way.own_deadline(input.now);
                    let known = turns.over.entry((tier, place)).or_insert(over);
                    *known = over.min(*known);
                }
            }
        }
        turns
    }

    /// Those of the nearest tier above that is called at all: at the place itself, and at all that contain it.
    fn uppers(&self, tier: usize, place: Division) -> Vec<(usize, Division)> {
        let here = || std::iter::once(place).chain(ancestors(place));
        let of = |t: usize| here().map(|d| (t, d)).filter(|k| self.over.contains_key(k)).collect::<Vec<_>>();
        (0..tier).rev().map(of).find(|found| !found.is_empty()).unwrap_or_default()
    }

    fn wait(&self, uppers: &[(usize, Division)]) -> Span {
        uppers.iter().filter_map(|k| self.over.get(k)).min().copied().unwrap_or(Span::ZERO)
    }

    pub fn is_waited_for(&self, post: &Post) -> bool {
        let Some(rank) = rank(tier_of(post)) else { return false };
        post.place.point.is_none() && self.waited_for.contains(&(rank, post.place.division))
    }

    /// What this person waits for: the post whose turn comes first decides. `None`: called at once.
    pub fn of(&self, input: &PlanInput<'_>, all: &Picks, picks: &[Pick]) -> Option<Relay> {
        if self.over.is_empty() {
            return None;
        }
        let mut uppers = BTreeSet::new();
        let mut wait: Option<Span> = None;
        for pick in picks {
            let (post, way) = (all.post(input.directory, pick.post)?, all.ways.get(pick.way)?);
            if !way.way.answer {
                continue;
            }
            let above = rank(tier_of(post)).filter(|_| way.relay).map(|r| self.uppers(r, post.place.division)).unwrap_or_default();
            if above.is_empty() {
                return None;
            }
            let this = self.wait(&above);
            wait = Some(wait.map_or(this, |w| w.min(this)));
            uppers.extend(above.into_iter().filter_map(|(tier, d)| Some(relay_record(*ORDER.get(tier)?, d))));
        }
        let (wait, first) = (wait?, all.ways.get(picks.first()?.way)?);
        let hold = first.way.hold(input.now);
        let own = first.way.own_deadline(input.now);
        // Held by the night, the ladder's times count from the morning, whenever his turn came.
        let own = if hold > Span::ZERO { wait.max(hold) + own } else { own };
        Some(Relay { wait, own, uppers: uppers.into_iter().collect() })
    }
}

/// The posts that take part in a relay.
fn relayed<'a>(input: &'a PlanInput<'_>, all: &'a Picks) -> impl Iterator<Item = (&'a Post, &'a KnownWay)> {
    all.picks.iter().filter_map(|p| Some((all.post(input.directory, p.post)?, all.ways.get(p.way).filter(|w| w.relay)?)))
}
