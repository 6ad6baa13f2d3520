//! jiaoying (叫应): the gateway that does not stop calling until a human answers.
//!
//! The map, in reading order. Dependencies point one way only; `tests/it/architecture.rs` keeps it so:
//!
//! ```text
//! cli, app  →  http  →  source  →  engine  →  { store, channel, render }  →  core     (engine also counts: telemetry::metrics)
//!                       ingest, report, sample                 →  core (report also the read side)
//! ```
//!
//! * [`core`]: everything that decides, pure.
//! * [`ingest`]: bytes from outside → core types (warnings, sheets of persons). [`sample`]: an invented
//!   directory of a real city, for the demo and for tests.
//! * [`store`]: durable state, several engines behind one promise.
//! * [`channel`]: providers behind one seam; [`standin`] speaks the providers' side for demo and tests.
//! * [`render`]: message texts and pages.
//! * [`engine`]: something is due → lease it → step → commit.
//! * [`report`]: tallies and views for people and programs.
//! * [`source`]: every way a bureau's bodies come in: by format or mapping, watched folders, polled addresses.
//! * [`http`]: the API, callbacks, the answer page, the status page.
//! * [`config`], [`telemetry`], [`cli`], [`app`]: how it is put together; only `app` names concrete
//!   stores; provider kinds stand in one list, `channel/settings.rs`.

pub mod app;
pub mod channel;
pub mod cli;
pub mod config;
pub mod core;
pub mod engine;
pub mod http;
pub mod ingest;
pub mod render;
pub mod report;
pub mod sample;
pub mod source;
pub mod standin;
pub mod store;
pub mod telemetry;
