//! What must hold for anything: no bytes panic a reader, and what is written is read again.

use super::*;
use jiaoying::{
    core::{
        division::Division,
        hazard::{HazardCode, Level},
        time::Time,
        warning::{Area, Content, MessageType, Shape, Status},
    },
    ingest::{digest, write_cap},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// Pieces that readers look at closely, in any order: nearer to real mistakes than bytes alone.
fn soup(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(prop_oneof![8 => select(pieces).prop_map(str::to_string), 1 => ".{0,8}"], 0..40).prop_map(|p| p.concat())
}

const XML: &[&str] = &[
    "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'>",
    "<alert>",
    "</alert>",
    "<info>",
    "</info>",
    "<area>",
    "</area>",
    "<polygon>",
    "</polygon>",
    "<circle>",
    "</circle>",
    "<geocode>",
    "</geocode>",
    "<value>",
    "</value>",
    "<valueName>",
    "</valueName>",
    "<identifier>A</identifier>",
    "<sent>2024-07-08T16:15:00+08:00</sent>",
    "<sendTime>2024-07-08 16:15:00+08:00</sendTime>",
    "<status>Actual</status>",
    "<msgType>Update</msgType>",
    "<references>a,b,c</references>",
    "<severity>",
    "</severity>",
    "<headline>",
    "</headline>",
    "红色",
    "升级为",
    "Ⅱ级/",
    "140521，",
    "35,112 ",
    "NaN,",
    "1e999 ",
    "-",
    "&amp;",
    "&#x202e;",
    "&x;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version='1.0' encoding='gbk'?>",
    "\u{FEFF}",
    "级",
    "/",
    "'",
];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"identifier\"",
    "\"areas\"",
    "\"polygon\"",
    "\"circle\"",
    "\"center\"",
    "\"division\"",
    "\"level\"",
    "\"sent\"",
    "\"2024-07-08T16:15:00+08:00\"",
    "\"red\"",
    "112.1",
    "-0",
    "1e308",
    "null",
    "true",
    "\"\\u202e\"",
    "\"\"",
    "\"name\"",
    "\"parameters\"",
];

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9暴雨转移预警。，<&>\"']{1,12}"
}

fn time() -> impl Strategy<Value = Time> {
    (1_500_000_000i64..2_500_000_000).prop_map(|s| Time(s * 1000))
}

fn position() -> impl Strategy<Value = [f64; 2]> {
    (73.0..136.0f64, 3.0..54.0f64).prop_map(|(lon, lat)| [lon, lat])
}

/// Shapes with a running number in them, so that no two areas of a message are the same place.
fn shape(n: usize) -> impl Strategy<Value = Shape> {
    let lon = 100.0 + n as f64;
    prop_oneof![
        Just(Shape::Division(Division(140_000_000_000 + n as u64))),
        vec(position(), 3..8).prop_map(move |mut p| {
            p.insert(0, [lon, 30.0]);
            p.push([lon, 30.0]);
            Shape::Polygon(p)
        }),
        vec(position(), 1..6).prop_map(move |mut p| {
            p.insert(0, [lon, 31.0]);
            Shape::Line(p)
        }),
        (0.0..500.0f64).prop_map(move |radius_km| Shape::Circle { center: [lon, 32.0], radius_km }),
        Just(Shape::Point(format!("DZ-{n}"))),
        Just(Shape::Named(format!("村{n}"))),
    ]
}

fn areas() -> impl Strategy<Value = Vec<Area>> {
    (0usize..6).prop_flat_map(|n| {
        (0..n)
            .map(|i| {
                (option::of("[甲乙丙丁]{1,4}"), shape(i), option::of(select(&[Level::Yellow, Level::Blue][..]))).prop_map(
                    |(name, shape, level)| {
                        let name = match &shape {
                            Shape::Named(text) => Some(text.clone()),
                            _ => name,
                        };
                        Area { name, shape, level }
                    },
                )
            })
            .collect::<Vec<_>>()
    })
}

