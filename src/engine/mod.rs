//! The engine: something is due → lease it → step → commit → carry out. First send, retry,
//! escalation and recovery after a crash are this one path ([`executor`]).
//!
//! Rooms: `intake` (warnings in), `planning` (plans into rows, ends walked), `executor` (the turn),
//! `lines` (calls and gathered messages), `dispatcher` (requests out), `receipts` (callbacks in),
//! `answers` (people and officers), `apply` (load, step, commit, again on conflict), `reference` (ids
//! that cannot be guessed), `limits` (provider accounts), `cache` (plans and policies in memory).
//!
//! It decides nothing itself: every decision is a function of `core`.

use crate::{
    core::{
        callout::state::{Callout, Report},
        division::Division,
        hazard::{HazardCode, Level},
        ids::{CalloutId, IssuerId, WarningId},
        plan::{PlanChunk, PlanEntry, PlanPerson},
        time::{Span, Time},
        warning::{Content, FieldError, Finding, Parsed},
        warning_life::WarningState,
    },
    store::{Reports, Store, StoreError},
};
use std::sync::Arc;

/// A bureau that may post, as configured.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub id: IssuerId,
    pub name: String,
    /// Empty: any.
    pub hazards: Vec<HazardCode>,
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

impl Engine {
    pub fn store(&self) -> &Arc<dyn Store> {
        todo!()
    }
    pub fn reports(&self) -> &Arc<dyn Reports> {
        todo!()
    }
    pub fn now(&self) -> Time {
        todo!()
    }
    /// Accepts a warning once it is durable. `raw` is kept with it.
    pub async fn post_warning(&self, _issuer: &Issuer, _parsed: Parsed, _raw: &[u8]) -> Result<PostReply, PostError> {
        todo!()
    }
    /// Shows a refused post of a known issuer (or a failed signature) to the duty room; kept in the feed.
    pub async fn record_refusal(&self, _issuer: Option<&str>, _status: u16, _reason: &str) {
        todo!()
    }
    pub async fn cancel_warning(&self, _id: WarningId, _who: &str, _reason: &str) -> Result<(), ActError> {
        todo!()
    }
    pub async fn extend_warning(&self, _id: WarningId, _who: &str, _expires: Time) -> Result<(), ActError> {
        todo!()
    }
    /// `place`: a point's code or a division code.
    pub async fn add_place(&self, _id: WarningId, _who: &str, _place: &str) -> Result<(), ActError> {
        todo!()
    }
    pub async fn start_drill(&self, _who: &str, _content: Content) -> Result<PostReply, PostError> {
        todo!()
    }
    /// `answered_by`: absent or `holder`, a recipient id, or a name the officer signs for.
    pub async fn acknowledge(
        &self,
        _id: CalloutId,
        _officer: &str,
        _method: &str,
        _note: Option<String>,
        _answered_by: Option<&str>,
    ) -> Result<CalloutParts, ActError> {
        todo!()
    }
    pub async fn feedback(&self, _id: CalloutId, _officer: &str, _by: Option<&str>, _report: Report) -> Result<CalloutParts, ActError> {
        todo!()
    }
    pub async fn claim_task(&self, _task: &str, _officer: &str) -> Result<(), ActError> {
        todo!()
    }
    pub async fn complete_task(
        &self,
        _task: &str,
        _officer: &str,
        _outcome: &str,
        _reached: Option<&str>,
        _note: Option<String>,
    ) -> Result<(), ActError> {
        todo!()
    }
    /// What a link shows. Changes nothing.
    pub async fn open_token(&self, _token: &str) -> Result<TokenView, ActError> {
        todo!()
    }
    pub async fn token_act(&self, _token: &str, _action: TokenAction) -> Result<TokenView, ActError> {
        todo!()
    }
    pub async fn token_feedback(&self, _token: &str, _report: Report) -> Result<TokenView, ActError> {
        todo!()
    }
    /// Keeps a provider's callback raw and durable, and answers as that provider wants. The caller has
    /// checked account and secret.
    pub async fn park_callback(
        &self,
        _account: &str,
        _content_type: Option<&str>,
        _body: &[u8],
    ) -> Result<crate::channel::CallbackReply, ActError> {
        todo!()
    }
    pub async fn warning(&self, _id: WarningId) -> Result<Option<Arc<WarningState>>, StoreError> {
        todo!()
    }
    pub async fn callout_parts(&self, _id: CalloutId) -> Result<Option<CalloutParts>, StoreError> {
        todo!()
    }
    /// Wakes whenever something durable happened; for live views.
    pub async fn happened(&self) {
        todo!()
    }
    /// The directory now in force.
    pub fn directory(&self) -> Arc<crate::core::directory::Directory> {
        todo!()
    }
    /// Replaces the directory, durably, if it still has version `expect`.
    pub async fn replace_directory(&self, _expect: u64, _directory: crate::core::directory::Directory) -> Result<bool, StoreError> {
        todo!()
    }
    /// How the gateway is: store reachable, providers up (account, up, why).
    pub fn providers(&self) -> Vec<(String, bool, String)> {
        todo!()
    }
    pub fn lookahead(&self) -> Span {
        todo!()
    }
}
pub struct Engine {}
