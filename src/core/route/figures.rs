//! What an account's traffic says of its health. Each gateway counts what it sends; only a verdict is written down.
//!
//! Failures in a row break at once. Else figures are judged in windows, one step at a time, with a dead zone between
//! bad and good in which nothing moves, and a step is held for a while before the next better one: so that a share
//! does not swing to and fro.

use super::standing::Happened;
use crate::core::{
    send::Outcome,
    time::{Span, Time},
};

/// Failures in a row that break an account.
pub const IN_A_ROW: u32 = 5;
/// Figures are judged after so long and so many, or after many.
const WINDOW: Span = Span::secs(10);
const ENOUGH: u32 = 20;
const MANY: u32 = 200;
/// Percent that failed: from here on bad; up to there good.
const BAD: u32 = 30;
const GOOD: u32 = 5;
/// A request that took longer is slow; half of them slow is bad.
const SLOW: f64 = 3.0;
/// Half of the receipts saying that it did not arrive is bad.
const HALF: u32 = 50;
/// A better step is taken at most this often.
const HOLD: Span = Span::secs(30);

/// The figures of one account at one gateway.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    began: Time,
    sent: u32,
    failed: u32,
    slow: u32,
    told: u32,
    lost: u32,
    in_a_row: u32,
    stepped: Time,
    /// When it last took something.
    pub took: Option<Time>,
}

impl Figures {
    /// None yet, of an account that was used already.
    pub fn anew(&self) -> Figures {
        Figures { took: self.took, ..Figures::default() }
    }

    /// One request that left at `left` and came to `outcome`. `up`: the breaker is closed.
    pub fn sent(&mut self, outcome: &Outcome, seconds: f64, up: bool, now: Time) -> Option<Happened> {
        let left = now + Span::ms(-((seconds.max(0.0) * 1000.0) as i64));
        let why = |detail: &str| format!("{}: {detail}", outcome.class());
        match outcome {
            Outcome::Config { detail } | Outcome::Balance { detail } => return Some(Happened::Stopped { why: why(detail) }),
            // The account's own rate is a matter of pace, the number's own of the number.
            Outcome::Throttled { .. } => return None,
            Outcome::Retryable { detail } | Outcome::Unknown { detail } => {
                self.sent += 1;
                self.failed += 1;
                self.in_a_row += 1;
                if !up {
                    return Some(Happened::Failed { why: why(detail), left });
                }
                if self.in_a_row >= IN_A_ROW {
                    let count = std::mem::take(&mut self.in_a_row);
                    return Some(Happened::Broke { why: format!("连续{count}次失败（{}）", why(detail)) });
                }
            }
            Outcome::Accepted { .. } => {
                self.took = Some(now);
                self.sent += 1;
                self.slow += u32::from(seconds > SLOW);
                self.in_a_row = 0;
                if !up {
                    return Some(Happened::Took { left });
                }
            }
            // It answered: what it said was about the number.
            Outcome::PermanentNumber { .. } => {
                self.sent += 1;
                self.in_a_row = 0;
            }
            // About the text: another may take it, so an account that refuses many is given less. No reason to stop it: the
            // next warning has other words.
            Outcome::PermanentContent { .. } => {
                self.sent += 1;
                self.failed += 1;
                self.in_a_row = 0;
            }
        }
        self.judge(now)
    }

    /// A receipt: it arrived, or it did not (for another reason than the number).
    pub fn receipt(&mut self, arrived: bool, now: Time) -> Option<Happened> {
        self.told += 1;
        self.lost += u32::from(!arrived);
        self.judge(now)
    }

    fn judge(&mut self, now: Time) -> Option<Happened> {
        if self.sent + self.told <= 1 {
            self.began = now;
        }
        let count = self.sent.max(self.told);
        if count < ENOUGH || (now < self.began + WINDOW && count < MANY) {
            return None;
        }
        let percent = |n: u32, of: u32| if of < ENOUGH { 0 } else { n * 100 / of };
        let (failed, slow, lost) = (percent(self.failed, self.sent), percent(self.slow, self.sent), percent(self.lost, self.told));
        (self.sent, self.failed, self.slow, self.told, self.lost) = (0, 0, 0, 0, 0);
        let bad = failed >= BAD || slow >= HALF || lost >= HALF;
        let good = failed <= GOOD && slow < HALF / 2 && lost < HALF / 2;
        if bad {
            self.stepped = now;
            return Some(Happened::Worse { why: format!("失败{failed}%，缓慢{slow}%，未送达{lost}%") });
        }
        if good && now >= self.stepped + HOLD {
            self.stepped = now;
            return Some(Happened::Better);
        }
        None
    }
}
