//! A place's own record within one warning, where the policy lets others' answers cover it: who has
//! answered there, distinct people counted once, and which callouts count on it.

use super::{ids::CalloutId, ids::RecipientId, policy::AnswerRule};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum PlaceLetter {
    /// A callout counts on this place.
    Join { callout: CalloutId, rule: AnswerRule },
    /// Somebody of this callout answered for this place.
    Answered { callout: CalloutId, by: RecipientId, rule: AnswerRule },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlaceRecord {
    /// Of the first callout that counted here.
    pub rule: AnswerRule,
    pub callouts: Vec<CalloutId>,
    /// Callouts that count by another rule: two lines of a policy may meet at a place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_rules: Vec<(CalloutId, AnswerRule)>,
    pub answered: Vec<RecipientId>,
    /// Callouts already told that the place is covered.
    pub told: Vec<CalloutId>,
}

impl PlaceRecord {
    /// Whether enough people have answered for this callout's own rule.
    fn covers(&self, callout: CalloutId) -> bool {
        let own = self.own_rules.iter().find(|(c, _)| *c == callout).map_or(self.rule, |(_, rule)| *rule);
        let needed = match own {
            AnswerRule::Each => return false,
            AnswerRule::Any => 1,
            AnswerRule::N(n) => usize::from(n.max(1)),
        };
        self.answered.len() >= needed
    }

    fn join(&mut self, callout: CalloutId, rule: AnswerRule) {
        if self.callouts.is_empty() {
            self.rule = rule;
        }
        if !self.callouts.contains(&callout) {
            self.callouts.push(callout);
            if rule != self.rule {
                self.own_rules.push((callout, rule));
            }
        }
    }

    /// Takes a letter in; answers the callouts that must now be told that the place is covered
    /// (those that come later ask the record first, by joining).
    pub fn take(&mut self, letter: &PlaceLetter) -> Vec<CalloutId> {
        match letter {
            PlaceLetter::Join { callout, rule } => self.join(*callout, *rule),
            PlaceLetter::Answered { callout, by, rule } => {
                self.join(*callout, *rule);
                if !self.answered.contains(by) {
                    self.answered.push(*by);
                }
                // Its own post is answered for: nothing to be told.
                if !self.told.contains(callout) {
                    self.told.push(*callout);
                }
            }
        }
        let news: Vec<CalloutId> = self.callouts.iter().filter(|c| !self.told.contains(c) && self.covers(**c)).copied().collect();
        self.told.extend(&news);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::WarningId;

    fn callout(n: u32) -> CalloutId {
        CalloutId::new(WarningId(1), n)
    }

    #[test]
    fn a_place_counts_distinct_people_and_tells_the_others_once() {
        let rule = AnswerRule::N(2);
        let mut p = PlaceRecord::default();
        for n in 0..4 {
            assert!(p.take(&PlaceLetter::Join { callout: callout(n), rule }).is_empty());
        }
        let answered = |n, by| PlaceLetter::Answered { callout: callout(n), by: RecipientId(by), rule };
        assert!(p.take(&answered(0, 7)).is_empty());
        assert!(p.take(&answered(1, 7)).is_empty(), "the same person twice is one");
        assert_eq!(p.take(&answered(2, 8)), vec![callout(3)]);
        assert_eq!(p.take(&PlaceLetter::Join { callout: callout(9), rule }), vec![callout(9)], "later ones ask first");
        assert!(p.take(&answered(2, 8)).is_empty());
    }

    #[test]
    fn where_two_rules_meet_each_callout_is_let_off_by_its_own() {
        let mut p = PlaceRecord::default();
        for (n, rule) in [(0, AnswerRule::N(2)), (1, AnswerRule::Any), (2, AnswerRule::N(2))] {
            p.take(&PlaceLetter::Join { callout: callout(n), rule });
        }
        let answered = |n, by| PlaceLetter::Answered { callout: callout(n), by: RecipientId(by), rule: AnswerRule::N(2) };
        assert_eq!(p.take(&answered(0, 7)), vec![callout(1)], "one answer is enough for `any` alone");
        assert_eq!(p.take(&answered(2, 8)), vec![], "who answered is let off by his own answer");
        assert_eq!(p.take(&PlaceLetter::Join { callout: callout(3), rule: AnswerRule::N(2) }), vec![callout(3)]);
    }
}
