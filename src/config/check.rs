//! Checks beyond types: what reads well yet cannot work.

use super::{Config, Fault, Issuer, Redis, RedisMode, StoreKind, Token};
use crate::core::time::{ARCHIVE_AT_LEAST, Span};
use base64::Engine as _;
use std::collections::BTreeSet;
use url::Url;

/// A key of fewer characters cannot hold 128 bits.
const SHORTEST_KEY: usize = 22;

impl Config {
    /// Every fault that reading could not see. Empty when the configuration can be used.
    pub fn check(&self) -> Vec<Fault> {
        let mut out = Vec::new();
        let mut fault = |key: &str, detail: String| out.push(self.fault(key, detail));
        self.check_server(&mut fault);
        if self.store.kind == StoreKind::Redis {
            check_redis(&self.store.redis, &mut fault);
        }
        self.check_archive(&mut fault);
        self.check_drills(&mut fault);
        self.check_ranges(&mut fault);
        let mut ids = BTreeSet::new();
        for issuer in &self.issuers {
            if !ids.insert(&issuer.id) {
                fault(&format!("issuer[{}].id", issuer.id), "is the id of another issuer too; ids must differ".into());
            }
            check_issuer(issuer, &mut fault);
        }
        let mut names = BTreeSet::new();
        for token in &self.tokens {
            if !names.insert(&token.name) {
                fault(&format!("token[{}].name", token.name), "is the name of another token too; names must differ".into());
            }
            check_token(token, &mut fault);
        }
        self.check_keys_differ(&mut fault);
        super::sources::check(self, &mut fault);
        super::canary::check(self, &mut fault);
        for (account, table) in &self.providers {
            let key = |k: &str| format!("provider.{account}.{k}");
            if table.kind().is_none() {
                fault(&key("kind"), format!("say which adapter this account is for: {}", crate::channel::settings::KINDS.join(", ")));
            }
            if table.0.contains_key("weight") && table.weight().is_none() {
                fault(&key("weight"), format!("is not a whole number of 0 to {}", super::WEIGHT_MOST));
            }
            if !is_short_name(account) {
                fault(
                    &format!("provider.{account}"),
                    "an account's name is letters, digits, - and _ only: it stands in URLs and metrics".into(),
                );
            }
            if let Some(secret) = table.callback_secret() {
                let plain = secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
                if secret.len() < SHORTEST_KEY || !plain {
                    fault(
                        &key("callback_secret"),
                        format!(
                            "must be at least {SHORTEST_KEY} letters, digits, - or _ (128 random bits): it is part of the callback address"
                        ),
                    );
                }
            }
        }
        out
    }

    fn check_server(&self, fault: &mut impl FnMut(&str, String)) {
        let url = &self.server.public_url;
        match Url::parse(url) {
            Ok(u) if matches!(u.scheme(), "http" | "https") && u.query().is_none() && u.fragment().is_none() && !url.ends_with('/') => {}
            _ => fault(
                "server.public_url",
                format!("`{url}` is not an http(s) address without a trailing slash, such as https://warning.example.org"),
            ),
        }
    }

    /// Drills that start by themselves, the yearly date, what things cost.
    fn check_drills(&self, fault: &mut impl FnMut(&str, String)) {
        let mut names = BTreeSet::new();
        for d in &self.drills {
            let key = |k: &str| format!("drill[{}].{k}", d.name);
            if !names.insert(&d.name) {
                fault(&key("name"), "is the name of another drill too; names must differ".into());
            }
            d.faults().into_iter().for_each(|(k, why)| fault(&key(k), why));
        }
        if !self.coverage.filing.is_empty()
            && let Err(why) = self.coverage.filing.parse::<crate::core::coverage::FilingDate>()
        {
            fault("coverage.filing", why);
        }
        for (key, price) in [("cost.sms", self.cost.sms), ("cost.voice_minute", self.cost.voice_minute)] {
            if !(0.0..=1000.0).contains(&price) {
                fault(key, format!("{price} is no price in yuan, 0 to 1000"));
            }
        }
    }

