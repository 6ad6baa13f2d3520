//! `jiaoying adapt --mapping FILE < sample`: what would come out of a body, and why. Nothing is sent, nothing
//! kept; no configuration is needed.

use super::Failure;
use crate::{
    core::warning::{Content, Refusal, Shape},
    ingest::{
        MAX_BODY,
        adapt::{self, Came, Item, Mapping},
    },
};
use clap::Args;
use std::io::Read;

#[derive(Args)]
pub(super) struct Options {
    /// A mapping file ending in .toml, or the name of a shipped mapping.
    #[arg(long)]
    mapping: String,
    /// The issuer's id, which is the sender where the mapping names none.
    #[arg(long, default_value = "issuer")]
    issuer: String,
    /// The charset that the sender's Content-Type would name.
    #[arg(long)]
    charset: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(o: &Options) -> Result<(), Failure> {
    let mapping = load(&o.mapping).map_err(|faults| Failure::Usage(faults.join("\n")))?;
    let mut body = Vec::new();
    let most = u64::try_from(MAX_BODY).unwrap_or(u64::MAX).saturating_add(1);
    std::io::stdin().take(most).read_to_end(&mut body).map_err(|e| Failure::Failed(format!("standard input: {e}")))?;
    let adapted =
        adapt::read(&mapping, o.charset.as_deref(), &body, &o.issuer).map_err(|r| Failure::Failed(format!("{}: {r}", mapping.name)))?;
    if o.json {
        let items: Vec<serde_json::Value> = adapted.items.iter().map(as_json).collect();
        println!("{}", serde_json::json!({"mapping": mapping.name, "items": items}));
    } else {
        println!("{}：{}，{} 条", mapping.name, mapping.about, adapted.items.len());
        adapted.items.iter().for_each(print);
    }
    let refused = adapted.items.iter().filter(|i| matches!(i.came, Came::Refused(_))).count();
    if refused > 0 {
        return Err(Failure::Failed(format!("{refused} of {} could not become warnings", adapted.items.len())));
    }
    Ok(())
}

pub(super) fn load(name: &str) -> Result<Mapping, Vec<String>> {
    if !name.ends_with(".toml") {
        return adapt::shipped(name);
    }
    let text = std::fs::read_to_string(name).map_err(|e| vec![format!("{name}: cannot be read: {e}")])?;
    adapt::parse(name, &text)
}

fn print(item: &Item) {
    let place = if item.pointer.is_empty() { "/" } else { &item.pointer };
    match &item.came {
        Came::Skipped(why) => println!("\n{place} 跳过：{why}"),
        Came::Refused(_) => println!("\n{place} 不能成为预警："),
        Came::Taken(_) => println!("\n{place} 成为预警："),
    }
    for s in &item.steps {
        let from = if s.paths.is_empty() { "固定".to_string() } else { s.paths.join("、") };
        let how = if s.how.is_empty() { String::new() } else { format!("；{}", s.how) };
        println!("  {:<24} {}    ← {from}（第 {} 行{how}）", s.field, s.value.replace('\n', "⏎"), s.line);
    }
    match &item.came {
        Came::Taken(p) => {
            p.findings.iter().for_each(|f| println!("  疑点 {}：{}", f.code, f.detail));
            let missing = missing(&p.content);
            if !missing.is_empty() {
                println!("  没有：{}", missing.join("、"));
            }
        }
        Came::Refused(Refusal::Invalid(faults)) => faults.iter().for_each(|f| println!("  错误 {}：{}", f.pointer, f.detail)),
        Came::Refused(other) => println!("  错误：{other}"),
        Came::Skipped(_) => {}
    }
    if !item.unread.is_empty() && !matches!(item.came, Came::Skipped(_)) {
        println!("  映射没有用到：{}", item.unread.join("、"));
    }
}

/// What a warning may have and this one has not.
fn missing(c: &Content) -> Vec<&'static str> {
    let absent = [
        ("description", c.description.is_empty()),
        ("instruction", c.instruction.is_empty()),
        ("effective", c.effective.is_none()),
        ("onset", c.onset.is_none()),
        ("expires", c.expires.is_none()),
        ("event", c.event.is_none()),
        ("stage", c.stage.is_none()),
        ("sender_name", c.sender_name.is_none()),
        ("areas", c.areas.is_empty()),
        ("areas 只有名称", !c.areas.is_empty() && c.areas.iter().all(|a| matches!(a.shape, Shape::Named(_)))),
    ];
    absent.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

fn as_json(item: &Item) -> serde_json::Value {
    let steps: Vec<serde_json::Value> = item
        .steps
        .iter()
        .map(|s| serde_json::json!({"field": s.field, "value": s.value, "line": s.line, "paths": s.paths, "how": s.how}))
        .collect();
    let (came, detail) = match &item.came {
        Came::Taken(p) => ("taken", serde_json::json!({"content": p.content, "findings": p.findings, "missing": missing(&p.content)})),
        Came::Skipped(why) => ("skipped", serde_json::json!(why)),
        Came::Refused(Refusal::Invalid(faults)) => ("refused", serde_json::json!(faults)),
        Came::Refused(Refusal::Malformed(why) | Refusal::Unproven(why)) => ("refused", serde_json::json!(why)),
    };
    serde_json::json!({"pointer": item.pointer, "came": came, "detail": detail, "fields": steps, "unread": item.unread})
}
