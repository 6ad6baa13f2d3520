//! The digits that tell the open asks of one number apart (contract, SMS replies): each ask sent by SMS carries its own,
//! not used again for 24 h, and never comes to mean more than the message said.

use super::{Line, Member};
use crate::core::{
    ids::CalloutId,
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};

/// A digit is not used again for this long (contract, SMS replies).
pub const DIGIT_REST: Span = Span::hours(24);
/// The last digit an ask can carry.
const LAST_DIGIT: u8 = u8::MAX;

/// An ask sent by SMS, known by its digit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigitAsk {
    pub digit: u8,
    pub at: Time,
    pub members: Vec<Member>,
}
impl DigitAsk {
    /// Whether it asked the same of the same contact.
    pub fn speaks_of(&self, m: &Member) -> bool {
        self.members.iter().any(|o| o.attempt.callout == m.attempt.callout && o.contact == m.contact)
    }
}

impl Line {
    /// The ask that carries this digit, if it was sent in the last 24 h.
    pub fn ask_with(&self, digit: u8) -> Option<&DigitAsk> {
        self.asks.iter().find(|a| a.digit == digit)
    }
    /// The digit of this callout's contact on this number: its own again for a chase, the older
    /// message's for a callout that carries it on, else the smallest that rested 24 h.
    pub fn digit_for(&self, callout: &CalloutId, carried: Option<CalloutId>, contact: u8, now: Time) -> u8 {
        let mine = |m: &Member| (m.attempt.callout == *callout || Some(m.attempt.callout) == carried) && m.contact == contact;
        let known = self.fresh_asks(now).find(|a| a.members.iter().any(mine)).map(|a| a.digit);
        known.unwrap_or_else(|| self.free_digit(now))
    }

    /// The digit of a gathered message: that of an older one only if that spoke of all these, for a reply to the older one
    /// may be under way and must not answer what its writer has not read of.
    pub(super) fn digit_for_all(&self, members: &[Member], now: Time) -> u8 {
        let known = |a: &DigitAsk| members.iter().all(|m| a.speaks_of(m));
        self.fresh_asks(now).find(|a| known(a)).map(|a| a.digit).unwrap_or_else(|| self.free_digit(now))
    }

    fn fresh_asks(&self, now: Time) -> impl Iterator<Item = &DigitAsk> {
        self.asks.iter().filter(move |a| a.at + DIGIT_REST > now)
    }

    /// Beyond all digits the newest ask stands in for the last: more than any provider lets through to one number in a day.
    fn free_digit(&self, now: Time) -> u8 {
        (1..=LAST_DIGIT).find(|d| self.fresh_asks(now).all(|a| a.digit != *d)).unwrap_or(LAST_DIGIT)
    }
}
