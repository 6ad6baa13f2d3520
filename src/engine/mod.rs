//! The engine: something is due → lease it → step → commit → carry out. First send, retry,
//! escalation and recovery after a crash are this one path ([`executor`]).
//!
//! Rooms: `intake` (warnings in), `warning` (a warning's turn), `planning` (plans into rows), `ending`
//! (ends walked), `returning` (people may go back), `supervising` (the city presses), `places` (what officers add), `policies` (their versions), `duty` (the shift leader), `digest` (what groups are told), `executor` (the turn),
//! `lines` (calls and gathered messages), `dispatcher` (requests out), `receipts` (callbacks in),
//! `provider_ids` (receipts that know no reference of ours), `answers` (people and officers), `again` (what a failover lost of officers' acts), `apply` (load, step, commit, again on conflict), `reference` (ids
//! that cannot be guessed), `gateways` (who else works here), `forecast` (when it will be done), `newer` (beside a gateway of a newer version), `limits` (provider accounts), `choosing` (which of them), `board` (how they stand), `canary` (通道点名), `part` (one gateway's part of them), `waiting` (who waits for them), `archiving` (closed warnings leave the store),
//! `numbers` (what receipts prove of them), `drills` (started, scheduled, looked back upon), `readiness` (coverage, rehearsals), `cache` (plans and policies in memory).
//!
//! It decides nothing itself: every decision is a function of `core`.

mod again;
mod answers;
mod apply;
pub mod archiving;
pub mod audit;
pub mod board;
mod cache;
pub mod canary;
mod choosing;
pub mod digest;
pub mod directory;
pub mod dispatcher;
pub mod drills;
mod duty;
mod ending;
mod executor;
mod facts;
pub mod forecast;
pub mod gateways;
pub mod inbox;
mod intake;
mod kin;
pub mod limits;
mod lines;
mod newer;
pub mod numbers;
pub mod part;
mod places;
mod planning;
pub mod policies;
mod provider_ids;
pub mod readiness;
mod receipts;
pub mod recording;
pub mod reference;
mod returning;
mod rows;
pub mod run;
mod supervising;
mod waiting;
mod warning;

pub use crate::channel::CallbackRequest;
pub use executor::Turn;

use crate::{
    channel::Provider,
    core::{
        callout::{
            Channels,
            state::{Callout, Via},
        },
        coverage::FilingDate,
        directory::Directory,
        division::Division,
        drill::schedule::DrillSchedule,
        forecast::Assumptions,
        hazard::{HazardRight, Level},
        ids::{CalloutId, IssuerId, WarningId},
        numbers::DeadNumbers,
        outline::Outlines,
        plan::{CHUNK, PlanChunk, PlanEntry, PlanPerson},
        planner::Lookup,
        policy::Policy,
        rehearsal::Prices,
        send::Channel,
        time::{Span, Time},
        warning::{FieldError, Finding},
        warning_life::WarningState,
    },
    render::Renderer,
    store::{Key, Reports, Store, StoreError},
    telemetry::metrics,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicU64},
};

/// A bureau that may post, as configured.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub id: IssuerId,
    pub name: String,
    /// Empty: any.
    pub hazards: Vec<HazardRight>,
    /// Empty: any.
    pub divisions: Vec<Division>,
    /// Empty: any.
    pub levels: Vec<Level>,
}

/// The body of the 202 or 200.
#[derive(Clone, Debug, PartialEq)]
pub struct PostReply {
    pub id: WarningId,
    pub identifier: String,
    /// `accepted | active | closed`.
    pub state: &'static str,
    pub duplicate: bool,
    pub findings: Vec<Finding>,
}

