//! CAP as it should not be, and is: one test for each oddity, on small messages made here.

use super::*;
use jiaoying::{
    core::{
        hazard::Level,
        warning::{Area, Content, MessageType, Shape},
    },
    ingest::{digest, write_cap},
};

/// A valid message with the given pieces in it.
fn alert(head: &str, infos: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>A1</identifier><sender>met@example.org</sender>
<sent>2024-07-08T16:15:00+08:00</sent><status>Actual</status><scope>Public</scope>{head}{infos}</alert>"#
    )
}

const FIRST: &str = "<msgType>Alert</msgType>";
const COUNTY: &str = "<area><areaDesc>沁水县</areaDesc><geocode><valueName>code</valueName><value>140521</value></geocode></area>";

fn info(language: &str, severity: &str, headline: &str, areas: &str) -> String {
    format!(
        "<info><language>{language}</language><category>Met</category><event>暴雨</event><urgency>Expected</urgency>\
         <severity>{severity}</severity><certainty>Likely</certainty><expires>2024-07-09T16:15:00+08:00</expires>\
         <headline>{headline}</headline><description>大雨</description>{areas}</info>"
    )
}

fn content(body: &str) -> Content {
    xml(body).unwrap().content
}

fn one_area(areas: &str) -> (Vec<Area>, Vec<String>) {
    let parsed = xml(&alert(FIRST, &info("zh-CN", "Severe", "暴雨橙色预警", areas))).unwrap();
    let codes = codes(&parsed).into_iter().map(str::to_string).collect();
    (parsed.content.areas, codes)
}

#[test]
fn a_plain_message_has_nothing_odd() {
    let parsed = xml(&alert(FIRST, &info("zh-CN", "Extreme", "沁水县发布暴雨红色预警", COUNTY))).unwrap();
    assert_eq!(codes(&parsed), Vec::<&str>::new());
    let c = parsed.content;
    assert_eq!((c.hazard.0.as_str(), c.level, c.areas[0].shape.clone()), ("11B03", Level::Red, Shape::Division("140521".parse().unwrap())));
}

#[test]
fn red_for_one_county_and_orange_for_another_stay_apart() {
    let other = COUNTY.replace("140521", "140522").replace("沁水县", "阳城县");
    let infos = info("zh-CN", "Severe", "阳城县暴雨橙色预警", &other) + &info("zh-CN", "Extreme", "沁水县暴雨红色预警", COUNTY);
    let c = content(&alert(FIRST, &infos));
    assert_eq!((c.level, c.headline.as_str()), (Level::Red, "沁水县暴雨红色预警"));
    let levels: Vec<(String, Option<Level>)> = c.areas.iter().map(|a| (a.name.clone().unwrap(), a.level)).collect();
    assert_eq!(levels, [("沁水县".to_string(), None), ("阳城县".to_string(), Some(Level::Orange))]);
}

#[test]
fn a_translation_adds_its_codes_but_not_its_names() {
    let english = COUNTY.replace("沁水县", "Qinshui");
    let named = "<area><areaDesc>Show area</areaDesc></area>";
    let infos = info("en-US", "Extreme", "Rainstorm red warning", &(english + named)) + &info("zh-CN", "Extreme", "暴雨红色预警", COUNTY);
    let c = content(&alert(FIRST, &infos));
    assert_eq!(c.headline, "暴雨红色预警");
    assert_eq!(c.areas.len(), 1);
    assert_eq!(c.areas[0].name.as_deref(), Some("沁水县"));
}

