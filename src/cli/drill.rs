//! `jiaoying drill …`: drills of a running gateway, by its API: started, listed, looked back upon; the roll call.

use super::{Failure, remote::Remote};
use crate::app;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Options {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    remote: Remote,
    /// Where the gateway's address stands, without --url.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    /// Starts a drill: the warning (native JSON) that is practised. Real phones ring.
    Start {
        warning: PathBuf,
        /// Only these tiers, such as village,point.
        #[arg(long)]
        tier: Option<String>,
        /// Only these channels, such as sms,voice.
        #[arg(long)]
        channel: Option<String>,
        /// May ring at night although the policy holds drills until morning.
        #[arg(long)]
        at_night: bool,
        /// Even while a real warning runs.
        #[arg(long)]
        beside_real: bool,
    },
    /// Calls the roll (点名): the numbers whose turn it is this week.
    CallRoll {
        /// The same again is the same drill.
        #[arg(long)]
        identifier: String,
        /// One in so many numbers, instead of what the quarter asks for.
        #[arg(long)]
        share: Option<u16>,
        #[arg(long)]
        division: Vec<String>,
        #[arg(long)]
        channel: Vec<String>,
        #[arg(long)]
        beside_real: bool,
    },
    /// How many numbers are proved this quarter, and which are not.
    Roll {
        #[arg(long)]
        division: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Drills, newest first.
    List {
        #[arg(long)]
        json: bool,
    },
    /// What came of a drill, a row a person and channel.
    Report {
        id: String,
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
        /// Default: standard output.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Ends a drill.
    Stop {
        id: String,
        #[arg(long, default_value = "演练结束")]
        reason: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Csv,
    Xlsx,
}

pub(super) async fn run(o: Options) -> Result<(), Failure> {
    let config = app::load_config(o.config.as_deref())?;
    let ask = async |method: &str, path: &str, query: &[(&str, String)], body: Option<Vec<u8>>| {
        let body = body.map(|b| ("application/json", b));
        o.remote.ask(Some(&config), method, path, query, body).await
    };
    match &o.what {
        What::Start { warning, tier, channel, at_night, beside_real } => {
            let body = std::fs::read(warning).map_err(|e| Failure::Usage(format!("{}: {e}", warning.display())))?;
            let mut query: Vec<(&str, String)> = Vec::new();
            query.extend(tier.clone().map(|t| ("tier", t)));
            query.extend(channel.clone().map(|c| ("channel", c)));
            query.extend(at_night.then(|| ("at_night", "true".to_string())));
            query.extend(beside_real.then(|| ("beside_real", "true".to_string())));
            println!("{}", ask("POST", "/api/v1/drills", &query, Some(body)).await?.json()?);
        }
        What::CallRoll { identifier, share, division, channel, beside_real } => {
            let body =
                json!({"identifier": identifier, "share": share, "divisions": division, "channels": channel, "beside_real": beside_real});
            let answer = ask("POST", "/api/v1/drills/roll-call", &[], Some(body.to_string().into_bytes())).await?.json()?;
            if answer["nothing_due"] == true {
                println!("本季度所有号码都已验证，无需点名");
            } else {
                println!("{answer}");
            }
        }
        What::Roll { division, json } => {
            let query: Vec<(&str, String)> =
                division.clone().map(|d| ("division", d)).into_iter().chain([("limit", "500".into())]).collect();
            let roll = ask("GET", "/api/v1/drills/roll-call", &query, None).await?.json()?;
            if *json { println!("{roll}") } else { print_roll(&roll) }
        }
        What::List { json } => {
            let page = ask("GET", "/api/v1/drills", &[], None).await?.json()?;
            if *json {
                println!("{page}");
            } else {
                for d in page["items"].as_array().into_iter().flatten() {
                    let text = |k: &str| d[k].as_str().unwrap_or_default().to_string();
                    let t = &d["tally"];
                    println!(
                        "{}  {}  【演练】{}  {}  应叫 {} 已叫应 {}",
                        text("id"),
                        text("started_at"),
                        text("headline"),
                        text("state"),
                        t["expected"],
                        t["answered"]
                    );
                }
            }
        }
        What::Report { id, format, to } => {
            let word = match format {
                Format::Json => "json",
                Format::Csv => "csv",
                Format::Xlsx => "xlsx",
            };
            let path = format!("/api/v1/drills/{id}/report");
            let answer = ask("GET", &path, &[("format", word.to_string())], None).await?;
            match to {
                Some(path) => std::fs::write(path, answer.body).map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?,
                None if matches!(format, Format::Xlsx) => return Err(Failure::Usage("a workbook needs --to FILE".into())),
                None => println!("{}", String::from_utf8_lossy(&answer.body)),
            }
        }
        What::Stop { id, reason } => {
            let body = json!({ "reason": reason }).to_string().into_bytes();
            let answer = ask("POST", &format!("/api/v1/warnings/{id}/cancel"), &[], Some(body)).await?;
            println!("{id}：已结束（{}）", answer.status);
        }
    }
    Ok(())
}

fn print_roll(roll: &Value) {
    let text = |v: &Value, k: &str| v[k].as_str().unwrap_or_default().to_string();
    println!(
        "本季度（{} 起）：号码 {}，已验证 {}，试过未通 {}，未试 {}；本周应点 {}",
        text(roll, "from"),
        roll["numbers"],
        roll["proved"],
        roll["failed"],
        roll["untried"],
        roll["this_week"]
    );
    for s in roll["schedules"].as_array().into_iter().flatten() {
        println!("定期演练 {}（{}）：下次 {}", text(s, "name"), text(s, "at"), text(s, "next"));
    }
    for n in roll["open"].as_array().into_iter().flatten() {
        println!(
            "  {} {} {}  {} {}",
            text(n, "recipient_id"),
            text(n, "name"),
            text(n, "phone"),
            if n["state"] == "failed" { "未通" } else { "未试" },
            text(n, "outcome")
        );
    }
}
