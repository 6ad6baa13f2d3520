//! What every handler may reach: the engine, who may come in, the pages. Shared, never changed.

use super::{
    auth::{Access, Caller},
    boards::Boards,
    error::Problem,
    extract::Limit,
    pages::Pages,
    rate::Rates,
    view::Phones,
};
use crate::{
    config::Config,
    core::{
        division::Division,
        ids::{CalloutId, WarningId},
        warning_life::WarningState,
    },
    engine::{ActError, CalloutParts, Engine, PostError},
    report::{Board, Tally},
    source::Desk,
    store::{Face, FaceCounts, Record, StoreError},
    telemetry::metrics::Metrics,
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

/// Tallies of this many warnings are kept.
const TALLIES: usize = 500;

/// A tally and what it was made from: as long as these stand, it is right.
type KeptTally = (FaceCounts, u32, Tally);

pub struct Shared {
    pub engine: Arc<Engine>,
    pub desk: Desk,
    pub access: Access,
    pub pages: Pages,
    pub metrics: Metrics,
    pub rates: Rates,
    boards: Boards,
    /// Cancelled when the gateway stops: live streams end then.
    pub stop: CancellationToken,
    callbacks: BTreeMap<String, [u8; 32]>,
    tallies: Mutex<BTreeMap<WarningId, KeptTally>>,
}

/// The state of the router.
#[derive(Clone)]
pub struct App(Arc<Shared>);
impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// # Errors
    /// A page template or an issuer's mapping is broken; says where.
    pub fn new(engine: Arc<Engine>, config: &Config, metrics: Metrics, stop: CancellationToken) -> Result<App, String> {
        let secret = |(account, table): (&String, &crate::config::ProviderTable)| {
            table.callback_secret().map(|s| (account.clone(), Sha256::digest(s.as_bytes()).into()))
        };
        Ok(App(Arc::new(Shared {
            desk: Desk::new(engine.clone(), config).map_err(|f| f.join("\n"))?,
            engine,
            access: Access::new(config),
            pages: Pages::new(&config.server.public_url).map_err(|e| format!("a page template is broken: {e:#}"))?,
            metrics,
            rates: Rates::default(),
            boards: Boards::default(),
            stop,
            callbacks: config.providers.iter().filter_map(secret).collect(),
            tallies: Mutex::default(),
        })))
    }

    /// Whether a callback's path is right. Tells nothing of which part is wrong.
    pub fn is_callback(&self, account: &str, secret: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let wanted = self.callbacks.get(account);
        let fits = wanted.unwrap_or(&[0; 32]).ct_eq(&given);
        wanted.is_some() && bool::from(fits)
    }

    /// How this caller sees phone numbers. Asking for them in full is recorded.
    pub async fn phones(&self, caller: &Caller, reveal: Option<bool>, what: &str) -> Result<Phones, Problem> {
        if reveal != Some(true) {
            return Ok(Phones::Masked);
        }
        if !caller.may_reveal() {
            return Err(Problem::forbidden("phone numbers in full are for operators and admins"));
        }
        // Recorded before the numbers are given out.
        self.engine.audit(caller.name(), "reveal", what).await?;
        Ok(Phones::Revealed)
    }

    /// A warning that this caller may see.
    pub async fn warning(&self, caller: &Caller, id: WarningId) -> Result<Arc<WarningState>, Problem> {
        let missing = || Problem::not_found(format!("warning {id} is not known"));
        let warning = self.engine.warning(id).await?.ok_or_else(missing)?;
        if let Caller::Issuer(issuer) = caller
            && issuer.id != warning.issuer
        {
            return Err(Problem::forbidden(format!("warning {id} is another issuer's")));
        }
        if let Some(own) = caller.bound_to()
            && !self.faces(id).await?.iter().any(|f| own.contains(f.division))
        {
            return Err(missing());
        }
        Ok(warning)
    }

    /// 403 unless the whole warning lies inside the caller's division: ending or moving it is
    /// everybody's business there.
    pub async fn whole_warning(&self, caller: &Caller, id: WarningId) -> Result<Arc<WarningState>, Problem> {
        let warning = self.warning(caller, id).await?;
        if let Some(own) = caller.bound_to()
            && !self.faces(id).await?.iter().all(|f| own.contains(f.division))
        {
            return Err(Problem::forbidden(format!("warning {id} reaches beyond division {own}, to which this token is bound")));
        }
        Ok(warning)
    }

    /// A callout that this caller may see.
    pub async fn callout(&self, caller: &Caller, id: CalloutId) -> Result<CalloutParts, Problem> {
        let missing = || Problem::not_found(format!("callout {id} is not known"));
        let parts = self.engine.callout_parts(id).await?.ok_or_else(missing)?;
        let division = parts.entry().and_then(|e| e.posts.first()).map(|p| p.place.division);
        if division.is_some_and(|d| caller.sees(d)) || caller.bound_to().is_none() { Ok(parts) } else { Err(missing()) }
    }

    /// Every face of a warning.
    pub async fn faces(&self, id: WarningId) -> Result<Vec<Face>, StoreError> {
        Ok(self.engine.reports().faces(id).await?.into_iter().map(|(_, face)| face).collect())
    }

    /// What has been reported under a warning, as it stands now.
    pub async fn board(&self, id: WarningId) -> Result<Arc<Board>, StoreError> {
        self.boards.of(&self.engine, id).await
    }

    /// The tally as this caller may see it: of the whole, or of the division it is bound to.
    pub async fn tally(&self, caller: &Caller, warning: &WarningState) -> Result<Tally, StoreError> {
        match caller.bound_to() {
            Some(own) => Ok(Tally::of(inside(&self.faces(warning.id).await?, own))),
            None => self.whole_tally(warning).await,
        }
    }

    /// The whole tally. Made anew only when the kept counts have moved: whatever changes a tally
    /// changes one of them, for answered, reported and told never go down.
    async fn whole_tally(&self, warning: &WarningState) -> Result<Tally, StoreError> {
        let counts = self.engine.reports().counts(warning.id).await?;
        let plan = &warning.plan;
        let settled = plan.cursor >= plan.entries;
        if settled && let Some((_, _, tally)) = self.kept().get(&warning.id).filter(|k| k.0 == counts && k.1 == plan.expected) {
            return Ok(tally.clone());
        }
        let tally = Tally::whole(plan, &self.faces(warning.id).await?);
        // Faces read after the counts may be newer; then the next look finds other counts and counts anew.
        if settled {
            let mut kept = self.kept();
            if kept.len() >= TALLIES {
                kept.pop_first();
            }
            kept.insert(warning.id, (counts, plan.expected, tally.clone()));
        }
        Ok(tally)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<WarningId, KeptTally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faces inside a division.
pub fn inside(faces: &[Face], own: Division) -> impl Iterator<Item = &Face> {
    faces.iter().filter(move |f| own.contains(f.division))
}

/// A warning's record read.
pub fn warning_of(record: &Record) -> Result<WarningState, StoreError> {
    serde_json::from_slice(&record.body).map_err(|e| StoreError::Corrupt(format!("warning {}: {e}", record.key)))
}

/// The limit as handlers and the guard know it.
pub fn limit_of(operation: &super::operations::Operation) -> Limit {
    Limit(operation.limit)
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Problem {
        match error {
            ActError::NotFound(what) => Problem::not_found(format!("{what} is not known")),
            ActError::Conflict(why) => Problem::conflict(why),
            ActError::Invalid(field) => Problem::invalid(vec![field]),
            ActError::Store(e) => e.into(),
        }
    }
}

impl From<PostError> for Problem {
    fn from(error: PostError) -> Problem {
        match error {
            PostError::Conflict { .. } => Problem::conflict(error.to_string()),
            PostError::Forbidden(why) => Problem::forbidden(why),
            PostError::NotNow(why) => Problem::conflict(why),
            PostError::Invalid(fields) => Problem::invalid(fields),
            PostError::Store(e) => e.into(),
        }
    }
}
