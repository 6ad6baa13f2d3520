//! Bureaus' own bodies through the shipped mappings: six kinds of platforms and every public feed kept
//! beside the project; and what a mapping's author is told of its faults.

use super::corpus::shared;
use jiaoying::{
    core::{
        hazard::Level,
        warning::{Content, MessageType, Refusal, Shape},
    },
    ingest::adapt::{Adapted, Came, Mapping, SHIPPED, parse, read, shipped},
};
use std::{fs, path::Path};

fn own(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ingest/adapters").join(name)).unwrap()
}
fn adapt(mapping: &str, body: &[u8]) -> Adapted {
    read(&shipped(mapping).unwrap_or_else(|e| panic!("{e:#?}")), None, body, "a-bureau").unwrap_or_else(|e| panic!("{mapping}: {e}"))
}
/// The warnings that came out, with the codes of their findings.
fn taken(adapted: Adapted) -> Vec<(Content, Vec<String>)> {
    let taken = adapted.items.into_iter().filter_map(|i| match i.came {
        Came::Taken(p) => Some((p.content, p.findings.into_iter().map(|f| f.code).collect())),
        _ => None,
    });
    taken.collect()
}
fn one(mapping: &str, body: &[u8]) -> Content {
    let mut all = taken(adapt(mapping, body));
    assert_eq!(all.len(), 1, "{mapping}");
    all.remove(0).0
}
fn divisions(c: &Content) -> Vec<String> {
    let codes = c.areas.iter().filter_map(|a| match a.shape {
        Shape::Division(d) => Some(d.to_string()),
        _ => None,
    });
    codes.collect()
}

#[test]
fn every_shipped_mapping_has_no_fault_and_says_whose_it_is() {
    for (name, text) in SHIPPED {
        let mapping = parse(name, text).unwrap_or_else(|e| panic!("{e:#?}"));
        assert!(!mapping.about.is_empty(), "{name}");
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/adapters");
    let files = fs::read_dir(dir).unwrap().filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "toml")).count();
    assert_eq!(files, SHIPPED.len(), "a mapping lies in config/adapters and is not shipped");
}

#[test]
fn a_flash_flood_platform_calls_villages_by_stage_and_its_change_refers_to_the_first() {
    let first = one("flash-flood", &own("flash-flood.json"));
    assert_eq!((first.stage.as_deref(), first.level, first.hazard.0.as_str()), (Some("准备转移"), Level::Orange, "11A51"));
    assert_eq!(divisions(&first), ["140521101201", "140521101205"]);
    assert_eq!((first.headline.as_str(), first.sent.rfc3339().as_str()), ("嘉峰镇山洪灾害准备转移预警", "2024-07-08T15:40:12+08:00"));
    assert_eq!(first.expires.unwrap().rfc3339(), "2024-07-08T21:40:12+08:00");
    assert_eq!((first.sender.as_str(), first.sender_name.as_deref()), ("a-bureau", Some("沁水县水务局")));
    let second = one("flash-flood", &own("flash-flood-2.json"));
    assert_eq!((second.stage.as_deref(), second.level, second.message_type), (Some("立即转移"), Level::Red, MessageType::Update));
    assert_eq!((second.references, second.event), (vec!["SH20240708-000317".to_string()], first.event));
    assert_eq!(second.areas.len(), 1, "no villages: the town");
}

#[test]
fn a_device_on_a_slope_becomes_its_hazard_point() {
    let c = one("landslide-device", &own("landslide-device.json"));
    assert_eq!((c.identifier.as_str(), c.hazard.0.as_str(), c.level), ("GNSS-0032-1-77120", "11D01", Level::Orange));
    assert!(matches!(&c.areas[..], [a] if a.shape == Shape::Point("DZ-140521-0032".into())), "{:?}", c.areas);
    let without = String::from_utf8(own("landslide-device.json")).unwrap().replace("\"pointCode\":\"DZ-140521-0032\",", "");
    let c = one("landslide-device", without.as_bytes());
    assert!(matches!(c.areas[0].shape, Shape::Named(_) | Shape::Circle { .. }), "{:?}", c.areas);
    let battery = String::from_utf8(own("landslide-device.json")).unwrap().replace("displacement", "battery");
    assert!(matches!(adapt("landslide-device", battery.as_bytes()).items[0].came, Came::Skipped(_)));
}

