//! Every way a bureau's bodies come in, beside and behind the HTTP post: what a body becomes ([`desk`]), a
//! watched folder for isolated networks that hand over by file ([`folder`]), a polled address for feeds that
//! only publish ([`pull`]).
//!
//! Who lives here: shells. They read files and addresses that the configuration names, no others, and give
//! bytes to `ingest` and what comes out to the engine. They decide nothing about warnings. Everything is
//! handed over until it is durable and again after a crash: the engine knows what it has by its identity.

pub mod desk;
pub mod folder;
pub mod pull;
pub mod watch;

pub use desk::{Desk, Reading, Unread};
