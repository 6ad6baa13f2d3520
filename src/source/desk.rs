//! The desk: an issuer's bytes → warnings, by the format they are in or by the issuer's mapping, and into
//! the engine. One place for every way in, so that a file is read just as a post is.

use crate::{
    config::{self, Config},
    core::{
        ids::{IssuerId, WarningId},
        warning::{Parsed, Refusal},
    },
    engine::{self, Engine, PostError, PostReply},
    ingest::{
        self, Pinned, SourceFormat,
        adapt::{self, Adapted, Came, Mapping},
    },
    telemetry::metrics::warning_posted,
};
use std::{collections::BTreeMap, sync::Arc};

/// A body read.
#[derive(Debug)]
pub enum Reading {
    /// A native or CAP warning.
    One(Box<Parsed>),
    /// What a mapping made of it; `list`: the mapping looks for several.
    Adapted { adapted: Adapted, list: bool },
}

/// Why a body cannot be read.
#[derive(Debug)]
pub enum Unread {
    /// 415: no warnings come in this Content-Type.
    Media,
    Refused(Refusal),
}
impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Unread {
        Unread::Refused(refusal)
    }
}

/// What came of one warning of a body.
#[derive(Debug)]
pub enum Handed {
    Accepted(PostReply),
    Skipped(String),
    Unreadable(Refusal),
    Rejected(PostError),
}

/// See the module.
pub struct Desk {
    engine: Arc<Engine>,
    mappings: BTreeMap<IssuerId, Mapping>,
    /// Keys that XML signatures are checked against.
    pinned: BTreeMap<IssuerId, Pinned>,
}

/// An issuer's mapping: the text of its own file, or the shipped one of this name.
///
/// # Errors
/// Every fault of the mapping, with its line.
pub fn mapping(named: &config::MappingFile) -> Result<Mapping, Vec<String>> {
    match &named.text {
        Some(text) => adapt::parse(&named.name, text),
        None => adapt::shipped(&named.name),
    }
}

/// The keys of an issuer's XML signatures.
fn pinned(set: &config::XmlSignature) -> Result<Pinned, String> {
    Pinned::parse(&set.keys, set.required)
}

/// Faults of all mappings and pinned keys of a configuration, each with the key it stands at.
pub fn faults(config: &Config) -> Vec<String> {
    let mut told = Vec::new();
    for i in &config.issuers {
        let of_mapping = i.mapping.as_ref().and_then(|m| mapping(m).err()).into_iter().flatten();
        told.extend(of_mapping.map(|f| config.fault(&format!("issuer[{}].mapping", i.id), f).to_string()));
        let of_keys = i.xmldsig.as_ref().and_then(|x| pinned(x).err());
        told.extend(of_keys.map(|f| config.fault(&format!("issuer[{}].xmldsig.keys", i.id), f).to_string()));
    }
    told
}

impl Desk {
    /// # Errors
    /// The faults of the mappings and keys.
    pub fn new(engine: Arc<Engine>, config: &Config) -> Result<Desk, Vec<String>> {
        let (mut mappings, mut keys) = (BTreeMap::new(), BTreeMap::new());
        for issuer in &config.issuers {
            if let Some(named) = &issuer.mapping {
                mappings.insert(issuer.id.clone(), mapping(named)?);
            }
            if let Some(set) = &issuer.xmldsig {
                keys.insert(issuer.id.clone(), pinned(set).map_err(|f| vec![f])?);
            }
        }
        Ok(Desk { engine, mappings, pinned: keys })
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Reads a body. An issuer with a mapping sends by it, whatever the Content-Type says; only what is
    /// declared as CAP (`application/cap+xml`) is read as CAP all the same.
    ///
    /// # Errors
    /// The Content-Type is none that warnings come in, or no warning can be made of the body.
    pub fn read(&self, issuer: &config::Issuer, media: Option<&str>, body: &[u8]) -> Result<Reading, Unread> {
        let essence = media.and_then(|m| m.split(';').next()).unwrap_or_default().trim();
        let charset = media.and_then(charset_of);
        match self.mappings.get(&issuer.id) {
            Some(mapping) if !essence.eq_ignore_ascii_case("application/cap+xml") => {
                let adapted = adapt::read(mapping, charset, body, &issuer.id.0)?;
                Ok(Reading::Adapted { adapted, list: mapping.is_list() })
            }
            _ => {
                let (format, charset) = media.and_then(SourceFormat::from_content_type).ok_or(Unread::Media)?;
                let pinned = self.pinned.get(&issuer.id);
                Ok(Reading::One(Box::new(ingest::read_proved(format, charset, body, &issuer.id.0, pinned)?)))
            }
        }
    }

    /// One warning into the engine; `raw` is kept with it.
    ///
    /// # Errors
    /// The engine's: not this issuer's, another content under the identifier, not durable now.
    pub async fn post(&self, issuer: &config::Issuer, parsed: Parsed, raw: &[u8]) -> Result<PostReply, PostError> {
        let rights = engine::Issuer {
            id: issuer.id.clone(),
            name: issuer.name.clone(),
            hazards: issuer.hazards.clone(),
            divisions: issuer.divisions.clone(),
            levels: issuer.levels.clone(),
        };
        let (hazard, level) = (parsed.content.hazard.0.clone(), parsed.content.level);
        let posted = self.engine.post_warning(&rights, parsed, raw).await?;
        // The engine counts what it accepts, and what is refused as it is recorded.
        if posted.duplicate {
            warning_posted(&issuer.id.0, &hazard, level, "duplicate");
        }
        Ok(posted)
    }

    /// Everything in a body into the engine, in its order; what came of each, with its place in the body.
    ///
    /// # Errors
    /// The store cannot make it durable now: the whole body is to be handed over again, which changes nothing
    /// about what is in already.
    pub async fn hand_in(&self, issuer: &config::Issuer, reading: Reading, raw: &[u8]) -> Result<Vec<(String, Handed)>, PostError> {
        let items = match reading {
            Reading::One(parsed) => vec![(String::new(), Came::Taken(parsed))],
            Reading::Adapted { adapted, .. } => adapted.items.into_iter().map(|i| (i.pointer, i.came)).collect(),
        };
        let mut handed = Vec::with_capacity(items.len());
        let mut keeper: Option<WarningId> = None;
        for (pointer, came) in items {
            let what = match came {
                Came::Skipped(why) => Handed::Skipped(why),
                Came::Refused(refusal) => Handed::Unreadable(refusal),
                Came::Taken(parsed) => {
                    // A body of a thousand warnings is kept once, with the first it brought; the others say where.
                    let reference = keeper.map(|id| serde_json::json!({"body_of": id.to_string(), "pointer": pointer}).to_string());
                    match self.post(issuer, *parsed, reference.as_ref().map_or(raw, String::as_bytes)).await {
                        Ok(reply) => {
                            if !reply.duplicate {
                                keeper.get_or_insert(reply.id);
                            }
                            Handed::Accepted(reply)
                        }
                        Err(e @ PostError::Store(_)) => return Err(e),
                        Err(e) => Handed::Rejected(e),
                    }
                }
            };
            handed.push((pointer, what));
        }
        Ok(handed)
    }
}

fn charset_of(media: &str) -> Option<&str> {
    let value = media.split(';').skip(1).find_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    });
    value.filter(|c| !c.is_empty())
}
