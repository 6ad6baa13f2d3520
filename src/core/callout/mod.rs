//! The callout (叫应): one obligation: this person must answer for this warning.
//!
//! Dramatis personae:
//! * [`state::Callout`]: what is known.
//! * [`event::Event`]: what can happen to it from outside; [`Effects`]: what must then be done.
//! * [`entry::Entry`]: what happened, as the journal keeps it; [`fold`] makes the state of them.
//! * [`step`]: THE function: (state, event, now) → entries and effects. Its rooms: `ladder` (rungs,
//!   calls, the deadline), `sending` (attempts and what came of them), `answering`, `tasks`,
//!   `reporting`, `ending`.
//!
//! Pure: no clock, no chance, no IO. What it does not know it does not guess: late, doubled and
//! out-of-order events change nothing that they must not change.

mod answering;
mod came_by;
mod ending;
pub mod entry;
pub mod event;
pub mod fold;
mod hedging;
mod ladder;
pub mod orphan;
mod owed;
mod reporting;
mod sending;
pub mod state;
pub mod step;
mod tasks;
#[cfg(test)]
mod tests;

pub use answering::is_asked_key;
pub use came_by::came_by;
pub use step::{Channels, Ctx, Effects, ForwardTo, Stepped, open, open_carried, step, step_from};
