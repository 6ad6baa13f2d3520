//! All integration tests, one binary. Each file is a room with one subject.
mod architecture;
#[macro_use]
mod conformance;
mod archive;
mod cli;
mod digest;
mod http;
mod ingest;
mod migrate;
mod pacing;
mod people;
mod route;
mod rules;
mod simulate;
mod smoke;
mod vendors;
