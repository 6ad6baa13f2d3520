//! One path a test, each reads like the script of its night, over the real engine.

mod paths;
mod stage;
mod updates;
