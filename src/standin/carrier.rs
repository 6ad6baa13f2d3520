//! Three carriers that nobody wrote an adapter for, as `config/providers/carrier-*.toml` describes them: JSON with
//! HMAC-SHA256, XML in GBK with MD5, a form with sorted MD5. Their signatures are made here again from the words
//! of the description, by no code of the gateway's; so a fault on either side shows.

use super::{
    Shared,
    courier::Push,
    dice::{Throw, throw},
    ledger::{Of, Wall},
    push::Kind,
    server::Answer,
    taking::{self, Asked},
};
use crate::core::{
    send::Channel,
    time::{Span, Time},
};
use axum::http::request::Parts;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{collections::BTreeMap, fmt::Write, time::Duration};

const VENDOR: &str = "carrier";
const AGAIN: [Span; 2] = [Span::secs(30), Span::mins(5)];
const WALLS: [Wall; 2] = [
    Wall { of: Of::All, count: 5, window_ms: 60_000, message: "2101" },
    Wall { of: Of::All, count: 50, window_ms: 86_400_000, message: "2102" },
];
const VOICE_WALLS: [Wall; 1] = [Wall { of: Of::All, count: 1, window_ms: 60_000, message: "-4" }];
/// How far a request's time may be off.
const SKEW_MS: i64 = 300_000;

pub(super) fn is_for(parts: &Parts) -> bool {
    parts.uri.path().starts_with("/carrier/")
}

