//! What coverage and rehearsals are computed from at the command line: the store, the sample directory, or another
//! policy than the configured one.

use super::Failure;
use crate::{
    app,
    config::Config,
    core::{callout::Channels, coverage::Filings, forecast::Capacity, planner::Lookup, send::Channel},
    engine::{Settings, readiness::Readiness},
    sample,
    store::clock::{Clock, SystemClock},
};
use clap::Args;
use std::{path::PathBuf, sync::Arc};

#[derive(Args)]
pub(super) struct From {
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// The invented directory of Jincheng with so many persons, instead of the store's.
    #[arg(long, value_name = "PERSONS", num_args = 0..=1, default_missing_value = "10000")]
    pub sample: Option<usize>,
    /// Another policy than the configured one.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

pub(super) async fn readiness(from: &From) -> Result<(Config, Readiness), Failure> {
    let mut config = app::load_config(from.config.as_deref())?;
    if let Some(file) = &from.policy {
        config.policy.file = Some(file.clone());
    }
    if let Some(persons) = from.sample {
        let r = of_sample(&config, persons)?;
        return Ok((config, r));
    }
    let stores = app::open_store(&config).await.map_err(|e| Failure::Failed(format!("{e}\n（网关正在运行时用 --url 向它查询）")))?;
    let engine = app::engine(&config, stores).await?;
    let r = engine.readiness().await.map_err(|e| Failure::Failed(e.to_string()))?;
    Ok((config, r))
}

fn of_sample(config: &Config, persons: usize) -> Result<Readiness, Failure> {
    let plain = |f: Vec<String>| Failure::Usage(f.join("\n"));
    let directory = sample::directory(persons, 1);
    let outlines = app::outlines(config).map_err(plain)?;
    let lookup = Lookup::new(&directory).with_outlines(Arc::new(outlines));
    let accounts = app::providers(config).map_err(plain)?;
    let of = |c: Channel| accounts.iter().find(|p| p.channel() == c).map(|p| p.limits().clone());
    let (sms, voice) = (of(Channel::Sms), of(Channel::Voice));
    // Without any account the sample is looked at as if there were the usual ones: a try needs no contract.
    let none = accounts.is_empty();
    let defaults = Settings::default();
    Ok(Readiness {
        policy: Arc::new(app::policy(config).map_err(plain)?),
        directory: Arc::new(directory),
        lookup: Arc::new(lookup),
        channels: Channels { sms: none || sms.is_some(), voice: none || voice.is_some(), email: of(Channel::Email).is_some() },
        filing: config.coverage.filing(),
        filings: Filings::default(),
        now: SystemClock::new().now(),
        capacity: Capacity {
            sms_per_second: sms.map_or(if none { 300 } else { 0 }, |l| l.per_second),
            lines: voice.as_ref().map_or(if none { 100 } else { 0 }, |l| l.concurrent_calls),
            calls_per_second: voice.map_or(if none { 50 } else { 0 }, |l| l.per_second),
        },
        assumptions: defaults.assumptions,
        prices: config.cost,
        sending_timeout: defaults.sending_timeout,
    })
}
