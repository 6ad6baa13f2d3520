//! From a file's text to a [`Plan`], every fault told with its line.

use super::{
    file::{self, BodyKind, CodeRule, File, Numbers, SchemeKind, Text, Told},
    fill::Template,
    plan::{Answer, Auth, Callback, Check, Field, Lookup, Plan, Request, Take},
    sign::{Encode, Hash, Scheme, Signed, Sorted},
    tree::{Format, Path},
};
use crate::{
    channel::{AccountLimits, CallbackReply, limits},
    core::send::Channel,
};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// What `CallbackReply` can say it is.
const CONTENT_TYPES: [(&str, &str); 3] = [
    ("text/plain", "text/plain; charset=utf-8"),
    ("application/json", "application/json; charset=utf-8"),
    ("text/xml", "text/xml; charset=utf-8"),
];

/// Reads a file; `name` is what faults call it.
///
/// # Errors
/// Every fault, each as `NAME:LINE: what is wrong`.
pub(super) fn parse(name: &str, text: &str) -> Result<Plan, Vec<String>> {
    let mut r = Reader { name, text, faults: Vec::new() };
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(e) => {
            let line = r.line(e.span().map_or(0, |s| s.start));
            return Err(vec![format!("{name}:{line}: {}", e.message().trim())]);
        }
    };
    let plan = r.plan(file);
    match plan {
        Some(p) if r.faults.is_empty() => Ok(p),
        _ => Err(r.faults),
    }
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    faults: Vec<String>,
}

