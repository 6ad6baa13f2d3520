//! Every code a robot is known to say → what that is here → what the engine does next: with a real gateway, whose robot says it
//! of the first digest; half an hour then passes on a clock turned by hand.

use super::{
    codes::{agreed, named, responder},
    codes_reference::{reference, section},
    robots::{ROBOTS, digest, robot},
};
use crate::digest::kit::Groups;
use jiaoying::core::{digest::Group, hazard::Level, send::Outcome, time::Span};
use std::{collections::BTreeMap, fmt::Write};

/// Status and code with its words.
type Codes = &'static [(u16, &'static str)];

const DINGTALK: Codes = &[
    (200, "130101 send too fast, exceed 20 times per minute"),
    (200, "660026 too fast"),
    (200, "410100 too fast"),
    (200, "310000 sign not match"),
    (200, "310000 keywords not in content, more: [x]"),
    (200, "300001 token is not exist"),
    (200, "300005 token is not exist"),
    (200, "400013 the group is dissolved"),
    (200, "400101 access_token does not exist"),
    (200, "400102 the robot is stopped"),
    (200, "400106 the robot does not exist"),
    (200, "40035 a parameter is missing"),
    (200, "43004 content type"),
    (200, "400105 unsupported msgtype"),
    (200, "430101 an unsafe link"),
    (200, "430102 unfit words"),
    (200, "430103 an unfit picture"),
    (200, "430104 unfit content"),
    (200, "460101 message too long"),
    (200, "-1 system busy"),
    (200, "999999 nobody has described it"),
];
const WECOM: Codes = &[
    (200, "45009 api freq out of limit"),
    (200, "45033 too many at once"),
    (200, "93000 invalid webhook url"),
    (200, "93004 the robot is stopped"),
    (200, "93008 not in the group"),
    (200, "40008 invalid message type"),
    (200, "40058 invalid arguments"),
    (200, "44004 empty content"),
    (200, "45002 content too long"),
    (200, "47001 data format error"),
    (200, "-1 system busy"),
    (200, "999999 nobody has described it"),
];
const FEISHU: Codes = &[
    (200, "11232 frequency limited"),
    (200, "11233 frequency limited"),
    (400, "99991400 request trigger frequency limit"),
    (200, "19021 sign match fail or timestamp is not within one hour from current time"),
    (200, "19022 Ip Not Allowed"),
    (200, "19024 Key Words Not Found"),
    (200, "19001 param invalid: incoming webhook access token invalid"),
    (200, "19002 param invalid"),
    (200, "9499 Bad Request"),
    (200, "11246 card content"),
    (200, "999999 nobody has described it"),
];

fn codes(kind: &str) -> Codes {
    match kind {
        "dingtalk_robot" => DINGTALK,
        "wecom_robot" => WECOM,
        _ => FEISHU,
    }
}

async fn classified(kind: &str, status: u16, code: &str, words: &str) -> Outcome {
    let (base, said) = responder().await;
    let number: i64 = code.parse().unwrap();
    let body = match kind {
        "feishu_robot" => serde_json::json!({"code": number, "msg": words, "data": {}}),
        _ => serde_json::json!({"errcode": number, "errmsg": words}),
    };
    *said.lock().unwrap() = (status, body.to_string());
    robot(kind, &base).send(&digest("**甲**", false)).await
}

async fn follows(outcome: Outcome) -> String {
    let g = Groups::new(1, vec![Group::default()]).await;
    g.robots[0].will_say(outcome);
    g.post(&g.content("a", Level::Red)).await;
    g.after(Span::secs(2)).await;
    let stopped = g.gateways[0].providers().iter().any(|p| p.0 == "robot-0" && !p.1);
    g.after(Span::mins(30)).await;
    let told = g.told(0);
    let first = told[0].at;
    let again = told.iter().skip(1).find(|t| t.title == told[0].title).map(|t| t.at - first);
    let next = told.get(1).map(|t| t.at - first);
    let stop = if stopped { "the robot is stopped and the duty room told; " } else { "" };
    match (again, next) {
        (Some(after), _) => format!("{stop}said again after {after} with the figures of then"),
        // Ten minutes later there is more to say than that it begins.
        (None, Some(after)) if after > Span::mins(5) + Span::secs(3) => format!("{stop}said after {after}, as what is then to be said"),
        (None, Some(after)) => format!("{stop}not said again; the next digest in its own time, after {after}"),
        (None, None) => panic!("nothing more was ever said"),
    }
}

#[tokio::test]
async fn every_code_of_every_robot_has_its_class_and_what_follows() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for kind in ROBOTS {
        let mut page = format!("{kind}: what it says → what that is → what the engine does next\n\n");
        for (status, words) in codes(kind) {
            let (code, message) = words.split_once(' ').unwrap();
            let outcome = classified(kind, *status, code, message).await;
            let name = named(&outcome);
            let next = match known.get(&name) {
                Some(next) => next.clone(),
                None => {
                    let next = follows(outcome).await;
                    known.insert(name.clone(), next.clone());
                    next
                }
            };
            writeln!(page, "{status} {words} → {name} → {next}").unwrap();
        }
        let unknown = Outcome::Unknown { detail: String::new() };
        writeln!(page, "no reply → unknown → {}", follows(unknown).await).unwrap();
        agreed(kind, &page);
    }
}

#[test]
fn no_code_of_a_robot_in_the_reference_is_missing() {
    let Some(text) = reference() else { return };
    for (kind, from, to) in [
        ("dingtalk_robot", "### DingTalk custom robot", "Custom robots cannot receive."),
        ("wecom_robot", "### WeCom", "Cannot receive;"),
        ("feishu_robot", "### Feishu", "Interactive acknowledgement"),
    ] {
        let part = section(&text, from, to);
        let part = part.split_once("Limit").map_or(part, |(_, rest)| rest);
        let numbers = part.split(|c: char| !c.is_ascii_digit()).filter(|w| (4..=6).contains(&w.len()));
        // Lengths, and the status beside DingTalk's code.
        let named: Vec<&str> = numbers.filter(|n| !["1111", "2048", "4096"].contains(n)).collect();
        assert!(named.len() >= 4, "{kind}: {named:?}");
        for n in named {
            assert!(
                codes(kind).iter().any(|(_, c)| c.split(' ').next() == Some(n)),
                "{kind}: the reference names {n}, and no row of the table does"
            );
        }
        assert!(!part.contains("-1 ") || codes(kind).iter().any(|(_, c)| c.starts_with("-1 ")), "{kind}");
    }
}
