//! The mapping file: TOML → [`Mapping`], with every fault and its line. Read by hand over the spanned
//! tree, because every rule has to know its own line later.

use super::{
    mapping::{AreaRule, FIELDS, Mapping, Place, Reader, Rule, Skip, Test, Unknown},
    template::Template,
    tree::{Format, Path},
    value,
};
use crate::core::time::Span;
use std::collections::BTreeMap;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Reads a mapping; `name` is what faults and answers call it.
///
/// # Errors
/// Every fault, each as `NAME:LINE: what is wrong`.
pub fn parse(name: &str, text: &str) -> Result<Mapping, Vec<String>> {
    let mut f = File { name, text, faults: Vec::new() };
    let (root, broken) = DeTable::parse_recoverable(text);
    for e in &broken {
        f.fault(f.line(e.span().map_or(0, |s| s.start)), format!("not TOML: {}", e.message()));
    }
    if !broken.is_empty() {
        return Err(f.faults);
    }
    let mapping = f.mapping(root.get_ref());
    match mapping {
        Some(m) if f.faults.is_empty() => Ok(m),
        _ => Err(f.faults),
    }
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
    faults: Vec<String>,
}

type Value<'i> = Spanned<DeValue<'i>>;

const TOP: &[&str] = &["about", "format", "each", "unknown", "lasts", "zone", "skip", "warning", "area", "codes"];
const RULE: &[&str] = &["from", "read", "table", "otherwise", "missing", "each_before", "split"];
const AREA: &[&str] =
    &["each", "fallback", "name", "level", "division", "point", "lon", "lat", "radius_km", "radius_m", "polygon", "lat_first"];

