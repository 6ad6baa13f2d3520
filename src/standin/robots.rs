//! The group robots of DingTalk, WeCom and Feishu: keys and signatures, the limits of each with its own words for them, and
//! what the three groups were told, for whoever looks.
//!
//! The dice know a robot by its vendor's name: `behaviour.codes = { dingtalk = "310000" }` has it say that to everything.

use super::{
    Shared,
    dice::{Throw, throw},
    server::Answer,
};
use crate::channel::sign::{dingtalk, feishu};
use crate::core::time::Span;
use axum::http::request::Parts;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

const DINGTALK: &str = "dingtalk";
const WECOM: &str = "wecom";
const FEISHU: &str = "feishu";
/// How long DingTalk refuses a robot that was over its limit.
const BAN: Span = Span::mins(10);

/// What a group was told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupMessage {
    /// `dingtalk`, `wecom` or `feishu`.
    pub robot: &'static str,
    /// `markdown`, `text` or `interactive`.
    pub kind: String,
    pub title: String,
    pub text: String,
    pub at_all: bool,
    /// Milliseconds since 1970.
    pub at: i64,
}

#[derive(Default)]
struct Robot {
    /// When each message was taken, milliseconds.
    taken: Vec<i64>,
    banned_until: i64,
}

/// The three groups.
#[derive(Default)]
pub struct Groups {
    robots: Mutex<BTreeMap<&'static str, Robot>>,
    told: Mutex<Vec<GroupMessage>>,
    limited: Mutex<BTreeMap<&'static str, u64>>,
}
impl Groups {
    fn told_now(&self) -> MutexGuard<'_, Vec<GroupMessage>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn told(&self) -> Vec<GroupMessage> {
        self.told_now().clone()
    }
    /// Messages taken and refused for their number, by robot.
    pub fn counts(&self) -> Value {
        let mut taken: BTreeMap<&str, u64> = BTreeMap::new();
        self.told_now().iter().for_each(|m| *taken.entry(m.robot).or_default() += 1);
        json!({"taken": taken, "limited": *self.limited.lock().unwrap_or_else(PoisonError::into_inner)})
    }
}

pub(super) fn is_for(parts: &Parts) -> bool {
    let path = parts.uri.path();
    path == "/robot/send" || path == "/cgi-bin/webhook/send" || path.starts_with("/open-apis/bot/v2/hook/")
}

pub(super) async fn handle(s: &Shared, parts: &Parts, body: &[u8]) -> Answer {
    let robot = match parts.uri.path() {
        "/robot/send" => DINGTALK,
        "/cgi-bin/webhook/send" => WECOM,
        _ => FEISHU,
    };
    let read = match robot {
        DINGTALK => read_dingtalk(s, parts, body),
        WECOM => read_wecom(s, parts, body),
        _ => read_feishu(s, parts, body),
    };
    let message = match read {
        Ok(message) => message,
        Err((code, words)) => {
            Shared::count(&s.tallies.rejected);
            return said(robot, code, words);
        }
    };
    let (wait, replies) = match throw(s, robot) {
        Throw::Good { wait } => (wait, true),
        Throw::Lost { taken: false } => return Answer::Cut,
        Throw::Lost { taken: true } => (std::time::Duration::ZERO, false),
        Throw::Refused => return Answer::Bytes(503, "text/html", b"<html>service unavailable</html>".to_vec()),
        Throw::Failed if robot == FEISHU => return Answer::Json(500, "{}".into()),
        Throw::Failed => return said(robot, -1, "system busy"),
        Throw::Limited => return limited(robot),
        Throw::Code(code) => return said(robot, code.parse().unwrap_or(-1), "as told by the settings"),
    };
    if s.settings.robots.limits && !may(s, robot) {
        let mut limits = s.groups.limited.lock().unwrap_or_else(PoisonError::into_inner);
        *limits.entry(robot).or_default() += 1;
        return limited(robot);
    }
    s.groups.told_now().push(GroupMessage { robot, at: (s.now)(), ..message });
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if replies { said(robot, 0, if robot == FEISHU { "success" } else { "ok" }) } else { Answer::Cut }
}

/// Counts a message in, unless the robot is over its limit.
fn may(s: &Shared, robot: &'static str) -> bool {
    let now = (s.now)();
    let scaled = |span: Span| (span.0 as f64 / s.settings.speed).ceil() as i64;
    let windows: &[(usize, Span)] = match robot {
        FEISHU => &[(5, Span::secs(1)), (100, Span::mins(1))],
        _ => &[(20, Span::mins(1))],
    };
    let mut all = s.groups.robots.lock().unwrap_or_else(PoisonError::into_inner);
    let r = all.entry(robot).or_default();
    if now < r.banned_until {
        return false;
    }
    let full = windows.iter().any(|(count, span)| r.taken.iter().filter(|t| **t > now - scaled(*span)).count() >= *count);
    if full {
        if robot == DINGTALK {
            r.banned_until = now + scaled(BAN);
        }
        return false;
    }
    r.taken.retain(|t| *t > now - scaled(Span::mins(1)));
    r.taken.push(now);
    true
}

