//! CAP as senders really break it: one row a violation that was seen in the wild. Each is read to the right warning, and what
//! was odd is said; what cannot be one warning is refused with a reason.

use super::*;
use jiaoying::core::{
    hazard::Level,
    warning::{Content, MessageType, Shape, Status},
};

const HEAD: &str = "<identifier>A1</identifier><sender>met@example.org</sender><sent>2024-07-08T16:15:00+08:00</sent>\
                    <status>Actual</status><msgType>Alert</msgType><scope>Public</scope>";
const INFO: &str = "<language>zh-CN</language><category>Met</category><event>暴雨</event><urgency>Expected</urgency><severity>Extreme</severity>\
                    <certainty>Likely</certainty><expires>2024-07-09T16:15:00+08:00</expires><headline>暴雨红色预警</headline>";
const AREA: &str = "<areaDesc>沁水县</areaDesc><geocode><valueName>x</valueName><value>140521</value></geocode>";

fn cap(version: &str, head: &str, info: &str, area: &str) -> String {
    let namespace = match version {
        "1.0" => "http://www.incident.com/cap/1.0".to_string(),
        v => format!("urn:oasis:names:tc:emergency:cap:{v}"),
    };
    format!("<alert xmlns='{namespace}'>{head}<info>{info}<area>{area}</area></info></alert>")
}

/// A message that is valid but for one thing in its head, block or area.
enum Broken {
    Head(String),
    Info(String),
    Area(String),
    Whole(String),
}
use Broken::*;