impl File<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
    }
    fn line_of(&self, v: &Value<'_>) -> usize {
        self.line(v.span().start)
    }
    fn fault(&mut self, line: usize, what: impl std::fmt::Display) {
        self.faults.push(format!("{}:{line}: {what}", self.name));
    }

    /// Faults for keys that are not in the list.
    fn known(&mut self, what: &str, table: &DeTable<'_>, known: &[&str]) {
        for (key, _) in table.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let line = self.line(key.span().start);
                self.fault(line, format!("unknown key `{}` in {what}; it has {}", key.get_ref(), known.join(", ")));
            }
        }
    }

    fn text<'v>(&mut self, what: &str, v: &'v Value<'_>) -> Option<&'v str> {
        let found = v.get_ref().as_str();
        if found.is_none() {
            self.fault(self.line_of(v), format!("`{what}` must be a text in quotes"));
        }
        found
    }

    fn table<'v, 'i>(&mut self, what: &str, v: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        let found = v.get_ref().as_table();
        if found.is_none() {
            self.fault(self.line_of(v), format!("`{what}` must be a table"));
        }
        found
    }

    fn flag(&mut self, what: &str, table: &DeTable<'_>) -> bool {
        match table.get(what).map(|v| (v.get_ref(), self.line_of(v))) {
            None => false,
            Some((DeValue::Boolean(b), _)) => *b,
            Some((_, line)) => {
                self.fault(line, format!("`{what}` must be true or false"));
                false
            }
        }
    }

    fn word<T: Copy>(&mut self, what: &str, table: &DeTable<'_>, words: &[(&str, T)]) -> Option<T> {
        let v = table.get(what)?;
        let text = self.text(what, v)?;
        let found = words.iter().find(|(w, _)| *w == text).map(|(_, t)| *t);
        if found.is_none() {
            let all = words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", ");
            self.fault(self.line_of(v), format!("`{what}` is `{text}`; it must be one of {all}"));
        }
        found
    }

    fn path(&mut self, what: &str, table: &DeTable<'_>) -> Option<Path> {
        let v = table.get(what)?;
        let text = self.text(what, v)?;
        Path::parse(text).map_err(|e| self.fault(self.line_of(v), format!("`{what}`: {e}"))).ok()
    }

    fn template(&mut self, what: &str, v: &Value<'_>) -> Option<Template> {
        let text = self.text(what, v)?;
        Template::parse(text).map_err(|e| self.fault(self.line_of(v), format!("`{what}`: {e}"))).ok()
    }

    fn templates(&mut self, what: &str, v: &Value<'_>) -> Vec<Template> {
        match v.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|i| self.template(what, i)).collect(),
            _ => self.template(what, v).into_iter().collect(),
        }
    }

    fn texts(&mut self, what: &str, v: &Value<'_>) -> Vec<String> {
        match v.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|i| self.text(what, i).map(str::to_string)).collect(),
            _ => self.text(what, v).map(str::to_string).into_iter().collect(),
        }
    }

    fn rule(&mut self, what: &str, v: &Value<'_>) -> Option<Rule> {
        let mut rule = Rule {
            line: self.line_of(v),
            from: Vec::new(),
            read: None,
            table: None,
            otherwise: None,
            missing: None,
            each_before: None,
            split: false,
        };
        let Some(table) = v.get_ref().as_table() else {
            rule.from = self.templates(what, v);
            return Some(rule);
        };
        self.known(what, table, RULE);
        match table.get("from") {
            Some(from) => rule.from = self.templates(what, from),
            None => self.fault(rule.line, format!("`{what}` needs `from`: a template or a list of them")),
        }
        rule.read = self.word("read", table, &[("colour", Reader::Colour), ("hazard", Reader::Hazard)]);
        let mut optional = |key: &str| table.get(key).and_then(|v| self.text(key, v)).map(str::to_string);
        rule.table = optional("table");
        rule.otherwise = optional("otherwise");
        rule.missing = optional("missing");
        rule.split = self.flag("split", table);
        rule.each_before = table.get("each_before").and_then(|v| self.template("each_before", v));
        if rule.otherwise.is_some() && rule.table.is_none() && rule.read.is_none() {
            self.fault(rule.line, format!("`{what}` has `otherwise` but neither `table` nor `read` that could fail to know a value"));
        }
        Some(rule)
    }

    fn mapping(&mut self, root: &DeTable<'_>) -> Option<Mapping> {
        self.known("the mapping", root, TOP);
        let about = root.get("about").and_then(|v| self.text("about", v)).map(str::to_string);
        if about.is_none() && !root.contains_key("about") {
            self.fault(1, "`about` is missing: say in one line whose messages these are");
        }
        let format = self.word("format", root, &[("json", Format::Json), ("xml", Format::Xml)]);
        if format.is_none() && !root.contains_key("format") {
            self.fault(1, "`format` is missing: \"json\" (also for JSONP) or \"xml\"");
        }
        let lasts = root.get("lasts").and_then(|v| self.span("lasts", v));
        let zone = root.get("zone").and_then(|v| self.zone(v));
        let tables = root.get("codes").map(|v| self.codes(v)).unwrap_or_default();
        let (fields, parameters) = self.warning(root);
        let list = |key: &str| match root.get(key).map(|v| v.get_ref()) {
            Some(DeValue::Array(items)) => Some(items.iter().collect::<Vec<_>>()),
            _ => None,
        };
        for key in ["skip", "area"] {
            if let Some(v) = root.get(key)
                && list(key).is_none()
            {
                self.fault(self.line_of(v), format!("write [[{key}]], with two brackets: there may be several"));
            }
        }
        let skip = list("skip").unwrap_or_default().into_iter().filter_map(|v| self.skip(v)).collect();
        let areas: Vec<AreaRule> = list("area").unwrap_or_default().into_iter().filter_map(|v| self.area(v)).collect();
        let mapping = Mapping {
            name: self.name.to_string(),
            about: about.unwrap_or_default(),
            format: format?,
            each: self.path("each", root),
            unknown: self.word("unknown", root, &[("finding", Unknown::Finding), ("refuse", Unknown::Refuse)]).unwrap_or(Unknown::Finding),
            lasts,
            zone: zone.unwrap_or(Span::hours(8)),
            skip,
            fields,
            parameters,
            areas,
            tables,
        };
        self.check(&mapping);
        Some(mapping)
    }

    fn span(&mut self, what: &str, v: &Value<'_>) -> Option<Span> {
        let text = self.text(what, v)?;
        let read = text.parse::<Span>().ok().filter(|s| *s > Span::ZERO && *s <= Span::hours(24 * 30));
        if read.is_none() {
            self.fault(self.line_of(v), format!("`{what}` is `{text}`; write a duration of at most 30 days, such as \"6h\""));
        }
        read
    }

    fn zone(&mut self, v: &Value<'_>) -> Option<Span> {
        let text = self.text("zone", v)?;
        let read = value::zone(text);
        if read.is_none() {
            self.fault(self.line_of(v), format!("`zone` is `{text}`; write an offset such as \"+08:00\" or \"Z\""));
        }
        read
    }

    fn codes(&mut self, v: &Value<'_>) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for (name, table) in self.table("codes", v).into_iter().flat_map(|t| t.iter()) {
            let mut codes = BTreeMap::new();
            for (code, meaning) in self.table(name.get_ref(), table).into_iter().flat_map(|t| t.iter()) {
                if let Some(text) = self.text(code.get_ref(), meaning) {
                    codes.insert(code.get_ref().to_string(), text.to_string());
                }
            }
            all.insert(name.get_ref().to_string(), codes);
        }
        all
    }

    fn warning(&mut self, root: &DeTable<'_>) -> (BTreeMap<&'static str, Rule>, Vec<(String, Rule)>) {
        let mut fields = BTreeMap::new();
        let mut parameters = Vec::new();
        let Some(v) = root.get("warning") else {
            self.fault(1, "[warning] is missing: it says where identifier, sent, hazard, level and headline come from");
            return (fields, parameters);
        };
        let Some(table) = self.table("warning", v) else { return (fields, parameters) };
        let mut known = FIELDS.to_vec();
        known.push("parameters");
        self.known("[warning]", table, &known);
        for field in FIELDS {
            if let Some(rule) = table.get(*field).and_then(|v| self.rule(field, v)) {
                fields.insert(*field, rule);
            }
        }
        if let Some(v) = table.get("parameters") {
            for (name, rule) in self.table("parameters", v).into_iter().flat_map(|t| t.iter()) {
                parameters.extend(self.rule(name.get_ref(), rule).map(|r| (name.get_ref().to_string(), r)));
            }
        }
        for needed in ["identifier", "sent", "headline"] {
            if !table.contains_key(needed) {
                self.fault(self.line_of(v), format!("[warning] needs `{needed}`"));
            }
        }
        (fields, parameters)
    }

    fn skip(&mut self, v: &Value<'_>) -> Option<Skip> {
        let table = self.table("skip", v)?;
        let line = self.line_of(v);
        self.known("[[skip]]", table, &["when", "in", "not_in", "contains", "missing", "below", "reason"]);
        let Some(when) = table.get("when") else {
            self.fault(line, "[[skip]] needs `when`: the text that is looked at, such as \"{status}\"");
            return None;
        };
        let when = self.template("when", when)?;
        let mut tests = Vec::new();
        for (key, value) in table.iter() {
            match key.get_ref().as_ref() {
                "in" => tests.push(Test::In(self.texts("in", value))),
                "not_in" => tests.push(Test::NotIn(self.texts("not_in", value))),
                "contains" => tests.push(Test::Contains(self.texts("contains", value))),
                "missing" if self.flag("missing", table) => tests.push(Test::Missing),
                "below" => match self.text("below", value).map(str::parse::<f64>) {
                    Some(Ok(n)) if n.is_finite() => tests.push(Test::Below(n)),
                    Some(_) => self.fault(line, "`below` must be a number in quotes"),
                    None => {}
                },
                _ => {}
            }
        }
        let reason = table.get("reason").and_then(|v| self.text("reason", v)).unwrap_or("the mapping says so").to_string();
        match (tests.pop(), tests.is_empty()) {
            (Some(test), true) => Some(Skip { line, when, test, reason }),
            _ => {
                self.fault(line, "[[skip]] needs just one of in, not_in, contains, missing, below");
                None
            }
        }
    }

    fn area(&mut self, v: &Value<'_>) -> Option<AreaRule> {
        let table = self.table("area", v)?;
        let line = self.line_of(v);
        self.known("[[area]]", table, AREA);
        let mut rule = |key: &str| table.get(key).and_then(|v| self.rule(key, v));
        let (name, level, division, point) = (rule("name"), rule("level"), rule("division"), rule("point"));
        let (lon, lat, km, m) = (rule("lon"), rule("lat"), rule("radius_km"), rule("radius_m"));
        let polygon = self.path("polygon", table);
        let lat_first = self.flag("lat_first", table);
        let circle = match (lon, lat, km, m) {
            (None, None, None, None) => None,
            (Some(lon), Some(lat), Some(radius), None) => Some(Place::Circle { lon, lat, radius, metres: false }),
            (Some(lon), Some(lat), None, Some(radius)) => Some(Place::Circle { lon, lat, radius, metres: true }),
            _ => {
                self.fault(line, "a circle needs `lon`, `lat` and one of `radius_km` and `radius_m`");
                return None;
            }
        };
        let mut places: Vec<Place> = Vec::new();
        places.extend(division.map(Place::Division));
        places.extend(point.map(Place::Point));
        places.extend(circle);
        places.extend(polygon.map(|path| Place::Polygon { path, lat_first }));
        let place = match (places.pop(), places.is_empty()) {
            (Some(place), true) => place,
            (None, _) if name.is_some() => Place::Named,
            _ => {
                self.fault(line, "[[area]] needs one of division, point, lon + lat + radius, polygon, or a name alone");
                return None;
            }
        };
        Some(AreaRule { line, each: self.path("each", table), fallback: self.flag("fallback", table), name, level, place })
    }

    /// What can only be seen with all of it at hand: tables that do not exist, words that are none.
    fn check(&mut self, m: &Mapping) {
        let level = |a: &AreaRule, r: &Rule| if a.level.as_ref() == Some(r) { "level" } else { "place" };
        let areas = m.areas.iter().flat_map(|a| a.rules().map(move |r| (level(a, r), r)));
        let fields = m.fields.iter().map(|(f, r)| (*f, r));
        let parameters = m.parameters.iter().map(|(_, r)| ("parameters", r));
        for (field, rule) in fields.chain(parameters).chain(areas) {
            let table = rule.table.as_ref().and_then(|t| m.tables.get(t));
            if let (Some(name), None) = (&rule.table, table) {
                self.fault(rule.line, format!("there is no table [codes.{name}]"));
            }
            if rule.each_before.is_some() && field != "references" {
                self.fault(rule.line, "`each_before` is for references only");
            }
            if rule.from.iter().any(Template::counts) && rule.each_before.is_none() {
                self.fault(rule.line, "`{#}` stands for a number only beside `each_before`");
            }
            let Some(words) = value::words(field) else { continue };
            let said = table.into_iter().flat_map(|t| t.values()).chain(&rule.otherwise).chain(&rule.missing);
            for word in said.filter(|w| !words.contains(&w.as_str())) {
                self.fault(rule.line, format!("`{word}` is no {field}; it must be one of {}", words.join(", ")));
            }
        }
    }
}
