//! The pure core: everything that decides, and nothing that does.
//!
//! Who lives here: the vocabulary (one type per id), the rules (policy, plan) and the state
//! machines (`callout`, `line`, `place`, `warning_life`). What they may touch: their arguments.
//! What they never do: read a clock, draw a random number, wait, log, or open anything.
//! Time comes in as [`time::Time`]; chance comes in as a hash of the thing it is for.

pub mod callout;
pub mod coverage;
pub mod digest;
pub mod directory;
pub mod directory_cover;
pub mod directory_diff;
pub mod directory_docs;
pub mod directory_edit;
pub mod directory_gaps;
pub mod directory_history;
pub mod directory_index;
pub mod directory_names;
pub mod division;
pub mod division_list;
pub mod drill;
pub mod duty_call;
pub mod forecast;
pub mod hazard;
pub mod ids;
pub mod kinship;
pub mod line;
pub mod message;
pub mod numbers;
pub mod outline;
pub mod outline_file;
pub mod phone;
pub mod place;
pub mod plan;
pub mod planner;
pub mod policy;
pub mod priority;
pub mod rehearsal;
pub mod role;
pub mod rota;
pub mod route;
pub mod send;
mod serde_one_or_many;
pub mod speech;
pub mod supervise;
pub mod time;
pub mod warning;
pub mod warning_life;
pub mod warning_orphan;
pub mod web_address;
