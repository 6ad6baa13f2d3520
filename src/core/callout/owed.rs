//! Which reports (反馈) a callout still owes. Who answers for several places owes one for each.

use super::state::{Callout, FeedbackClock, Reported};
use crate::core::{
    plan::{PlanEntry, PlanPost},
    policy::FeedbackRule,
};

impl Callout {
    /// The newest report over all places, for the API's `feedback`.
    pub fn newest_report(&self) -> Option<&Reported> {
        self.reports.values().max_by_key(|r| r.at)
    }
    /// A first report is owed and has not come. Whatever clocks run beside and after it do not hold a warning open
    /// (contract, States).
    pub fn feedback_owed(&self) -> bool {
        let none = self.reports.is_empty() && self.feedback_clocks.iter().all(|c| !c.first_in);
        self.ending.is_none() && !self.feedback_clocks.is_empty() && (none || self.reported_in_part)
    }
    /// The posts whose places it is to report for, one a place: not those that others answered for.
    pub fn reports_for<'a>(&self, entry: &'a PlanEntry) -> Vec<&'a PlanPost> {
        let struck = |i: usize| self.struck.iter().any(|s| usize::from(*s) == i);
        let mut own: Vec<&PlanPost> = Vec::new();
        for (_, post) in entry.posts.iter().enumerate().filter(|(i, _)| !struck(*i)) {
            if own.iter().all(|p| p.place.id() != post.place.id()) {
                own.push(post);
            }
        }
        own
    }
    /// Those of them whose report this clock still waits for.
    pub fn places_owed<'a>(&self, entry: &'a PlanEntry, rule: &FeedbackRule, clock: &FeedbackClock) -> Vec<&'a PlanPost> {
        let came = |post: &PlanPost| self.reports.get(&post.place.id()).is_some_and(|r| rule.counts(r, clock));
        let own = self.reports_for(entry);
        if rule.is_personal() && own.iter().any(|p| came(p)) {
            return Vec::new();
        }
        own.into_iter().filter(|p| !came(p)).collect()
    }
}
