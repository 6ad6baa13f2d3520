//! Filling in the form field by field: each reader notes its fault with the pointer and goes on, so
//! that one answer names them all.

use super::value::Value;
use crate::{
    core::{
        time::Time,
        warning::{FieldError, Refusal},
    },
    ingest::text::{self, quote},
};
use std::collections::BTreeMap;

/// Faults told in one answer; a polygon of ten thousand broken positions is one mistake, not as many.
const MAX_FAULTS: usize = 50;

#[derive(Default)]
pub(super) struct Form {
    faults: Vec<FieldError>,
    more: usize,
}

/// A field's value; an explicit null counts as left out.
pub(super) fn field<'a>(fields: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    fields.iter().find(|(n, _)| n == name).map(|(_, v)| v).filter(|v| !matches!(v, Value::Null))
}

impl Form {
    pub fn fault(&mut self, pointer: &str, detail: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(FieldError { pointer: pointer.to_string(), detail: detail.into() });
        } else {
            self.more += 1;
        }
    }

    pub fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    pub fn refusal(mut self) -> Refusal {
        if self.more > 0 {
            self.faults.push(FieldError { pointer: String::new(), detail: format!("and {} more faults", self.more) });
        }
        Refusal::Invalid(self.faults)
    }

    /// Refuses fields that are not in the list, with the nearest name that is.
    pub fn known_only(&mut self, pointer: &str, fields: &[(String, Value)], known: &[&str]) {
        for (name, _) in fields.iter().filter(|(n, _)| !known.contains(&n.as_str())) {
            if self.faults.len() >= MAX_FAULTS {
                self.more += 1;
                continue;
            }
            let short: String = name.chars().take(60).collect();
            let nearest = known.iter().map(|k| (distance(&short, k), k)).min().filter(|(d, k)| *d <= 1 + k.len() / 4);
            let hint = nearest.map(|(_, k)| format!("; did you mean `{k}`?")).unwrap_or_default();
            self.fault(&format!("{pointer}/{}", escape(&short)), format!("unknown field{hint}"));
        }
    }

    pub fn required<T>(
        &mut self,
        pointer: &str,
        value: Option<&Value>,
        read: impl FnOnce(&mut Form, &str, &Value) -> Option<T>,
    ) -> Option<T> {
        self.needed(true, pointer, value, read)
    }

    /// Reads a field that must be there only if `needed`.
    pub fn needed<T>(
        &mut self,
        needed: bool,
        pointer: &str,
        value: Option<&Value>,
        read: impl FnOnce(&mut Form, &str, &Value) -> Option<T>,
    ) -> Option<T> {
        match value {
            Some(value) => read(self, pointer, value),
            None => {
                if needed {
                    self.fault(pointer, "is required");
                }
                None
            }
        }
    }

    /// The text of a string that is not empty once cleaned.
    fn text(&mut self, pointer: &str, value: &Value, max: usize, clean: impl Fn(&str) -> String, may_be_empty: bool) -> Option<String> {
        let Value::Text(raw) = value else {
            self.fault(pointer, format!("must be a string, not {}", value.kind()));
            return None;
        };
        let cleaned = clean(raw);
        let length = cleaned.chars().count();
        if length > max {
            self.fault(pointer, format!("has {length} characters; at most {max} are allowed"));
        } else if length == 0 && !may_be_empty {
            self.fault(pointer, "must not be empty");
        } else {
            return Some(cleaned);
        }
        None
    }

    pub fn line(&mut self, pointer: &str, value: &Value, max: usize) -> Option<String> {
        self.text(pointer, value, max, text::line, false)
    }

    /// A text of several lines; it may be empty, as forms send it.
    pub fn lines(&mut self, pointer: &str, value: &Value, max: usize) -> Option<String> {
        self.text(pointer, value, max, text::clean, true)
    }

    /// The identifier is never mended: it must be known again exactly as it was sent.
    pub fn identifier(&mut self, pointer: &str, value: Option<&Value>) -> Option<String> {
        let value = match value {
            Some(v) => v,
            None => {
                self.fault(pointer, "is required");
                return None;
            }
        };
        if let Value::Text(raw) = value
            && raw.chars().any(|c| text::forbidden(c) || matches!(c, '\n' | '\t'))
        {
            self.fault(pointer, "must not hold control, direction or invisible characters");
            return None;
        }
        self.text(pointer, value, super::MAX_WORD, |s| s.trim().to_string(), false)
    }

    pub fn time(&mut self, pointer: &str, value: &Value) -> Option<Time> {
        let Value::Text(raw) = value else {
            self.fault(pointer, format!("must be an RFC 3339 time in a string, not {}", value.kind()));
            return None;
        };
        let read = if raw.len() <= 64 { Time::parse_rfc3339(raw).ok() } else { None };
        if read.is_none() {
            self.fault(
                pointer,
                format!("`{}` is not an RFC 3339 time that exists, with an offset, such as 2024-07-08T16:15:00+08:00", quote(raw)),
            );
        }
        read
    }

    pub fn word<T: Copy>(&mut self, pointer: &str, value: &Value, table: &[(&str, T)]) -> Option<T> {
        let found = match value {
            Value::Text(raw) => table.iter().find(|(w, _)| w == raw).map(|(_, t)| *t),
            _ => None,
        };
        if found.is_none() {
            let words = table.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", ");
            let was = match value {
                Value::Text(raw) => format!("`{}`", quote(raw)),
                other => other.kind().to_string(),
            };
            self.fault(pointer, format!("{was} is not one of {words}"));
        }
        found
    }

    /// A list of non-empty strings; absent is an empty list.
    pub fn texts(&mut self, pointer: &str, value: Option<&Value>, max: usize) -> Vec<String> {
        match value {
            None => Vec::new(),
            Some(Value::List(items)) => {
                items.iter().enumerate().filter_map(|(n, item)| self.line(&format!("{pointer}/{n}"), item, max)).collect()
            }
            Some(other) => {
                self.fault(pointer, format!("must be a list of strings, not {}", other.kind()));
                Vec::new()
            }
        }
    }

    /// Free parameters: any names, any values; what is no string is kept as its JSON text.
    pub fn parameters(&mut self, pointer: &str, value: &Value) -> BTreeMap<String, String> {
        let Value::Object(fields) = value else {
            self.fault(pointer, format!("must be an object, not {}", value.kind()));
            return BTreeMap::new();
        };
        let mut all = BTreeMap::new();
        for (name, value) in fields {
            let key = text::line(name);
            let text = match value {
                Value::Null => continue,
                Value::Text(raw) => text::clean(raw),
                other => text::clean(&other.to_json()),
            };
            if key.is_empty() || key.chars().count() > super::MAX_WORD || text.chars().count() > super::MAX_TEXT {
                self.fault(
                    &format!("{pointer}/{}", escape(&quote(name))),
                    "a parameter's name must have 1 to 200 characters, its value at most 100000",
                );
            } else if !text.is_empty() {
                all.insert(key, text);
            }
        }
        all
    }
}

/// A field's name inside a JSON pointer (RFC 6901).
fn escape(name: &str) -> String {
    text::line(name).replace('~', "~0").replace('/', "~1")
}

/// Edit distance: how many letters apart two names are. Both are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (cb, pair) in b.iter().zip(row.windows(2)) {
            if let [diagonal, above] = pair {
                left = (diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_two_names_is_their_edits() {
        assert_eq!(distance("headline", "headline"), 0);
        assert_eq!(distance("headlin", "headline"), 1);
        assert_eq!(distance("expiers", "expires"), 2);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn pointers_escape_what_json_pointers_must() {
        assert_eq!(escape("a/b~c"), "a~1b~0c");
    }
}
