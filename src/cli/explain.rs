//! `jiaoying explain 11B03 red`: what the policy does with such a warning, in plain Chinese; with `--division`,
//! who of the directory would be called there. `jiaoying policy …`: its versions.

use super::Failure;
use crate::{
    app,
    core::{
        directory::Tier,
        division::Division,
        hazard::{HazardCode, Level},
        planner::{Lookup, PlanInput, PlanOutput, make_plan},
        policy::{Policy, Question, diff::diff, explain::zh},
        time::Time,
        warning::{Area, Content, MessageType, Shape, Status},
    },
    engine::Engine,
};
use clap::{Args, Subcommand};
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error};
use std::{collections::BTreeMap, path::PathBuf};

#[derive(Args)]
pub(super) struct Options {
    /// An event code, such as 11B03.
    hazard: String,
    /// red, orange, yellow, blue or unknown.
    #[arg(value_parser = word::<Level>)]
    level: Level,
    /// A stage, such as T-2h or 立即转移.
    #[arg(long)]
    stage: Option<String>,
    /// Accepted at this hour of the day, 23 or 23:30. Default: by day and by night.
    #[arg(long, value_parser = minute)]
    hour: Option<u16>,
    /// Of this tier only: city, county, township, village, point or `duty_desk`.
    #[arg(long, value_parser = word::<Tier>)]
    tier: Option<Tier>,
    /// Also who of the directory would be called here.
    #[arg(long)]
    division: Option<Division>,
    #[arg(long)]
    config: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Hours that are shown where none is asked for.
const DAY: u16 = 14 * 60;
const NIGHT: u16 = 23 * 60;

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let config = app::load_config(options.config.as_deref())?;
    let policy = app::policy(&config).map_err(|f| Failure::Usage(f.join("\n")))?;
    let hazard = HazardCode(options.hazard.clone());
    let ask = |minute| {
        policy.explain(&Question { hazard: &hazard, level: options.level, stage: options.stage.as_deref(), minute, tier: options.tier })
    };
    let hours = options.hour.map_or_else(|| vec![DAY, NIGHT], |h| vec![h]);
    let mut told: Vec<_> = hours.iter().map(|m| (*m, ask(*m))).collect();
    // By night as by day: said once.
    let by_day = told.first().map(|(_, e)| (e.calls.clone(), e.ladders.clone()));
    let same = options.hour.is_none() && told.get(1).map(|(_, e)| (e.calls.clone(), e.ladders.clone())) == by_day;
    if same {
        told.truncate(1);
    }
    let people = match options.division {
        Some(d) => {
            let (engine, now) = open(&config).await?;
            told.iter().map(|(minute, _)| who(&engine, &policy, &options, d, now.next_beijing_minute(*minute))).collect()
        }
        None => Vec::new(),
    };
    if options.json {
        let all: Vec<_> = told.iter().map(|(_, e)| e).collect();
        let json = serde_json::json!({"policy": policy.source(), "hash": policy.origin.hash, "explained": all, "people": people});
        println!("{json}");
        return Ok(());
    }
    println!("{}（{}）", policy.source(), policy.origin.hash);
    for (i, (_, e)) in told.iter().enumerate() {
        println!("\n{}", e.text().trim_end());
        if let Some(people) = people.get(i) {
            println!("名册中会叫：");
            people.iter().for_each(|p| println!("  {p}"));
        }
    }
    if same {
        println!("\n夜间同白天");
    }
    Ok(())
}

async fn open(config: &crate::config::Config) -> Result<(std::sync::Arc<Engine>, Time), Failure> {
    let stores = app::open_store(config)
        .await
        .map_err(|e| Failure::Failed(format!("{e}; while the gateway runs, ask it: GET /api/v1/policy/explain")))?;
    let engine = app::engine(config, stores).await?;
    let now = engine.now();
    Ok((engine, now))
}

/// A line for each tier and way: how many, by what, by when, and the first names.
fn who(engine: &Engine, policy: &Policy, options: &Options, division: Division, now: Time) -> Vec<String> {
    let directory = engine.directory();
    let lookup = Lookup::new(&directory);
    let content = content(options, division, now);
    let plan = make_plan(PlanInput {
        content: &content,
        policy,
        directory: &directory,
        lookup: &lookup,
        now,
        issuer_divisions: &[],
        drill: false,
        only: None,
    });
    let mut out = lines(&plan, options.tier);
    out.extend(plan.findings.iter().map(|f| format!("（{}）", f.detail)));
    if out.is_empty() {
        out.push("没有人".into());
    }
    out
}