#[test]
fn the_colour_in_words_stands_above_the_severity_and_disagreement_is_said() {
    for (severity, headline, level, odd) in [
        ("Extreme", "暴雨红色预警", Level::Red, false),
        ("Moderate", "暴雨红色预警", Level::Red, true),
        ("Unknown", "暴雨红色预警", Level::Red, false),
        ("Unknown", "暴雨预警[Ⅱ级/严重]", Level::Orange, false),
        ("Minor", "暴雨预警", Level::Blue, false),
        ("Unknown", "暴雨预警", Level::Unknown, false),
        ("Orange", "暴雨预警", Level::Orange, false),
    ] {
        let parsed = xml(&alert(FIRST, &info("zh-CN", severity, headline, COUNTY))).unwrap();
        assert_eq!(parsed.content.level, level, "{severity} {headline}");
        assert_eq!(codes(&parsed).contains(&"level_differs"), odd, "{severity} {headline}");
        assert_eq!(codes(&parsed).contains(&"unknown_level"), level == Level::Unknown);
    }
}

#[test]
fn a_hazard_is_read_from_its_code_else_from_words_else_kept_as_text() {
    let with = |extra: &str, event: &str| {
        let body = info("zh-CN", "Severe", "橙色预警", COUNTY).replace("<event>暴雨</event>", &format!("<event>{event}</event>{extra}"));
        let parsed = xml(&alert(FIRST, &body)).unwrap();
        let codes: Vec<String> = codes(&parsed).into_iter().map(str::to_string).collect();
        (parsed.content.hazard.0, codes)
    };
    let code = "<eventCode><valueName>any</valueName><value>11A51</value></eventCode>";
    assert_eq!(with(code, "暴雨"), ("11A51".into(), vec![]));
    assert_eq!(with("", "暴雨"), ("11B03".into(), vec![]));
    assert_eq!(with("", "Flash flood"), ("11A51".into(), vec!["hazard_from_text".into()]));
    assert_eq!(
        with("<eventCode><valueName>SAME</valueName><value>TOR</value></eventCode>", "银河事件"),
        ("银河事件".into(), vec!["unknown_hazard".into()])
    );
}

#[test]
fn geocodes_come_as_lists_in_three_lengths_doubled_and_foreign() {
    let list = "<area><areaDesc>三地</areaDesc><geocode><valueName>x</valueName><value>140521，140521101, 140521101201,140521000000</value></geocode>\
                <geocode><valueName>SAME</valueName><value>140521</value></geocode><geocode><valueName>UGC</valueName><value>NVC013</value></geocode></area>";
    let (areas, codes) = one_area(list);
    let shapes: Vec<String> = areas.iter().map(|a| format!("{:?}", a.shape)).collect();
    assert_eq!(shapes, ["Division(Division(140521000000))", "Division(Division(140521101000))", "Division(Division(140521101201))"]);
    assert_eq!(codes, ["foreign_geocode", "foreign_geocode", "area_names"]);
    let (areas, _) =
        one_area("<area><areaDesc>沁水县,阳城县</areaDesc><geocode><valueName>x</valueName><value>140521,140522</value></geocode></area>");
    assert_eq!(areas.iter().filter_map(|a| a.name.as_deref()).collect::<Vec<_>>(), ["沁水县", "阳城县"]);
}

#[test]
fn cap_polygons_are_latitude_first_and_circles_in_kilometres() {
    let (areas, codes) = one_area(
        "<area><areaDesc>圈</areaDesc><polygon>35.6,112.1 35.6,112.3 35.8,112.3 35.6,112.1</polygon><polygon/><circle>35.7,112.2 5</circle></area>",
    );
    assert_eq!(areas[0].shape, Shape::Polygon(vec![[112.1, 35.6], [112.3, 35.6], [112.3, 35.8], [112.1, 35.6]]));
    assert_eq!(areas[1].shape, Shape::Circle { center: [112.2, 35.7], radius_km: 5.0 });
    assert_eq!(codes, Vec::<String>::new());
}