fn said(robot: &str, code: i64, words: &str) -> Answer {
    let body = match robot {
        FEISHU if code == 0 => json!({"code": 0, "msg": words, "data": {}, "Extra": null, "StatusCode": 0, "StatusMessage": words}),
        FEISHU => json!({"code": code, "msg": words, "data": {}}),
        _ => json!({"errcode": code, "errmsg": words}),
    };
    Answer::Json(200, body.to_string())
}

fn limited(robot: &str) -> Answer {
    match robot {
        DINGTALK => Answer::Json(
            200,
            json!({"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "standin", "errcode": 130_101,
                "errmsg": "send too fast, exceed 20 times per minute"})
            .to_string(),
        ),
        WECOM => said(robot, 45_009, "api freq out of limit"),
        _ => said(robot, 11_232, "frequency limited psm"),
    }
}

type Refused = (i64, &'static str);

fn unsigned<T>(s: &Shared, refused: Refused) -> Result<T, Refused> {
    Shared::count(&s.tallies.bad_signature);
    Err(refused)
}

fn query(parts: &Parts) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn is_json(parts: &Parts) -> bool {
    parts.headers.get("content-type").and_then(|v| v.to_str().ok()).is_some_and(|t| t.starts_with("application/json"))
}

fn text<'a>(v: &'a Value, path: &str) -> &'a str {
    v.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn message(kind: &str, title: &str, text: &str, at_all: bool) -> GroupMessage {
    GroupMessage { robot: "", kind: kind.into(), title: title.into(), text: text.into(), at_all, at: 0 }
}

fn read_dingtalk(s: &Shared, parts: &Parts, body: &[u8]) -> Result<GroupMessage, Refused> {
    let r = &s.settings.robots;
    let q = query(parts);
    if q.get("access_token").map(String::as_str) != Some(r.dingtalk_token.as_str()) {
        return unsigned(s, (300_001, "token is not exist"));
    }
    let of = |key: &str| q.get(key).map(String::as_str);
    if let Err(words) = dingtalk::verify(r.dingtalk_secret.reveal(), of("timestamp"), of("sign"), (s.now)()) {
        return unsigned(s, (310_000, words));
    }
    if !is_json(parts) {
        return Err((43_004, "a content type of JSON is wanted"));
    }
    let v: Value = serde_json::from_slice(body).map_err(|_| (40_035, "not JSON"))?;
    let at_all = v.pointer("/at/isAtAll").and_then(Value::as_bool).unwrap_or_default();
    let (kind, title, content) = match text(&v, "/msgtype") {
        "markdown" => ("markdown", text(&v, "/markdown/title"), text(&v, "/markdown/text")),
        "text" => ("text", "-", text(&v, "/text/content")),
        _ => return Err((400_105, "unsupported msgtype")),
    };
    match (title.is_empty() || content.is_empty(), content.len() > 20_000) {
        (true, _) => Err((40_035, "a title or text is missing")),
        (_, true) => Err((460_101, "message too long, exceed 20000 bytes")),
        _ => Ok(message(kind, title, content, at_all)),
    }
}

fn read_wecom(s: &Shared, parts: &Parts, body: &[u8]) -> Result<GroupMessage, Refused> {
    if query(parts).get("key").map(String::as_str) != Some(s.settings.robots.wecom_key.reveal()) {
        return unsigned(s, (93_000, "invalid webhook url"));
    }
    let v: Value = serde_json::from_slice(body).map_err(|_| (47_001, "data format error"))?;
    let (kind, content, longest) = match text(&v, "/msgtype") {
        "markdown" => ("markdown", text(&v, "/markdown/content"), 4096),
        "text" => ("text", text(&v, "/text/content"), 2048),
        _ => return Err((40_008, "invalid message type")),
    };
    let at_all = v.pointer("/text/mentioned_list").and_then(Value::as_array).is_some_and(|l| l.iter().any(|m| m == "@all"));
    match content.len() {
        0 => Err((44_004, "empty content")),
        n if n > longest => Err((40_058, "content exceed max length")),
        _ => Ok(message(kind, "", content, at_all)),
    }
}

fn read_feishu(s: &Shared, parts: &Parts, body: &[u8]) -> Result<GroupMessage, Refused> {
    let r = &s.settings.robots;
    if parts.uri.path().rsplit('/').next() != Some(r.feishu_hook.as_str()) {
        return unsigned(s, (19_001, "param invalid: incoming webhook access token invalid"));
    }
    if !is_json(parts) || body.len() > 20 * 1024 {
        return Err((9499, "Bad Request"));
    }
    let v: Value = serde_json::from_slice(body).map_err(|_| (9499, "Bad Request"))?;
    let of = |key: &str| v.get(key).and_then(Value::as_str);
    if let Err(words) = feishu::verify(r.feishu_secret.reveal(), of("timestamp"), of("sign"), (s.now)()) {
        return unsigned(s, (19_021, words));
    }
    const EVERYBODY: &str = "<at id=all></at>";
    let (kind, title, content) = match text(&v, "/msg_type") {
        "interactive" => ("interactive", text(&v, "/card/header/title/content"), text(&v, "/card/elements/0/content")),
        "text" => ("text", "-", text(&v, "/content/text")),
        _ => return Err((9499, "Bad Request")),
    };
    if title.is_empty() || content.is_empty() {
        return Err((19_002, "param invalid"));
    }
    Ok(message(kind, title, content, content.contains(EVERYBODY)))
}