#[test]
fn a_lightning_stroke_in_forest_becomes_a_circle_and_one_in_town_is_skipped() {
    let adapted = adapt("lightning-fire", &own("lightning-fire.json"));
    assert!(matches!(&adapted.items[2].came, Came::Skipped(why) if why.contains("落点不在林区")));
    let all = taken(adapted);
    let [(first, _), (second, _)] = &all[..] else { panic!("{all:?}") };
    assert_eq!(first.areas[0].shape, Shape::Circle { center: [112.0843, 35.4312], radius_km: 0.8 });
    assert_eq!(second.areas[0].shape, Shape::Circle { center: [112.11, 35.45], radius_km: 2.0 });
    assert_eq!((first.stage.as_deref(), first.level), (Some("雷击火高风险"), Level::Orange));
    assert_eq!(first.sent.rfc3339(), "2024-07-08T16:29:41+08:00", "the network's clock is UTC");
}

#[test]
fn a_reservoir_in_gbk_xml_calls_its_point_and_the_towns_below() {
    let c = one("reservoir-level", &own("reservoir-level.xml"));
    assert_eq!((c.headline.as_str(), c.stage.as_deref(), c.level), ("张峰水库水位762.35米，超设计水位", Some("超设计水位"), Level::Orange));
    assert_eq!((c.identifier.as_str(), c.hazard.0.as_str()), ("31026100-20240708160000-2", "11A01"));
    assert_eq!(c.areas[0].shape, Shape::Point("31026100".into()));
    assert_eq!(divisions(&c), ["140521102000", "140521101000"]);
    assert_eq!(c.areas[1].name.as_deref(), Some("端氏镇"));
}

#[test]
fn a_later_report_of_a_quake_updates_all_before_it() {
    let first = one("earthquake-report", &own("earthquake-report.json"));
    assert_eq!((first.message_type, first.references.len(), first.level), (MessageType::Alert, 0, Level::Yellow));
    assert!(matches!(first.areas[0].shape, Shape::Circle { radius_km: 30.0, .. }));
    let third = one("earthquake-report", &own("earthquake-report-3.json"));
    assert_eq!((third.message_type, third.level, &third.event), (MessageType::Update, Level::Orange, &first.event));
    assert_eq!(third.references, ["CC20240708161203-1", "CC20240708161203-2"]);
    assert_eq!(divisions(&third), ["140521000000", "140522000000"]);
}

#[test]
fn one_broken_line_never_stops_its_neighbours_and_its_fault_names_path_and_line() {
    let adapted = adapt("fire-iot", &own("fire-iot.json"));
    let kinds: Vec<&str> = adapted
        .items
        .iter()
        .map(|i| match i.came {
            Came::Taken(_) => "taken",
            Came::Skipped(_) => "skipped",
            Came::Refused(_) => "refused",
        })
        .collect();
    assert_eq!(kinds, ["taken", "taken", "skipped", "refused"]);
    let Came::Refused(Refusal::Invalid(faults)) = &adapted.items[3].came else { panic!() };
    assert_eq!(faults[0].pointer, "/data/3/alarmTime");
    let line = include_str!("../../../config/adapters/fire-iot.toml").lines().position(|l| l.starts_with("sent =")).unwrap() + 1;
    assert!(faults[0].detail.ends_with(&format!("(path alarmTime); fire-iot line {line}")), "{}", faults[0].detail);
    let all = taken(adapted);
    assert_eq!((all[1].0.message_type, all[1].0.references.as_slice()), (MessageType::Update, &["FA2407081601-FIRE".to_string()][..]));
    assert_eq!(all[0].0.areas.len(), 2);
}

/// File, mapping, how many, and of the first: identifier, hazard, level, divisions, sent.
type Feed = (&'static str, &'static str, usize, &'static str, &'static str, Level, &'static str, &'static str);