    fn check_archive(&self, fault: &mut impl FnMut(&str, String)) {
        let archive = &self.archive;
        if archive.after < ARCHIVE_AT_LEAST {
            let why = "what may still be replayed after a failover must be in the store";
            fault("archive.after", format!("{} is shorter than {ARCHIVE_AT_LEAST}: {why}", archive.after));
        }
        let Some(path) = &archive.path else { return };
        let redis = &self.store.redis;
        if self.store.kind == StoreKind::Redis && archive.after < redis.journal_window {
            let why = "a failover must find what it replays still in the store";
            fault(
                "archive.after",
                format!("{} is shorter than store.redis.journal_window ({}): {why}", archive.after, redis.journal_window),
            );
        }
        if self.store.kind == StoreKind::Memory {
            fault("archive.path", "is given, but the store is \"memory\", which keeps nothing to archive".into());
        }
        if self.store.kind == StoreKind::Sqlite && *path == self.store.path {
            fault("archive.path", "is the store's own file; the archive needs one of its own".into());
        }
    }

    fn check_ranges(&self, fault: &mut impl FnMut(&str, String)) {
        let mut span = |key: &str, value: Span, least: Span, most: Span| {
            if value < least || value > most {
                fault(key, format!("{value} is outside {least} to {most}"));
            }
        };
        span("server.shutdown_grace", self.server.shutdown_grace, Span::ms(100), Span::mins(10));
        span("engine.lease", self.engine.lease, Span::secs(1), Span::mins(10));
        span("forecast.sms_answer", self.forecast.sms_answer, Span::ZERO, Span::hours(24));
        span("forecast.hold", self.forecast.hold, Span::ms(1), Span::mins(10));
        let mut number = |key: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                fault(key, format!("{value} is outside {least} to {most}"));
            }
        };
        number("engine.in_flight", self.engine.in_flight.into(), 1, 512);
        number("engine.planning_chunk", self.engine.planning_chunk.into(), 1, 1000);
        number("messages.segments", self.messages.segments.into(), 1, 5);
        let speed = self.clock.speed;
        if !speed.is_finite() || !(0.01..=100_000.0).contains(&speed) {
            fault("clock.speed", format!("{speed} is outside 0.01 to 100000; 1 is real time"));
        }
        let f = &self.forecast;
        for (key, value, least, most) in [
            ("forecast.answered_by_sms", f.answered_by_sms, 0.0, 1.0),
            ("forecast.attempts", f.attempts, 1.0, 20.0),
            ("forecast.sms_parts", f.sms_parts, 0.0, 10.0),
        ] {
            if !value.is_finite() || !(least..=most).contains(&value) {
                fault(key, format!("{value} is outside {least} to {most}"));
            }
        }
        let signature = &self.messages.signature;
        if !(2..=12).contains(&signature.chars().count()) || signature.contains(['【', '】']) {
            fault("messages.signature", format!("`{signature}` is not 2 to 12 characters without 【】, as registered with the carriers"));
        }
        if tracing_subscriber::EnvFilter::try_new(&self.log.level).is_err() {
            fault(
                "log.level",
                format!("`{}` is not a level (error, warn, info, debug, trace) or a filter such as info,jiaoying=debug", self.log.level),
            );
        }
    }

    /// Two holders of one key could not be told apart.
    fn check_keys_differ(&self, fault: &mut impl FnMut(&str, String)) {
        let issuers = self.issuers.iter().filter_map(|i| i.key.as_ref().map(|k| (format!("issuer[{}].key", i.id), k)));
        let tokens = self.tokens.iter().map(|t| (format!("token[{}].secret", t.name), &t.secret));
        let mut seen = BTreeSet::new();
        for (key, secret) in issuers.chain(tokens) {
            if !secret.reveal().is_empty() && !seen.insert(secret.reveal()) {
                fault(&key, "is used a second time; every issuer and token needs a key of its own".into());
            }
        }
    }
}

fn check_issuer(issuer: &Issuer, fault: &mut impl FnMut(&str, String)) {
    let key = |k: &str| format!("issuer[{}].{k}", issuer.id);
    if !is_short_name(&issuer.id.0) {
        fault(&key("id"), format!("`{}` is not 1 to 64 letters, digits, - and _", issuer.id));
    }
    if issuer.name.trim().is_empty() {
        fault(&key("name"), "is empty; people read it beside every warning".into());
    }
    if issuer.key.is_none() && issuer.webhook_secret.is_none() {
        fault(&key("key"), "has neither `key` nor `webhook_secret`, so that it cannot sign in".into());
    }
    if let Some(secret) = &issuer.key {
        check_key(&key("key"), secret.reveal(), fault);
    }
    if let Some(secret) = issuer.webhook_secret.as_ref().map(|s| s.reveal()).filter(|s| !s.is_empty()) {
        let bytes = secret.strip_prefix("whsec_").and_then(|b| base64::engine::general_purpose::STANDARD.decode(b).ok());
        if !bytes.is_some_and(|b| (16..=64).contains(&b.len())) {
            fault(&key("webhook_secret"), "is not whsec_ followed by 16 to 64 bytes in base64".into());
        }
    }
    if issuer.divisions.is_empty() {
        fault(&key("divisions"), "is empty: every warning of this issuer would be refused; name the divisions it may warn".into());
    }
    if issuer.mapping.is_some() && issuer.xmldsig.as_ref().is_some_and(|x| x.required) {
        fault(&key("xmldsig.required"), "cannot be with `mapping`: what a mapping reads bears no signature that is checked".into());
    }
    if issuer.rate == 0 {
        fault(&key("rate"), "is 0; say how many warnings a minute it may post".into());
    }
}

