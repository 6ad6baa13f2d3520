//! Huawei's side: batchSendSms with X-WSSE; receipts to the address the request names, replies to the one set.

use super::{
    Shared,
    courier::Push,
    dice::{Throw, throw},
    ledger::{Of, Wall},
    push::Kind,
    server::Answer,
    taking::{self, Asked},
};
use crate::channel::{
    item::Item,
    sign::{huawei_sdk::Signed, huawei_wsse as wsse},
};
use crate::core::time::{Span, Time};
use axum::http::request::Parts;
use serde_json::{Value, json};
use std::time::Duration;

const VENDOR: &str = "huawei";
const WALLS: [Wall; 4] = [
    Wall { of: Of::All, count: 15, window_ms: 60_000, message: "MILIMIT" },
    Wall { of: Of::All, count: 50, window_ms: 86_400_000, message: "MILIMIT" },
    Wall { of: Of::Text, count: 2, window_ms: 59_000, message: "MILIMIT" },
    Wall { of: Of::Text, count: 5, window_ms: 3_540_000, message: "MILIMIT" },
];
const AGAIN: [Span; 2] = [Span::mins(1), Span::mins(5)];
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn is_for(parts: &Parts) -> bool {
    parts.uri.path().starts_with("/sms/batchSendSms/")
}

fn code(status: u16, code: &str, description: &str) -> Answer {
    Answer::Json(status, json!({"code": code, "description": description}).to_string())
}
fn refused(s: &Shared, status: u16, what: &str, description: &str) -> Answer {
    Shared::count(&s.tallies.rejected);
    code(status, what, description)
}
fn utc(ms: i64) -> String {
    crate::channel::sign::aliyun_acs3::date(ms)
}

