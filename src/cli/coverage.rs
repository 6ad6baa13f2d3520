//! `jiaoying coverage`: what is missing in the directory. Exit code 1 where a place has nobody who could be reached.

use super::{
    Failure,
    ready::{From, readiness},
    remote::Remote,
};
use crate::{
    core::{
        coverage::{Coverage, GapKind},
        division::Division,
        hazard::{HazardCode, Level},
    },
    report::{coverage as report, table},
};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    remote: Remote,
    /// Only inside this division.
    #[arg(long)]
    division: Option<Division>,
    /// Only for this event code.
    #[arg(long)]
    hazard: Option<String>,
    /// Only for this level: red, orange, yellow, blue.
    #[arg(long)]
    level: Option<String>,
    /// Only gaps of this kind, such as nobody or dead_number.
    #[arg(long)]
    kind: Option<GapKind>,
    /// Print the gaps as JSON.
    #[arg(long)]
    json: bool,
    /// Write a workbook.
    #[arg(long, value_name = "FILE")]
    xlsx: Option<PathBuf>,
    /// Any gap fails, not only a place that nobody could be reached at.
    #[arg(long)]
    strict: bool,
    /// Confirm that the directory of these divisions is right (the yearly filing), at a running gateway.
    #[arg(long, value_name = "DIVISION")]
    confirm: Vec<Division>,
}

/// How many gaps are printed; all are in --json and --xlsx.
const PRINTED: usize = 200;

pub(super) async fn run(o: Options) -> Result<(), Failure> {
    if !o.confirm.is_empty() {
        let divisions: Vec<String> = o.confirm.iter().map(|d| d.to_string()).collect();
        let body = json!({ "divisions": divisions }).to_string().into_bytes();
        let config = crate::app::load_config(o.from.config.as_deref())?;
        o.remote.ask(Some(&config), "POST", "/api/v1/directory/confirmations", &[], Some(("application/json", body))).await?;
        println!("已确认：{}", divisions.join("、"));
        return Ok(());
    }
    if o.remote.url.is_some() {
        return remote(&o).await;
    }
    let level = o.level.as_deref().map(level).transpose()?;
    let hazard = o.hazard.clone().map(HazardCode);
    let (_, r) = readiness(&o.from).await?;
    let mut c = r.coverage(o.division, hazard.as_ref(), level);
    c.gaps.retain(|g| o.kind.is_none_or(|k| g.kind == k));
    if let Some(path) = &o.xlsx {
        let bytes = table::xlsx(&[report::overview(&c), report::gaps(&c), report::rules(&c)]).map_err(Failure::Failed)?;
        std::fs::write(path, bytes).map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?;
    }
    if o.json {
        let rows: Vec<_> =
            c.rows.iter().map(|r| json!({"rule": r.name, "hazards": r.hazards, "levels": r.levels, "stage": r.stage})).collect();
        println!("{}", json!({"places": c.places, "people": c.people, "summary": report::summary(&c), "rows": rows, "items": c.gaps}));
    } else {
        print(&c);
    }
    let grave = c.gaps.iter().filter(|g| g.kind.is_grave()).count();
    if grave > 0 {
        return Err(Failure::Failed(format!("{grave} 处在预警时无人可叫或都联系不上")));
    }
    if o.strict && !c.gaps.is_empty() {
        return Err(Failure::Failed(format!("{} 个缺口", c.gaps.len())));
    }
    Ok(())
}

fn print(c: &Coverage) {
    print!("{}", table::text(&report::overview(c)));
    if c.gaps.is_empty() {
        println!("没有发现缺口");
        return;
    }
    let mut gaps = report::gaps(c);
    gaps.rows.truncate(PRINTED);
    println!();
    print!("{}", table::text(&gaps));
    if c.gaps.len() > PRINTED {
        println!("… 共 {} 条，全部见 --xlsx FILE 或 --json", c.gaps.len());
    }
}

pub(super) fn level(text: &str) -> Result<Level, Failure> {
    let known = [Level::Red, Level::Orange, Level::Yellow, Level::Blue].into_iter().find(|l| l.as_str() == text || l.name_zh() == text);
    known.ok_or_else(|| Failure::Usage(format!("`{text}` is not a level: red, orange, yellow, blue")))
}

async fn remote(o: &Options) -> Result<(), Failure> {
    let mut query: Vec<(&str, String)> = Vec::new();
    query.extend(o.division.map(|d| ("division", d.to_string())));
    query.extend(o.hazard.clone().map(|h| ("hazard", h)));
    query.extend(o.level.clone().map(|l| ("level", l)));
    query.extend(o.kind.map(|k| ("kind", k.as_str().to_string())));
    if let Some(path) = &o.xlsx {
        let sheet = o.remote.ask(None, "GET", "/api/v1/directory/coverage.xlsx", &query, None).await?;
        std::fs::write(path, sheet.body).map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?;
    }
    query.push(("limit", "500".into()));
    let page = o.remote.ask(None, "GET", "/api/v1/directory/coverage", &query, None).await?.json()?;
    if o.json {
        println!("{page}");
    } else {
        for k in page["summary"].as_array().into_iter().flatten() {
            println!("{}  {}", k["name"].as_str().unwrap_or_default(), k["count"]);
        }
        for g in page["items"].as_array().into_iter().flatten() {
            let text = |k: &str| g[k].as_str().unwrap_or_default().to_string();
            println!("{}  {} {}  {}", text("kind"), text("place"), text("place_name"), text("detail"));
        }
    }
    let grave = ["nobody", "no_door"];
    let counts = page["summary"].as_array().into_iter().flatten();
    let failing: u64 = counts.filter(|k| o.strict || grave.iter().any(|g| k["kind"] == *g)).filter_map(|k| k["count"].as_u64()).sum();
    if failing > 0 { Err(Failure::Failed(format!("{failing} 个缺口"))) } else { Ok(()) }
}