/// Why a post is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("identifier already used by {existing} with other content")]
    Conflict { existing: WarningId },
    #[error("{0}")]
    Forbidden(String),
    #[error("{}", .0.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// A drill that must not start now.
    #[error("{0}")]
    NotNow(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a person's or officer's act has no effect.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// 404.
    #[error("{0} is not known")]
    NotFound(String),
    /// 409: claimed by somebody else, already closed, already ended.
    #[error("{0}")]
    Conflict(String),
    /// 422.
    #[error("{}: {}", .0.pointer, .0.detail)]
    Invalid(FieldError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who enters something on a person's behalf, and how he came in.
#[derive(Clone, Copy, Debug)]
pub struct Officer<'a> {
    pub name: &'a str,
    /// `manual` at the screen, `api` with a program's token.
    pub via: Via,
}
impl<'a> Officer<'a> {
    pub fn at_screen(name: &'a str) -> Officer<'a> {
        Officer { name, via: Via::Manual }
    }
    pub fn by_token(name: &'a str) -> Officer<'a> {
        Officer { name, via: Via::Api }
    }
}

/// A callout with what its view needs.
#[derive(Clone)]
pub struct CalloutParts {
    pub callout: Callout,
    pub warning: Arc<WarningState>,
    pub chunk: Arc<PlanChunk>,
    /// Index of the entry within the chunk.
    pub index: usize,
    /// When it will next be looked at, and what will then happen if nobody answers.
    pub due: Option<Time>,
}
impl CalloutParts {
    pub fn entry(&self) -> Option<&PlanEntry> {
        self.chunk.entries.get(self.index)
    }
    pub fn person(&self, index: u16) -> Option<&PlanPerson> {
        self.chunk.people.get(usize::from(index))
    }
}

/// What the holder of a link may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAction {
    Answer,
    HandToDeputy,
    NotMe,
}

/// What a link opens.
#[derive(Clone)]
pub struct TokenView {
    pub parts: CalloutParts,
    /// Index of the contact whose link it is.
    pub contact: u8,
}

/// What the engine may decide about its own way of working.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long claimed work is ours.
    pub lease: Span,
    /// A request without an outcome after this long is of unknown fate.
    pub sending_timeout: Span,
    /// Rows made of a plan between two looks at more urgent work.
    pub rows_per_turn: u32,
    /// Intents that may run ahead of their requests: what a crash can make unknown.
    pub intents: usize,
    /// Where links in messages point.
    pub public_url: String,
    /// Whether an SMS may carry the link (only where the provider's filing allows it).
    pub sms_link: bool,
    /// The key of references and link tokens.
    pub key: [u8; 32],
    /// The name of this run among the gateways of the store.
    pub gateway: String,
    /// Where the borders of divisions run, as far as they were given.
    pub outlines: Arc<Outlines>,
    /// Whom test calls and messages ring, where any do.
    pub canaries: Option<canary::Canaries>,
    /// By account: its part of its channel's traffic against the others'; 1 where none is given, 0 only when nothing else
    /// is left.
    pub weights: BTreeMap<String, u32>,
    /// How many times faster than life policy and people are (`clock.speed`); the policy itself was scaled before.
    pub speed: f64,
    /// Drills that start by themselves.
    pub drills: Vec<DrillSchedule>,
    /// By when the directory must be confirmed each year.
    pub filing: Option<FilingDate>,
    /// What messages and calls cost, for rehearsals.
    pub prices: Prices,
    /// What forecasts assume of people and calls.
    pub assumptions: Assumptions,
}
impl Settings {
    /// A request that has not left this long after its intent does not leave any more. Half the time-out:
    /// one that leaves at the last moment still has the other half to be answered in.
    pub fn leaves_within(&self) -> Span {
        Span(self.sending_timeout.0 / 2)
    }
}
impl Default for Settings {
    fn default() -> Self {
        Settings {
            lease: Span::secs(10),
            sending_timeout: Span::secs(15),
            rows_per_turn: 500,
            intents: 512,
            public_url: "http://127.0.0.1:8080".into(),
            sms_link: false,
            key: [0; 32],
            gateway: "gateway".into(),
            outlines: Arc::default(),
            canaries: None,
            weights: BTreeMap::new(),
            speed: 1.0,
            drills: Vec::new(),
            filing: None,
            prices: Prices::default(),
            assumptions: Assumptions::default(),
        }
    }
}

/// What an engine is put together from; only `app` and tests do it.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub reports: Arc<dyn Reports>,
    pub providers: Vec<Arc<dyn Provider>>,
    pub renderer: Renderer,
    pub policy: Policy,
    pub issuers: Vec<Issuer>,
    pub settings: Settings,
}

