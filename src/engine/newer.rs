//! Beside a newer gateway: during a rollout two versions work on one store. What the newer one wrote
//! and this one does not know is left to it, whole: a state that would lose a field by being written
//! back is not changed here, and a letter that would be half understood is not consumed.

use super::{
    Engine,
    apply::{from_json, to_json},
};
use crate::{
    core::time::Span,
    store::{Key, StoreError},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A claim that is left to a newer gateway is looked at again after this: soon, for that one may take it then.
pub(super) const LEFT: Span = Span::secs(2);

/// Reads what will be written back, or what will be consumed.
///
/// # Errors
/// `Corrupt` where it cannot be read, `Newer` where it holds what this version would drop.
pub(super) fn read_whole<T: DeserializeOwned + Serialize>(key: &Key, body: &[u8]) -> Result<T, StoreError> {
    let read: T = from_json(key, body)?;
    is_whole(key, body, &read)?;
    Ok(read)
}

/// The same of what was read from `body` before.
pub(super) fn is_whole<T: Serialize>(key: &Key, body: &[u8], read: &T) -> Result<(), StoreError> {
    match dropped(body, &to_json(read)) {
        None => Ok(()),
        Some(what) => Err(StoreError::Newer(format!("{key}: `{what}` is not known to this one"))),
    }
}

/// The first part of `body` that is missing in `again`, what this version makes of it.
pub(super) fn dropped(body: &[u8], again: &[u8]) -> Option<String> {
    // What this version wrote comes back byte for byte.
    if body == again {
        return None;
    }
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    missing(&read(body), &read(again), "")
}

fn missing(old: &Value, new: &Value, at: &str) -> Option<String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().find_map(|(name, value)| {
            let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            match new.get(name) {
                Some(kept) => missing(value, kept, &at),
                // Nothing is lost where nothing was said.
                None if is_nothing(value) => None,
                None => Some(at),
            }
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            (0..).zip(old.iter().zip(new)).find_map(|(n, (old, new))| missing(old, new, &format!("{at}[{n}]")))
        }
        (Value::Array(_) | Value::Object(_), _) => Some(at.to_string()),
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        _ => false,
    }
}

impl Engine {
    /// Gives a claim back that cannot be worked here.
    pub(super) async fn leave(&self, key: &Key, nonce: u64, why: &StoreError) {
        match why {
            StoreError::Unavailable(_) => tracing::warn!(%key, error = %why, "it cannot be worked now; it is given back"),
            _ => tracing::error!(%key, error = %why, "it cannot be worked here; it is given back"),
        }
        if let Err(e) = self.store.release(&[(key.clone(), nonce)], self.store.now() + LEFT).await {
            tracing::warn!(%key, error = %e, "it could not be given back; its lease ends by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{callout::event::Event, ids::WarningId, line::Line, place::PlaceRecord};
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Serialize, Deserialize)]
    struct Small {
        a: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        b: Option<u32>,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        names: BTreeMap<String, u32>,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Inner {
        One { n: u32 },
    }

    fn fault(body: &str) -> Option<String> {
        read_whole::<Small>(&Key::Warning(WarningId(1)), body.as_bytes()).err().map(|e| e.to_string())
    }

    #[test]
    fn what_this_or_an_older_version_wrote_is_whole() {
        for body in [
            r#"{"a":1,"inner":[{"kind":"One","n":2}],"names":{"x":1}}"#,
            r#"{"a":1}"#,
            r#"{ "inner": [], "a": 1, "b": null }"#,
            r#"{"a":1,"new_list":[],"new_option":null}"#,
        ] {
            assert_eq!(fault(body), None, "{body}");
        }
    }

    #[test]
    fn a_field_or_a_variant_of_a_newer_version_is_found_wherever_it_stands() {
        for (body, named) in [
            (r#"{"a":1,"c":7}"#, "`c`"),
            (r#"{"a":1,"c":false}"#, "`c`"),
            (r#"{"a":1,"inner":[{"kind":"One","n":1},{"kind":"One","n":2,"m":{}}]}"#, "`inner[1].m`"),
            (r#"{"a":1,"inner":[{"kind":"Two","n":1}]}"#, "unknown variant"),
            (r#"{"a":"x"}"#, "invalid type"),
        ] {
            let why = fault(body).unwrap_or_else(|| panic!("{body}"));
            assert!(why.contains(named), "{why}");
        }
    }

    #[test]
    fn the_real_states_and_letters_come_back_whole() {
        let key = Key::Warning(WarningId(1));
        assert!(read_whole::<Line>(&key, &to_json(&Line::default())).is_ok());
        assert!(read_whole::<PlaceRecord>(&key, &to_json(&PlaceRecord::default())).is_ok());
        assert!(read_whole::<Event>(&key, &to_json(&Event::Tick)).is_ok());
        let Value::Object(mut line) = serde_json::to_value(Line::default()).unwrap() else { panic!("a line is an object") };
        line.insert("muted_until".into(), 7.into());
        assert!(read_whole::<Line>(&key, &serde_json::to_vec(&line).unwrap()).is_err());
    }
}
