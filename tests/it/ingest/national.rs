//! The national format (国突) where it differs from CAP, on messages made here.

use super::*;
use jiaoying::core::{
    hazard::Level,
    warning::{MessageType, Shape, Status},
};

fn message(head: &str, area: &str) -> String {
    format!(
        "<alert xmlns='http://com.icss.amp'><identifier>14050041600000_20240708161500_1</identifier><sender>晋城市气象局</sender>\
         <senderCode>14050041600000</senderCode><sendTime>2024-07-08 16:15:00+08:00</sendTime><status>Actual</status>{head}<scope>Public</scope>\
         <info><language/><eventType>11B03</eventType><severity>Red</severity><expires>2024-07-09 16:15:00+08:00</expires>\
         <senderName>张某某</senderName><headline>晋城市气象局发布暴雨红色预警[I级/特别重大]</headline><description>大雨</description>{area}</info></alert>"
    )
}

const FIRST: &str = "<msgType>Alert</msgType>";

#[test]
fn a_plain_message_is_read_without_a_finding() {
    let area = "<area><areaDesc>沁水县，阳城县</areaDesc><geocode>140521000000，140522000000</geocode><polygon/><circle/></area>";
    let parsed = xml(&message(FIRST, area)).unwrap();
    assert_eq!(codes(&parsed), Vec::<&str>::new());
    let c = &parsed.content;
    assert_eq!((c.sender.as_str(), c.status, c.message_type), ("晋城市气象局", Status::Actual, MessageType::Alert));
    assert_eq!((c.hazard.0.as_str(), c.level, c.sent.rfc3339().as_str()), ("11B03", Level::Red, "2024-07-08T16:15:00+08:00"));
    let names: Vec<&str> = c.areas.iter().filter_map(|a| a.name.as_deref()).collect();
    assert_eq!(names, ["沁水县", "阳城县"]);
    assert!(!format!("{parsed:?}").contains("张某某"));
}

#[test]
fn circles_are_in_metres_and_unclosed_polygons_are_lines() {
    let area = "<area><areaDesc>圈</areaDesc><circle>35.7,112.2 5000</circle><circle>35.7,112.3 0</circle><polygon>35.6,112.1 35.6,112.3 35.8,112.3</polygon></area>";
    let shapes: Vec<Shape> = xml(&message(FIRST, area)).unwrap().content.areas.into_iter().map(|a| a.shape).collect();
    // Codes, then polygons, then circles: the order of the reader, not of the file.
    assert_eq!(
        shapes,
        [
            Shape::Line(vec![[112.1, 35.6], [112.3, 35.6], [112.3, 35.8]]),
            Shape::Circle { center: [112.2, 35.7], radius_km: 5.0 },
            Shape::Circle { center: [112.3, 35.7], radius_km: 0.0 },
        ]
    );
}

#[test]
fn the_misspelt_cancel_cancels_the_first_message_of_the_event() {
    let body = message("<msgType>Cancle</msgType><references>14050041600000_20240708090000</references>", "");
    let parsed = xml(&body).unwrap();
    assert_eq!(parsed.content.message_type, MessageType::Cancel);
    assert_eq!(parsed.content.references, ["14050041600000_20240708090000"]);
    assert_eq!(codes(&parsed), ["odd_word"]);
}

#[test]
fn several_references_are_identifiers_alone() {
    let body =
        message("<msgType>Update</msgType><references>14050041600000_20240708090000，14050041600000_20240708100000_2</references>", "");
    let references = xml(&body).unwrap().content.references;
    assert_eq!(references, ["14050041600000_20240708090000", "14050041600000_20240708100000_2"]);
}

#[test]
fn inner_messages_are_restricted() {
    let area = "<area><areaDesc>沁水县</areaDesc><geocode>140521</geocode></area>";
    assert!(!xml(&message(FIRST, area)).unwrap().content.restricted);
    let inner = format!("{FIRST}<secClassification>Inner</secClassification>");
    assert!(xml(&message(&inner, area)).unwrap().content.restricted);
}

#[test]
fn names_alone_are_named_areas_and_the_channel_text_stands_in_for_a_missing_description() {
    let head = format!(
        "{FIRST}<code><method><methodName>WEB</methodName><message>网页</message></method><method><methodName>SMS</methodName><message>短信</message></method></code>"
    );
    let body = message(&head, "<area><areaDesc>河南省,河南省,山西省</areaDesc></area>").replace("大雨", "");
    let c = xml(&body).unwrap().content;
    assert_eq!(c.description, "短信");
    let shapes: Vec<Shape> = c.areas.into_iter().map(|a| a.shape).collect();
    assert_eq!(shapes, [Shape::Named("河南省".into()), Shape::Named("山西省".into())]);
}

#[test]
fn colours_are_the_severity_and_the_higher_counts_where_the_headline_differs() {
    let level = |severity: &str| {
        let parsed = xml(&message(FIRST, "").replace(">Red<", &format!(">{severity}<"))).unwrap();
        (parsed.content.level, codes(&parsed).contains(&"level_differs"))
    };
    assert_eq!(level("RED"), (Level::Red, false));
    assert_eq!(level("Blue"), (Level::Red, true));
    assert_eq!(level("UNKOWN"), (Level::Red, false));
}

#[test]
fn what_it_cannot_do_without_is_named() {
    let body = "<alert><senderCode>14050041600000</senderCode><status>Draft</status><msgType>Alert</msgType></alert>";
    assert_eq!(pointers(xml(body)), ["/alert/identifier", "/alert/sendTime"]);
}