fn check_redis(redis: &Redis, fault: &mut impl FnMut(&str, String)) {
    let key = |k: &str| format!("store.redis.{k}");
    if redis.addresses.is_empty() {
        fault(&key("addresses"), "is empty; name the server, the sentinels or some nodes of the Cluster as host:port".into());
    }
    for address in &redis.addresses {
        let known = address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0));
        if !known {
            fault(&key("addresses"), format!("`{address}` is not host:port, such as 10.0.0.5:6379"));
        }
    }
    match (redis.mode, &redis.master_name) {
        (RedisMode::Sentinel, None) => fault(&key("master_name"), "is missing; say what the sentinels call the primary".into()),
        (RedisMode::Single, _) if redis.addresses.len() > 1 => {
            fault(
                &key("addresses"),
                "names several servers; with mode = \"single\" there is one (see \"sentinel\" and \"cluster\")".into(),
            );
        }
        (RedisMode::Cluster, _) if redis.database != 0 => fault(&key("database"), "must be 0 in a Cluster".into()),
        _ => {}
    }
    let mut span = |name: &str, value: Span, least: Span, most: Span| {
        if value < least || value > most {
            fault(&key(name), format!("{value} is outside {least} to {most}"));
        }
    };
    span("wait_timeout", redis.wait_timeout, Span::ms(10), Span::secs(30));
    span("journal_window", redis.journal_window, Span::mins(1), Span::hours(24));
    span("recovery_hold", redis.recovery_hold, Span::secs(1), Span::mins(1));
    span("response_timeout", redis.response_timeout, Span::secs(1), Span::mins(2));
    if redis.wait_timeout >= redis.response_timeout {
        fault(&key("wait_timeout"), "must be shorter than response_timeout, else its answer comes too late".into());
    }
    if !(1..=256).contains(&redis.partitions) {
        fault(&key("partitions"), format!("{} is outside 1 to 256", redis.partitions));
    }
    if !(16..=65_536).contains(&redis.journal_size) {
        fault(&key("journal_size"), format!("{} is outside 16 to 65536 (MiB)", redis.journal_size));
    }
    if redis.replicas > 5 {
        fault(&key("replicas"), format!("{} is outside 0 to 5", redis.replicas));
    }
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.:".contains(&c);
    if redis.prefix.is_empty() || redis.prefix.len() > 32 || !redis.prefix.bytes().all(plain) {
        fault(&key("prefix"), "must be 1 to 32 letters, digits, -, _, . and :".into());
    }
    if redis.ca.is_some() && !redis.tls {
        fault(&key("ca"), "is given, but tls is false".into());
    }
}

fn check_token(token: &Token, fault: &mut impl FnMut(&str, String)) {
    let key = |k: &str| format!("token[{}].{k}", token.name);
    if token.name.trim().is_empty() || token.name.chars().count() > 64 {
        fault(&key("name"), "must be 1 to 64 characters; it stands in records as who did it".into());
    }
    if token.roles.is_empty() {
        fault(&key("roles"), "is empty; name one or more of viewer, operator, admin, auditor, monitoring".into());
    }
    check_key(&key("secret"), token.secret.reveal(), fault);
}

fn check_key(key: &str, secret: &str, fault: &mut impl FnMut(&str, String)) {
    // An empty one was reported when it was resolved.
    if secret.is_empty() {
        return;
    }
    if secret.len() < SHORTEST_KEY {
        fault(key, format!("is shorter than {SHORTEST_KEY} characters (128 random bits)"));
    }
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        fault(key, "holds characters that an HTTP header cannot carry; use letters and digits".into());
    }
}

fn is_short_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}