pub(super) async fn handle(s: &Shared, parts: &Parts, body: &[u8]) -> Answer {
    match (parts.method.as_str(), parts.uri.path()) {
        ("POST", "/carrier/v1/messages") => json_send(s, parts, body).await,
        ("GET", "/carrier/v1/messages") => json_find(s, parts),
        ("POST", "/carrier/xml/send") => xml_send(s, body).await,
        ("POST", "/carrier/voice/call") => voice_call(s, body).await,
        _ => Answer::Bytes(404, "text/plain", b"no such path".to_vec()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        // Writing into a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}
fn hmac(key: &[u8], parts: &[&[u8]]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in parts {
        mac.update(part);
    }
    hex(&mac.finalize().into_bytes())
}
fn beijing(ms: i64) -> jiff::civil::DateTime {
    Time(ms).beijing()
}
fn unsigned(s: &Shared) {
    Shared::count(&s.tallies.bad_signature);
}

/// What the dice say, in each carrier's own code: 503, busy, this number too often, told by the settings.
enum Luck {
    Good(Duration, bool),
    Say(Answer),
    Code(String),
}
fn luck(s: &Shared, phone: &str, busy: &str, limited: &str) -> Luck {
    match throw(s, phone) {
        Throw::Good { wait } => Luck::Good(wait, true),
        Throw::Lost { taken: true } => Luck::Good(Duration::ZERO, false),
        Throw::Lost { taken: false } => Luck::Say(Answer::Cut),
        Throw::Refused => Luck::Say(Answer::Bytes(503, "text/html", b"<html>service unavailable</html>".to_vec())),
        Throw::Failed => Luck::Code(busy.into()),
        Throw::Limited => Luck::Code(limited.into()),
        Throw::Code(code) => Luck::Code(code),
    }
}

async fn said(answer: Answer, wait: Duration, replies: bool) -> Answer {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if replies { answer } else { Answer::Cut }
}

fn json_code(code: &str, message: &str) -> Answer {
    Answer::Json(200, json!({"code": code, "message": message}).to_string())
}

/// `X-Signature` = hex(HMAC-SHA256(key, time LF nonce LF body)), the time in milliseconds and not old.
fn json_signed(s: &Shared, parts: &Parts, body: &[u8]) -> Result<(), Answer> {
    let c = &s.settings.carrier;
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let refuse = |code: &str, message: &str| {
        unsigned(s);
        Err(json_code(code, message))
    };
    if header("x-app-id") != c.app_id {
        return refuse("1002", "no such application");
    }
    let (time, nonce) = (header("x-timestamp"), header("x-nonce"));
    let made: i64 = time.parse().unwrap_or_default();
    if ((s.now)() - made).abs() > SKEW_MS {
        return refuse("1003", "the time is too far off");
    }
    let expected = hmac(c.key.reveal().as_bytes(), &[time.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body]);
    if nonce.len() < 16 || header("x-signature") != expected {
        return refuse("1001", "the signature does not fit");
    }
    if !s.nonces.is_new(nonce) {
        return refuse("1004", "the nonce was used already");
    }
    Ok(())
}

async fn json_send(s: &Shared, parts: &Parts, body: &[u8]) -> Answer {
    if let Err(answer) = json_signed(s, parts, body) {
        return answer;
    }
    let Ok(asked) = serde_json::from_slice::<Value>(body) else { return json_code("3003", "not JSON") };
    let text = |key: &str| asked[key].as_str().unwrap_or_default();
    let (content, reference, notify) = (text("content"), text("extend"), text("notifyUrl"));
    let Some(phone) = taking::mobile(text("mobile")) else { return json_code("2001", "号码无效") };
    if !content.starts_with('【') || content.chars().count() > 520 || asked["report"] != true {
        return json_code("3001", "内容不合规");
    }
    let (wait, replies) = match luck(s, &phone, "9001", "2101") {
        Luck::Good(wait, replies) => (wait, replies),
        Luck::Say(answer) => return answer,
        Luck::Code(code) => return json_code(&code, "as told by the settings"),
    };
    let id = s.ledger.next_id();
    let message_id = format!("J{id:015}");
    let m = match taking::message(s, &message(&phone, content, reference, id, &message_id, &taking::scaled(s, WALLS))) {
        Ok(m) => m,
        Err(wall) => return json_code(wall, "发送过于频繁"),
    };
    let at = |d: Duration| beijing(m.at + d.as_millis() as i64).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let stat = stat(m.code);
    for n in 0..m.receipts {
        let after = m.report_after + s.scaled(Span::secs(5)) * u32::from(n);
        let items = json!({"items": [{"msgId": message_id, "extend": reference, "mobile": phone, "stat": stat, "desc": m.code, "time": at(after)}]});
        json_push(s, Kind::Receipt, notify, after, &items, None);
    }
    if let Some(reply) = &m.reply {
        let after = m.report_after + s.scaled(reply.after);
        let up = format!("U{:015}", s.ledger.next_id());
        let items = json!({"items": [{"upId": up, "mobile": phone, "content": reply.text, "destId": "106900", "time": at(after)}]});
        json_push(s, Kind::Reply, notify, after, &items, Some(reference));
    }
    said(Answer::Json(200, json!({"code": "0000", "message": "ok", "data": {"msgId": message_id}}).to_string()), wait, replies).await
}

fn stat(code: &str) -> &'static str {
    match code {
        "DELIVERED" => "DELIVRD",
        "INVALID_NUMBER" => "MK:0001",
        _ => "EXPIRED",
    }
}

fn message<'a>(phone: &'a str, content: &str, reference: &'a str, id: u64, message_id: &'a str, walls: &'a [Wall]) -> Asked<'a> {
    let mut variables = BTreeMap::new();
    variables.extend(taking::asked_digit(content).map(|d| ("digit".to_string(), d)));
    Asked { vendor: VENDOR, phone, out_id: reference, template: "", variables, text: Some(content.to_string()), id, message_id, walls }
}

fn json_push(s: &Shared, kind: Kind, url: &str, after: Duration, items: &Value, about: Option<&str>) {
    if !url.starts_with("http") {
        return;
    }
    let (body, time) = (items.to_string(), (s.now)().to_string());
    let signature = hmac(s.settings.carrier.key.reveal().as_bytes(), &[time.as_bytes(), b"\n", body.as_bytes()]);
    let push = Push {
        kind,
        url: url.to_string(),
        content_type: "application/json",
        headers: vec![("x-timestamp", time), ("x-signature", signature)],
        body,
        again: AGAIN.map(|a| s.scaled(a)).to_vec(),
        taken: |status, body| status == 200 && serde_json::from_slice::<Value>(body).is_ok_and(|v| v["code"] == "0000"),
        about: about.map(|a| (a.into(), items.clone())),
    };
    s.courier.push(after, push);
}

/// What became of one message: by our reference and the number.
fn json_find(s: &Shared, parts: &Parts) -> Answer {
    if let Err(answer) = json_signed(s, parts, b"") {
        return answer;
    }
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect();
    let of = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let now = (s.now)();
    let found =
        s.ledger.of_phone(of("mobile")).into_iter().find(|x| x.vendor == VENDOR && &*x.out_id == of("extend") && x.channel == Channel::Sms);
    match found {
        None => json_code("4040", "no such message"),
        Some(x) => {
            let stat = if now < x.done_at { "ACCEPTD" } else { stat(x.code) };
            let data = json!([{"msgId": format!("J{:015}", x.id), "extend": of("extend"), "stat": stat, "desc": x.code}]);
            Answer::Json(200, json!({"code": "0000", "message": "ok", "data": data}).to_string())
        }
    }
}

/// Encodes as the old gateway speaks.
fn gbk(text: &str) -> Vec<u8> {
    encoding_rs::GBK.encode(text).0.into_owned()
}
fn xml_result(code: &str, desc: &str, id: &str) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"GBK\"?><response><result>{code}</result><desc>{desc}</desc><msgid>{id}</msgid></response>"
    );
    Answer::Bytes(200, "text/xml;charset=gbk", gbk(&text))
}
/// The text of an element, by plain search: an old gateway knows no more XML than this.
fn between(text: &str, name: &str) -> String {
    let inner = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>"))).map(|(inner, _)| inner);
    let raw = inner.unwrap_or_default().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    raw.replace("&amp;", "&")
}

