//! When something is worth saying of a warning: its deadlines, the rungs that send `im`, the times by which somebody
//! should have claimed a task. All from the policy that was copied into the warning.

use crate::core::{
    directory::Tier,
    policy::At,
    send::Channel,
    time::{Span, Time},
    warning_life::WarningState,
};
use std::collections::BTreeSet;

/// After a rung's time or a deadline, until it shows in the rows who has let it pass.
const SETTLE: Span = Span::secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    pub at: Time,
    /// An answer deadline has just passed: who is silent is worth a message.
    pub deadline: bool,
}

/// In order of time. `tiers` are those that are called; what of the last rung comes again is left to the group's `every`.
pub fn moments(w: &WarningState, tiers: &BTreeSet<Tier>) -> Vec<Moment> {
    let mut all = BTreeSet::new();
    let start = w.accepted_at;
    for named in &w.policy.ladders {
        let ladder = &named.ladder;
        let deadlines = ladder.deadline.iter().filter(|(tier, _)| ladder.answer && tiers.contains(tier)).map(|(_, span)| start + *span);
        let deadlines: BTreeSet<Time> = deadlines.collect();
        all.extend(deadlines.iter().map(|at| Moment { at: *at + SETTLE, deadline: true }));
        for rung in &ladder.rungs {
            let times: Vec<Time> = match rung.at {
                At::Start(s) => vec![start + s],
                At::Deadline(s) => deadlines.iter().map(|d| *d + s).collect(),
            };
            for at in times {
                if rung.send.contains(&Channel::Im) {
                    all.insert(Moment { at: at + SETTLE, deadline: false });
                }
                if let Some(task) = &rung.task {
                    all.insert(Moment { at: at + task.unclaimed, deadline: false });
                }
            }
        }
    }
    let unclaimed = unclaimed_after(w);
    all.extend(w.tasks.iter().filter(|t| t.is_open()).map(|t| Moment { at: t.opened + unclaimed, deadline: false }));
    all.into_iter().filter(|m| m.at > start).collect()
}

/// A task of the warning's own is late when nobody has claimed it after this long, as a callout's is.
pub fn unclaimed_after(w: &WarningState) -> Span {
    Span(w.policy.clocks.claim_lapses.0 * 3 / 5)
}

/// Until when each tier is to answer, by its own name, in order of time.
pub fn deadlines(w: &WarningState, tiers: &BTreeSet<Tier>) -> Vec<(Tier, Time)> {
    let of = |tier: &Tier| {
        let spans = w.policy.ladders.iter().filter(|l| l.ladder.answer).filter_map(|l| l.ladder.deadline.get(tier));
        spans.min().map(|s| (*tier, w.accepted_at + *s))
    };
    let mut all: Vec<(Tier, Time)> = tiers.iter().filter_map(of).collect();
    all.sort_by_key(|(tier, at)| (*at, *tier));
    all
}
