//! One path a test, each reads like the script of its night, over the real engine.

mod duty;
mod paths;
mod stage;
mod updates;
mod warnings;