#[test]
fn a_broken_area_leaves_its_name_and_the_others() {
    let (areas, codes) =
        one_area(&format!("<area><areaDesc>某处</areaDesc><polygon>a,b</polygon><circle>1</circle></area>{COUNTY}<area/>"));
    assert_eq!(areas[0].shape, Shape::Named("某处".into()));
    assert_eq!(areas[1].shape, Shape::Division("140521".parse().unwrap()));
    assert_eq!(codes, ["broken_shape", "broken_shape", "empty_area"]);
    let (areas, codes) = one_area("<area><areaDesc>反</areaDesc><circle>112.2,35.7 5</circle></area>");
    assert_eq!(
        (areas[0].shape.clone(), codes),
        (Shape::Circle { center: [112.2, 35.7], radius_km: 5.0 }, vec!["swapped_coordinates".to_string()])
    );
}

#[test]
fn references_are_found_however_they_are_written() {
    for (written, expected) in [
        ("<references>s,A,2024-07-08T16:15:00+08:00 s,B,2024-07-08T16:15:00+08:00</references>", vec!["A", "B"]),
        ("<references>s,A,t,s,B,t</references>", vec!["A", "B"]),
        ("<references>s,A</references>", vec!["A"]),
        ("<references>A A</references>", vec!["A"]),
        ("<reference>s,A,t</reference>", vec!["A"]),
        ("<references/><reference>s,A,t</reference>", vec!["A"]),
    ] {
        assert_eq!(content(&alert(&format!("<msgType>Cancel</msgType>{written}"), "")).references, expected, "{written}");
    }
    assert_eq!(pointers(xml(&alert("<msgType>Cancel</msgType><references/>", ""))), ["/alert/references"]);
}

#[test]
fn ack_and_error_concern_nobody_and_every_fault_of_the_head_is_named() {
    assert_eq!(pointers(xml(&alert("<msgType>Ack</msgType>", ""))), ["/alert/msgType"]);
    let empty = "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'/>";
    assert_eq!(pointers(xml(empty)), ["/alert/identifier", "/alert/sent", "/alert/status", "/alert/msgType"]);
    let bad = alert("<msgType>Nonsense</msgType>", "").replace("Actual", "Perhaps").replace("07-08T", "02-31T");
    assert_eq!(pointers(xml(&bad)), ["/alert/sent", "/alert/status", "/alert/msgType"]);
    assert_eq!(pointers(xml("<feed/>")), ["/feed"]);
}

#[test]
fn order_prefix_case_and_the_missing_sender_do_not_stop_a_warning() {
    let body = "<c:alert xmlns:c='urn:oasis:names:tc:emergency:cap:1.1'><c:info><c:headline>暴雨红色预警</c:headline></c:info><c:msgType>ALERT</c:msgType>\
                <c:status>actual</c:status><c:scope>Private</c:scope><c:sent>2024-07-08T16:15:00</c:sent><c:identifier>A1</c:identifier></c:alert>";
    let parsed = xml(body).unwrap();
    assert_eq!((parsed.content.sender.as_str(), parsed.content.level, parsed.content.restricted), (ISSUER, Level::Red, true));
    assert_eq!(parsed.content.sent.rfc3339(), "2024-07-08T16:15:00+08:00");
    for code in ["odd_word", "no_sender", "no_offset", "hazard_from_text", "no_area", "no_expiry"] {
        assert!(codes(&parsed).contains(&code), "{code}: {:?}", parsed.findings);
    }
}

#[test]
fn a_person_who_signed_is_kept_neither_in_content_nor_in_findings() {
    let body = alert(
        FIRST,
        &info("zh-CN", "Extreme", "晋城市气象台发布暴雨红色预警", COUNTY)
            .replace("<headline>", "<senderName>王某某</senderName><headline>"),
    )
    .replace("A1", "14050041600000_20240708161500");
    let parsed = xml(&body).unwrap();
    assert_eq!(parsed.content.sender_name.as_deref(), Some("晋城市气象台"));
    assert!(!format!("{parsed:?}").contains("王某某"));
}

#[test]
fn texts_lose_what_could_turn_or_hide_them() {
    let c = content(&alert(FIRST, &info("zh-CN", "Extreme", "暴雨&#x202E;红色&#x200B;预警&#10;第二行", COUNTY)));
    assert_eq!(c.headline, "暴雨红色预警 第二行");
}

