//! A group's digest (群播报): what one group chat is told of the warnings that concern it, and when. One message a group,
//! not one a person; pure, so that every send is a decision that can be repeated.
//!
//! * [`Group`]: what a group wants to hear. [`Pace`]: what its robot may.
//! * [`Figures`]: how a warning's callouts stand. [`Section`]: all that a message says of one warning.
//! * [`Digest`]: the durable state, one record a group; [`Told::assess`]: what to say of a warning now and when to look
//!   again; [`moments`]: when something is worth saying, from the warning's own policy. A rung whose `send` holds `im`
//!   means that the groups are told anew at its time; nobody is written to by it.
//!
//! A message is counted in before it leaves; what of it is not known is not said again as it was: the next message has
//! the newest figures anyway.

mod figures;
mod group;
mod moments;
mod pace;
mod state;
#[cfg(test)]
mod tests;
mod words;

pub use figures::{Figures, Seen, Town};
pub use group::Group;
pub use moments::{Moment, deadlines, moments, unclaimed_after};
pub use pace::Pace;
pub use state::{About, Digest, Flight, Look, Said, Told};
pub use words::{masked, plain_md};

use super::{hazard::Level, time::Time, warning_life::WarningEnd};
use serde::{Deserialize, Serialize};

/// Why a warning is spoken of, most urgent first where several reasons hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its callouts begin.
    Start,
    /// An answer deadline has passed and somebody is silent.
    Overdue,
    /// A task is open that nobody has claimed in time.
    Unclaimed,
    /// It is over.
    Closed,
    /// The figures have changed.
    Progress,
}
impl Why {
    pub const ALL: [Why; 5] = [Why::Start, Why::Overdue, Why::Unclaimed, Why::Closed, Why::Progress];
    /// The name of its template.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Start => "start",
            Why::Overdue => "overdue",
            Why::Unclaimed => "unclaimed",
            Why::Closed => "closed",
            Why::Progress => "progress",
        }
    }
}

/// All that a message says of one warning. Texts are as they came; whoever writes markdown makes them [`plain_md`].
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub why: Why,
    pub drill: bool,
    pub level: Level,
    pub hazard: String,
    pub headline: String,
    pub issuer: String,
    /// The areas that the warning names.
    pub areas: Vec<String>,
    /// When it was accepted here.
    pub accepted: Time,
    /// Tier → until when it is to answer, in the order of time.
    pub deadlines: Vec<(String, Time)>,
    pub figures: Figures,
    /// [`Figures::towns`] with their names.
    pub towns: Vec<(String, Town)>,
    pub ended: Option<WarningEnd>,
    /// When the figures were taken.
    pub at: Time,
}
