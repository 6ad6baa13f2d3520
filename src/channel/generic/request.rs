//! From values to a whole request: every text escaped for the place it goes to, in the file's charset.

use super::{
    file::BodyKind,
    fill::{Template, Values, Whole, xml},
    plan::{Auth, Field, Request as Asked},
    sign::{Charset, base64},
};
use crate::core::time::Span;
use reqwest::{
    Body, Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::{Map, Value};

/// Values with what is worked out on the way: the signature and the body.
struct With<'a> {
    values: &'a dyn Values,
    sign: Option<&'a str>,
    body: Option<&'a str>,
}
impl Values for With<'_> {
    fn value(&self, name: &str) -> Option<String> {
        match name {
            "sign" => self.sign.map(str::to_string),
            "body" => self.body.map(str::to_string),
            _ => self.values.value(name),
        }
    }
    fn pairs(&self) -> &[(String, String)] {
        self.values.pairs()
    }
}

/// Why a request could not be made.
#[derive(Debug, PartialEq)]
pub(super) enum Unmade {
    /// A message that cannot be written this way.
    Content(String),
    /// The account's own settings do not make a request.
    Config(String),
}

pub(super) fn build(asked: &Asked, values: &dyn Values, timeout: Span) -> Result<Request, Unmade> {
    let content = Unmade::Content;
    let charset = asked.charset;
    // What is signed is what is sent: parameters without the signature, or a body that has none in it.
    let unsigned = With { values, sign: None, body: None };
    let signature = match &asked.sign {
        Some(Auth::Sign(scheme)) => {
            let in_body = asked.fields.iter().any(|(_, f)| f.uses("sign")) || asked.text.as_ref().is_some_and(|t| t.uses("sign"));
            let body = if in_body { None } else { Some(body(asked, &unsigned).map_err(content)?) };
            let parameters = parameters(asked, &unsigned, true).map_err(content)?;
            let with = With { values, sign: None, body: body.as_deref() };
            Some(scheme.sign(&with, &parameters, charset).map_err(content)?)
        }
        _ => None,
    };
    let signed = With { values, sign: signature.as_deref(), body: None };
    let text = body(asked, &signed).map_err(content)?;
    let all = With { values, sign: signature.as_deref(), body: Some(&text) };

    let percent = |t: &str| charset.percent(t).unwrap_or_default();
    let mut address = asked.url.fill(&all, charset, &percent).map_err(content)?;
    if asked.body == BodyKind::Query {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(&text);
    }
    let url = Url::parse(&address).map_err(|e| Unmade::Config(format!("url: not an address: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Unmade::Config("url: must begin with https:// (or http:// for a stand-in)".into()));
    }
    let mut request = Request::new(asked.method.clone(), url);
    *request.timeout_mut() = Some(timeout.to_std());
    let unfit = |name: &str| Unmade::Config(format!("header {name}: holds a line break or a character no header may have"));
    if let Some(kind) = asked.content_type.clone().or_else(|| default_type(asked)) {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::try_from(kind).map_err(|_| unfit("content-type"))?);
    }
    for (name, template) in &asked.headers {
        let value = template.plain(&all, charset).map_err(content)?;
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit(name))?;
        let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit(name))?;
        value.set_sensitive(true);
        request.headers_mut().insert(key, value);
    }
    if let Some(value) = authorization(asked, &all).map_err(content)? {
        let mut value = HeaderValue::try_from(value).map_err(|_| unfit("authorization"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    if !matches!(asked.body, BodyKind::None | BodyKind::Query) {
        *request.body_mut() = Some(Body::from(charset.encode(&text).map_err(content)?));
    }
    Ok(request)
}

fn authorization(asked: &Asked, values: &dyn Values) -> Result<Option<String>, String> {
    Ok(match &asked.sign {
        Some(Auth::Basic { user, password }) => {
            let pair = format!("{}:{}", user.plain(values, asked.charset)?, password.plain(values, asked.charset)?);
            Some(format!("Basic {}", base64(pair.as_bytes())))
        }
        Some(Auth::Bearer(token)) => Some(format!("Bearer {}", token.plain(values, asked.charset)?)),
        _ => None,
    })
}

fn default_type(asked: &Asked) -> Option<String> {
    let charset = match asked.charset {
        Charset::Utf8 => "utf-8",
        Charset::Gbk => "gbk",
    };
    let kind = match asked.body {
        BodyKind::None | BodyKind::Query => return None,
        BodyKind::Json => "application/json",
        BodyKind::Form => "application/x-www-form-urlencoded",
        BodyKind::Xml => "text/xml",
        BodyKind::Text => "text/plain",
    };
    Some(format!("{kind}; charset={charset}"))
}

/// The body as text (percent-encoded already in forms and queries).
fn body(asked: &Asked, values: &dyn Values) -> Result<String, String> {
    let charset = asked.charset;
    let text = |t: &Option<Template>, f: &dyn Fn(&Template) -> Result<String, String>| t.as_ref().map_or(Ok(String::new()), f);
    Ok(match asked.body {
        BodyKind::None => String::new(),
        BodyKind::Xml => text(&asked.text, &|t| t.escaped(values, charset, xml))?,
        BodyKind::Text => text(&asked.text, &|t| t.plain(values, charset))?,
        BodyKind::Json => table(&asked.fields, values, charset)?.to_string(),
        BodyKind::Form | BodyKind::Query => {
            let mut out = Vec::new();
            for (name, value) in parameters(asked, values, false)? {
                out.push(format!("{}={}", charset.percent(&name)?, charset.percent(&value)?));
            }
            out.join("&")
        }
    })
}

/// The fields as names and texts; `unsigned`: without those that hold the signature. Nested JSON stands as its text.
fn parameters(asked: &Asked, values: &dyn Values, unsigned: bool) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    for (name, field) in &asked.fields {
        if unsigned && field.uses("sign") {
            continue;
        }
        let value = match field {
            Field::Text(t) => t.plain(values, asked.charset)?,
            other => match json(other, values, asked.charset)? {
                Value::String(s) => s,
                v => v.to_string(),
            },
        };
        out.push((name.clone(), value));
    }
    Ok(out)
}

fn table(fields: &[(String, Field)], values: &dyn Values, charset: Charset) -> Result<Value, String> {
    let mut map = Map::new();
    for (name, field) in fields {
        map.insert(name.clone(), json(field, values, charset)?);
    }
    Ok(Value::Object(map))
}

fn json(field: &Field, values: &dyn Values, charset: Charset) -> Result<Value, String> {
    Ok(match field {
        Field::Text(t) => match t.whole(values, charset)? {
            Whole::Text(t) => Value::String(t),
            Whole::Json(v) => v,
        },
        Field::Json(v) => v.clone(),
        Field::List(all) => Value::Array(all.iter().map(|f| json(f, values, charset)).collect::<Result<_, _>>()?),
        Field::Table(all) => table(all, values, charset)?,
    })
}
