//! Which ask an answer came by: what it says of a number it says of that one only, not of every number that was asked.

use super::state::{Attempt, Callout, Via};
use crate::core::{ids::RecipientId, send::Channel, time::Time};

/// The last ask of a person before `at` by which such an answer can have come, with its number from 1: a key by a call,
/// a reply by SMS, a link by the SMS that carried it. None of what an officer or a program enters.
pub fn came_by(c: &Callout, person: RecipientId, via: Via, at: Time) -> Option<(u16, &Attempt)> {
    let channel = match via {
        Via::Keypress => Channel::Voice,
        Via::Reply | Via::Link => Channel::Sms,
        Via::Manual | Via::Api => return None,
    };
    let his = |a: &Attempt| c.contacts.get(usize::from(a.contact)).is_some_and(|k| k.id == person);
    let before = |a: &Attempt| a.state.reached_out() && a.sent.is_some_and(|sent| sent <= at);
    (1u16..).zip(&c.attempts).filter(|(_, a)| a.channel == channel && his(a) && before(a)).last()
}