async fn xml_send(s: &Shared, body: &[u8]) -> Answer {
    let c = &s.settings.carrier;
    let (text, _, strange) = encoding_rs::GBK.decode(body);
    if strange || !text.trim_start().starts_with("<?xml") {
        return xml_result("-3", "不是 GBK 的 XML", "");
    }
    let get = |name: &str| between(&text, name);
    let time = get("timestamp");
    let password = hex(&Md5::digest(c.password.reveal().as_bytes())).to_uppercase();
    let expected = hex(&Md5::digest(format!("{}{password}{time}", c.user).as_bytes()));
    if get("account") != c.user || get("sign") != expected || !recent(s, &time) {
        unsigned(s);
        return xml_result("-1", "签名或时间不正确", "");
    }
    let Some(phone) = taking::mobile(&get("mobile")) else { return xml_result("-4", "号码无效", "") };
    let (content, reference) = (get("content"), get("taskid"));
    if !content.starts_with('【') {
        return xml_result("-3", "没有签名", "");
    }
    let (wait, replies) = match luck(s, &phone, "-9", "-5") {
        Luck::Good(wait, replies) => (wait, replies),
        Luck::Say(answer) => return answer,
        Luck::Code(code) => return xml_result(&code, "按设置", ""),
    };
    let id = s.ledger.next_id();
    let message_id = format!("X{id}");
    let m = match taking::message(s, &message(&phone, &content, &reference, id, &message_id, &taking::scaled(s, WALLS))) {
        Ok(m) => m,
        Err(_) => return xml_result("-5", "发送过于频繁", ""),
    };
    let at = |d: Duration| beijing(m.at + d.as_millis() as i64).strftime("%Y%m%d%H%M%S").to_string();
    if let Some(url) = &c.xml_callback {
        let stat = stat(m.code);
        for n in 0..m.receipts {
            let after = m.report_after + s.scaled(Span::secs(5)) * u32::from(n);
            let report = format!(
                "<reports><report><taskid>{reference}</taskid><msgid>{message_id}</msgid><mobile>{phone}</mobile><stat>{stat}</stat><time>{}</time></report></reports>",
                at(after)
            );
            xml_push(s, Kind::Receipt, url, after, report, None);
        }
        if let Some(reply) = &m.reply {
            let after = m.report_after + s.scaled(reply.after);
            let said = format!(
                "<replies><reply><mobile>{phone}</mobile><content>{}</content><subcode>01</subcode><time>{}</time></reply></replies>",
                reply.text.replace('&', "&amp;").replace('<', "&lt;"),
                at(after)
            );
            let told = json!({"mobile": phone, "content": reply.text});
            xml_push(s, Kind::Reply, url, after, said, Some((reference.clone().into(), told)));
        }
    }
    said(xml_result("0", "成功", &message_id), wait, replies).await
}

fn recent(s: &Shared, compact: &str) -> bool {
    let spelt = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", compact).ok().and_then(Time::from_beijing);
    spelt.is_some_and(|t| ((s.now)() - t.0).abs() <= SKEW_MS)
}

