//! Readiness: what coverage and rehearsals are computed from, taken out of the store at one moment, and the yearly
//! confirmation of the directory. A rehearsal keeps and sends nothing.

use super::{Engine, apply::to_json};
use crate::{
    core::{
        callout::Channels,
        coverage::{Coverage, CoverageInput, Filing, FilingDate, Filings, coverage},
        directory::Directory,
        division::Division,
        forecast::{Assumptions, Capacity},
        hazard::{HazardCode, Level},
        planner::{self, Lookup, PlanInput, PlanOutput},
        policy::Policy,
        rehearsal::{
            Prices, Rehearsal, RehearsalInput, rehearse,
            season::{Renewed, Season},
        },
        time::{Span, Time},
        warning::Content,
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
    pub capacity: Capacity,
    pub assumptions: Assumptions,
    pub prices: Prices,
    pub sending_timeout: Span,
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

impl Readiness {
    /// Whom this warning would call if it were accepted at `at`, and what would then follow. `rights`: only inside
    /// these; empty: all.
    pub fn rehearse(&self, content: &Content, at: Time, rights: &[Division]) -> (PlanOutput, Rehearsal) {
        let plan = self.plan(content, at, rights);
        let rehearsal = self.play(&plan, at);
        (plan, rehearsal)
    }

    /// The same after the messages of `season`: of an update only whom it calls anew, and how many it sends its new text,
    /// which is in the costs. `None`: it updates none of them.
    pub fn rehearse_next(&self, season: &mut Season, content: &Content, at: Time) -> (PlanOutput, Rehearsal, Option<Renewed>) {
        let mut plan = self.plan(content, at, &[]);
        let renewed = season.renew(content, &mut plan, self.channels);
        let mut rehearsal = self.play(&plan, at);
        let parts = renewed.map_or(0.0, |r| r.sms as f64 * self.assumptions.sms_parts);
        for cost in [&mut rehearsal.expected, &mut rehearsal.at_most] {
            cost.sms_parts += parts;
            cost.yuan += parts * self.prices.sms;
        }
        (plan, rehearsal, renewed)
    }

    fn plan(&self, content: &Content, at: Time, rights: &[Division]) -> PlanOutput {
        planner::make_plan(PlanInput {
            content,
            policy: &self.policy,
            directory: &self.directory,
            lookup: &self.lookup,
            now: at,
            issuer_divisions: rights,
            drill: false,
            only: None,
        })
    }

    fn play(&self, plan: &PlanOutput, at: Time) -> Rehearsal {
        rehearse(&RehearsalInput {
            plan,
            start: at,
            channels: self.channels,
            capacity: self.capacity,
            assumptions: self.assumptions,
            prices: self.prices,
            sending_timeout: self.sending_timeout,
        })
    }

    /// Whom a row of the policy calls now, all of the territory or a division warned: the plan itself.
    pub fn called(&self, hazard: &HazardCode, level: Level, stage: Option<String>, within: Option<Division>) -> PlanOutput {
        let divisions = within.map_or_else(|| self.lookup.tops().to_vec(), |d| vec![d]);
        let mut content =
            crate::core::drill::roll_call_content(String::new(), divisions.into_iter().map(crate::core::drill::whole).collect(), self.now);
        content.parameters.clear();
        (content.hazard, content.level, content.stage) = (hazard.clone(), level, stage);
        self.plan(&content, self.now, &[])
    }

    /// Today at the hour of another day: past warnings are rehearsed at their own hour against the present directory.
    pub fn at_the_hour_of(&self, then: Time) -> Time {
        let day = Span::hours(24).0;
        let hour = (then.0 + Span::hours(8).0).rem_euclid(day);
        let midnight = self.now.0 - (self.now.0 + Span::hours(8).0).rem_euclid(day);
        Time(midnight + hour)
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
            capacity: self.capacity(Level::Red, false),
            assumptions: self.settings.assumptions,
            prices: self.settings.prices,
            sending_timeout: self.settings.sending_timeout,
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
