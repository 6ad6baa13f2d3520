//! `jiaoying rehearse WARNING…`: what a warning would do if it came now; over past warnings a line each and the sum,
//! to compare policies. What calls nobody in the run is left out, and of an update only counts whom it calls anew. Sends
//! nothing, keeps nothing.

use super::{
    Failure,
    left_out::{LeftOut, Part},
    ready::{From, readiness},
    remote::Remote,
};
use crate::{
    core::{
        rehearsal::season::{Season, notes_alone},
        time::Time,
        warning::{Content, Finding, MessageType, Parsed, Status},
    },
    engine::readiness::Readiness,
    ingest::{
        self, SourceFormat,
        adapt::{self, Came, Mapping},
    },
    report::{
        rehearsal::{self as report, Summary},
        table::{self, Table},
    },
};
use clap::Args;
use serde_json::json;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

#[derive(Args)]
pub(super) struct Options {
    /// Warnings: files (native JSON, JSON lines, CAP, the national form), folders of them, or `-` for standard input.
    #[arg(required = true)]
    warnings: Vec<PathBuf>,
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    remote: Remote,
    /// How a bureau's own JSON or XML is read: the name of a shipped mapping or a file ending in .toml.
    #[arg(long)]
    mapping: Option<String>,
    /// `now`, `sent` (today at the hour it was sent) or a time. Default: now for one warning, sent for several.
    #[arg(long)]
    at: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// With --json and one warning: how many persons are listed with their rungs.
    #[arg(long, default_value_t = 0)]
    persons: usize,
    /// Write a workbook: a line a warning; for one warning its persons too.
    #[arg(long, value_name = "FILE")]
    xlsx: Option<PathBuf>,
}

pub(super) async fn run(o: Options) -> Result<(), Failure> {
    let mapping = o.mapping.as_deref().map(super::adapt::load).transpose().map_err(|f| Failure::Usage(f.join("\n")))?;
    let bodies = bodies(&o.warnings)?;
    if o.remote.url.is_some() {
        return remote(&o, bodies).await;
    }
    let mut all: Vec<Parsed> = Vec::new();
    let mut refused = 0;
    for (name, body) in &bodies {
        match read(body, mapping.as_ref()) {
            Ok(some) => all.extend(some),
            Err(why) => {
                refused += 1;
                eprintln!("{name}: {why}");
            }
        }
    }
    // As they came in; of one moment, as they were given.
    all.sort_by_key(|p| p.content.sent);
    let mut left = LeftOut::count(all.iter().map(|p| &p.content));
    if left.rehearsed == 0 {
        return Err(Failure::Failed("没有可以预演的预警".into()));
    }
    let (_, r) = readiness(&o.from).await?;
    let many = left.rehearsed > 1;
    let mut season = Season::default();
    let mut summaries = Vec::with_capacity(left.rehearsed);
    let mut last = None;
    for p in &all {
        match Part::of(&p.content, all.len() == 1) {
            Part::Rehearsed => {}
            Part::Cancel if p.content.status == Status::Actual => {
                season.end(&p.content);
                continue;
            }
            Part::Cancel | Part::NotActual => continue,
        }
        let at = at(&r, o.at.as_deref(), &p.content, many)?;
        let (plan, rehearsal, renewed) = r.rehearse_next(&mut season, &p.content, at);
        let mut s = report::summary(&p.content, &r.policy.source(), &plan, &rehearsal);
        s.renewed = renewed.map(|r| r.persons);
        s.findings.splice(0..0, p.findings.iter().cloned().chain(notes(&p.content, &s, many, &mut left)));
        summaries.push(s);
        last = Some(rehearsal);
    }
    if let Some(path) = &o.xlsx {
        let mut sheets = vec![report::lines(&summaries)];
        sheets.extend(last.iter().filter(|_| !many).map(report::persons));
        write(path, &sheets)?;
    }
    match (o.json, many) {
        (true, true) => println!("{}", many_json(&r.policy.source(), &summaries, left)),
        (true, false) => {
            let mut out = serde_json::to_value(&summaries[0]).unwrap_or_default();
            if let Some(rehearsal) = &last {
                let listed = rehearsal.persons.iter().take(o.persons).map(|p| report::person(p, rehearsal.start));
                out["persons"] = listed.collect();
            }
            println!("{out}");
        }
        (false, _) => tell(&summaries, left),
    }
    if refused > 0 { Err(Failure::Failed(format!("{refused} 个文件不能识别"))) } else { Ok(()) }
}

/// What must be known of how this message is counted; counts it.
fn notes(content: &Content, s: &Summary, many: bool, left: &mut LeftOut) -> Vec<Finding> {
    match (s.renewed, &s.renewal_of) {
        (_, Some(_)) => left.not_summed += 1,
        (Some(_), None) => left.renewals += 1,
        (None, None) if !many => return notes_alone(content),
        (None, None) if content.message_type == MessageType::Update => {
            left.updates_alone += 1;
            return vec![Finding::new("update_alone", "所更新的预警不在所给报文中，或已解除、已到期：按新预警计")];
        }
        (None, None) => {}
    }
    Vec::new()
}