#[test]
fn every_chinese_feed_becomes_right_warnings() {
    use Level::*;
    let feeds: &[Feed] = &[
        (
            "12379-alarm_list_all.json",
            "12379-list",
            1,
            "12000041600000_20180121223442",
            "11B21",
            Yellow,
            "120000000000",
            "2018-01-21T22:36:38+08:00",
        ),
        (
            "caiyun-alert.json",
            "caiyun-alert",
            1,
            "11010141600000_20250727102615",
            "11B03",
            Blue,
            "110101000000",
            "2025-07-27T10:25:00+08:00",
        ),
        (
            "cma-weather-alarm.json",
            "cma-alarm",
            5,
            "44000041600000_20201012112555",
            "11B99",
            Orange,
            "440000000000",
            "2020-10-12T11:22:00+08:00",
        ),
        (
            "gjzwfw-findWarnCapByElement.json",
            "gjzwfw-warn",
            1,
            "51152741600000_20260823170800",
            "11B03",
            Orange,
            "511527000000",
            "2026-08-23T17:08:00+08:00",
        ),
        (
            "nmc-findAlarm.json",
            "nmc-alarm",
            3,
            "35060441600000_20261006202800",
            "11B06",
            Yellow,
            "350604000000",
            "2026-10-06T20:28:00+08:00",
        ),
        ("qweather-v1-weatheralert-zh.json", "qweather-v1", 1, "202510241119105837988676", "11B06", Blue, "", "2025-10-24T11:19:00+08:00"),
        (
            "qweather-v7-warning-now-zh.json",
            "qweather-v7",
            1,
            "10102010020230403103000500681616",
            "11B06",
            Blue,
            "",
            "2023-04-03T10:30:00+08:00",
        ),
        (
            "weathercn-alarmmap-row.json",
            "weathercn-map",
            1,
            "65402641600000_20261006212927",
            "11B14",
            Yellow,
            "654026000000",
            "2026-10-06T21:29:27+08:00",
        ),
        (
            "weathercn-detail.jsonp.js",
            "weathercn-detail",
            1,
            "65402641600000_20261006212927",
            "11B14",
            Yellow,
            "654026000000",
            "2026-10-06T21:29:27+08:00",
        ),
        (
            "wmo-hub-cma-guangling.json",
            "wmo-hub",
            1,
            "14022341600000_20221030174929",
            "11B06",
            Blue,
            "140223000000",
            "2022-10-30T17:49:06+08:00",
        ),
    ];
    for (file, mapping, count, identifier, hazard, level, division, sent) in feeds {
        let Some(path) = shared(&format!("cn-alarm-samples/{file}")) else { return };
        let adapted = adapt(mapping, &fs::read(path).unwrap());
        for item in &adapted.items {
            assert!(matches!(item.came, Came::Taken(_)), "{file}: {item:#?}");
        }
        let all = taken(adapted);
        let (c, findings) = &all[0];
        assert_eq!((all.len(), c.identifier.as_str(), c.hazard.0.as_str(), c.level), (*count, *identifier, *hazard, *level), "{file}");
        assert_eq!((divisions(c).join(","), c.sent.rfc3339()), (division.to_string(), sent.to_string()), "{file}");
        assert!(!c.areas.is_empty() && !c.headline.is_empty(), "{file}");
        assert!(!findings.iter().any(|f| f == "unknown_code" || f == "unknown_level"), "{file}: {findings:?}");
    }
    let Some(path) = shared("cn-alarm-samples/qweather-v1-weatheralert-zh.json") else { return };
    let c = one("qweather-v1", &fs::read(path).unwrap());
    assert_eq!((c.message_type, c.references.as_slice()), (MessageType::Update, &["202510181140100706230391".to_string()][..]));
    assert_eq!(c.areas[0].shape, Shape::Named("临桂区".into()));
}

