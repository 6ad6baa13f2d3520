//! The provider's limits per callee, mirrored: at most `count` in any `window`, of all we sent to this
//! number through that account. A reserve is kept for red; drills use half.

use super::Line;
use crate::core::{
    hazard::Level,
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};

/// One limit of an account per callee number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalleeRule {
    pub count: u16,
    pub window: Span,
}

impl Line {
    /// Whether one more may go through `account` now; else when it may.
    pub fn quota(&self, account: &str, rules: &[CalleeRule], level: Level, drill: bool, now: Time) -> Result<(), Time> {
        let mut wait: Option<Time> = None;
        for rule in rules {
            let of_account = |drills_only: bool| {
                let mut times: Vec<Time> = self
                    .log
                    .iter()
                    .filter(|s| s.provider == account && s.at + rule.window > now && (!drills_only || s.drill))
                    .map(|s| s.at)
                    .collect();
                times.sort_unstable();
                times
            };
            let mut limit = |allowed: u16, times: &[Time]| {
                let allowed = usize::from(allowed.max(1));
                if times.len() >= allowed {
                    // Free again when enough of the oldest have left the window.
                    let oldest = times[times.len() - allowed];
                    let free = oldest + rule.window;
                    wait = Some(wait.map_or(free, |w| w.max(free)));
                }
            };
            // Only long windows need a reserve: a minute's limit frees itself in time for red.
            let reserve = if rule.count >= 4 && level != Level::Red { rule.count / 5 } else { 0 };
            limit(rule.count - reserve, &of_account(false));
            if drill && rule.count >= 2 {
                limit(rule.count / 2, &of_account(true));
            }
        }
        wait.map_or(Ok(()), Err)
    }
}
