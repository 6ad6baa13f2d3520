//! The native JSON warning: the contract's example, and every way to get it wrong.

use super::*;
use jiaoying::core::{
    hazard::Level,
    warning::{MessageType, Shape, Status},
};

const FULL: &str = r#"{"identifier": "14050041600000_20240708161500_1", "sent": "2024-07-08T16:15:00+08:00",
 "status": "actual", "message_type": "alert", "references": [],
 "hazard": "11B03", "level": "red", "headline": "沁水县暴雨红色预警", "description": "大雨", "instruction": "转移",
 "effective": "2024-07-08T16:15:00+08:00", "onset": "2024-07-08T18:00:00+08:00", "expires": "2024-07-09T16:15:00+08:00",
 "areas": [{"name": "沁水县", "division": "140521000000"},
           {"polygon": [[112.1, 35.6], [112.3, 35.6], [112.3, 35.8], [112.1, 35.6]]},
           {"circle": {"center": [112.2, 35.7], "radius_km": 5}},
           {"point": "DZ-140521-0032", "level": "orange"}, {"name": "某某村"}],
 "event": "2024-rain-7", "stage": "T-2h", "sender_name": "晋城市气象台", "parameters": {"mm": 55, "note": "x", "list": [1]}}"#;

/// The full example with one piece of it replaced.
fn with(old: &str, new: &str) -> Result<Parsed, Refusal> {
    assert!(FULL.contains(old), "{old}");
    json(&FULL.replace(old, new))
}

#[test]
fn the_contracts_example_is_read_to_the_letter() {
    let parsed = json(FULL).unwrap();
    assert_eq!(codes(&parsed), Vec::<&str>::new());
    let c = parsed.content;
    assert_eq!((c.sender.as_str(), c.identifier.as_str()), (ISSUER, "14050041600000_20240708161500_1"));
    assert_eq!((c.status, c.message_type, c.level), (Status::Actual, MessageType::Alert, Level::Red));
    assert_eq!((c.event.as_deref(), c.stage.as_deref()), (Some("2024-rain-7"), Some("T-2h")));
    assert_eq!(c.parameters.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["list=[1]", "mm=55", "note=x"]);
    let shapes: Vec<&Shape> = c.areas.iter().map(|a| &a.shape).collect();
    assert_eq!(shapes[0], &Shape::Division("140521".parse().unwrap()));
    assert_eq!(shapes[2], &Shape::Circle { center: [112.2, 35.7], radius_km: 5.0 });
    assert_eq!((shapes[3], c.areas[3].level), (&Shape::Point("DZ-140521-0032".into()), Some(Level::Orange)));
    assert_eq!(shapes[4], &Shape::Named("某某村".into()));
}