fn many_json(policy: &str, items: &[Summary], left: LeftOut) -> serde_json::Value {
    json!({"policy": policy, "items": items, "cancels": left.cancels, "not_actual": left.not_actual})
}

fn at(r: &Readiness, asked: Option<&str>, content: &Content, many: bool) -> Result<Time, Failure> {
    match asked.unwrap_or(if many { "sent" } else { "now" }) {
        "now" => Ok(r.now),
        "sent" => Ok(r.at_the_hour_of(content.sent)),
        text => Time::parse_rfc3339(text).map_err(|e| Failure::Usage(format!("--at: {e}"))),
    }
}

/// Each file's bytes, a folder's in the order of their names.
fn bodies(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut out = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut body = Vec::new();
            std::io::stdin().read_to_end(&mut body).map_err(|e| Failure::Failed(format!("standard input: {e}")))?;
            out.push(("-".to_string(), body));
            continue;
        }
        let unreadable = |e: std::io::Error| Failure::Usage(format!("{}: {e}", path.display()));
        if !path.is_dir() {
            out.push((path.display().to_string(), std::fs::read(path).map_err(unreadable)?));
            continue;
        }
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
        let mut files: Vec<PathBuf> = entries.into_iter().map(|e| e.path()).filter(|p| p.is_file()).collect();
        files.sort();
        for file in files {
            out.push((file.display().to_string(), std::fs::read(&file).map_err(unreadable)?));
        }
    }
    Ok(out)
}

/// The warnings of one body.
fn read(body: &[u8], mapping: Option<&Mapping>) -> Result<Vec<Parsed>, String> {
    let Some(mapping) = mapping else {
        return Ok(pieces(body)?.into_iter().map(|p| p.parsed).collect());
    };
    let adapted = adapt::read(mapping, None, body, "rehearsal").map_err(|r| r.to_string())?;
    let mut out = Vec::new();
    for item in adapted.items {
        match item.came {
            Came::Taken(p) => out.push(*p),
            Came::Skipped(_) => {}
            Came::Refused(why) => return Err(format!("{}: {why}", item.pointer)),
        }
    }
    Ok(out)
}

/// One warning of a body, and its own bytes.
struct Piece<'a> {
    parsed: Parsed,
    bytes: &'a [u8],
    media: &'static str,
}

/// A body is one document, or a line each.
fn pieces(body: &[u8]) -> Result<Vec<Piece<'_>>, String> {
    let of = |format, media, bytes| {
        let parsed = ingest::read(format, None, bytes, "rehearsal").map_err(|r| r.to_string())?;
        Ok::<_, String>(Piece { parsed, bytes, media })
    };
    let json = |bytes| of(SourceFormat::Json, "application/json", bytes);
    let first = body.iter().copied().find(|b| !b.is_ascii_whitespace() && !matches!(b, 0xef | 0xbb | 0xbf));
    if first == Some(b'<') {
        return of(SourceFormat::Xml, "application/cap+xml", body).map(|p| vec![p]);
    }
    let lines: Vec<&[u8]> = body.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).collect();
    let by_line = lines.len() > 1 && lines.iter().all(|l| l.trim_ascii().starts_with(b"{") && l.trim_ascii().ends_with(b"}"));
    match json(body) {
        Ok(p) => Ok(vec![p]),
        Err(_) if by_line => (1..).zip(lines).map(|(n, l)| json(l).map_err(|why| format!("line {n}: {why}"))).collect(),
        Err(why) => Err(why),
    }
}

/// One message to ask a gateway for, by itself.
struct Asked<'a> {
    /// The file it stands in.
    from: &'a str,
    piece: Piece<'a>,
    /// The message before it that it renews.
    renewal_of: Option<String>,
}

/// Everything to ask for in the order it was sent, what is left out, and how many files cannot be read.
fn to_ask(bodies: &[(String, Vec<u8>)]) -> (Vec<Asked<'_>>, LeftOut, usize) {
    let (mut all, mut refused) = (Vec::new(), 0);
    for (from, body) in bodies {
        match pieces(body) {
            Ok(some) => all.extend(some.into_iter().map(|piece| Asked { from, piece, renewal_of: None })),
            Err(why) => {
                refused += 1;
                eprintln!("{from}: {why}");
            }
        }
    }
    all.sort_by_key(|a| a.piece.parsed.content.sent);
    let left = LeftOut::count(all.iter().map(|a| &a.piece.parsed.content));
    let alone = all.len() == 1;
    let mut season = Season::default();
    all.retain_mut(|a| {
        let content = &a.piece.parsed.content;
        let part = Part::of(content, alone);
        match part {
            Part::Rehearsed => a.renewal_of = season.renews(content),
            Part::Cancel if content.status == Status::Actual => season.end(content),
            Part::Cancel | Part::NotActual => {}
        }
        part == Part::Rehearsed
    });
    (all, left, refused)
}

