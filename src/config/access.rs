//! Who may come in: `[[issuer]]` posts warnings, `[[token]]` uses the API.

use super::Secret;
pub use crate::core::hazard::HazardRight;
use crate::core::{division::Division, hazard::Level, ids::IssuerId};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A bureau allowed to post warnings for some hazards and some areas.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Short and lasting: it is part of every message's identity.
    pub id: IssuerId,
    /// As people read it: 晋城市气象台.
    pub name: String,
    /// For `Authorization: Bearer`.
    #[serde(default)]
    pub key: Option<Secret>,
    /// `whsec_…`, for signed webhooks (better).
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
    /// How its own JSON or XML becomes warnings; without it, it posts native JSON or CAP.
    #[serde(default)]
    pub mapping: Option<MappingFile>,
    /// Whose keys its XML signatures are checked against; without it they are not checked, and a finding says so.
    #[serde(default)]
    pub xmldsig: Option<XmlSignature>,
    /// Codes (`11B03`), their beginnings (`11B`) or classes (`flood`); empty: all.
    #[serde(default)]
    pub hazards: Vec<HazardRight>,
    /// Where it may warn; empty: nowhere.
    #[serde(default)]
    pub divisions: Vec<Division>,
    /// Empty: all.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Warnings a minute; what is over is told to come back, red never.
    #[serde(default = "sixty")]
    pub rate: u32,
}

/// `mapping = "flash-flood"`: a shipped one; `mapping = "config/adapters/ours.toml"`: a file of your own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "String")]
pub struct MappingFile {
    pub name: String,
    /// The file's text, read with the configuration; `None` for a shipped one.
    pub text: Option<String>,
}
impl From<String> for MappingFile {
    fn from(name: String) -> MappingFile {
        MappingFile { name, text: None }
    }
}
impl MappingFile {
    /// Reads the file, where a file is named.
    ///
    /// # Errors
    /// It cannot be read; says why.
    pub fn load(&mut self) -> Result<(), String> {
        if self.name.ends_with(".toml") {
            let text = std::fs::read_to_string(Path::new(&self.name)).map_err(|e| format!("{} cannot be read: {e}", self.name))?;
            self.text = Some(text);
        }
        Ok(())
    }
}

/// `xmldsig = { keys = ["config/qixiang.pem"], required = true }`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XmlSignature {
    /// Each a PEM file, or PEM itself: public keys, or certificates of which only the key counts.
    pub keys: Vec<PinnedKey>,
    /// Whether a message without a signature is refused. One with a wrong signature always is.
    #[serde(default)]
    pub required: bool,
}
impl XmlSignature {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read; says why.
    pub fn load(&mut self) -> Result<(), String> {
        for key in self.keys.iter_mut().filter(|k| !k.text.contains(PEM)) {
            key.text = std::fs::read_to_string(Path::new(&key.text)).map_err(|e| format!("{} cannot be read: {e}", key.text))?;
        }
        Ok(())
    }
}

/// A public key or certificate: no secret.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "String")]
pub struct PinnedKey {
    /// PEM, once the configuration is read.
    pub text: String,
}
impl From<String> for PinnedKey {
    fn from(text: String) -> PinnedKey {
        PinnedKey { text }
    }
}
impl AsRef<str> for PinnedKey {
    fn as_ref(&self) -> &str {
        &self.text
    }
}
const PEM: &str = "-----BEGIN ";

fn sixty() -> u32 {
    60
}

/// What a token (later: a user) may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Operator,
    Admin,
    Auditor,
    Monitoring,
}
impl Role {
    pub const ALL: [Role; 5] = [Role::Viewer, Role::Operator, Role::Admin, Role::Auditor, Role::Monitoring];
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
            Role::Auditor => "auditor",
            Role::Monitoring => "monitoring",
        }
    }
}

/// A key to the API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Stands in records as who did it.
    pub name: String,
    pub secret: Secret,
    pub roles: Vec<Role>,
    /// Bound to this division: sees and does nothing outside it.
    #[serde(default)]
    pub division: Option<Division>,
}
