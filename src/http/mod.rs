//! The HTTP side: the API, callbacks, the answer page, live events, the status page.
//!
//! Who lives here: the table of [`operations`] that everything is made from, the guard ([`auth`],
//! [`webhook`]), the handlers, which only call the engine and the read side, and what they say
//! ([`error`], pages, the API document). What never happens here: a decision about a warning or a
//! person, a write past the engine.

mod ack;
mod api;
pub mod auth;
mod boards;
mod callback;
mod coverage;
pub mod error;
mod events;
mod extract;
mod form;
pub mod openapi;
pub mod operations;
mod ops;
pub mod pages;
mod rate;
mod router;
mod state;
mod status;
pub mod view;
pub mod webhook;

pub use router::router;
