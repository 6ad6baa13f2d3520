//! Texts with places in them: `【{{var.sign}}】{{text}}`, `{{secret.password | md5}}`.
//!
//! A place is a name, perhaps with pipes: `md5`, `sha1`, `sha256` (lower-case hex of the text in the file's
//! charset), `base64`, `hex`, `upper`, `lower`, `url` (percent-encoded), `first N`, `number` and `list`, `object` (whole
//! JSON values). What a filled place is escaped for is the caller's: it depends on where the text goes.

use super::sign::{self, Charset};

/// What can be asked for by name, and where each is known.
pub(super) const NAMES: &str = "phone, phone.86, phone.e164, text, kind, template, value.NAME, values, reference, nonce, callback_url, \
     now.ms, now.s, now.compact, now.datetime, now.iso, now.utc, now.date, now.md, var.NAME, secret.NAME, define.NAME, sign, body; in \
     lookups also id and sent.date; in callback checks header.NAME, field./PATH, query.NAME and url";

/// Where values come from; `None` is a name that has none here.
pub(super) trait Values {
    fn value(&self, name: &str) -> Option<String>;
    /// The values of the message, in order.
    fn pairs(&self) -> &[(String, String)] {
        &[]
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Place { name: String, pipes: Vec<Pipe> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pipe {
    Md5,
    Sha1,
    Sha256,
    Base64,
    Hex,
    Upper,
    Lower,
    Url,
    First(usize),
    Number,
    List,
    Object,
}

/// What a place becomes where JSON is written.
pub(super) enum Whole {
    Text(String),
    Json(serde_json::Value),
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, tail)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_string()));
            }
            let (inside, more) = tail.split_once("}}").ok_or_else(|| format!("`{text}`: a {{{{ without its }}}}"))?;
            let mut pieces = inside.split('|').map(str::trim);
            let name = pieces.next().unwrap_or_default();
            if !known(name) {
                return Err(format!("`{{{{{inside}}}}}`: there is no `{name}`; there are {NAMES}"));
            }
            let pipes = pieces.map(Pipe::parse).collect::<Result<Vec<_>, _>>()?;
            let whole = pipes.iter().any(|p| matches!(p, Pipe::List | Pipe::Object));
            if whole != (name == "values") {
                return Err(format!("`{{{{{inside}}}}}`: values are written as a whole: {{{{values | list}}}} or {{{{values | object}}}}"));
            }
            parts.push(Part::Place { name: name.to_string(), pipes });
            rest = more;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_string()));
        }
        Ok(Template { parts })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|p| match p {
            Part::Place { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }
    pub fn uses(&self, name: &str) -> bool {
        self.names().any(|n| n == name)
    }

    /// The text, each place but a first one passed through `escape`. (At the start of an address stands the
    /// configured endpoint, whose slashes are meant; elsewhere the caller gives an `escape` that changes nothing
    /// or escapes the whole afterwards.)
    pub fn fill(&self, values: &dyn Values, charset: Charset, escape: &dyn Fn(&str) -> String) -> Result<String, String> {
        let mut out = String::new();
        for (n, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Place { name, pipes } => {
                    let text = place(name, pipes, values, charset)?;
                    out.push_str(&if n == 0 && name.starts_with("var.") { text } else { escape(&text) });
                }
            }
        }
        Ok(out)
    }

    /// The same without any escaping.
    pub fn plain(&self, values: &dyn Values, charset: Charset) -> Result<String, String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Place { name, pipes } => out.push_str(&place(name, pipes, values, charset)?),
            }
        }
        Ok(out)
    }

    /// Every place escaped, the first one too: for XML.
    pub fn escaped(&self, values: &dyn Values, charset: Charset, escape: fn(&str) -> String) -> Result<String, String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Place { name, pipes } => out.push_str(&escape(&place(name, pipes, values, charset)?)),
            }
        }
        Ok(out)
    }

    /// For JSON: a text, or, where the template is one place that ends in `number`, `list` or `object`, that value.
    pub fn whole(&self, values: &dyn Values, charset: Charset) -> Result<Whole, String> {
        let [Part::Place { name, pipes }] = self.parts.as_slice() else { return self.plain(values, charset).map(Whole::Text) };
        let text = place(name, pipes, values, charset)?;
        match pipes.last() {
            Some(Pipe::Number | Pipe::List | Pipe::Object) => {
                serde_json::from_str(&text).map(Whole::Json).map_err(|_| format!("{{{{{name}}}}} is `{text}`, which is no number"))
            }
            _ => Ok(Whole::Text(text)),
        }
    }
}

fn known(name: &str) -> bool {
    const PLAIN: [&str; 23] = [
        "phone",
        "phone.86",
        "phone.e164",
        "text",
        "kind",
        "template",
        "values",
        "reference",
        "nonce",
        "callback_url",
        "sign_name",
        "now.ms",
        "now.s",
        "now.compact",
        "now.datetime",
        "now.iso",
        "now.utc",
        "now.date",
        "now.md",
        "sign",
        "body",
        "id",
        "url",
    ];
    let named = ["value.", "var.", "secret.", "define.", "header.", "field.", "query."];
    PLAIN.contains(&name) || name == "sent.date" || named.iter().any(|p| name.strip_prefix(p).is_some_and(|rest| !rest.is_empty()))
}

