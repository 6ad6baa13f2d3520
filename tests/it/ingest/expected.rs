//! The corpus read by somebody else: `tests/corpus/expected.tsv` is what Python's own XML parser finds in each file
//! (`tests/corpus/expected.py`), and what stands here must be the same.

use super::{corpus::shared, *};
use jiaoying::core::{
    hazard::Level,
    warning::{MessageType, Shape},
};
use std::{collections::BTreeSet, fs};

const TABLE: &str = include_str!("../../corpus/expected.tsv");

/// Files whose level is not their severity's, and why: a colour stands above it.
const ABOVE_SEVERITY: &[(&str, Level, &str)] = &[
    ("kelvinn+capparselib/tests/resources/taiwan.cap", Level::Red, "a parameter says 紅色"),
    (
        "KDE+foss-public-alert-server/foss_public_alert_server/lib/testdata/il-488abaaf-cad5-4d2b-93b2-703016878453.xml",
        Level::Yellow,
        "awareness_level says yellow, which is the issuer's own colour; the difference is a finding",
    ),
];

fn level(severities: &str) -> Level {
    match severities.split(',').next() {
        Some("Extreme") => Level::Red,
        Some("Severe") => Level::Orange,
        Some("Moderate") => Level::Yellow,
        Some("Minor") => Level::Blue,
        _ => Level::Unknown,
    }
}

/// What an area is worth in the table's words, or `None` for what the table does not list (names).
fn word(shape: &Shape) -> Option<String> {
    match shape {
        Shape::Polygon(ring) => Some(format!("polygon {}", ring.len())),
        Shape::Circle { radius_km, .. } => Some(format!("circle {radius_km}")),
        Shape::Division(d) => Some(format!("code {d}")),
        Shape::Line(_) | Shape::Point(_) | Shape::Named(_) => None,
    }
}

#[test]
fn every_valid_sample_has_the_sender_identifier_time_type_level_and_areas_an_independent_reader_finds() {
    let Some(dir) = shared("cap-samples") else { return };
    let (mut read_files, mut differ) = (0, Vec::new());
    for row in TABLE.lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, verdict, sender, identifier, sent, kind, severities, areas] = columns.as_slice() else { panic!("{row}") };
        let Ok(body) = fs::read(dir.join(file)) else { continue };
        read_files += 1;
        let parsed = match read(SourceFormat::Xml, None, &body, ISSUER) {
            Ok(parsed) => parsed,
            Err(why) => {
                differ.push(format!("{file}: {why}"));
                continue;
            }
        };
        let c = &parsed.content;
        let mut same = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                differ.push(format!("{file}: {what}: ours `{ours}`, theirs `{theirs}`"));
            }
        };
        same("sender", c.sender.clone(), (*sender).into());
        same("identifier", c.identifier.clone(), (*identifier).into());
        let whole = jiaoying::core::time::Time(c.sent.0.div_euclid(1000) * 1000);
        same("sent", whole.rfc3339(), jiaoying::core::time::Time::parse_rfc3339(sent).unwrap().rfc3339());
        let kinds = match c.message_type {
            MessageType::Alert => "Alert",
            MessageType::Update => "Update",
            MessageType::Cancel => "Cancel",
        };
        same("msgType", kinds.into(), (*kind).into());
        let expected = ABOVE_SEVERITY.iter().find(|(f, ..)| f == file).map_or(level(severities), |(_, l, _)| *l);
        same("level", c.level.as_str().into(), expected.as_str().into());

        // Codes of other countries' lists are no divisions here; what was sent unclosed has one position more.
        let unclosed = codes(&parsed).contains(&"unclosed_polygon");
        let ours: BTreeSet<String> = c.areas.iter().filter_map(|a| word(&a.shape)).collect();
        let theirs: BTreeSet<String> = areas
            .split("; ")
            .filter_map(|a| match a.split_once(' ')? {
                ("polygon", n) => Some(format!("polygon {}", n.parse::<usize>().ok()? + usize::from(unclosed))),
                ("code", pair) => {
                    let (list, value) = pair.rsplit_once('=')?;
                    ["CPEAS Geographic Code", "Test"].contains(&list).then(|| format!("code {value:0<12}"))
                }
                _ => Some(a.to_string()),
            })
            .collect();
        same("areas", format!("{ours:?}"), format!("{theirs:?}"));
        if *verdict != "valid" && parsed.findings.is_empty() {
            differ.push(format!("{file} breaks the standard's rules and nothing was said"));
        }
    }
    assert!(differ.is_empty(), "{} differences:\n{}", differ.len(), differ.join("\n"));
    assert!(read_files >= 60, "only {read_files} of the samples were there");
}
