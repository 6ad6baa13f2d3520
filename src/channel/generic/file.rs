//! The keys of a provider file, as serde reads them; texts keep their place, so that faults can name the line.

use super::{
    sign::{Charset, Encode, Hash},
    tree::Format,
};
use crate::core::{send::Channel, time::Span};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

pub(super) type Text = Spanned<String>;
pub(super) type Fields = BTreeMap<String, Spanned<toml::Value>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// What this is, for people.
    pub about: String,
    /// `sms` or `voice`: must fit the account's kind.
    pub channel: Spanned<Channel>,
    /// Whether receipts carry our reference. Default: whether a `[[callback]]` says where.
    pub echoes_reference: Option<bool>,
    /// Longest text in characters, sign included; only for free text.
    #[serde(default = "long_text")]
    pub text_max: usize,
    /// `mobile` (mainland) or `any`.
    pub numbers: Option<Spanned<Numbers>>,
    #[serde(default = "timeout")]
    pub timeout: Spanned<Span>,
    #[serde(default)]
    pub define: BTreeMap<String, Text>,
    pub request: Request,
    pub sign: Option<Spanned<Sign>>,
    pub answer: Answer,
    #[serde(default)]
    pub callback: Vec<Spanned<Callback>>,
    pub check: Option<Spanned<Check>>,
    #[serde(default)]
    pub reply: Reply,
    pub lookup: Option<Lookup>,
    /// Keys of `[provider.NAME.limits]`; the account's own stand above them.
    #[serde(default)]
    pub limits: toml::Table,
}
fn long_text() -> usize {
    500
}
fn timeout() -> Spanned<Span> {
    Spanned::new(0..0, Span::secs(5))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Numbers {
    Mobile,
    Any,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BodyKind {
    /// No body: everything stands in the address.
    #[default]
    None,
    Json,
    Form,
    /// The fields as the address's query.
    Query,
    /// `text`, places escaped for XML.
    Xml,
    /// `text` as it is.
    Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    #[serde(default = "post")]
    pub method: Text,
    pub url: Text,
    #[serde(default)]
    pub body: BodyKind,
    #[serde(default)]
    pub charset: Charset,
    pub content_type: Option<Text>,
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    #[serde(default)]
    pub fields: Fields,
    pub text: Option<Text>,
}
fn post() -> Text {
    Spanned::new(0..0, "POST".into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sign {
    /// `text`, `sorted`, `basic`, `bearer`.
    pub scheme: SchemeKind,
    pub hash: Option<Hash>,
    #[serde(default)]
    pub encode: Encode,
    pub key: Option<Text>,
    /// What is hashed (`text`); what stands before and after the parameters (`sorted`).
    pub text: Option<Text>,
    pub before: Option<Text>,
    pub after: Option<Text>,
    pub join: Option<String>,
    pub pair: Option<String>,
    #[serde(default)]
    pub values_only: bool,
    #[serde(default)]
    pub skip: Vec<String>,
    #[serde(default = "yes")]
    pub skip_empty: bool,
    #[serde(default)]
    pub encoded: bool,
    pub user: Option<Text>,
    pub password: Option<Text>,
    pub token: Option<Text>,
}
fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SchemeKind {
    Text,
    Sorted,
    Basic,
    Bearer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub charset: Charset,
    pub pattern: Option<Text>,
    pub code: Text,
    pub ok: Vec<String>,
    pub message: Option<Text>,
    /// The provider's id of the message.
    pub id: Option<Text>,
    /// Code (or its beginning and `*`) → class.
    #[serde(default)]
    pub codes: BTreeMap<String, CodeRule>,
    /// The class of a refusal no rule names.
    #[serde(default = "unknown")]
    pub otherwise: Class,
}
fn unknown() -> Class {
    Class::Unknown
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Class {
    /// The account's rate.
    Throttled,
    /// This number's own limit.
    NumberThrottled,
    Retryable,
    Number,
    Content,
    Config,
    Balance,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum CodeRule {
    Class(Class),
    After { class: Class, after: Span },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    Receipt,
    /// The end of a call.
    Call,
    /// A key pressed in mid-call.
    Key,
    Reply,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeFormat {
    /// `2026-07-21 06:10:00` in Beijing time, with slashes or `T` too.
    #[default]
    Datetime,
    /// `20260721061000`, also without seconds or with a year of two digits.
    Compact,
    Seconds,
    Milliseconds,
    Rfc3339,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Callback {
    pub told: Told,
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub charset: Charset,
    pub pattern: Option<Text>,
    /// Where the list of elements is; a single one is a list of one.
    pub each: Option<Text>,
    /// Only elements with something there (and one of `is`, when given).
    pub when: Option<Text>,
    #[serde(default)]
    pub is: Vec<String>,
    pub take: Take,
}

/// Where the parts of one told thing stand, and what its states mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Take {
    pub reference: Option<Text>,
    pub id: Option<Text>,
    pub status: Option<Text>,
    pub detail: Option<Text>,
    pub time: Option<Text>,
    #[serde(default)]
    pub time_format: TimeFormat,
    pub keys: Option<Text>,
    pub phone: Option<Text>,
    pub text: Option<Text>,
    pub extend: Option<Text>,
    #[serde(default)]
    pub delivered: Vec<String>,
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Calls: somebody lifted the receiver.
    #[serde(default)]
    pub heard: Vec<String>,
    #[serde(default)]
    pub dead: Vec<String>,
    #[serde(default)]
    pub config: Vec<String>,
    /// The provider or its carrier failed it by its own limit, route, list or filter: a call did not ring, a message may come
    /// by another.
    #[serde(default)]
    pub failed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    /// What they sent: `{{header.x-signature}}`, `{{field./sign}}`.
    pub given: Text,
    /// What is hashed.
    pub text: Text,
    pub hash: Hash,
    #[serde(default)]
    pub encode: Encode,
    pub key: Option<Text>,
    /// How their body is read for `field.`.
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub charset: Charset,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    #[serde(default = "ok_status")]
    pub status: u16,
    #[serde(default = "plain")]
    pub content_type: String,
    #[serde(default)]
    pub body: String,
}
fn ok_status() -> u16 {
    200
}
fn plain() -> String {
    "text/plain".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Reply {
    pub ok: Spanned<Said>,
    pub failed: Spanned<Said>,
}
impl Default for Reply {
    fn default() -> Self {
        let said = |status, body: &str| Spanned::new(0..0, Said { status, content_type: plain(), body: body.into() });
        Reply { ok: said(200, "OK"), failed: said(500, "FAIL") }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    pub request: Request,
    #[serde(default)]
    pub format: Format,
    #[serde(default)]
    pub charset: Charset,
    pub pattern: Option<Text>,
    pub code: Option<Text>,
    #[serde(default)]
    pub ok: Vec<String>,
    /// Codes that say: no such message.
    #[serde(default)]
    pub none: Vec<String>,
    pub each: Option<Text>,
    pub take: Take,
}
