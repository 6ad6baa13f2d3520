//! What is wrong with a configuration: every fault, each with its file and line (or environment
//! variable) and key, so that one run of `jiaoying check` is enough.

use std::{collections::BTreeMap, fmt};

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `config/jiaoying.toml:12` or the name of an environment variable.
    pub place: String,
    /// `server.listen`, `issuer[jincheng].key`; empty where the file itself cannot be read.
    pub key: String,
    /// What is wrong and what would be right.
    pub detail: String,
}
impl Fault {
    /// The line in the file; faults of the environment come first.
    pub(super) fn line(&self) -> usize {
        self.place.rsplit(':').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.detail)
        } else {
            write!(f, "{}: `{}`: {}", self.place, self.key, self.detail)
        }
    }
}

/// All faults of one configuration. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigFaults(pub Vec<Fault>);

/// Where each key was given: to name the line in faults that are found after reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    pub(super) file: String,
    pub(super) places: BTreeMap<String, String>,
}
impl Origins {
    /// The place of the key, or of the nearest table around it, or the file.
    pub fn place(&self, key: &str) -> String {
        let mut rest = key;
        loop {
            if let Some(place) = self.places.get(rest) {
                return place.clone();
            }
            match rest.rfind(['.', '[']) {
                Some(cut) => rest = rest.get(..cut).unwrap_or_default(),
                None => return self.file.clone(),
            }
        }
    }
}