/// The hour that a gateway is asked to rehearse at; none is now.
fn at_there(asked: Option<&str>, many: bool) -> Option<String> {
    let at = asked.unwrap_or(if many { "sent" } else { "now" });
    (at != "now").then(|| at.to_string())
}

async fn remote(o: &Options, bodies: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    if o.mapping.is_some() || o.from.policy.is_some() {
        return Err(Failure::Usage("--mapping and --policy are for a rehearsal here, without --url".into()));
    }
    let (asked, mut left, refused) = to_ask(&bodies);
    if asked.is_empty() {
        return Err(Failure::Failed("没有可以预演的预警".into()));
    }
    let many = asked.len() > 1;
    let mut summaries: Vec<Summary> = Vec::with_capacity(asked.len());
    let mut answers = Vec::new();
    for Asked { from, piece, renewal_of } in asked {
        let mut query = vec![("persons", if many { 0 } else { o.persons }.to_string())];
        query.extend(at_there(o.at.as_deref(), many).map(|at| ("at", at)));
        let body = Some((piece.media, piece.bytes.to_vec()));
        let answer = o.remote.ask(None, "POST", "/api/v1/rehearsals", &query, body).await?.json()?;
        let summary: Result<Summary, _> = serde_json::from_value(answer.clone());
        let mut summary = summary.map_err(|e| Failure::Failed(format!("{from}: the gateway's answer: {e}")))?;
        summary.renewal_of = renewal_of;
        // The gateway has its own notes on each by itself.
        notes(&piece.parsed.content, &summary, many, &mut left);
        summaries.push(summary);
        answers.push(answer);
    }
    if let Some(path) = &o.xlsx {
        write(path, &[report::lines(&summaries)])?;
    }
    match (o.json, answers.as_slice()) {
        (true, [one]) => println!("{one}"),
        (true, _) => println!("{}", many_json(&summaries[0].policy, &summaries, left)),
        (false, _) => tell(&summaries, left),
    }
    if refused > 0 { Err(Failure::Failed(format!("{refused} 个文件不能识别"))) } else { Ok(()) }
}

fn write(path: &Path, sheets: &[Table]) -> Result<(), Failure> {
    let bytes = table::xlsx(sheets).map_err(Failure::Failed)?;
    std::fs::write(path, bytes).map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))
}

/// For people: one warning at length, several a line each.
fn tell(all: &[Summary], left: LeftOut) {
    match all {
        [] => {}
        [one] => print!("{}", report::text(one)),
        [first, ..] => {
            println!("规则：{}", first.policy);
            print!("{}", table::text(&report::lines(all)));
        }
    }
    left.told().iter().for_each(|line| println!("{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(identifier: &str, kind: &str, level: &str, refers: &[&str]) -> String {
        json!({"identifier": identifier, "sent": "2024-07-08T16:15:00+08:00", "status": "actual", "message_type": kind,
            "references": refers,
            "hazard": "11B03", "level": level, "headline": "暴雨预警", "areas": [{"division": "140521"}]})
        .to_string()
    }

    #[test]
    fn a_gateway_is_asked_for_each_warning_by_itself_at_the_hour_it_was_sent_and_for_none_that_calls_nobody() {
        let exercise = warning("e", "alert", "red", &[]).replace("actual", "exercise");
        let lines = [
            warning("a", "alert", "orange", &[]),
            warning("c", "update", "orange", &["a"]),
            warning("r", "update", "red", &["c"]),
            warning("b", "cancel", "red", &["r"]),
            warning("n", "update", "red", &["r"]),
            exercise.clone(),
        ];
        let bodies = [
            ("lines".to_string(), lines.join("\n").into_bytes()),
            ("early".into(), warning("d", "alert", "red", &[]).replace("16:15", "16:14").into_bytes()),
            ("odd".into(), b"{".to_vec()),
        ];
        let (asked, left, refused) = to_ask(&bodies);
        let told: Vec<(&str, &str, Option<&str>)> =
            asked.iter().map(|a| (a.from, a.piece.parsed.content.identifier.as_str(), a.renewal_of.as_deref())).collect();
        let want = [("early", "d", None), ("lines", "a", None), ("lines", "c", Some("a")), ("lines", "r", None), ("lines", "n", None)];
        assert_eq!(told, want, "in order of time; a renewal is known, what is raised or comes after a cancel calls anew");
        assert_eq!((left.cancels, left.not_actual, refused), (1, 1, 1));
        for a in &asked {
            let read = ingest::read(SourceFormat::Json, None, a.piece.bytes, "rehearsal").unwrap();
            assert_eq!((read.content.identifier, a.piece.media), (a.piece.parsed.content.identifier.clone(), "application/json"));
        }
        assert_eq!((at_there(None, true).as_deref(), at_there(None, false)), (Some("sent"), None), "as it is without --url");
        assert_eq!((at_there(Some("now"), true), at_there(Some("sent"), false).as_deref()), (None, Some("sent")));
        let one = [("one".to_string(), exercise.into_bytes())];
        assert_eq!(to_ask(&one).0.len(), 1, "given alone it is meant, and the gateway says what it is");
    }
}