#[test]
fn everything_required_is_asked_for_in_one_answer() {
    assert_eq!(pointers(json("{}")), ["/identifier", "/sent", "/status", "/message_type", "/hazard", "/level", "/headline", "/areas"]);
    assert_eq!(pointers(json(r#"{"message_type":"cancel"}"#)), ["/identifier", "/sent", "/status", "/references"]);
}

#[test]
fn a_cancel_needs_no_more_than_what_it_cancels() {
    let body =
        r#"{"identifier":"C1","sent":"2024-07-08T18:00:00+08:00","status":"actual","message_type":"cancel","references":["A1","A1"]}"#;
    let parsed = json(body).unwrap();
    assert_eq!(parsed.content.references, ["A1"]);
    assert_eq!(codes(&parsed), Vec::<&str>::new());
}

#[test]
fn each_fault_is_named_with_its_pointer() {
    for (old, new, pointer) in [
        (r#""stage":"#, r#""stge":"#, "/stge"),
        (r#""sent": "2024-07-08"#, r#""sent": "2024-02-31"#, "/sent"),
        (r#""sent": "2024-07-08T16:15:00+08:00""#, r#""sent": "2024-07-08T16:15:00""#, "/sent"),
        (r#""sent": "2024-07-08T16:15:00+08:00""#, r#""sent": 1720426500"#, "/sent"),
        (r#""actual""#, r#""Actual""#, "/status"),
        (r#""alert""#, r#""alarm""#, "/message_type"),
        (r#""red""#, r#""purple""#, "/level"),
        (r#""references": []"#, r#""references": [1]"#, "/references/0"),
        (r#""references": []"#, r#""references": "A""#, "/references"),
        (r#""140521000000""#, r#"" ""#, "/areas/0/division"),
        (r#""140521000000""#, r#"140521000000"#, "/areas/0/division"),
        (r#""name": "沁水县""#, r#""nam": "沁水县""#, "/areas/0/nam"),
        (r#"[112.3, 35.8]"#, r#"[112.3, "35.8"]"#, "/areas/1/polygon/2"),
        (r#"[112.3, 35.8]"#, r#"[112.3]"#, "/areas/1/polygon/2"),
        (r#""radius_km": 5"#, r#""radius_m": 5000, "radius_km": 5"#, "/areas/2/circle/radius_m"),
        (r#""center": [112.2, 35.7], "#, "", "/areas/2/circle/center"),
        (r#""level": "orange""#, r#""level": "warm""#, "/areas/3/level"),
        (r#"{"name": "某某村"}"#, "{}", "/areas/4"),
        (r#"{"name": "某某村"}"#, r#"{"name": " "}"#, "/areas/4/name"),
        (r#"{"name": "某某村"}"#, r#"{"point": "a", "division": "140521"}"#, "/areas/4"),
        (r#"{"name": "某某村"}"#, r#""某某村""#, "/areas/4"),
        (r#""event": "2024-rain-7""#, r#""event": {}"#, "/event"),
        (r#"{"mm": 55, "note": "x", "list": [1]}"#, "[]", "/parameters"),
        (r#""identifier": "1405"#, r#""identifier": "\u202e1405"#, "/identifier"),
        (r#""headline": "沁水县暴雨红色预警""#, r#""headline": "\u200b ""#, "/headline"),
    ] {
        assert_eq!(pointers(with(old, new)), [pointer], "{new}");
    }
}

#[test]
fn all_faults_come_in_one_answer_and_a_misspelt_field_is_told_its_name() {
    let body = FULL
        .replace("\"red\"", "\"rot\"")
        .replace("\"expires\"", "\"expiers\"")
        .replace("\"140521000000\"", "7")
        .replace("07-08T18", "13-08T18");
    let Err(Refusal::Invalid(errors)) = json(&body) else { panic!() };
    let all: Vec<&str> = errors.iter().map(|e| e.pointer.as_str()).collect();
    assert_eq!(all, ["/expiers", "/level", "/areas/0/division", "/onset"]);
    assert!(errors[0].detail.contains("`expires`"), "{}", errors[0].detail);
}

#[test]
fn what_is_no_json_object_is_malformed() {
    let deep = "[".repeat(1_000_000);
    for body in ["", "null", "[]", "{", r#"{"identifier":"a","identifier":"b"}"#, "\"x\"", &format!("{FULL} {{}}"), &deep] {
        assert!(matches!(json(body), Err(Refusal::Malformed(_))), "{:.40}", body);
    }
}

#[test]
fn what_is_only_odd_is_read_and_said() {
    for (old, new, finding) in [
        (r#", [112.1, 35.6]]"#, "]", "unclosed_polygon"),
        (r#"[112.2, 35.7]"#, "[35.7, 112.2]", "swapped_coordinates"),
        (r#"[112.2, 35.7]"#, "[1000, 35.7]", "broken_shape"),
        (r#""radius_km": 5"#, r#""radius_km": -5"#, "broken_shape"),
        (r#""radius_km": 5"#, r#""radius_km": 5000"#, "huge_radius"),
        (r#"[[112.1, 35.6], [112.3, 35.6], [112.3, 35.8], [112.1, 35.6]]"#, "[[112.1, 35.6]]", "broken_shape"),
        (r#""expires": "2024-07-09"#, r#""expires": "2024-07-07"#, "expires_before_sent"),
        (r#""expires": "2024-07-09T16:15:00+08:00""#, r#""expires": null"#, "no_expiry"),
        (r#""11B03""#, r#""11Z77""#, "unknown_hazard"),
        (r#""11B03""#, r#""暴雨""#, "hazard_from_text"),
        (r#""red""#, r#""unknown""#, "unknown_level"),
        (r#""red""#, r#""blue""#, "area_above_level"),
        (r#""message_type": "alert""#, r#""message_type": "update""#, "update_without_references"),
        (r#""references": []"#, r#""references": ["14050041600000_20240708161500_1"]"#, "self_reference"),
    ] {
        let parsed = with(old, new).unwrap_or_else(|e| panic!("{new}: {e}"));
        assert!(codes(&parsed).contains(&finding), "{new}: {:?}", parsed.findings);
    }
}

#[test]
fn an_area_above_the_messages_level_raises_the_message_and_not_its_other_areas() {
    let c = with(r#""red""#, r#""blue""#).unwrap().content;
    assert_eq!(c.level, Level::Orange);
    assert_eq!(
        c.areas.iter().map(|a| a.level).collect::<Vec<_>>(),
        [Some(Level::Blue), Some(Level::Blue), Some(Level::Blue), None, Some(Level::Blue)]
    );
}

#[test]
fn a_gbk_body_is_read_and_counts_as_the_same_content() {
    let (gbk, _, _) = encoding_rs::GBK.encode(FULL);
    let declared = read(SourceFormat::Json, Some("gbk"), &gbk, ISSUER).unwrap();
    let guessed = read(SourceFormat::Json, None, &gbk, ISSUER).unwrap();
    let plain = json(FULL).unwrap();
    assert_eq!(declared, plain);
    assert_eq!((codes(&guessed), &guessed.content), (vec!["charset"], &plain.content));
}
