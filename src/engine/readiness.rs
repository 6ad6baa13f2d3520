//! Readiness: what coverage is computed from, taken out of the store at one moment, and the yearly confirmation.

use super::{Engine, apply::to_json};
use crate::{
    core::{
        callout::Channels,
        coverage::{Coverage, CoverageInput, Filing, FilingDate, Filings, coverage},
        directory::Directory,
        division::Division,
        hazard::{HazardCode, Level},
        planner::Lookup,
        policy::Policy,
        time::Time,
    },
    store::{Doc, StoreError},
};
use std::sync::Arc;

/// The kind of document that holds a confirmation; the id is the division's 12 digits.
const FILING: &str = "filing";

/// Everything that says whom a warning would call now. Owned, so that what takes a while is done elsewhere.
#[derive(Clone)]
pub struct Readiness {
    pub policy: Arc<Policy>,
    pub directory: Arc<Directory>,
    pub lookup: Arc<Lookup>,
    pub channels: Channels,
    pub filing: Option<FilingDate>,
    pub filings: Filings,
    pub now: Time,
}
impl Readiness {
    pub fn coverage(&self, within: Option<Division>, hazard: Option<&HazardCode>, level: Option<Level>) -> Coverage {
        coverage(&CoverageInput {
            policy: &self.policy,
            directory: &self.directory,
            lookup: &self.lookup,
            channels: self.channels,
            now: self.now,
            filing: self.filing,
            filings: &self.filings,
            within,
            hazard,
            level,
        })
    }
}

impl Engine {
    /// As things stand now, other gateways' changes included.
    pub async fn readiness(&self) -> Result<Readiness, StoreError> {
        let (directory, lookup) = self.people_now().await?;
        Ok(Readiness {
            policy: self.policy(),
            directory,
            lookup,
            channels: self.channels,
            filing: self.settings.filing,
            filings: self.filings_of_divisions().await?,
            now: self.now(),
        })
    }

    /// For which channels there is an account.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    async fn filings_of_divisions(&self) -> Result<Filings, StoreError> {
        let mut all = Filings::default();
        for doc in self.store.docs(FILING).await?.1 {
            let Ok(division) = doc.id.parse::<Division>() else { continue };
            let filing = serde_json::from_slice(&doc.body).map_err(|e| StoreError::Corrupt(format!("the filing of {division}: {e}")))?;
            all.0.insert(division, filing);
        }
        Ok(all)
    }

    /// Somebody confirms that the directory of these divisions, with all inside them, is right today.
    pub async fn confirm_filing(&self, divisions: &[Division], by: &str) -> Result<(), StoreError> {
        let filing = Filing { at: self.now(), by: by.to_string() };
        for _ in 0..20 {
            let (version, _) = self.store.docs(FILING).await?;
            let upsert = divisions.iter().map(|d| Doc { id: d.to_string(), body: to_json(&filing) }).collect();
            if self.store.docs_apply(FILING, version, upsert, Vec::new()).await?.is_some() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("confirmations are changed by others faster than this could be kept".into()))
    }
}
