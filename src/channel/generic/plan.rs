//! A provider file made ready: templates and paths parsed, patterns compiled.

use super::{
    file::{BodyKind, Class, Numbers, TimeFormat, Told},
    fill::Template,
    sign::{Charset, Scheme, Signed},
    tree::{Format, Path},
};
use crate::{
    channel::{AccountLimits, CallbackReply},
    core::{send::Channel, time::Span},
};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(super) struct Plan {
    pub channel: Channel,
    pub echoes_reference: bool,
    pub text_max: usize,
    pub numbers: Numbers,
    pub timeout: Span,
    pub define: BTreeMap<String, Template>,
    pub request: Request,
    pub answer: Answer,
    pub callbacks: Vec<Callback>,
    pub check: Option<Check>,
    pub ok: CallbackReply,
    pub failed: CallbackReply,
    pub lookup: Option<Lookup>,
    pub limits: AccountLimits,
}

#[derive(Debug)]
pub(super) struct Request {
    pub method: reqwest::Method,
    pub url: Template,
    pub body: BodyKind,
    pub charset: Charset,
    pub content_type: Option<String>,
    pub headers: Vec<(String, Template)>,
    pub fields: Vec<(String, Field)>,
    pub text: Option<Template>,
    pub sign: Option<Auth>,
}

/// A value in the file's `fields`.
#[derive(Debug)]
pub(super) enum Field {
    Text(Template),
    /// Numbers, booleans: as they stand.
    Json(serde_json::Value),
    List(Vec<Field>),
    Table(Vec<(String, Field)>),
}

#[derive(Debug)]
pub(super) enum Auth {
    Sign(Scheme),
    Basic { user: Template, password: Template },
    Bearer(Template),
}

#[derive(Debug)]
pub(super) struct Answer {
    pub format: Format,
    pub charset: Charset,
    pub pattern: Option<Regex>,
    pub code: Path,
    pub ok: Vec<String>,
    pub message: Option<Path>,
    pub id: Option<Path>,
    pub codes: BTreeMap<String, (Class, Option<Span>)>,
    pub otherwise: Class,
}

#[derive(Debug)]
pub(super) struct Callback {
    pub told: Told,
    pub format: Format,
    pub charset: Charset,
    pub pattern: Option<Regex>,
    pub each: Option<Path>,
    pub when: Option<Path>,
    pub is: Vec<String>,
    pub take: Take,
}

#[derive(Debug)]
pub(super) struct Take {
    pub reference: Option<Path>,
    pub id: Option<Path>,
    pub status: Option<Path>,
    pub detail: Option<Path>,
    pub time: Option<Path>,
    pub time_format: TimeFormat,
    pub keys: Option<Path>,
    pub phone: Option<Path>,
    pub text: Option<Path>,
    pub extend: Option<Path>,
    pub delivered: Vec<String>,
    pub waiting: Vec<String>,
    pub heard: Vec<String>,
    pub dead: Vec<String>,
    pub config: Vec<String>,
    pub failed: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Check {
    pub given: Template,
    pub scheme: Scheme,
    pub format: Format,
    pub charset: Charset,
}

#[derive(Debug)]
pub(super) struct Lookup {
    pub request: Request,
    pub format: Format,
    pub charset: Charset,
    pub pattern: Option<Regex>,
    pub code: Option<Path>,
    pub ok: Vec<String>,
    pub none: Vec<String>,
    pub each: Option<Path>,
    pub take: Take,
}

impl Field {
    pub fn uses(&self, name: &str) -> bool {
        match self {
            Field::Text(t) => t.uses(name),
            Field::Json(_) => false,
            Field::List(all) => all.iter().any(|f| f.uses(name)),
            Field::Table(all) => all.iter().any(|(_, f)| f.uses(name)),
        }
    }
    fn names(&self, out: &mut Vec<String>) {
        match self {
            Field::Text(t) => out.extend(t.names().map(str::to_string)),
            Field::Json(_) => {}
            Field::List(all) => all.iter().for_each(|f| f.names(out)),
            Field::Table(all) => all.iter().for_each(|(_, f)| f.names(out)),
        }
    }
}

impl Scheme {
    fn names(&self, out: &mut Vec<String>) {
        let mut add = |t: &Template| out.extend(t.names().map(str::to_string));
        match &self.signed {
            Signed::Text(t) => add(t),
            Signed::Sorted(s) => {
                add(&s.before);
                add(&s.after);
            }
        }
        self.key.iter().for_each(add);
    }
}

impl Request {
    fn all_names(&self, out: &mut Vec<String>) {
        let mut add = |t: &Template| out.extend(t.names().map(str::to_string));
        add(&self.url);
        self.headers.iter().for_each(|(_, t)| add(t));
        self.text.iter().for_each(&mut add);
        match &self.sign {
            Some(Auth::Basic { user, password }) => {
                add(user);
                add(password);
            }
            Some(Auth::Bearer(t)) => add(t),
            Some(Auth::Sign(s)) => s.names(out),
            None => {}
        }
        self.fields.iter().for_each(|(_, f)| f.names(out));
    }
}

impl Plan {
    /// Every name that any template uses.
    pub fn names(&self) -> BTreeSet<String> {
        let mut out = Vec::new();
        self.request.all_names(&mut out);
        self.define.values().for_each(|t| out.extend(t.names().map(str::to_string)));
        self.lookup.iter().for_each(|l| l.request.all_names(&mut out));
        if let Some(c) = &self.check {
            out.extend(c.given.names().map(str::to_string));
            c.scheme.names(&mut out);
        }
        out.into_iter().collect()
    }
    /// Whether approved templates are sent rather than free text.
    pub fn templated(&self) -> bool {
        self.names().iter().any(|n| n == "template" || n == "values" || n.starts_with("value."))
    }
}