fn content() -> impl Strategy<Value = Content> {
    let head = (
        "[A-Za-z0-9_.:-]{1,40}",
        "[a-z0-9@.]{1,20}",
        time(),
        select(&[Status::Actual, Status::Exercise, Status::System, Status::Test, Status::Draft][..]),
        select(&[MessageType::Alert, MessageType::Update, MessageType::Cancel][..]),
        vec("r[A-Za-z0-9_.:-]{1,30}", 1..4),
        any::<bool>(),
    );
    let body = (
        select(&["11B03", "11A51", "11D02", "广西自编"][..]),
        select(&[Level::Red, Level::Orange, Level::Yellow, Level::Unknown][..]),
        (text(), text(), text()),
        (option::of(time()), option::of(time()), option::of(time())),
        areas(),
    );
    let extra = (option::of(text()), option::of(text()), option::of(text()), prop::collection::btree_map("[a-z]{1,8}", text(), 0..4));
    (head, body, extra).prop_map(|((identifier, sender, sent, status, message_type, references, restricted), body, extra)| {
        let (hazard, level, (headline, description, instruction), (effective, onset, expires), mut areas) = body;
        let (event, stage, sender_name, parameters) = extra;
        // The writer groups areas by level.
        // An area's level stands only where it differs.
        for a in &mut areas {
            a.level = a.level.filter(|l| *l != level);
        }
        areas.sort_by_key(|a| a.level.map_or(0, |l| 5 - l.rank()));
        let mut references = references;
        references.sort();
        references.dedup();
        references.retain(|r| *r != identifier);
        if references.is_empty() {
            references.push(format!("r{identifier}"));
        }
        Content {
            identifier,
            sender,
            sent,
            status,
            message_type,
            references,
            hazard: HazardCode(hazard.into()),
            level,
            headline,
            description,
            instruction,
            effective,
            onset,
            expires,
            areas,
            event,
            stage,
            sender_name,
            parameters,
            restricted,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused_by_every_reader(body in vec(any::<u8>(), 0..300), charset in option::of("[a-z0-9-]{0,12}")) {
        for format in [SourceFormat::Json, SourceFormat::Xml] {
            let _ = read(format, charset.as_deref(), &body, ISSUER);
        }
    }

    #[test]
    fn any_mixture_of_familiar_pieces_is_read_or_refused(x in soup(XML), j in soup(JSON)) {
        let _ = xml(&x);
        let _ = xml(&format!("<alert><identifier>A</identifier><sent>2024-07-08T16:15:00+08:00</sent><status>Test</status><msgType>Alert</msgType>{x}</alert>"));
        let _ = json(&j);
        let _ = json(&format!("{{\"areas\":[{j}]}}"));
    }

    #[test]
    fn any_text_in_a_field_is_read_or_refused_and_comes_out_clean(t in "\\PC{0,60}|.{0,60}") {
        let escaped = t.replace('&', "&amp;").replace('<', "&lt;").replace("]]>", "");
        let body = format!(
            "<alert><identifier>A</identifier><sent>2024-07-08T16:15:00+08:00</sent><status>Actual</status><msgType>Alert</msgType><info>\
             <event>{escaped}</event><severity>{escaped}</severity><headline>{escaped}</headline><expires>{escaped}</expires><area><areaDesc>{escaped}</areaDesc>\
             <polygon>{escaped}</polygon><circle>{escaped}</circle><geocode><valueName>x</valueName><value>{escaped}</value></geocode></area></info></alert>"
        );
        if let Ok(parsed) = xml(&body) {
            let hides = |c: char| c.is_control() || ('\u{202A}'..='\u{202E}').contains(&c);
            prop_assert!(!parsed.content.headline.chars().any(hides));
        }
        let quoted = serde_json::to_string(&t).unwrap();
        let _ = json(&format!("{{\"identifier\":{quoted},\"sent\":{quoted},\"areas\":[{{\"division\":{quoted}}}],{quoted}:1}}"));
        let _ = SourceFormat::from_content_type(&t);
    }

    #[test]
    fn what_is_written_as_cap_is_read_as_the_same_content(c in content()) {
        let text = write_cap(&c);
        let again = xml(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?.content;
        prop_assert_eq!(&again, &c, "\n{}", text);
        prop_assert_eq!(digest(&again), digest(&c));
    }
}