#[test]
fn a_mapping_with_faults_is_told_all_of_them_with_their_lines() {
    let text = "about = \"x\"\nformat = \"yaml\"\nbogus = 1\n[warning]\nidentifier = \"{id\"\nsent = { from = \"{t}\", tabel = \"x\" }\nlevel = { from = \"{l}\", table = \"lvl\" }\n[codes.level]\n\"1\" = \"crimson\"\n[[skip]]\nwhen = \"{a}\"\n[[area]]\nlon = \"{x}\"\n";
    let faults = parse("m.toml", text).unwrap_err();
    for start in [
        "m.toml:2: `format`",
        "m.toml:3: unknown key `bogus`",
        "m.toml:5: `identifier`",
        "m.toml:6: unknown key `tabel`",
        "m.toml:4: [warning] needs `headline`",
        "m.toml:10: [[skip]] needs",
        "m.toml:12: a circle needs",
    ] {
        assert!(faults.iter().any(|f| f.starts_with(start)), "{start} not in {faults:#?}");
    }
    let text = "about = \"x\"\nformat = \"json\"\n[warning]\nidentifier = \"{id}\"\nsent = \"{t}\"\nheadline = \"{#}\"\nlevel = { from = \"{l}\", table = \"lvl\" }\nstatus = { from = \"{s}\", table = \"s\" }\n[codes.s]\n\"1\" = \"real\"\n";
    let faults = parse("m.toml", text).unwrap_err();
    for part in ["m.toml:7: there is no table [codes.lvl]", "m.toml:8: `real` is no status", "m.toml:6: `{#}`"] {
        assert!(faults.iter().any(|f| f.contains(part)), "{part} not in {faults:#?}");
    }
}

fn small(unknown: &str) -> Mapping {
    let text = format!(
        "about = \"x\"\nformat = \"json\"\nunknown = \"{unknown}\"\n[warning]\nidentifier = \"{{id}}\"\nsent = \"{{t}}\"\nheadline = \"{{h}}\"\nlevel = {{ from = \"{{l}}\", table = \"l\" }}\n[[area]]\ndivision = \"{{d}}\"\n[codes.l]\n\"1\" = \"red\"\n"
    );
    parse("small", &text).unwrap_or_else(|e| panic!("{e:#?}"))
}

#[test]
fn a_code_nobody_knows_is_a_finding_or_a_refusal_as_the_mapping_says() {
    let body = r#"{"id":"1","t":"2024-07-08 16:00:00","h":"暴雨","l":"9","d":"140521","more":"x"}"#.as_bytes();
    let adapted = read(&small("finding"), None, body, "s").unwrap();
    assert_eq!(adapted.items[0].unread, ["more"]);
    let (content, findings) = taken(adapted).remove(0);
    assert_eq!(content.level, Level::Unknown);
    assert!(findings.contains(&"unknown_code".to_string()), "{findings:?}");
    let adapted = read(&small("refuse"), None, body, "s").unwrap();
    assert!(matches!(&adapted.items[0].came, Came::Refused(Refusal::Invalid(f)) if f[0].pointer == "/l"));
}

#[test]
fn nothing_at_all_makes_a_mapping_panic() {
    let bodies: &[&[u8]] = &[
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[[[]]]",
        b"1",
        b"<a/>",
        b"<a><b/></a>",
        b"var x=",
        b"cb(",
        b"\xff\xfe",
        b"{\"each\":{}}",
        b"{\"alarm\":\"x\"}",
        b"{\"result\":{\"data\":[[],null,1]}}",
    ];
    for (name, _) in SHIPPED {
        let mapping = shipped(name).unwrap();
        for body in bodies {
            if let Ok(adapted) = read(&mapping, None, body, "s") {
                assert!(adapted.items.iter().all(|i| !matches!(i.came, Came::Taken(_))), "{name}: {body:?}");
            }
        }
        for file in ["flash-flood.json", "fire-iot.json", "earthquake-report.json", "reservoir-level.xml", "lightning-fire.json"] {
            let body = own(file);
            for cut in (0..body.len()).step_by(37) {
                let _ = read(&mapping, None, &body[..cut], "s");
            }
        }
    }
}