/// See the module's head.
pub struct Engine {
    store: Arc<dyn Store>,
    reports: Arc<dyn Reports>,
    accounts: limits::Accounts,
    renderer: Renderer,
    policy: RwLock<Arc<Policy>>,
    people: RwLock<(Arc<Directory>, Arc<Lookup>)>,
    issuers: Vec<Issuer>,
    settings: Settings,
    references: reference::References,
    /// Pushes that are worked once more: what they say of their account was heard.
    worked_before: Mutex<BTreeSet<(String, Time)>>,
    channels: Channels,
    cache: cache::Cache,
    lookups: dispatcher::Lookups,
    digests: digest::Waiting,
    announcing: tokio::sync::Mutex<()>,
    probes: board::Probes,
    canaries: canary::Seen,
    /// Of the dead numbers in memory.
    numbers_version: AtomicU64,
    gateways: gateways::Gateways,
    forecasts: forecast::Kept,
}

impl Engine {
    /// Loads the directory from the store; everything else is given.
    pub async fn new(parts: Parts) -> Result<Engine, StoreError> {
        let clock = parts.store.clone();
        let settings = &parts.settings;
        let accounts = limits::Accounts::configured(
            parts.providers,
            &settings.weights,
            &settings.gateway,
            settings.speed,
            Arc::new(move || clock.now()),
        );
        let engine = Engine {
            channels: Engine::channels_of(&accounts),
            references: reference::References::new(&parts.settings.key),
            worked_before: Mutex::default(),
            gateways: gateways::Gateways::new(parts.store.clone(), gateways::GatewayId(parts.settings.gateway.clone())),
            store: parts.store,
            reports: parts.reports,
            accounts,
            renderer: parts.renderer,
            policy: RwLock::new(Arc::new(parts.policy)),
            people: RwLock::new((Arc::new(Directory::default()), Arc::new(Lookup::new(&Directory::default())))),
            issuers: parts.issuers,
            settings: parts.settings,
            cache: cache::Cache::default(),
            lookups: dispatcher::Lookups::default(),
            digests: digest::Waiting::default(),
            announcing: tokio::sync::Mutex::default(),
            probes: board::Probes::default(),
            canaries: canary::Seen::default(),
            forecasts: forecast::Kept::default(),
            numbers_version: AtomicU64::new(0),
        };
        engine.reload_directory().await?;
        engine.follow_board().await?;
        Ok(engine)
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
    pub fn reports(&self) -> &Arc<dyn Reports> {
        &self.reports
    }
    /// Who else works on this store.
    pub fn gateways(&self) -> &gateways::Gateways {
        &self.gateways
    }
    pub fn now(&self) -> Time {
        self.store.now()
    }
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub fn people(&self) -> (Arc<Directory>, Arc<Lookup>) {
        self.people.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The same, after a look whether another gateway has replaced the directory since.
    pub async fn people_now(&self) -> Result<(Arc<Directory>, Arc<Lookup>), StoreError> {
        self.follow_directory().await?;
        Ok(self.people())
    }
    /// Reads the directory anew where another gateway has replaced it.
    pub async fn follow_directory(&self) -> Result<(), StoreError> {
        if self.store.docs_version(DIRECTORY).await? != self.directory().version {
            self.reload_directory().await?;
        }
        self.follow_numbers().await
    }
    /// The directory now in force.
    pub fn directory(&self) -> Arc<Directory> {
        self.people().0
    }

    async fn reload_directory(&self) -> Result<(), StoreError> {
        let (version, docs) = self.store.docs(DIRECTORY).await?;
        let rows = docs.iter().filter_map(|d| {
            let (kind, id) = d.id.split_once('/')?;
            Some((kind, id, d.body.as_slice()))
        });
        let directory = Directory::from_docs(version, rows).map_err(StoreError::Corrupt)?;
        let dead = self.read_numbers().await?;
        self.install(directory, Arc::new(dead));
        Ok(())
    }

    fn install(&self, directory: Directory, dead: Arc<DeadNumbers>) {
        let lookup = Arc::new(Lookup::new(&directory).with_outlines(self.settings.outlines.clone()).with_numbers(dead));
        *self.people.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(directory), lookup);
    }

    /// A warning as it stands, straight from the store.
    pub async fn warning(&self, id: WarningId) -> Result<Option<Arc<WarningState>>, StoreError> {
        Ok(self.load_warning(id).await?.map(|(w, _)| w))
    }

    /// A callout with its surroundings, straight from the store.
    pub async fn callout_parts(&self, id: CalloutId) -> Result<Option<CalloutParts>, StoreError> {
        let Some(around) = self.around(id).await? else { return Ok(None) };
        let key = Key::Callout(id);
        let Some(record) = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten() else { return Ok(None) };
        let callout: Callout = apply::from_json(&key, &record.body)?;
        Ok(Some(CalloutParts { callout, warning: around.warning, chunk: around.chunk, index: around.index, due: record.due }))
    }

    /// The same from a record already read, for lists.
    pub async fn parts_of(&self, record: &crate::store::Record) -> Result<Option<CalloutParts>, StoreError> {
        let callout: Callout = apply::from_json(&record.key, &record.body)?;
        let Some(around) = self.around(callout.id).await? else { return Ok(None) };
        Ok(Some(CalloutParts { callout, warning: around.warning, chunk: around.chunk, index: around.index, due: record.due }))
    }

    /// Wakes when something durable may have happened; for live views.
    pub async fn happened(&self) {
        self.store.changed().await;
    }

    /// Tells the other gateways that this one lives, and takes its part of what providers grant.
    ///
    /// # Errors
    /// `Unavailable` when it could not be told or the others could not be asked: the part that was taken before lapses.
    pub async fn say_alive(&self) -> Result<(), StoreError> {
        self.accounts.share_among(self.gateways.take_part().await?);
        Ok(())
    }

    /// Raises the pace of accounts no provider complained about for a while.
    pub fn ease_accounts(&self) {
        self.accounts.ease(self.store.now());
    }

    /// Tells the metrics how the accounts stand, used or not.
    pub fn measure_accounts(&self) {
        for a in self.accounts.all() {
            metrics::provider_up(a.provider.channel().as_str(), a.name(), a.works());
        }
        self.waiting().into_iter().for_each(|(channel, n)| metrics::queue_depth(channel.as_str(), n));
    }

    /// How many attempts wait for a slot here, by channel.
    pub fn waiting(&self) -> BTreeMap<Channel, u64> {
        let now = self.store.now();
        let mut depth = BTreeMap::new();
        for a in self.accounts.all() {
            *depth.entry(a.provider.channel()).or_default() += a.depth(now);
        }
        depth
    }

    /// What had to be filed (报备) for each account, and how it stands.
    pub fn filings(&self) -> Vec<(String, Vec<crate::channel::Filing>)> {
        self.accounts.all().iter().map(|a| (a.name().to_string(), a.provider.filings())).collect()
    }
    /// What somebody should see to of that, a line each, in Chinese.
    pub fn filing_concerns(&self) -> Vec<String> {
        let today = crate::channel::Day::of(self.store.now());
        self.filings().iter().flat_map(|(account, all)| crate::channel::filing::concerns(account, all, today)).collect()
    }

    /// Accounts: name, whether it is up, why not.
    pub fn providers(&self) -> Vec<(String, bool, String)> {
        self.accounts
            .all()
            .iter()
            .map(|a| {
                let stopped = a.stopped();
                (a.name().to_string(), stopped.is_none(), stopped.unwrap_or_default())
            })
            .collect()
    }

    /// Persons of a warning's plan that are not rows yet: they count as queued.
    pub async fn planned_callouts(&self, w: &WarningState) -> Result<Vec<PlanEntry>, StoreError> {
        // A crash may have left rows of the chunk in hand behind the cursor: they are counted as rows.
        let in_hand = ((w.plan.cursor / CHUNK as u32 + 1) * CHUNK as u32).min(w.plan.entries);
        let keys: Vec<Key> = (w.plan.cursor..in_hand).map(|n| Key::Callout(CalloutId::new(w.id, n))).collect();
        let made = if keys.is_empty() { Vec::new() } else { self.store.load(&keys).await? };
        let mut out = Vec::new();
        for ordinal in w.plan.cursor..w.plan.entries {
            if made.get((ordinal - w.plan.cursor) as usize).is_some_and(Option::is_some) {
                continue;
            }
            if let Some(chunk) = self.chunk(w.id, ordinal / CHUNK as u32).await?
                && let Some(e) = chunk.entries.get(ordinal as usize % CHUNK)
            {
                out.push(e.clone());
            }
        }
        Ok(out)
    }
}

/// The kind under which the store keeps the directory's documents; ids are `recipient/p12`.
const DIRECTORY: &str = "directory";
