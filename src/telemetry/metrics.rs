//! Metrics, by the names of the contract. Each has one function here; labels are words from short
//! lists (an unknown hazard code is `other`), so that nobody outside can grow the number of series.

use crate::{
    core::{hazard::HAZARD_NAMES, hazard::Level, time::Span},
    store::CalloutState,
};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::{Mutex, PoisonError};

pub const WARNINGS: &str = "jiaoying_warnings_total";
pub const CALLOUTS: &str = "jiaoying_callouts";
pub const ATTEMPTS: &str = "jiaoying_attempts_total";
pub const SEND_SECONDS: &str = "jiaoying_send_seconds";
pub const FIRST_ATTEMPT_SECONDS: &str = "jiaoying_first_attempt_seconds";
pub const ANSWER_SECONDS: &str = "jiaoying_answer_seconds";
pub const ESCALATION_LATENESS: &str = "jiaoying_escalation_lateness_seconds";
pub const QUEUE_DEPTH: &str = "jiaoying_queue_depth";
pub const PROVIDER_UP: &str = "jiaoying_provider_up";
pub const SOURCE_UP: &str = "jiaoying_source_up";
pub const STORE_COMMIT_SECONDS: &str = "jiaoying_store_commit_seconds";
pub const CONSERVATION: &str = "jiaoying_conservation_difference";

/// Every name, for the test that they are those of the contract.
pub const NAMES: [&str; 11] = [
    WARNINGS,
    CALLOUTS,
    ATTEMPTS,
    SEND_SECONDS,
    FIRST_ATTEMPT_SECONDS,
    ANSWER_SECONDS,
    ESCALATION_LATENESS,
    QUEUE_DEPTH,
    PROVIDER_UP,
    STORE_COMMIT_SECONDS,
    CONSERVATION,
];

/// Beside the contract's names: what accounts are charged for.
const SMS_PARTS: &str = "jiaoying_sms_parts_total";
/// Asks sent beside ones whose provider is silent.
const HEDGES: &str = "jiaoying_hedges_total";
/// Shown only where an archive is kept.
const ARCHIVE: &str = "jiaoying_archive_warnings";

const FAST: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
const HUMAN: [f64; 12] = [5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];

/// The recorder of this process and the text it renders.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder; later calls give the same one.
    ///
    /// # Errors
    /// Another recorder stands already (somebody installed one by hand).
    pub fn install() -> Result<Metrics, BuildError> {
        static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
        let mut standing = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = standing.as_ref() {
            return Ok(Metrics(handle.clone()));
        }
        let full = |name: &str| Matcher::Full(name.to_string());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(full(ANSWER_SECONDS), &HUMAN)?
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &FAST)?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(BuildError::FailedToSetGlobalRecorder)?;
        describe();
        *standing = Some(handle.clone());
        Ok(Metrics(handle))
    }

    /// The exposition text. Also lets old samples go, so it should be asked for now and then.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

fn describe() {
    describe_counter!(WARNINGS, "Warnings posted, by what became of them");
    describe_gauge!(CALLOUTS, "Callouts of warnings that are not closed, by state");
    describe_counter!(ATTEMPTS, "Messages and calls, by what the provider made of them");
    describe_counter!(HEDGES, "Red asks whose provider said nothing more: gone once more by another provider, by voice, or not at all");
    describe_counter!(SMS_PARTS, "SMS that accepted messages were counted as");
    describe_histogram!(SEND_SECONDS, Unit::Seconds, "One request to a provider");
    describe_histogram!(FIRST_ATTEMPT_SECONDS, Unit::Seconds, "From acceptance of a warning to its first attempt leaving");
    describe_histogram!(ANSWER_SECONDS, Unit::Seconds, "From acceptance of a warning to the answer");
    describe_histogram!(ESCALATION_LATENESS, Unit::Seconds, "How late a rung was taken");
    describe_gauge!(QUEUE_DEPTH, "Attempts that wait for a provider account of this gateway, by channel");
    describe_gauge!(SOURCE_UP, "1: the watched folder or polled address works; 0: it has failed several times in a row");
    describe_gauge!(PROVIDER_UP, "1: the provider takes messages; 0: it is stopped or broken");
    describe_histogram!(STORE_COMMIT_SECONDS, Unit::Seconds, "One durable commit, waiting included");
    describe_gauge!(CONSERVATION, "Expected callouts less the sum over all states: must be 0");
    describe_gauge!(ARCHIVE, "Closed warnings in this gateway's archive (kept), waiting for copies of other gateways, missing here");
    gauge!(CONSERVATION).set(0.0);
}

