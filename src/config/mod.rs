//! Configuration: one TOML file, any key overridden by `JIAOYING__SECTION__KEY`, unknown keys
//! refused, secrets from files or variables and never printed. All faults are reported in one run.
//!
//! Who lives here: one struct per section, the reader that keeps places, the checks. What it may
//! touch: the file named, secret files, the environment given by the caller. It decides nothing
//! about warnings.

mod access;
mod canary;
mod check;
mod fault;
mod read;
mod secret;
mod sections;
mod sources;

pub use access::{HazardRight, Issuer, MappingFile, PinnedKey, Role, Token, XmlSignature};
pub use canary::Canary;
pub use fault::{ConfigFaults, Fault, Origins};
pub use secret::Secret;
pub use sections::{
    Archive, Clock, Coverage, Divisions, Engine, Link, Log, Messages, Policy, Redis, RedisMode, Server, Store, StoreKind, Templates,
};
pub use sources::{FolderSource, PullSource, Sources};

use crate::core::{drill::schedule::DrillSchedule, forecast::Assumptions, rehearsal::Prices};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

/// The environment as given by the caller; nothing here reads the process's own.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);
impl Environment {
    pub fn new(vars: impl IntoIterator<Item = (String, String)>) -> Environment {
        Environment(vars.into_iter().collect())
    }
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    fn with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        self.0.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

/// The greatest weight of an account.
pub const WEIGHT_MOST: u32 = 1000;

/// One provider account as written: `kind`, `weight` and `callback_secret` are common to all, the rest is
/// the adapter's. Secrets in it are resolved to plain strings at load; `Debug` shows keys only.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct ProviderTable(pub toml::Table);
impl ProviderTable {
    /// Which adapter reads it: one of `channel::settings::KINDS`.
    pub fn kind(&self) -> Option<&str> {
        self.0.get("kind").and_then(toml::Value::as_str)
    }
    /// Where a provider is described by a file (`generic_…`): puts the file's text beside its name, since
    /// adapters read no files.
    fn load_file(&mut self) -> Result<(), String> {
        if !self.kind().is_some_and(|k| k.starts_with("generic_")) {
            return Ok(());
        }
        let Some(path) = self.0.get("file").and_then(toml::Value::as_str) else { return Ok(()) };
        let text = std::fs::read_to_string(path).map_err(|e| format!("{path} cannot be read: {e}"))?;
        self.0.insert("file_text".into(), toml::Value::String(text));
        Ok(())
    }
    /// Its part of its channel's traffic against the other accounts'; `None` where none is written or it is no number of 0 to
    /// [`WEIGHT_MOST`].
    pub fn weight(&self) -> Option<u32> {
        let written = self.0.get("weight").and_then(toml::Value::as_integer)?;
        u32::try_from(written).ok().filter(|w| *w <= WEIGHT_MOST)
    }
    /// The last part of `/callbacks/{account}/{secret}`.
    pub fn callback_secret(&self) -> Option<&str> {
        self.0.get("callback_secret").and_then(toml::Value::as_str)
    }
}
impl fmt::Debug for ProviderTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProviderTable({})", self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub server: Server,
    pub store: Store,
    pub archive: Archive,
    pub policy: Policy,
    pub templates: Templates,
    pub divisions: Divisions,
    #[serde(rename = "issuer")]
    pub issuers: Vec<Issuer>,
    #[serde(rename = "token")]
    pub tokens: Vec<Token>,
    /// Where warnings are fetched instead of posted.
    pub source: Sources,
    /// By account name, in order.
    #[serde(rename = "provider")]
    pub providers: BTreeMap<String, ProviderTable>,
    pub canary: Canary,
    pub messages: Messages,
    /// Drills that start by themselves.
    #[serde(rename = "drill")]
    pub drills: Vec<DrillSchedule>,
    pub coverage: Coverage,
    /// What messages and calls cost, in yuan.
    pub cost: Prices,
    pub engine: Engine,
    /// What forecasts assume of people and calls.
    pub forecast: Assumptions,
    pub log: Log,
    pub clock: Clock,
    /// Where each key was given.
    #[serde(skip)]
    pub origins: Origins,
}

impl Config {
    /// Reads and checks a file. Every fault of file, environment, secrets and checks comes back at once.
    pub fn load(path: &Path, env: impl IntoIterator<Item = (String, String)>) -> Result<Config, ConfigFaults> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigFaults(vec![Fault { place: name.clone(), key: String::new(), detail: format!("cannot be read: {e}") }]))?;
        Config::from_text(&name, &text, &Environment::new(env))
    }

    /// The same from a text; `name` is what faults call it.
    pub fn from_text(name: &str, text: &str, env: &Environment) -> Result<Config, ConfigFaults> {
        let read = read::read::<Config>(name, text, env);
        let mut faults = read.faults;
        let Some(mut config) = read.value else { return Err(ConfigFaults(faults)) };
        config.origins = read.origins;
        // A key that could not be read was left out; what a check says of its absence would mislead.
        let told: BTreeSet<String> = faults.iter().map(|f| f.key.clone()).collect();
        faults.extend(config.resolve_secrets(env));
        faults.extend(config.check().into_iter().filter(|f| !told.contains(&f.key)));
        faults.sort_by_key(Fault::line);
        if faults.is_empty() { Ok(config) } else { Err(ConfigFaults(faults)) }
    }

    /// A fault at a key of this configuration, with its place: for checks made elsewhere.
    pub fn fault(&self, key: &str, detail: impl Into<String>) -> Fault {
        Fault { place: self.origins.place(key), key: key.to_string(), detail: detail.into() }
    }

    fn resolve_secrets(&mut self, env: &Environment) -> Vec<Fault> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut resolve = |key: String, secret: Option<&mut Secret>| {
            if let Some(Err(why)) = secret.map(|s| s.resolve(env)) {
                found.push((key, why));
            }
        };
        resolve("store.redis.password".into(), self.store.redis.password.as_mut());
        resolve("store.redis.sentinel_password".into(), self.store.redis.sentinel_password.as_mut());
        for issuer in &mut self.issuers {
            resolve(format!("issuer[{}].key", issuer.id), issuer.key.as_mut());
            resolve(format!("issuer[{}].webhook_secret", issuer.id), issuer.webhook_secret.as_mut());
        }
        for token in &mut self.tokens {
            resolve(format!("token[{}].secret", token.name), Some(&mut token.secret));
        }
        for issuer in &mut self.issuers {
            if let Some(Err(why)) = issuer.mapping.as_mut().map(MappingFile::load) {
                found.push((format!("issuer[{}].mapping", issuer.id), why));
            }
            if let Some(Err(why)) = issuer.xmldsig.as_mut().map(XmlSignature::load) {
                found.push((format!("issuer[{}].xmldsig.keys", issuer.id), why));
            }
        }
        for (account, table) in &mut self.providers {
            secret::resolve_table(&format!("provider.{account}"), &mut table.0, env, &mut |key, why| found.push((key.to_string(), why)));
            if let Err(why) = table.load_file() {
                found.push((format!("provider.{account}.file"), why));
            }
        }
        found.into_iter().map(|(key, why)| self.fault(&key, why)).collect()
    }
}

#[cfg(test)]
mod tests;
