//! A warning as every source becomes it: one CAP-shaped message, whatever it looked like outside.

use super::{
    division::Division,
    hazard::{HazardCode, Level},
    time::Time,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Actual,
    Exercise,
    System,
    Test,
    Draft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageType {
    Alert,
    Update,
    Cancel,
}

/// What the message says, parsed. Two messages are the same content when these are equal: the
/// bytes they came as do not matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    pub identifier: String,
    /// As the message names it; for native JSON the issuer's id.
    pub sender: String,
    pub sent: Time,
    pub status: Status,
    pub message_type: MessageType,
    /// Identifiers of the messages this one updates or cancels.
    #[serde(default)]
    pub references: Vec<String>,
    pub hazard: HazardCode,
    /// The highest level in the message; an area may carry a lower one of its own.
    pub level: Level,
    pub headline: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub instruction: String,
    #[serde(default)]
    pub effective: Option<Time>,
    #[serde(default)]
    pub onset: Option<Time>,
    #[serde(default)]
    pub expires: Option<Time>,
    #[serde(default)]
    pub areas: Vec<Area>,
    /// An id of the issuer's own, shared by staged warnings of one event.
    #[serde(default)]
    pub event: Option<String>,
    /// A stage such as `T-2h`, or a row that is no colour: `立即转移`, `Ⅰ级响应`.
    #[serde(default)]
    pub stage: Option<String>,
    #[serde(default)]
    pub sender_name: Option<String>,
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The national format's `Inner`, CAP's Restricted and Private: never shown beyond those called.
    #[serde(default)]
    pub restricted: bool,
}

/// One part of the threatened area. The whole area is the union of all parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Area {
    #[serde(default)]
    pub name: Option<String>,
    pub shape: Shape,
    /// Set where it differs from the message's level.
    #[serde(default)]
    pub level: Option<Level>,
}

/// Positions are `[longitude, latitude]`, WGS 84, as in GeoJSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    Division(Division),
    /// Closed: first position equals last.
    Polygon(Vec<[f64; 2]>),
    /// An unclosed "polygon" of the national format.
    Line(Vec<[f64; 2]>),
    Circle {
        center: [f64; 2],
        radius_km: f64,
    },
    /// A hazard point, reservoir or device by its code.
    Point(String),
    /// Only a text; matched by name inside the issuer's divisions.
    Named(String),
}

/// Something odd about a message and how it was read. Never a reason to be silent: a person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable word for programs, such as `unknown_division`.
    pub code: String,
    /// One plain line for people: what was odd and how it was read.
    pub detail: String,
}

impl Finding {
    pub fn new(code: &str, detail: impl Into<String>) -> Finding {
        Finding { code: code.to_string(), detail: detail.into() }
    }
}

/// Why a message cannot become a warning at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: not JSON, not XML, cut off, a limit of the format broken.
    #[error("{0}")]
    Malformed(String),
    /// 403: who wrote it is not proved as the issuer's settings ask: a signature that fits no pinned key, or none.
    #[error("{0}")]
    Unproven(String),
    /// 422: read, but a field is missing, misspelt or impossible.
    #[error("{}", .0.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
}

/// A fault at a place in the body, as RFC 9457 extensions show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON pointer (`/areas/0/division`) or an XML path (`/alert/info[1]/event`).
    pub pointer: String,
    pub detail: String,
}

/// What a reader of a source format returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub content: Content,
    pub findings: Vec<Finding>,
}
