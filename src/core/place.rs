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
    pub rule: AnswerRule,
    pub callouts: Vec<CalloutId>,
    pub answered: Vec<RecipientId>,
    /// Callouts already told that the place is covered.
    pub told: Vec<CalloutId>,
}

impl PlaceRecord {
    pub fn is_covered(&self) -> bool {
        let needed = match self.rule {
            AnswerRule::Each => return false,
            AnswerRule::Any => 1,
            AnswerRule::N(n) => usize::from(n.max(1)),
        };
        self.answered.len() >= needed
    }

    /// Takes a letter in; answers the callouts that must now be told that the place is covered
    /// (those that come later ask the record first, by joining).
    pub fn take(&mut self, letter: &PlaceLetter) -> Vec<CalloutId> {
        match letter {
            PlaceLetter::Join { callout, rule } => {
                self.rule = *rule;
                if !self.callouts.contains(callout) {
                    self.callouts.push(*callout);
                }
            }
            PlaceLetter::Answered { callout, by, rule } => {
                self.rule = *rule;
                if !self.callouts.contains(callout) {
                    self.callouts.push(*callout);
                }
                if !self.answered.contains(by) {
                    self.answered.push(*by);
                }
                // Its own post is answered for: nothing to be told.
                if !self.told.contains(callout) {
                    self.told.push(*callout);
                }
            }
        }
        if !self.is_covered() {
            return Vec::new();
        }
        let news: Vec<CalloutId> = self.callouts.iter().filter(|c| !self.told.contains(c)).copied().collect();
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
}
