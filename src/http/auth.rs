//! Who is asking, and whether they may. Nothing is open by default: every operation of
//! [`super::operations`] says who may use it, and the router is built from that table alone.
//!
//! Keys are compared as SHA-256 digests in constant time, against all of them, so that neither
//! time nor order tells anything about a key.

use super::{
    error::{BASIC, Problem},
    operations::{Operation, Who},
    webhook::{self, Seen, Signed, Use},
};
use crate::{
    config::{Config, Issuer, Role},
    core::{division::Division, time::Time},
    engine::Officer,
};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};
use subtle::ConstantTimeEq;

/// A token's holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Stands in records as who did it.
    pub name: String,
    pub roles: BTreeSet<Role>,
    /// Sees and does nothing outside this.
    pub division: Option<Division>,
}

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub enum Caller {
    Issuer(Arc<Issuer>),
    Holder(Arc<Holder>),
}

impl Caller {
    /// How records name the caller.
    pub fn name(&self) -> &str {
        match self {
            Caller::Issuer(issuer) => &issuer.id.0,
            Caller::Holder(holder) => &holder.name,
        }
    }
    /// The caller as who enters an answer: a key is a program's, whoever holds it (contract, Roles).
    pub fn officer(&self) -> Officer<'_> {
        Officer::by_token(self.name())
    }
    pub fn has(&self, role: Role) -> bool {
        matches!(self, Caller::Holder(h) if h.roles.contains(&role))
    }
    /// The division this caller is bound to.
    pub fn bound_to(&self) -> Option<Division> {
        match self {
            Caller::Issuer(_) => None,
            Caller::Holder(h) => h.division,
        }
    }
    /// Whether something in this division may be seen or touched.
    pub fn sees(&self, division: Division) -> bool {
        self.bound_to().is_none_or(|own| own.contains(division))
    }
    /// What both the caller and a filter allow. 403 where they do not meet.
    pub fn narrow(&self, asked: Option<Division>) -> Result<Option<Division>, Problem> {
        match (self.bound_to(), asked) {
            (None, asked) => Ok(asked),
            (Some(own), None) => Ok(Some(own)),
            (Some(own), Some(asked)) if own.contains(asked) => Ok(Some(asked)),
            (Some(own), Some(asked)) if asked.contains(own) => Ok(Some(own)),
            (Some(own), Some(_)) => Err(Problem::forbidden(format!("this token is bound to division {own}"))),
        }
    }
    /// Phone numbers in full: only for operators and admins who ask.
    pub fn may_reveal(&self) -> bool {
        self.has(Role::Operator) || self.has(Role::Admin)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The guard put it there; a route without a guard must not work by accident.
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Problem::unauthorized("sign in with `Authorization: Bearer <key>`"))
    }
}

type KeyDigest = [u8; 32];

struct IssuerKeys {
    issuer: Arc<Issuer>,
    key: Option<KeyDigest>,
    webhook: Option<webhook::Key>,
}

/// All keys of the configuration.
pub struct Access {
    issuers: Vec<IssuerKeys>,
    holders: Vec<(KeyDigest, Arc<Holder>)>,
    seen: Mutex<Seen>,
}

fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key.as_bytes()).into()
}

impl Access {
    pub fn new(config: &Config) -> Access {
        let reveal = |s: &crate::config::Secret| Some(s.reveal()).filter(|k| !k.is_empty()).map(digest);
        let issuers = config.issuers.iter().map(|issuer| IssuerKeys {
            issuer: Arc::new(issuer.clone()),
            key: issuer.key.as_ref().and_then(reveal),
            webhook: issuer.webhook_secret.as_ref().and_then(|s| webhook::Key::parse(s.reveal())),
        });
        let holders = config.tokens.iter().filter_map(|t| {
            let holder = Holder { name: t.name.clone(), roles: t.roles.iter().copied().collect(), division: t.division };
            Some((reveal(&t.secret)?, Arc::new(holder)))
        });
        Access { issuers: issuers.collect(), holders: holders.collect(), seen: Mutex::default() }
    }