/// Where a template stands decides which names it can know.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Define,
    Signed,
    Request,
    Looked,
    Checked,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
    }
    fn fault(&mut self, at: usize, what: impl std::fmt::Display) {
        self.faults.push(format!("{}:{}: {what}", self.name, self.line(at)));
    }

    fn template(&mut self, what: &str, text: &str, at: usize, place: At, defined: &BTreeSet<String>) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(t) => t,
            Err(e) => {
                self.fault(at, format!("{what}: {e}"));
                return None;
            }
        };
        let mut unfit = Vec::new();
        for name in template.names() {
            let of_callback = ["header.", "field.", "query."].iter().any(|p| name.starts_with(p)) || name == "url";
            let of_account = name.starts_with("var.") || name.starts_with("secret.") || name.starts_with("define.");
            let fits = match place {
                At::Checked => of_callback || of_account || name == "body",
                _ if of_callback => false,
                At::Define | At::Signed if name == "sign" => false,
                At::Define if name == "body" => false,
                At::Looked => !matches!(name, "text" | "values" | "kind" | "template") && !name.starts_with("value."),
                _ => !matches!(name, "id" | "sent.date"),
            };
            let unknown = name.strip_prefix("define.").is_some_and(|d| !defined.contains(d));
            if !fits {
                unfit.push(format!("{what}: {{{{{name}}}}} is not known here"));
            } else if unknown {
                unfit.push(format!("{what}: {{{{{name}}}}}: there is no such key in [define]"));
            } else if place == At::Define && name.starts_with("define.") {
                unfit.push(format!("{what}: {{{{{name}}}}}: a definition cannot use another one"));
            }
        }
        for u in unfit {
            self.fault(at, u);
        }
        Some(template)
    }
    fn spanned(&mut self, what: &str, t: &Text, place: At, defined: &BTreeSet<String>) -> Option<Template> {
        self.template(what, t.get_ref(), t.span().start, place, defined)
    }
    fn path(&mut self, what: &str, t: Option<&Text>) -> Option<Path> {
        let t = t?;
        Path::parse(t.get_ref()).map_err(|e| self.fault(t.span().start, format!("{what}: {e}"))).ok()
    }
    fn pattern(&mut self, format: Format, t: Option<&Text>, at: usize) -> Option<Regex> {
        match (format, t) {
            (Format::Text, Some(t)) => match Regex::new(t.get_ref()) {
                Ok(p) if p.capture_names().flatten().next().is_some() => Some(p),
                Ok(_) => {
                    self.fault(t.span().start, "pattern: name its groups, such as (?<code>-?\\d+)");
                    None
                }
                Err(e) => {
                    let reason = e.to_string();
                    self.fault(t.span().start, format!("pattern: {}", reason.lines().last().unwrap_or_default()));
                    None
                }
            },
            (_, Some(t)) => {
                self.fault(t.span().start, "pattern: only of format = \"text\"");
                None
            }
            (Format::Text, None) => {
                self.fault(at, "format = \"text\" wants a `pattern` with named groups");
                None
            }
            _ => None,
        }
    }

    fn plan(&mut self, f: File) -> Option<Plan> {
        let channel = *f.channel.get_ref();
        if !matches!(channel, Channel::Sms | Channel::Voice) {
            self.fault(f.channel.span().start, "channel: sms or voice");
        }
        if f.about.trim().is_empty() {
            self.fault(0, "about: is empty; say which provider this is for");
        }
        let timeout = *f.timeout.get_ref();
        if let Some(why) = limits::request_timeout_fault(timeout) {
            self.fault(f.timeout.span().start, why.replace("request_timeout", "timeout"));
        }
        let none = BTreeSet::new();
        let mut define = BTreeMap::new();
        for (name, text) in &f.define {
            if let Some(t) = self.spanned(&format!("define.{name}"), text, At::Define, &none) {
                define.insert(name.clone(), t);
            }
        }
        let defined: BTreeSet<String> = f.define.keys().cloned().collect();
        let sign = match &f.sign {
            Some(s) => self.auth(s, &defined).map(Some),
            None => Some(None),
        };
        let request = self.request(&f.request, sign?, At::Request, &defined);
        let numbers = match (&f.numbers, channel) {
            (Some(n), Channel::Sms) if *n.get_ref() == Numbers::Any => Numbers::Any,
            (Some(n), _) => *n.get_ref(),
            (None, Channel::Voice) => Numbers::Any,
            (None, _) => Numbers::Mobile,
        };
        let answer = self.answer(&f.answer);
        let mut callbacks = Vec::new();
        for c in &f.callback {
            callbacks.extend(self.callback(c, channel));
        }
        // Where one kind of callback has the provider's id alone, ids are needed.
        let mut ours = callbacks.iter().filter(|c| c.told != Told::Reply).peekable();
        let echoes = ours.peek().is_some() && ours.all(|c| c.take.reference.is_some());
        let check = match &f.check {
            Some(c) => self.check(c, &defined).map(Some),
            None => Some(None),
        };
        let (ok, failed) = (self.said("reply.ok", &f.reply.ok), self.said("reply.failed", &f.reply.failed));
        let lookup = match &f.lookup {
            Some(l) => self.lookup(l, &defined, f.sign.as_ref()).map(Some),
            None => Some(None),
        };
        let limits = match limits::over(toml::Value::Table(f.limits.clone()), defaults()) {
            Ok(l) => l,
            Err(e) => {
                let at = self.text.find("[limits]").unwrap_or(0);
                self.fault(at, format!("limits: {}", e.message()));
                defaults()
            }
        };
        Some(Plan {
            channel,
            echoes_reference: f.echoes_reference.unwrap_or(echoes),
            text_max: f.text_max,
            numbers,
            timeout,
            define,
            request: request?,
            answer: answer?,
            callbacks,
            check: check?,
            ok: ok?,
            failed: failed?,
            lookup: lookup?,
            limits,
        })
    }

    fn auth(&mut self, s: &Spanned<file::Sign>, defined: &BTreeSet<String>) -> Option<Auth> {
        let at = s.span().start;
        let s = s.get_ref();
        let wants = |r: &mut Self, key: &str, text: &Option<Text>| match text {
            Some(t) => r.spanned(&format!("sign.{key}"), t, At::Signed, defined),
            None => {
                r.fault(at, format!("sign.{key}: is missing for this scheme"));
                None
            }
        };
        match s.scheme {
            SchemeKind::Basic => {
                let (user, password) = (wants(self, "user", &s.user), wants(self, "password", &s.password));
                Some(Auth::Basic { user: user?, password: password? })
            }
            SchemeKind::Bearer => wants(self, "token", &s.token).map(Auth::Bearer),
            SchemeKind::Text => {
                let text = wants(self, "text", &s.text);
                let (hash, key) = self.keyed(at, s.hash, s.key.as_ref(), At::Signed, defined)?;
                Some(Auth::Sign(Scheme { signed: Signed::Text(text?), hash, key, encode: s.encode }))
            }
            SchemeKind::Sorted => {
                let empty = || Template::parse("").ok();
                let before = s.before.as_ref().map_or_else(empty, |t| self.spanned("sign.before", t, At::Signed, defined));
                let after = s.after.as_ref().map_or_else(empty, |t| self.spanned("sign.after", t, At::Signed, defined));
                let (hash, key) = self.keyed(at, s.hash, s.key.as_ref(), At::Signed, defined)?;
                let signed = Sorted {
                    before: before?,
                    after: after?,
                    join: s.join.clone().unwrap_or_else(|| "&".into()),
                    pair: s.pair.clone().unwrap_or_else(|| "=".into()),
                    values_only: s.values_only,
                    skip: s.skip.clone(),
                    skip_empty: s.skip_empty,
                    encoded: s.encoded,
                };
                Some(Auth::Sign(Scheme { signed: Signed::Sorted(signed), hash, key, encode: s.encode }))
            }
        }
    }

    fn keyed(
        &mut self,
        at: usize,
        hash: Option<Hash>,
        key: Option<&Text>,
        place: At,
        defined: &BTreeSet<String>,
    ) -> Option<(Hash, Option<Template>)> {
        let Some(hash) = hash else {
            self.fault(at, "hash: is missing: md5, sha1, sha256, hmac-sha1 or hmac-sha256");
            return None;
        };
        match (hash.keyed(), key) {
            (true, None) => {
                self.fault(at, "key: is missing for an HMAC");
                None
            }
            (false, Some(k)) => {
                self.fault(k.span().start, "key: only an HMAC has one; put it into the text instead");
                None
            }
            (_, None) => Some((hash, None)),
            (_, Some(k)) => self.spanned("key", k, place, defined).map(|k| (hash, Some(k))),
        }
    }

    fn request(&mut self, q: &file::Request, sign: Option<Auth>, place: At, defined: &BTreeSet<String>) -> Option<Request> {
        let at = q.url.span().start;
        let method = match q.method.get_ref().as_str() {
            "GET" => reqwest::Method::GET,
            "POST" => reqwest::Method::POST,
            "PUT" => reqwest::Method::PUT,
            other => {
                self.fault(q.method.span().start, format!("method: `{other}`; GET, POST or PUT"));
                return None;
            }
        };
        let url = self.spanned("url", &q.url, place, defined)?;
        if !(q.url.get_ref().starts_with("https://") || q.url.get_ref().starts_with("http://") || q.url.get_ref().starts_with("{{var.")) {
            self.fault(at, "url: must begin with https://, http:// or {{var.NAME}}");
        }
        let mut headers = Vec::new();
        for (name, text) in &q.headers {
            if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
                self.fault(text.span().start, format!("headers: `{name}` is no header's name"));
            }
            headers.extend(self.spanned(&format!("headers.{name}"), text, place, defined).map(|t| (name.clone(), t)));
        }
        let mut fields = Vec::new();
        for (name, value) in &q.fields {
            let at = value.span().start;
            let flat = matches!(q.body, BodyKind::Form | BodyKind::Query);
            if flat && matches!(value.get_ref(), toml::Value::Table(_) | toml::Value::Array(_)) {
                self.fault(at, format!("fields.{name}: a form or query has texts and numbers only"));
            }
            fields.extend(self.field(name, value.get_ref(), at, place, defined).map(|f| (name.clone(), f)));
        }
        let textual = matches!(q.body, BodyKind::Xml | BodyKind::Text);
        match (&q.text, textual, fields.is_empty()) {
            (None, true, _) => self.fault(at, "text: is missing; body = \"xml\" and \"text\" are written there"),
            (Some(t), false, _) => self.fault(t.span().start, "text: only of body = \"xml\" or \"text\""),
            (_, true, false) => self.fault(at, "fields: only of body = \"json\", \"form\" or \"query\""),
            _ => {}
        }
        let text = match &q.text {
            Some(t) => Some(self.spanned("text", t, place, defined)?),
            None => None,
        };
        let content_type = q.content_type.as_ref().map(|t| t.get_ref().clone());
        let request = Request { method, url, body: q.body, charset: q.charset, content_type, headers, fields, text, sign };
        self.circle(&request, at);
        Some(request)
    }

    /// A signature over the body cannot stand in the body; and one that stands nowhere is none.
    fn circle(&mut self, q: &Request, at: usize) {
        let in_body = q.fields.iter().any(|(_, f)| f.uses("sign")) || q.text.as_ref().is_some_and(|t| t.uses("sign"));
        let elsewhere = q.url.uses("sign") || q.headers.iter().any(|(_, t)| t.uses("sign"));
        match &q.sign {
            Some(Auth::Sign(s)) => {
                let over_body = matches!(&s.signed, Signed::Text(t) if t.uses("body"));
                if over_body && in_body && q.body != BodyKind::Query {
                    self.fault(at, "sign: a signature over {{body}} cannot stand in the body itself");
                }
                if !in_body && !elsewhere {
                    self.fault(at, "sign: {{sign}} stands nowhere in the request");
                }
            }
            _ if in_body || elsewhere => self.fault(at, "{{sign}}: there is no [sign] with scheme = \"text\" or \"sorted\""),
            _ => {}
        }
        if q.fields.iter().any(|(_, f)| f.uses("body")) || q.text.as_ref().is_some_and(|t| t.uses("body")) {
            self.fault(at, "{{body}}: cannot stand in the body itself");
        }
    }

    fn field(&mut self, name: &str, value: &toml::Value, at: usize, place: At, defined: &BTreeSet<String>) -> Option<Field> {
        Some(match value {
            toml::Value::String(s) => Field::Text(self.template(&format!("fields.{name}"), s, at, place, defined)?),
            toml::Value::Integer(n) => Field::Json((*n).into()),
            toml::Value::Float(n) => Field::Json((*n).into()),
            toml::Value::Boolean(b) => Field::Json((*b).into()),
            toml::Value::Datetime(d) => Field::Json(d.to_string().into()),
            toml::Value::Array(items) => Field::List(items.iter().filter_map(|i| self.field(name, i, at, place, defined)).collect()),
            toml::Value::Table(t) => Field::Table(
                t.iter().filter_map(|(k, v)| Some((k.clone(), self.field(&format!("{name}.{k}"), v, at, place, defined)?))).collect(),
            ),
        })
    }

    fn answer(&mut self, a: &file::Answer) -> Option<Answer> {
        let at = a.code.span().start;
        let code = self.path("answer.code", Some(&a.code));
        if a.ok.is_empty() {
            self.fault(at, "answer.ok: is empty; say which codes mean accepted");
        }
        if a.format == Format::Query {
            self.fault(at, "answer.format: a reply has no query");
        }
        for name in a.codes.keys().filter(|k| a.ok.contains(k)) {
            self.fault(at, format!("answer.codes: `{name}` is in `ok` as well"));
        }
        Some(Answer {
            format: a.format,
            charset: a.charset,
            pattern: self.pattern(a.format, a.pattern.as_ref(), at),
            ok: a.ok.clone(),
            message: self.path("answer.message", a.message.as_ref()),
            id: self.path("answer.id", a.id.as_ref()),
            codes: a
                .codes
                .iter()
                .map(|(k, v)| {
                    let rule = match v {
                        CodeRule::Class(c) => (*c, None),
                        CodeRule::After { class, after } => (*class, Some(*after)),
                    };
                    (k.clone(), rule)
                })
                .collect(),
            otherwise: a.otherwise,
            code: code?,
        })
    }

    fn callback(&mut self, c: &Spanned<file::Callback>, channel: Channel) -> Option<Callback> {
        let at = c.span().start;
        let c = c.get_ref();
        let take = self.take(&c.take);
        let missing = match c.told {
            Told::Receipt | Told::Call if take.status.is_none() => Some("take.status"),
            Told::Receipt | Told::Call | Told::Key if take.reference.is_none() && take.id.is_none() => Some("take.reference or take.id"),
            Told::Receipt if take.delivered.is_empty() => Some("take.delivered"),
            Told::Call if take.heard.is_empty() => Some("take.heard"),
            Told::Key if take.keys.is_none() => Some("take.keys"),
            Told::Reply if take.phone.is_none() || take.text.is_none() => Some("take.phone and take.text"),
            _ => None,
        };
        if let Some(key) = missing {
            self.fault(at, format!("callback: {key} is missing"));
        }
        if matches!(c.told, Told::Call | Told::Key) != (channel == Channel::Voice) {
            self.fault(at, "callback.told: receipt and reply are of sms, call and key of voice");
        }
        if !c.is.is_empty() && c.when.is_none() {
            self.fault(at, "callback.is: wants `when`, the place whose text is compared");
        }
        Some(Callback {
            told: c.told,
            format: c.format,
            charset: c.charset,
            pattern: self.pattern(c.format, c.pattern.as_ref(), at),
            each: self.path("callback.each", c.each.as_ref()),
            when: self.path("callback.when", c.when.as_ref()),
            is: c.is.clone(),
            take,
        })
    }

    fn take(&mut self, e: &file::Take) -> Take {
        Take {
            reference: self.path("take.reference", e.reference.as_ref()),
            id: self.path("take.id", e.id.as_ref()),
            status: self.path("take.status", e.status.as_ref()),
            detail: self.path("take.detail", e.detail.as_ref()),
            time: self.path("take.time", e.time.as_ref()),
            time_format: e.time_format,
            keys: self.path("take.keys", e.keys.as_ref()),
            phone: self.path("take.phone", e.phone.as_ref()),
            text: self.path("take.text", e.text.as_ref()),
            extend: self.path("take.extend", e.extend.as_ref()),
            delivered: e.delivered.clone(),
            waiting: e.waiting.clone(),
            heard: e.heard.clone(),
            dead: e.dead.clone(),
            config: e.config.clone(),
            failed: e.failed.clone(),
        }
    }

    fn check(&mut self, c: &Spanned<file::Check>, defined: &BTreeSet<String>) -> Option<Check> {
        let at = c.span().start;
        let c = c.get_ref();
        let given = self.spanned("check.given", &c.given, At::Checked, defined);
        let text = self.spanned("check.text", &c.text, At::Checked, defined);
        let (hash, key) = self.keyed(at, Some(c.hash), c.key.as_ref(), At::Checked, defined)?;
        let secret = text.iter().chain(key.iter()).any(|t| t.names().any(|n| n.starts_with("secret.") || n.starts_with("define.")));
        if !secret {
            self.fault(at, "check: nothing secret is hashed, so anybody could make it");
        }
        let encode: Encode = c.encode;
        Some(Check {
            given: given?,
            scheme: Scheme { signed: Signed::Text(text?), hash, key, encode },
            format: c.format,
            charset: c.charset,
        })
    }

    fn said(&mut self, key: &str, said: &Spanned<file::Said>) -> Option<CallbackReply> {
        let at = said.span().start;
        let s = said.get_ref();
        if !(200..=599).contains(&s.status) {
            self.fault(at, format!("{key}.status: {} is no HTTP status of an answer", s.status));
        }
        match CONTENT_TYPES.iter().find(|(n, _)| *n == s.content_type) {
            Some((_, content_type)) => Some(CallbackReply { status: s.status, content_type, body: s.body.clone() }),
            None => {
                self.fault(at, format!("{key}.content_type: one of text/plain, application/json, text/xml"));
                None
            }
        }
    }

    fn lookup(&mut self, l: &file::Lookup, defined: &BTreeSet<String>, sign: Option<&Spanned<file::Sign>>) -> Option<Lookup> {
        let at = l.request.url.span().start;
        let auth = match sign {
            Some(s) => Some(self.auth(s, defined)?),
            None => None,
        };
        let request = self.request(&l.request, auth, At::Looked, defined);
        let take = self.take(&l.take);
        if take.status.is_none() || (take.reference.is_none() && take.id.is_none()) {
            self.fault(at, "lookup.take: status, and reference or id, are needed to know the message again");
        }
        Some(Lookup {
            request: request?,
            format: l.format,
            charset: l.charset,
            pattern: self.pattern(l.format, l.pattern.as_ref(), at),
            code: self.path("lookup.code", l.code.as_ref()),
            ok: l.ok.clone(),
            none: l.none.clone(),
            each: self.path("lookup.each", l.each.as_ref()),
            take,
        })
    }
}

/// Modest, for a gateway nobody told us about.
fn defaults() -> AccountLimits {
    AccountLimits { per_second: 10, in_flight: 16, concurrent_calls: 20, per_callee: Vec::new() }
}