fn lines(plan: &PlanOutput, tier: Option<Tier>) -> Vec<String> {
    let mut groups: BTreeMap<(Tier, String), Vec<&str>> = BTreeMap::new();
    for chunk in &plan.chunks {
        for e in &chunk.entries {
            let Some(first) = e.posts.first().filter(|p| tier.is_none_or(|t| t == p.tier)) else { continue };
            let Some(ladder) = plan.running.ladders.get(usize::from(e.ladder)) else { continue };
            let way =
                if ladder.ladder.answer { format!("{} 限{}", ladder.name, zh(e.deadline)) } else { format!("{} 只告知", ladder.name) };
            let name = chunk.people.get(usize::from(e.person)).map_or("", |p| p.name.as_str());
            groups.entry((first.tier, way)).or_default().push(name);
        }
    }
    let line = |((tier, way), names): (&(Tier, String), &Vec<&str>)| {
        let shown: Vec<&str> = names.iter().take(10).copied().collect();
        let more = if names.len() > shown.len() { "……" } else { "" };
        format!("{} {way}：{}人 {}{more}", tier.name_zh(), names.len(), shown.join("、"))
    };
    groups.iter().map(line).collect()
}

fn content(options: &Options, division: Division, now: Time) -> Content {
    Content {
        identifier: "explain".into(),
        sender: "explain".into(),
        sent: now,
        status: Status::Actual,
        message_type: MessageType::Alert,
        references: Vec::new(),
        hazard: HazardCode(options.hazard.clone()),
        level: options.level,
        headline: "规则说明".into(),
        description: String::new(),
        instruction: String::new(),
        effective: None,
        onset: None,
        expires: None,
        areas: vec![Area { name: None, shape: Shape::Division(division), level: None }],
        event: None,
        stage: options.stage.clone(),
        sender_name: None,
        parameters: BTreeMap::new(),
        restricted: false,
    }
}

/// A word as it stands in policies and the API.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let d: serde::de::value::StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(d).map_err(|e| e.to_string())
}

fn minute(text: &str) -> Result<u16, String> {
    let bad = || format!("`{text}` is no hour of the day; write 23 or 23:30");
    let (h, m) = text.split_once(':').unwrap_or((text, "0"));
    let part = |t: &str, below: u16| t.parse::<u16>().ok().filter(|n| *n < below).ok_or_else(bad);
    Ok(part(h, 24)? * 60 + part(m, 60)?)
}

#[derive(Subcommand)]
pub(super) enum Versions {
    /// Every version that a gateway of this store was started with, newest first.
    List {
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// The text of one version.
    Show {
        hash: String,
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// What the second version changes of the first.
    Diff {
        older: String,
        newer: String,
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

pub(super) async fn versions(what: Versions) -> Result<(), Failure> {
    let path = match &what {
        Versions::List { config } | Versions::Show { config, .. } | Versions::Diff { config, .. } => config.clone(),
    };
    let config = app::load_config(path.as_deref())?;
    let (engine, _) = open(&config).await?;
    let history = engine.policies().await.map_err(|e| Failure::Failed(e.to_string()))?;
    let find = |hash: &str| {
        let mut fits = history.versions.iter().filter(|v| v.hash.starts_with(hash));
        match (fits.next(), fits.next()) {
            (Some(v), None) => Ok(v),
            (Some(_), Some(_)) => Err(Failure::Usage(format!("`{hash}` fits several versions; write more of it"))),
            _ => Err(Failure::Failed(format!("policy version `{hash}` is not known; see `jiaoying policy list`"))),
        }
    };
    match &what {
        Versions::List { .. } => {
            for c in &history.changes {
                let name =
                    history.versions.iter().find(|v| v.hash == c.hash).map_or_else(String::new, |v| format!("{} {}", v.name, v.version));
                println!("{}  {}  {name}  {}", c.since.rfc3339(), c.hash, c.by);
            }
        }
        Versions::Show { hash, .. } => print!("{}", find(hash)?.text),
        Versions::Diff { older, newer, .. } => print!("{}", diff(&find(older)?.text, &find(newer)?.text)),
    }
    Ok(())
}
