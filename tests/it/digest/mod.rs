//! What groups are told: the real engine over a store in memory, a clock turned by hand, robots that say what they are told
//! to say.

pub mod kit;
mod laws;
mod story;
mod words;
