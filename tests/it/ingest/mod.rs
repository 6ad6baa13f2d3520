//! Warnings from outside: real files, hand-made faults, and anything at all.
mod adapt;
mod cap;
pub mod corpus;
mod expected;
mod json;
mod national;
mod properties;
mod violations;
mod xmldsig;

use jiaoying::{
    core::warning::{Parsed, Refusal},
    ingest::{SourceFormat, read},
};

/// The issuer whose id stands in as sender.
pub const ISSUER: &str = "jincheng-met";

pub fn xml(body: &str) -> Result<Parsed, Refusal> {
    read(SourceFormat::Xml, None, body.as_bytes(), ISSUER)
}

pub fn json(body: &str) -> Result<Parsed, Refusal> {
    read(SourceFormat::Json, None, body.as_bytes(), ISSUER)
}

/// The codes of the findings, in order.
pub fn codes(parsed: &Parsed) -> Vec<&str> {
    parsed.findings.iter().map(|f| f.code.as_str()).collect()
}

/// The pointers of a refusal for faults in fields.
pub fn pointers<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Vec<String> {
    match result {
        Err(Refusal::Invalid(errors)) => errors.into_iter().map(|e| e.pointer).collect(),
        other => panic!("not refused for its fields: {other:?}"),
    }
}