pub(super) async fn handle(s: &Shared, parts: &Parts, body: &[u8]) -> Answer {
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let h = &s.settings.huawei;
    if let Err(what) = wsse::verify(header("authorization"), header("x-wsse"), &h.app_key, h.app_secret.reveal(), (s.now)()) {
        Shared::count(&s.tallies.bad_signature);
        return code(401, what, "The authentication failed.");
    }
    if !header("content-type").is_some_and(|t| t.starts_with(FORM)) {
        return refused(s, 400, "E000040", "The Content-Type must be application/x-www-form-urlencoded.");
    }
    let form = Item::of_form(body);
    let text = |key: &str| form.text(key).unwrap_or_default();
    let (to, template) = (text("to"), text("templateId"));
    let extend = text("extend");
    if text("from").is_empty() || to.is_empty() || template.is_empty() || extend.len() > 128 || extend.contains(['{', '}']) {
        return refused(s, 400, "E000503", "The parameter format is incorrect.");
    }
    let Some(numbers) = to.split(',').map(|n| taking::mobile(n).filter(|_| n.starts_with('+'))).collect::<Option<Vec<_>>>() else {
        return refused(s, 400, "E000503", "A number is not in its global form: all are refused.");
    };
    let values = match form.text("templateParas") {
        None => Vec::new(),
        Some(json) => match serde_json::from_str::<Vec<String>>(&json) {
            Ok(values) => values,
            Err(_) => return refused(s, 400, "E000000", "templateParas is not an array of strings."),
        },
    };
    if !s.settings.templates.is_empty() && !s.settings.templates.contains_key(&template) {
        return refused(s, 400, "E200033", "The template is not of this kind.");
    }
    let bad_value = |v: &String| v.is_empty() || v.chars().count() > 200 || v.contains(['<', '>', '{', '}', '\'']);
    let filled = taking::positional(s.settings.templates.get(&template).map(String::as_str), &values);
    let (variables, whole) = match filled {
        Ok(filled) if !values.iter().any(bad_value) => filled,
        _ => return refused(s, 400, "E200028", "The template variables do not match."),
    };
    let (wait, replies, told) = match throw(s, numbers.first().map_or("", String::as_str)) {
        Throw::Good { wait } => (wait, true, None),
        Throw::Lost { taken: false } => return Answer::Cut,
        Throw::Lost { taken: true } => (Duration::ZERO, false, None),
        Throw::Refused => return Answer::Json(503, "<html>service unavailable</html>".into()),
        Throw::Failed => return code(400, "E000000", "System error."),
        Throw::Limited => (Duration::ZERO, true, Some("MILIMIT".to_string())),
        Throw::Code(what) if what.starts_with("E000") => {
            return code(if what == "E000620" { 403 } else { 400 }, &what, "as told by the settings");
        }
        Throw::Code(what) => (Duration::ZERO, true, Some(what)),
    };
    let now = (s.now)();
    let mut results = Vec::with_capacity(numbers.len());
    for number in &numbers {
        let id = s.ledger.next_id();
        let message_id = format!("{id:08x}-0000-4000-8000-{:012x}_{}", id.wrapping_mul(0x9e37_79b9), 8_539_000 + id);
        let asked = Asked {
            vendor: VENDOR,
            phone: number,
            out_id: &extend,
            template: &template,
            variables: variables.clone(),
            text: whole.clone(),
            id,
            message_id: &message_id,
            walls: &taking::scaled(s, WALLS),
        };
        let status = match &told {
            Some(what) => what.clone(),
            None => match taking::message(s, &asked) {
                Ok(m) => {
                    report(s, &asked, &text("statusCallback"), &m);
                    "000000".to_string()
                }
                Err(wall) => wall.to_string(),
            },
        };
        results.push(json!({"originTo": format!("+86{number}"), "createTime": utc(now), "from": text("from"), "smsMsgId": message_id, "status": status}));
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if !replies {
        return Answer::Cut;
    }
    let all_good = results.iter().all(|r| r["status"] == "000000");
    let (what, description) =
        if all_good { ("000000", "Success") } else { ("E000510", "The SMS fails to be sent. For details, see status.") };
    Answer::Json(200, json!({"result": results, "code": what, "description": description}).to_string())
}

fn report(s: &Shared, a: &Asked<'_>, callback: &str, m: &taking::Message) {
    let at = |d: Duration| utc(m.at + d.as_millis() as i64);
    let to = format!("+86{}", a.phone);
    let status = match m.code {
        "DELIVERED" => "DELIVRD",
        "INVALID_NUMBER" => "MK:0001",
        _ => "EXPIRED",
    };
    if callback.starts_with("http") {
        let updated = at(m.report_after);
        let mut fields = vec![
            ("sequence", "1"),
            ("total", "1"),
            ("updateTime", &updated),
            ("source", "2"),
            ("smsMsgId", a.message_id),
            ("status", status),
        ];
        if !a.out_id.is_empty() {
            fields.extend([("extend", a.out_id), ("to", &to)]);
        }
        for n in 0..m.receipts {
            let after = m.report_after + s.scaled(Span::secs(5)) * u32::from(n);
            s.courier.push(after, push(s, Kind::Receipt, callback, &fields, None));
        }
    }
    if let (Some(reply), Some(url)) = (&m.reply, &s.settings.huawei.reply_callback) {
        let after = m.report_after + s.scaled(reply.after);
        let (id, created) = (format!("up-{}", s.ledger.next_id()), utc(Time(m.at + after.as_millis() as i64).0));
        let fields = [("smsMsgId", id.as_str()), ("from", &to), ("to", "1069000000001"), ("body", &reply.text), ("createTime", &created)];
        s.courier.push(after, push(s, Kind::Reply, url, &fields, Some(a.out_id)));
    }
}

/// X-Sdk-Date and Authorization of a push.
fn signed(s: &Shared, url: &str, body: &str) -> Vec<(&'static str, String)> {
    let h = &s.settings.huawei;
    let date = utc((s.now)()).replace(['-', ':'], "");
    let target = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest.get(at..).unwrap_or("/"))).unwrap_or("/");
    let headers = [("content-type", FORM), ("x-sdk-date", date.as_str())];
    let request = Signed { method: "POST", path_and_query: target, headers: &headers, body: body.as_bytes() };
    let signature = request.signature(h.app_secret.reveal(), &["content-type", "x-sdk-date"]).unwrap_or_default();
    let authorization = format!("SDK-HMAC-SHA256 Access={}, SignedHeaders=content-type;x-sdk-date, Signature={signature}", h.app_key);
    vec![("x-sdk-date", date), ("authorization", authorization)]
}

fn push(s: &Shared, kind: Kind, url: &str, fields: &[(&str, &str)], about: Option<&str>) -> Push {
    let told: Value = fields.iter().map(|(k, v)| (k.to_string(), json!(v))).collect::<serde_json::Map<_, _>>().into();
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    Push {
        kind,
        url: url.to_string(),
        content_type: FORM,
        headers: if s.settings.huawei.sign_pushes { signed(s, url, &body) } else { Vec::new() },
        body,
        again: AGAIN.map(|a| s.scaled(a)).to_vec(),
        taken: |status, _| status == 200,
        about: about.map(|a| (a.into(), told)),
    }
}