#[test]
fn gbk_bodies_are_read_and_are_the_same_content() {
    let text = alert(FIRST, &info("zh-CN", "Extreme", "暴雨红色预警", COUNTY)).replace("UTF-8", "GB2312");
    let (gbk, _, _) = encoding_rs::GBK.encode(&text);
    let from_gbk = read(SourceFormat::Xml, None, &gbk, ISSUER).unwrap();
    let from_utf8 = content(&text.replace("GB2312", "UTF-8"));
    assert_eq!(digest(&from_gbk.content), digest(&from_utf8));
}

#[test]
fn other_bytes_of_the_same_message_have_the_same_digest_and_other_content_has_not() {
    let body = alert(FIRST, &info("zh-CN", "Extreme", "暴雨红色预警", COUNTY));
    let c = content(&body);
    let other_bytes = body.replace("><", ">\n  <!-- c --><").replace("暴雨红色预警", "<![CDATA[暴雨红色预警]]>");
    assert_eq!(digest(&c), digest(&content(&other_bytes)));
    assert_ne!(digest(&c), digest(&content(&body.replace("大雨", "小雨"))));
    assert_eq!(digest(&c).len(), 64);
}

#[test]
fn a_lifted_warning_that_is_typed_as_an_update_is_a_cancel_and_is_said() {
    let body = alert("<msgType>Update</msgType><references>s,A0,t</references>", &info("zh-CN", "Extreme", "解除暴雨红色预警", COUNTY));
    let parsed = xml(&body).unwrap();
    assert_eq!(parsed.content.message_type, MessageType::Cancel);
    assert_eq!(codes(&parsed), ["text_says_lifted"]);
}

#[test]
fn a_cancel_keeps_what_little_it_says_when_it_is_written_as_cap() {
    let body = r#"{"identifier":"C1","sent":"2024-07-08T18:00:00+08:00","status":"actual","message_type":"cancel","references":["A1"]}"#;
    let bare = json(body).unwrap().content;
    assert!(!write_cap(&bare).contains("<info>"));
    assert_eq!(content(&write_cap(&bare)), bare);
    let reason = json(&body.replace("\"references\"", "\"description\":\"雨停了\",\"references\"")).unwrap().content;
    assert_eq!(content(&write_cap(&reason)), reason);
}

#[test]
fn endless_texts_are_cut_and_one_name_is_not_copied_to_ten_thousand_codes() {
    let codes_list: String = (0..10_000).map(|n| format!("1405{n:08},")).collect();
    let long = "长".repeat(200_000);
    let area = format!("<area><areaDesc>{long}</areaDesc><geocode><valueName>x</valueName><value>{codes_list}</value></geocode></area>");
    let parsed = xml(&alert(FIRST, &info("zh-CN", "Severe", &long, &area).replace("大雨", &long))).unwrap();
    assert_eq!(parsed.content.areas.len(), 10_000);
    assert!(parsed.content.areas.iter().all(|a| a.name.is_none()));
    assert_eq!((parsed.content.headline.chars().count(), parsed.content.description.chars().count()), (1_000, 100_000));
    assert!(codes(&parsed).contains(&"long_text"));
}

#[test]
fn too_many_areas_are_refused_and_ten_thousand_foreign_codes_are_one_story() {
    let many: String = (0..30_000).map(|n| format!("14{:010},", n)).collect();
    let area =
        |codes: &str| format!("<area><areaDesc>x</areaDesc><geocode><valueName>x</valueName><value>{codes}</value></geocode></area>");
    assert_eq!(pointers(xml(&alert(FIRST, &info("zh-CN", "Severe", "橙色", &area(&many))))), ["/areas"]);
    let (areas, codes) = one_area(&area(&"ABC1,".repeat(10_000)));
    assert_eq!((areas.len(), codes.len()), (1, 1));
}
