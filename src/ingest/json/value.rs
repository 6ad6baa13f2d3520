//! JSON as it was sent: doubled keys are seen (a map would keep one silently), and depth and size
//! are bounded while it is read.

use crate::{core::warning::Refusal, ingest::text::quote};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::{cell::Cell, collections::HashSet, fmt};

/// The deepest part of a warning is a position of a polygon of an area, five levels down.
const MAX_DEPTH: usize = 16;
/// Values in one body: a polygon position is three, so about 65,000 positions.
const MAX_VALUES: usize = 200_000;

#[derive(Debug)]
pub(in crate::ingest) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Value>),
    /// In the order sent.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// What it is, for the sentence "must be …, not …".
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    pub fn is_empty_list(&self) -> bool {
        matches!(self, Value::List(items) if items.is_empty())
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(n) => n.as_f64().filter(|f| f.is_finite()),
            _ => None,
        }
    }

    /// Its compact JSON text.
    pub fn to_json(&self) -> String {
        self.as_serde().to_string()
    }

    fn as_serde(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Number(n) => n.clone().into(),
            Value::Text(s) => s.as_str().into(),
            Value::List(items) => items.iter().map(Value::as_serde).collect(),
            Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), v.as_serde())).collect(),
        }
    }
}

/// Parses a whole body.
///
/// # Errors
/// [`Refusal::Malformed`] when it is not JSON, holds a key twice, or breaks a limit.
pub(in crate::ingest) fn parse(text: &str) -> Result<Value, Refusal> {
    let count = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Seed { depth: 0, count: &count }
        .deserialize(&mut deserializer)
        .and_then(|v| deserializer.end().map(|()| v))
        .map_err(|e| Refusal::Malformed(format!("not a readable JSON document: {e}")))?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    depth: usize,
    count: &'a Cell<usize>,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested more than {MAX_DEPTH} deep")));
        }
        Ok(Seed { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > MAX_VALUES {
            return Err(D::Error::custom(format_args!("more than {MAX_VALUES} values")));
        }
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Number(n.into()))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::Number(n.into()))
    }
    fn visit_f64<E: Error>(self, n: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(n).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }
    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::Text(s.to_string()))
    }
    fn visit_string<E>(self, s: String) -> Result<Value, E> {
        Ok(Value::Text(s))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut seen: HashSet<String> = HashSet::new();
        let mut fields = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!("the key `{}` stands twice in one object", quote(&key))));
            }
            fields.push((key, map.next_value_seed(inner)?));
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_keys_depth_and_size_are_refused() {
        assert!(parse(r#"{"a":1,"a":2}"#).unwrap_err().to_string().contains("twice"));
        assert!(parse(&"[".repeat(1_000_000)).unwrap_err().to_string().contains("deep"));
        assert!(parse(&format!("[{}0]", "0,".repeat(MAX_VALUES))).unwrap_err().to_string().contains("values"));
        for bad in ["", "{", "{} x", "nul", "1e999", "{'a':1}", "[1,]", "\"\\ud800\""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_kept_as_text_is_the_same_json() {
        assert_eq!(parse(r#"{"b":[1,2.5,null,true,"x"],"a":{}}"#).unwrap().to_json(), r#"{"a":{},"b":[1,2.5,null,true,"x"]}"#);
    }
}
