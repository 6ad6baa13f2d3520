//! Secrets in configuration: a plain string, `{ file = "…" }` or `{ env = "…" }`. Resolved once at
//! load; never printed, neither by `Debug` nor in a fault.

use super::Environment;
use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// A secret and where it was to come from. Empty until [`Secret::resolve`] has run.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    origin: Origin,
    value: String,
}

#[derive(Clone, Default, PartialEq, Eq)]
enum Origin {
    #[default]
    Plain,
    File(String),
    Env(String),
}

impl Secret {
    /// A secret known already: tests, the demo, keys made at run time.
    pub fn plain(value: impl Into<String>) -> Secret {
        Secret { origin: Origin::Plain, value: value.into() }
    }

    /// The secret itself. Only for a comparison, a signature or a provider request.
    pub fn reveal(&self) -> &str {
        &self.value
    }

    /// Fetches the value from its file or variable. The fault names the file or the variable, never
    /// what it holds. A final line end in a file is not part of the secret.
    pub fn resolve(&mut self, env: &Environment) -> Result<(), String> {
        match &self.origin {
            Origin::Plain => {}
            Origin::File(path) => self.value = read_file(path)?,
            Origin::Env(name) => self.value = read_env(name, env)?,
        }
        if self.value.is_empty() { Err("is empty".into()) } else { Ok(()) }
    }
}

fn read_file(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read the secret's file {path}: {e}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_string())
}

fn read_env(name: &str, env: &Environment) -> Result<String, String> {
    env.get(name).map(str::to_string).ok_or_else(|| format!("the environment variable {name} that holds the secret is not set"))
}

/// Puts the value in the place of every `{ file = "…" }` and `{ env = "…" }` inside a provider's
/// table, so that its adapter reads plain strings. Faults come with the key they are at.
pub fn resolve_table(path: &str, table: &mut toml::Table, env: &Environment, fault: &mut impl FnMut(&str, String)) {
    for (key, value) in table.iter_mut() {
        resolve_value(&format!("{path}.{key}"), value, env, fault);
    }
}

fn resolve_value(path: &str, value: &mut toml::Value, env: &Environment, fault: &mut impl FnMut(&str, String)) {
    match value {
        toml::Value::Table(inner) => match reference(inner) {
            Some(origin) => {
                let mut secret = Secret { origin, value: String::new() };
                match secret.resolve(env) {
                    Ok(()) => *value = toml::Value::String(secret.value),
                    Err(why) => fault(path, why),
                }
            }
            None => resolve_table(path, inner, env, fault),
        },
        toml::Value::Array(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                resolve_value(&format!("{path}[{n}]"), item, env, fault);
            }
        }
        _ => {}
    }
}

fn reference(table: &toml::Table) -> Option<Origin> {
    let (key, value) = table.iter().next().filter(|_| table.len() == 1)?;
    match (key.as_str(), value.as_str()?) {
        ("file", path) => Some(Origin::File(path.to_string())),
        ("env", name) => Some(Origin::Env(name.to_string())),
        _ => None,
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Plain => f.write_str("Secret(…)"),
            Origin::File(path) => write!(f, "Secret(file {path})"),
            Origin::Env(name) => write!(f, "Secret(env {name})"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Secret;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, { file = \"…\" } or { env = \"…\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::plain(text))
            }
            // serde's own fault would print the value, which is a secret all the same.
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom("invalid type: integer, expected a string, { file = \"…\" } or { env = \"…\" }"))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom("invalid type: float, expected a string, { file = \"…\" } or { env = \"…\" }"))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom("invalid type: boolean, expected a string, { file = \"…\" } or { env = \"…\" }"))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let wrong = || de::Error::custom("a secret's table holds just one key, `file` or `env`, with a string");
                let (key, text) = map.next_entry::<String, String>()?.ok_or_else(wrong)?;
                if map.next_key::<String>()?.is_some() {
                    return Err(wrong());
                }
                let origin = match key.as_str() {
                    "file" => Origin::File(text),
                    "env" => Origin::Env(text),
                    _ => return Err(wrong()),
                };
                Ok(Secret { origin, value: String::new() })
            }
        }
        d.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_a_string_a_file_or_the_environment_and_is_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "from-the-file\n").unwrap();
        let env = Environment::new([("THE_KEY".to_string(), "from-the-variable".to_string())]);
        let text = format!("a = \"plain-text\"\nb = {{ file = {:?} }}\nc = {{ env = \"THE_KEY\" }}\nd = {{ env = \"NOT_SET\" }}", path);
        let mut table: std::collections::BTreeMap<String, Secret> = toml::from_str(&text).unwrap();
        let got: Vec<_> = table.values_mut().map(|s| s.resolve(&env).map(|()| s.reveal().to_string())).collect();
        assert_eq!(got[0].as_deref(), Ok("plain-text"));
        assert_eq!(got[1].as_deref(), Ok("from-the-file"));
        assert_eq!(got[2].as_deref(), Ok("from-the-variable"));
        assert!(got[3].as_ref().unwrap_err().contains("NOT_SET"));
        let shown = format!("{table:?}");
        assert!(!shown.contains("plain-text") && !shown.contains("from-the"), "{shown}");
    }

    #[test]
    fn a_number_as_a_secret_is_refused_without_printing_it() {
        let e = toml::from_str::<std::collections::BTreeMap<String, Secret>>("a = 123456789").unwrap_err();
        assert!(!e.message().contains("123456789"), "{e}");
    }
}