    /// Whose key this is. Goes through all of them whatever it finds.
    fn find(&self, key: &str) -> Option<Caller> {
        let given = digest(key);
        let mut found = None;
        for i in &self.issuers {
            if i.key.is_some_and(|k| bool::from(k.ct_eq(&given))) {
                found = Some(Caller::Issuer(i.issuer.clone()));
            }
        }
        for (k, holder) in &self.holders {
            if bool::from(k.ct_eq(&given)) {
                found = Some(Caller::Holder(holder.clone()));
            }
        }
        found
    }

    fn by_signature(&self, signed: Signed<'_>, body: &[u8], now: Time) -> Result<Caller, Problem> {
        let unauthorized = |e: webhook::Rejected| Problem::unauthorized(e.to_string());
        signed.in_window(now).map_err(unauthorized)?;
        let mut found = None;
        for i in &self.issuers {
            if i.webhook.as_ref().is_some_and(|key| signed.fits(key, body)) {
                found = Some(i.issuer.clone());
            }
        }
        let issuer = found.ok_or_else(|| unauthorized(webhook::Rejected::Signature))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.note(&issuer.id.0, signed.id, body, now) {
            Use::First | Use::Again => Ok(Caller::Issuer(issuer)),
            Use::Other => Err(Problem::conflict("this webhook-id was used for another message; every message needs an id of its own")),
        }
    }

    /// Lets a request through to `operation`, with its [`Caller`] where it has one, or refuses it.
    /// A signed request comes back with its body read (at most `limit` bytes).
    pub async fn admit(&self, operation: &Operation, request: Request, now: Time) -> Result<Request, Problem> {
        let Who::Callers { roles, issuer } = operation.who else { return Ok(request) };
        let (mut parts, mut body) = request.into_parts();
        let caller = match Signed::from_headers(&parts.headers).filter(|_| issuer) {
            Some(signed) => {
                let signed = signed.map_err(|e| Problem::unauthorized(e.to_string()))?;
                let bytes = read_body(body, operation.limit).await?;
                let caller = self.by_signature(signed, &bytes, now)?;
                body = Body::from(bytes);
                caller
            }
            None => self.by_header(&parts.headers, operation)?,
        };
        let allowed = match &caller {
            Caller::Issuer(_) => issuer,
            Caller::Holder(h) => roles.iter().any(|r| h.roles.contains(r)),
        };
        if !allowed {
            return Err(Problem::forbidden(format!("{} {} is for {}", operation.method, operation.path, operation.who)));
        }
        parts.extensions.insert(caller);
        Ok(Request::from_parts(parts, body))
    }

    fn by_header(&self, headers: &HeaderMap, operation: &Operation) -> Result<Caller, Problem> {
        // A browser sends Basic by itself, from any page: so it opens only what changes nothing.
        let basic = operation.is_read();
        let refuse = |detail: &str| {
            let mut p = Problem::unauthorized(detail);
            if operation.page {
                p.challenge = Some(BASIC);
            }
            p
        };
        let value = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let (scheme, rest) = value.and_then(|v| v.split_once(' ')).ok_or_else(|| refuse("sign in with `Authorization: Bearer <key>`"))?;
        let found = if scheme.eq_ignore_ascii_case("bearer") {
            self.find(rest.trim())
        } else if scheme.eq_ignore_ascii_case("basic") && basic {
            let pair = STANDARD.decode(rest.trim()).ok().and_then(|b| String::from_utf8(b).ok());
            pair.as_deref().and_then(|p| p.split_once(':')).and_then(|(_, secret)| self.find(secret))
        } else {
            None
        };
        found.ok_or_else(|| refuse("this key is not known"))
    }
}

/// Reads a body of at most `limit` bytes; 413 past it, 400 where it breaks off.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let mut all = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::malformed("the body broke off before its end"))?;
        if all.len() + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(Bytes::from(all))
}