fn xml_push(s: &Shared, kind: Kind, url: &str, after: Duration, inner: String, about: Option<(Box<str>, Value)>) {
    let push = Push {
        kind,
        url: url.to_string(),
        content_type: "text/xml;charset=gbk",
        headers: Vec::new(),
        body: format!("<?xml version=\"1.0\" encoding=\"GBK\"?>{inner}"),
        again: AGAIN.map(|a| s.scaled(a)).to_vec(),
        taken: |status, body| status == 200 && body.windows(18).any(|w| w == b"<result>0</result>"),
        about,
    };
    s.courier.push(after, push);
}

fn line(code: &str, rest: &str) -> Answer {
    Answer::Bytes(200, "text/plain", format!("{code}|{rest}").into_bytes())
}

async fn voice_call(s: &Shared, body: &[u8]) -> Answer {
    let c = &s.settings.carrier;
    let all: BTreeMap<String, String> = url::form_urlencoded::parse(body).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let of = |key: &str| all.get(key).map(String::as_str).unwrap_or_default();
    // A BTreeMap is in order of its names already.
    let signed: Vec<String> = all.iter().filter(|(k, v)| *k != "sign" && !v.is_empty()).map(|(k, v)| format!("{k}={v}")).collect();
    let expected = hex(&Md5::digest(format!("{}&key={}", signed.join("&"), c.key.reveal()).as_bytes())).to_uppercase();
    let made: i64 = of("ts").parse().unwrap_or_default();
    if of("appid") != c.app_id || of("sign") != expected || ((s.now)() / 1000 - made).abs() > SKEW_MS / 1000 {
        unsigned(s);
        return line("-1", "bad signature");
    }
    let Some(phone) = taking::any_number(of("called")) else { return line("-5", "bad number") };
    let Ok(variables) = serde_json::from_str::<BTreeMap<String, String>>(of("params")) else {
        return line("-6", "params are no object of texts");
    };
    if of("tpl").is_empty() {
        return line("-6", "no template");
    }
    let (wait, replies) = match luck(s, &phone, "-9", "-4") {
        Luck::Good(wait, replies) => (wait, replies),
        Luck::Say(answer) => return answer,
        Luck::Code(code) => return line(&code, "as told by the settings"),
    };
    let id = s.ledger.next_id();
    let call_id = format!("V{id:010}");
    let asked = Asked {
        vendor: VENDOR,
        phone: &phone,
        out_id: of("userdata"),
        template: of("tpl"),
        variables,
        text: None,
        id,
        message_id: &call_id,
        walls: &taking::scaled(s, VOICE_WALLS),
    };
    let keys = ["1", "2", "3"].map(String::from);
    let call = match taking::call(s, &asked, &keys) {
        Ok(call) => call,
        Err(wall) => return line(wall, "too often"),
    };
    if let Some(url) = &c.voice_callback {
        let told = |event: &str, after: Duration, more: Value| {
            let mut body =
                json!({"event": event, "callid": call_id, "userdata": of("userdata"), "time": call.at + after.as_millis() as i64});
            if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
                body.extend(more);
            }
            body
        };
        let push = |kind: Kind, after: Duration, body: Value, about: bool| {
            let push = Push {
                kind,
                url: url.clone(),
                content_type: "application/json",
                headers: Vec::new(),
                body: body.to_string(),
                again: AGAIN.map(|a| s.scaled(a)).to_vec(),
                taken: |status, body| status == 200 && body == b"success",
                about: about.then(|| (of("userdata").into(), body)),
            };
            s.courier.push(after, push);
        };
        if let Some((when, key)) = &call.plan.key {
            let when = s.scaled(*when);
            push(Kind::MidCall, when, told("dtmf", when, json!({"digits": key})), true);
        }
        let cause = match call.plan.status_code {
            "200002" => "busy",
            "200003" => "no_answer",
            "200004" => "empty",
            _ => "answered",
        };
        for n in 0..call.reports {
            let after = call.ends + call.late + s.scaled(Span::secs(5)) * u32::from(n);
            push(Kind::CallEnded, after, told("hangup", after, json!({"cause": cause})), false);
        }
    }
    said(line("0", &call_id), wait, replies).await
}