fn swap(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

/// What must be true of what was read.
type Truth = fn(&Content) -> bool;

const SENT: &str = "2024-07-08T16:15:00+08:00";

fn sent_is(c: &Content, text: &str) -> bool {
    c.sent.rfc3339() == text
}
fn polygon(c: &Content) -> Vec<[f64; 2]> {
    match c.areas.first().map(|a| &a.shape) {
        Some(Shape::Polygon(ring)) => ring.clone(),
        _ => Vec::new(),
    }
}
const DRAWN: &str = "<areaDesc>圈</areaDesc><polygon>35.6,112.1 35.6,112.3 35.8,112.3 35.6,112.1</polygon>";

/// Name, CAP version, what is broken, the findings that must be there (all, in any order), the truth.
fn rows() -> Vec<(&'static str, &'static str, Broken, Vec<&'static str>, Truth)> {
    let ring = "35.6,112.1 35.6,112.3 35.8,112.3 35.6,112.1";
    let head = |from: &str, to: &str| Head(swap(HEAD, from, to));
    let info = |from: &str, to: &str| Info(swap(INFO, from, to));
    let drawn = |ring: &str| Area(format!("<areaDesc>圈</areaDesc><polygon>{ring}</polygon>"));
    vec![
        ("nothing", "1.2", Head(HEAD.into()), vec![], |c| c.level == Level::Red && sent_is(c, SENT)),
        ("UTC as +00:00", "1.2", head(SENT, "2024-07-08T08:15:00+00:00"), vec![], |c| sent_is(c, SENT)),
        ("UTC as -00:00", "1.2", head(SENT, "2024-07-08T08:15:00-00:00"), vec![], |c| sent_is(c, SENT)),
        ("Z in 1.1", "1.1", head(SENT, "2024-07-08T08:15:00Z"), vec![], |c| sent_is(c, SENT)),
        ("Z in 1.2", "1.2", head(SENT, "2024-07-08T08:15:00Z"), vec!["odd_time"], |c| sent_is(c, SENT)),
        ("fractions in 1.1", "1.1", head(SENT, "2024-07-08T08:15:00.000Z"), vec![], |c| sent_is(c, SENT)),
        ("no offset in 1.1", "1.1", head(SENT, "2024-07-08T16:15:00"), vec!["no_offset"], |c| sent_is(c, SENT)),
        (
            "empty elements",
            "1.2",
            Whole(cap(
                "1.2",
                &format!("{HEAD}<note/><references/>"),
                &format!("{INFO}<onset/><instruction/>"),
                &format!("{AREA}<polygon/><circle/>"),
            )),
            vec![],
            |c| c.areas.len() == 1 && c.onset.is_none() && c.references.is_empty(),
        ),
        ("a polygon that is not closed", "1.2", drawn("35.6,112.1 35.6,112.3 35.8,112.3"), vec!["unclosed_polygon"], |c| {
            polygon(c).len() == 4 && polygon(c).first() == polygon(c).last()
        }),
        (
            "first and last differ by rounding",
            "1.2",
            drawn("35.6,112.1 35.6,112.3 35.8,112.3 35.60001,112.1"),
            vec!["unclosed_polygon"],
            |c| polygon(c).first() == polygon(c).last(),
        ),
        ("brackets in a polygon", "1.2", drawn("35.6),112.1 35.6,112.3 (35.8,112.3 35.6,112.1"), vec![], |c| polygon(c).len() == 4),
        (
            "a longitude past 180",
            "1.2",
            drawn("10,-180.005 10,-179 11,-179 10,-180.005"),
            vec!["wrapped_longitude", "outside_china"],
            |c| polygon(c).iter().all(|p| p[0].abs() <= 180.0),
        ),
        ("longitude before latitude", "1.2", drawn("112.1,35.6 112.3,35.6 112.3,35.8 112.1,35.6"), vec!["swapped_coordinates"], |c| {
            polygon(c).first() == Some(&[112.1, 35.6])
        }),
        ("a polygon that crosses itself", "1.2", drawn("35.6,112.1 35.8,112.3 35.6,112.3 35.8,112.1 35.6,112.1"), vec![], |c| {
            polygon(c).len() == 5
        }),
        ("a polygon without an inside", "1.2", drawn("35.6,112.1 35.6,112.1 35.6,112.1 35.6,112.1"), vec![], |c| !c.areas.is_empty()),
        ("the same corner twice", "1.2", drawn(&swap(ring, "35.6,112.3", "35.6,112.3 35.6,112.3")), vec![], |c| polygon(c).len() >= 4),
        (
            "elements in another order",
            "1.2",
            Whole(format!(
                "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'><info><area>{AREA}</area>{INFO}</info><scope>Public</scope><msgType>Alert</msgType>\
                 <sent>{SENT}</sent><status>Actual</status><sender>met@example.org</sender><identifier>A1</identifier></alert>"
            )),
            vec![],
            |c| c.level == Level::Red && c.areas.len() == 1,
        ),
        ("an update that refers to nothing", "1.2", head("Alert", "Update"), vec!["update_without_references"], |c| c.level == Level::Red),
        (
            "references joined by commas",
            "1.2",
            Head(swap(HEAD, "<msgType>Alert</msgType>", "<msgType>Update</msgType><references>s,A0,t,s,B0,t</references>")),
            vec!["odd_references"],
            |c| c.references == ["A0", "B0"],
        ),
        (
            "references with the message's own time",
            "1.2",
            Head(swap(HEAD, "<msgType>Alert</msgType>", &format!("<msgType>Update</msgType><references>s,A0,{SENT}</references>"))),
            vec![],
            |c| c.references == ["A0"],
        ),
        (
            "reference for references",
            "1.2",
            Head(swap(HEAD, "<msgType>Alert</msgType>", "<msgType>Update</msgType><reference>s,A0,t</reference>")),
            vec!["odd_references"],
            |c| c.references == ["A0"],
        ),
        ("an empty enumeration", "1.2", info("<urgency>Expected</urgency>", "<urgency/>"), vec![], |c| c.level == Level::Red),
        ("an empty severity", "1.2", info("<severity>Extreme</severity>", "<severity/>"), vec![], |c| c.level == Level::Red),
        ("a severity nobody knows", "1.2", info("Extreme", "Catastrophic"), vec!["odd_severity"], |c| c.level == Level::Red),
        ("Very Likely of 1.0", "1.0", info("<certainty>Likely", "<certainty>Very Likely"), vec![], |c| c.level == Level::Red),
        ("a namespace nobody knows", "9.9", Head(HEAD.into()), vec!["unknown_namespace"], |c| c.level == Level::Red),
        (
            "no namespace",
            "1.2",
            Whole(swap(&cap("1.2", HEAD, INFO, AREA), " xmlns='urn:oasis:names:tc:emergency:cap:1.2'", "")),
            vec!["unknown_namespace"],
            |c| c.level == Level::Red,
        ),
        ("web without a scheme", "1.2", Info(format!("{INFO}<web>www.example.org</web>")), vec![], |c| c.areas.len() == 1),
        (
            "84k as a size",
            "1.2",
            Info(format!("{INFO}<resource><resourceDesc>图</resourceDesc><mimeType>image/png</mimeType><size>84k</size></resource>")),
            vec![],
            |c| c.areas.len() == 1,
        ),
        ("onset at expiry", "1.2", Info(format!("{INFO}<onset>2024-07-09T16:15:00+08:00</onset>")), vec![], |c| c.onset == c.expires),
        ("a time that does not exist", "1.2", info("2024-07-09T16", "2024-07-39T16"), vec!["bad_time", "no_expiry"], |c| {
            c.expires.is_none()
        }),
        (
            "one language under several tags",
            "1.2",
            Whole(swap(
                &cap("1.2", HEAD, INFO, AREA),
                "</alert>",
                &format!("<info>{}<area>{AREA}</area></info></alert>", swap(INFO, "zh-CN", "zh-LS")),
            )),
            vec![],
            |c| c.areas.len() == 1 && c.headline == "暴雨红色预警",
        ),
        (
            "a large embedded file",
            "1.2",
            Info(format!("{INFO}<resource><derefUri>{}</derefUri></resource>", "QUJD".repeat(200_000))),
            vec![],
            |c| c.areas.len() == 1,
        ),
        ("NAME=value of 1.0", "1.0", Area("<areaDesc>沁水县</areaDesc><geocode>CN=140521</geocode>".into()), vec![], |c| {
            c.areas[0].shape == Shape::Division("140521".parse().unwrap())
        }),
        ("a code of fourteen digits", "1.2", Area(swap(AREA, "140521", "14052100000000")), vec![], |c| {
            c.areas[0].shape == Shape::Division("140521".parse().unwrap())
        }),
        ("circles in 1.2", "1.2", Area("<areaDesc>圈</areaDesc><circle>35.7,112.2 5</circle>".into()), vec![], |c| {
            c.areas[0].shape == Shape::Circle { center: [112.2, 35.7], radius_km: 5.0 }
        }),
        (
            "three messages updated by one",
            "1.2",
            Head(swap(HEAD, "<msgType>Alert</msgType>", "<msgType>Update</msgType><references>s,A0,t s,B0,t\n s,C0,t</references>")),
            vec![],
            |c| c.references == ["A0", "B0", "C0"],
        ),
        (
            "a cancel without a block",
            "1.2",
            Whole(format!(
                "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'>{}<references>s,A0,t</references></alert>",
                swap(HEAD, "Alert", "Cancel")
            )),
            vec![],
            |c| c.message_type == MessageType::Cancel && c.references == ["A0"] && c.areas.is_empty(),
        ),
        (
            "nine blocks in nine languages",
            "1.2",
            Whole(swap(
                &cap("1.2", HEAD, INFO, AREA),
                "<info>",
                &(["de", "de-LS", "en", "fr", "es", "ru", "tr", "uk"]
                    .map(|tag| format!("<info>{}<area>{AREA}</area></info>", swap(&swap(INFO, "zh-CN", tag), "暴雨红色预警", tag)))
                    .concat()
                    + "<info>"),
            )),
            vec![],
            |c| c.headline == "暴雨红色预警" && c.areas.len() == 1 && c.level == Level::Red,
        ),
        (
            "two blocks in one language with two levels",
            "1.2",
            Whole(swap(
                &cap("1.2", HEAD, INFO, AREA),
                "</alert>",
                &format!(
                    "<info>{}<area>{}</area></info></alert>",
                    swap(&swap(INFO, "红色", "黄色"), "Extreme", "Moderate"),
                    swap(AREA, "140521", "140522")
                ),
            )),
            vec!["several_infos"],
            |c| c.level == Level::Red && c.areas.len() == 2 && c.areas[1].level == Some(Level::Yellow),
        ),
        ("Guangdong's white", "1.2", Info(swap(&swap(INFO, "红色", "白色"), "Extreme", "Minor")), vec!["white_level"], |c| {
            c.level == Level::Blue
        }),
        (
            "an all-clear that is no cancel",
            "1.2",
            Info(swap(INFO, "<urgency>", "<responseType>AllClear</responseType><urgency>")),
            vec!["all_clear"],
            |c| c.message_type == MessageType::Alert && c.level == Level::Red,
        ),
        ("not for the public", "1.2", head("Public", "Restricted"), vec!["restricted"], |c| c.restricted),
        ("not actual", "1.2", head("Actual", "Exercise"), vec![], |c| c.status == Status::Exercise),
        ("a draft", "1.2", head("Actual", "Draft"), vec![], |c| c.status == Status::Draft),
    ]
}

#[test]
fn each_known_violation_is_read_to_the_right_warning_and_said() {
    let mut wrong = Vec::new();
    for (name, version, broken, findings, truth) in rows() {
        let body = match broken {
            Head(head) => cap(version, &head, INFO, AREA),
            Info(info) => cap(version, HEAD, &info, AREA),
            Area(area) => cap(version, HEAD, INFO, &area),
            Whole(body) => body,
        };
        match xml(&body) {
            Err(e) => wrong.push(format!("{name}: refused: {e}")),
            Ok(parsed) => {
                let mut got = codes(&parsed);
                got.sort_unstable();
                let mut expected = findings.clone();
                expected.sort_unstable();
                if got != expected {
                    wrong.push(format!("{name}: findings {got:?}, not {expected:?}"));
                }
                if !truth(&parsed.content) {
                    wrong.push(format!("{name}: read as {:?}", parsed.content));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cap("1.2", HEAD, INFO, DRAWN).contains("polygon"));
}

#[test]
fn what_holds_no_single_warning_is_refused_with_what_to_do() {
    let one = cap("1.2", HEAD, INFO, AREA);
    for (name, body, says) in [
        ("Atom", format!("<feed xmlns='http://www.w3.org/2005/Atom'><entry><content>{one}</content></entry></feed>"), "feed"),
        ("RSS", format!("<rss><channel><item>{one}</item></channel></rss>"), "feed"),
        ("EDXL-DE", format!("<EDXLDistribution><contentObject>{one}</contentObject></EDXLDistribution>"), "envelope"),
        ("several alerts", format!("<alerts>{one}{one}</alerts>"), "list of alerts"),
        ("two roots", format!("{one}{one}"), "second root"),
        ("an answer", swap(&one, "<msgType>Alert", "<msgType>Ack"), "Ack and Error"),
        ("a cancel of nothing", swap(&one, "<msgType>Alert", "<msgType>Cancel"), "references"),
        ("cut off", swap(&one, "</info></alert>", ""), "cut off"),
    ] {
        let why = xml(&body).map(|p| p.content).unwrap_err().to_string();
        assert!(why.contains(says), "{name}: {why}");
    }
}

#[test]
fn a_signature_that_is_not_checked_neither_stops_a_warning_nor_adds_a_field() {
    let signature = "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'><SignedInfo><Reference URI=''/></SignedInfo><Object><info><severity>Minor</severity>\
                     </info></Object><identifier>EVIL</identifier></Signature>";
    let plain = cap("1.2", HEAD, INFO, AREA);
    let signed = swap(&plain, "</alert>", &format!("{signature}</alert>"));
    assert_eq!(xml(&signed).unwrap().content, xml(&plain).unwrap().content);
}

#[test]
fn every_charset_gives_the_same_warning() {
    let body = |charset: &str| format!("<?xml version=\"1.0\" encoding=\"{charset}\"?>{}", cap("1.2", HEAD, INFO, AREA));
    let plain = xml(&body("UTF-8")).unwrap().content;
    let of = |bytes: &[u8], charset: Option<&str>| read(SourceFormat::Xml, charset, bytes, ISSUER).unwrap();
    let gbk = |charset: &str| encoding_rs::GB18030.encode(&body(charset)).0.into_owned();
    for (name, parsed, findings) in [
        ("a mark before UTF-8", of(&[b"\xEF\xBB\xBF", body("UTF-8").as_bytes()].concat(), None), 0),
        ("GBK", of(&gbk("GBK"), None), 0),
        ("GB18030", of(&gbk("GB18030"), None), 0),
        ("gb2312 by HTTP", of(&gbk("gb2312"), Some("gb2312")), 0),
        ("GBK that says UTF-8", of(&gbk("UTF-8"), None), 1),
        ("UTF-8 that says GBK", of(body("GBK").as_bytes(), None), 1),
    ] {
        assert_eq!(parsed.content, plain, "{name}");
        assert_eq!(parsed.findings.len(), findings, "{name}: {:?}", parsed.findings);
    }
    let latin = "<?xml version='1.0' encoding='ISO-8859-1'?>".to_string()
        + &swap(&cap("1.2", HEAD, INFO, AREA), "暴雨红色预警", "Vorwarnung f&#xFC;r X: ");
    let latin = swap(&swap(&latin, "暴雨", "Rainstorm"), "沁水县", "Z\u{fc}rich");
    let bytes: Vec<u8> = latin.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let parsed = of(&bytes, None);
    assert_eq!((parsed.content.headline.as_str(), parsed.content.areas[0].name.as_deref()), ("Vorwarnung für X:", Some("Zürich")));
}

#[test]
fn another_languages_higher_level_holds_for_the_areas_too() {
    let english = swap(&swap(INFO, "zh-CN", "en-US"), "暴雨红色预警", "Rainstorm");
    let chinese = swap(&swap(INFO, "Extreme", "Severe"), "红色", "橙色");
    let body = swap(&cap("1.2", HEAD, &chinese, AREA), "</alert>", &format!("<info>{english}<area>{AREA}</area></info></alert>"));
    let parsed = xml(&body).unwrap();
    assert_eq!((parsed.content.level, parsed.content.areas[0].level), (Level::Red, None), "the county is called as red");
    assert!(codes(&parsed).contains(&"level_differs"));
}