fn place(name: &str, pipes: &[Pipe], values: &dyn Values, charset: Charset) -> Result<String, String> {
    let whole = match pipes.first() {
        Some(Pipe::List) => Some(serde_json::Value::from(values.pairs().iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>())),
        Some(Pipe::Object) => {
            let object = values.pairs().iter().map(|(k, v)| (k.clone(), serde_json::Value::from(v.as_str()))).collect();
            Some(serde_json::Value::Object(object))
        }
        _ => None,
    };
    let first = match whole {
        Some(json) => json.to_string(),
        None => values.value(name).ok_or_else(|| format!("{{{{{name}}}}} has no value here"))?,
    };
    let mut text = first;
    for pipe in pipes {
        text = pipe.apply(&text, charset)?;
    }
    Ok(text)
}

impl Pipe {
    fn parse(text: &str) -> Result<Pipe, String> {
        if let Some(n) = text.strip_prefix("first ") {
            return n.trim().parse().map(Pipe::First).map_err(|_| format!("`{text}`: write first N, such as first 20"));
        }
        Ok(match text {
            "md5" => Pipe::Md5,
            "sha1" => Pipe::Sha1,
            "sha256" => Pipe::Sha256,
            "base64" => Pipe::Base64,
            "hex" => Pipe::Hex,
            "upper" => Pipe::Upper,
            "lower" => Pipe::Lower,
            "url" => Pipe::Url,
            "number" => Pipe::Number,
            "list" => Pipe::List,
            "object" => Pipe::Object,
            _ => {
                return Err(format!(
                    "`{text}` is none of md5, sha1, sha256, base64, hex, upper, lower, url, first N, number, list, object"
                ));
            }
        })
    }

    fn apply(self, text: &str, charset: Charset) -> Result<String, String> {
        let bytes = || charset.encode(text);
        Ok(match self {
            Pipe::Md5 => sign::hex_of(sign::Hash::Md5, &bytes()?),
            Pipe::Sha1 => sign::hex_of(sign::Hash::Sha1, &bytes()?),
            Pipe::Sha256 => sign::hex_of(sign::Hash::Sha256, &bytes()?),
            Pipe::Base64 => sign::base64(&bytes()?),
            Pipe::Hex => crate::channel::sign::hex(&bytes()?),
            Pipe::Upper => text.to_uppercase(),
            Pipe::Lower => text.to_lowercase(),
            Pipe::Url => charset.percent(text)?,
            Pipe::First(n) => text.chars().take(n).collect(),
            Pipe::Number if text.parse::<f64>().is_err() => return Err(format!("`{text}` is no number")),
            Pipe::Number | Pipe::List | Pipe::Object => text.to_string(),
        })
    }
}

/// Text as it stands between or in quotes of XML; characters that XML forbids become spaces.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<(String, String)>);
    impl Values for Fixed {
        fn value(&self, name: &str) -> Option<String> {
            Some(match name {
                "text" => "红色 & <急>".into(),
                "var.base" => "https://sms.example.org/a".into(),
                "now.s" => "1784595723".into(),
                "secret.password" => "123456".into(),
                _ => return None,
            })
        }
        fn pairs(&self) -> &[(String, String)] {
            &self.0
        }
    }

    #[test]
    fn places_are_filled_piped_and_escaped_for_where_they_stand() {
        let v = Fixed(vec![("level".into(), "红\"".into()), ("digit".into(), "1".into())]);
        let t = |s: &str| Template::parse(s).unwrap();
        assert_eq!(t("{{secret.password | md5 | upper}}").plain(&v, Charset::Utf8).unwrap(), "E10ADC3949BA59ABBE56E057F20F883E");
        let url = |s: &str| Charset::Gbk.percent(s).unwrap_or_default();
        assert_eq!(
            t("{{var.base}}?m={{text}}").fill(&v, Charset::Gbk, &url).unwrap(),
            "https://sms.example.org/a?m=%BA%EC%C9%AB%20%26%20%3C%BC%B1%3E"
        );
        assert_eq!(t("<m>{{text}}</m>").escaped(&v, Charset::Utf8, xml).unwrap(), "<m>红色 &amp; &lt;急&gt;</m>");
        assert!(matches!(t("{{now.s | number}}").whole(&v, Charset::Utf8), Ok(Whole::Json(n)) if n == 1_784_595_723));
        assert!(matches!(t("{{values | list}}").whole(&v, Charset::Utf8), Ok(Whole::Json(n)) if n == serde_json::json!(["红\"", "1"])));
        assert_eq!(t("{{values | object}}").plain(&v, Charset::Utf8).unwrap(), r#"{"digit":"1","level":"红\""}"#);
    }

    #[test]
    fn what_is_no_template_says_why() {
        for bad in ["{{text", "{{txt}}", "{{text | md6}}", "{{values}}", "{{text | list}}", "{{var.}}", "{{text | first x}}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        let none = Fixed(Vec::new());
        assert!(Template::parse("{{reference}}").unwrap().plain(&none, Charset::Utf8).unwrap_err().contains("reference"));
    }
}