/// A post: `result` is `accepted`, `duplicate`, `conflict`, `forbidden`, `invalid`, `limited`, `unavailable`.
pub fn warning_posted(issuer: &str, hazard: &str, level: Level, result: &'static str) {
    let hazard = HAZARD_NAMES.iter().find(|(code, _)| *code == hazard).map_or("other", |(code, _)| code);
    counter!(WARNINGS, "issuer" => issuer.to_string(), "hazard" => hazard, "level" => level.as_str(), "result" => result).increment(1);
}

/// A post that did not become a warning; `result` is the HTTP status it was refused with.
pub fn warning_refused(issuer: Option<&str>, status: u16) {
    let issuer = issuer.unwrap_or("").to_string();
    counter!(WARNINGS, "issuer" => issuer, "hazard" => "", "level" => "", "result" => status.to_string()).increment(1);
}

/// Whether a watched folder (`kind` `folder`) or polled address (`pull`) works.
pub fn source_up(kind: &'static str, issuer: &str, up: bool) {
    gauge!(SOURCE_UP, "kind" => kind, "issuer" => issuer.to_string()).set(if up { 1.0 } else { 0.0 });
}

pub fn callouts(state: CalloutState, count: u64) {
    gauge!(CALLOUTS, "state" => state.as_str()).set(count as f64);
}

/// One request to a provider and what came of it ([`crate::core::send::Outcome::class`]).
pub fn attempt(channel: &'static str, provider: &str, outcome: &'static str, took: Span) {
    counter!(ATTEMPTS, "channel" => channel, "provider" => provider.to_string(), "outcome" => outcome).increment(1);
    histogram!(SEND_SECONDS, "channel" => channel, "provider" => provider.to_string()).record(took.seconds_f64().max(0.0));
}

/// An accepted message of so many SMS: what an account is charged for.
pub fn sms_parts(provider: &str, parts: usize) {
    if parts > 0 {
        counter!(SMS_PARTS, "provider" => provider.to_string()).increment(parts as u64);
    }
}

/// A red ask of this channel got another beside it; `way` is `provider`, `voice`, or `none` where there was no other.
pub fn hedged(channel: &'static str, way: &'static str) {
    counter!(HEDGES, "channel" => channel, "way" => way).increment(1);
}

pub fn first_attempt(after: Span) {
    histogram!(FIRST_ATTEMPT_SECONDS).record(after.seconds_f64().max(0.0));
}

pub fn answered(via: &'static str, after: Span) {
    histogram!(ANSWER_SECONDS, "via" => via).record(after.seconds_f64().max(0.0));
}

pub fn escalated(late: Span) {
    histogram!(ESCALATION_LATENESS).record(late.seconds_f64().max(0.0));
}

pub fn queue_depth(channel: &'static str, depth: u64) {
    gauge!(QUEUE_DEPTH, "channel" => channel).set(depth as f64);
}

pub fn provider_up(channel: &'static str, provider: &str, up: bool) {
    gauge!(PROVIDER_UP, "channel" => channel, "provider" => provider.to_string()).set(if up { 1.0 } else { 0.0 });
}

pub fn committed(took: Span) {
    histogram!(STORE_COMMIT_SECONDS).record(took.seconds_f64().max(0.0));
}

pub fn archive(kept: usize, waiting: usize, missing: usize) {
    for (what, n) in [("kept", kept), ("waiting", waiting), ("missing", missing)] {
        gauge!(ARCHIVE, "what" => what).set(n as f64);
    }
}

pub fn conservation_difference(difference: u64) {
    gauge!(CONSERVATION).set(difference as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_rendered_by_the_contracts_names_and_strange_labels_are_folded() {
        let metrics = Metrics::install().unwrap();
        warning_posted("a", "11B03", Level::Red, "accepted");
        warning_posted("a", "<anything>", Level::Blue, "accepted");
        for state in CalloutState::ALL {
            callouts(state, 2);
        }
        attempt("sms", "aliyun-sms", "accepted", Span::ms(20));
        first_attempt(Span::ms(30));
        answered("link", Span::secs(40));
        escalated(Span::ms(-5));
        queue_depth("voice", 7);
        provider_up("sms", "aliyun-sms", true);
        committed(Span::ms(3));
        conservation_difference(0);
        let text = Metrics::install().unwrap().render();
        for name in NAMES {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name} is missing in {text}");
        }
        assert!(text.contains("jiaoying_send_seconds_bucket{channel=\"sms\",provider=\"aliyun-sms\",le=\"0.025\"} 1"), "{text}");
        assert!(text.contains("hazard=\"other\"") && !text.contains("anything"));
        assert!(text.contains("jiaoying_conservation_difference 0"));
        assert!(!metrics.render().is_empty());
    }
}
