//! Tencent's side: SendSms, PullSmsSendStatusByPhoneNumber and SendTtsVoice, signed by TC3; statuses, replies,
//! keys and failures pushed as its callbacks write them.

use super::{
    Shared,
    courier::Push,
    dice::{Throw, throw},
    ledger::{Of, Sent, Wall},
    push::Kind,
    server::Answer,
    taking::{self, Asked},
};
use crate::channel::sign::tencent_tc3::{self as tc3, Received};
use crate::core::{
    message::segments,
    send::Channel,
    time::{Span, Time},
};
use axum::http::request::Parts;
use serde_json::{Value, json};
use std::time::Duration;

const VENDOR: &str = "tencent";
/// Of one number; the first of the same content.
const SMS_WALLS: [Wall; 2] = [
    Wall { of: Of::Text, count: 1, window_ms: 30_000, message: "LimitExceeded.PhoneNumberThirtySecondLimit" },
    Wall { of: Of::All, count: 10, window_ms: 86_400_000, message: "LimitExceeded.PhoneNumberDailyLimit" },
];
const VOICE_WALLS: [Wall; 3] = [
    Wall { of: Of::All, count: 1, window_ms: 30_000, message: "LimitExceeded.DeliveryFrequencyLimit" },
    Wall { of: Of::All, count: 2, window_ms: 600_000, message: "LimitExceeded.DeliveryFrequencyLimit" },
    Wall { of: Of::All, count: 5, window_ms: 86_400_000, message: "LimitExceeded.DeliveryFrequencyLimit" },
];
/// Two more tries after a failed push.
const AGAIN: [Span; 2] = [Span::mins(1), Span::mins(5)];

pub(super) fn is_for(parts: &Parts) -> bool {
    parts.headers.contains_key("x-tc-action")
}

pub(super) async fn handle(s: &Shared, parts: &Parts, body: &[u8]) -> Answer {
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let action = header("x-tc-action");
    let (service, version) = match action {
        "SendSms" | "PullSmsSendStatusByPhoneNumber" => ("sms", "2021-01-11"),
        "SendTtsVoice" => ("vms", "2020-09-02"),
        _ => return error(s, "InvalidAction", "The request action is not found."),
    };
    let t = &s.settings.tencent;
    let received = Received {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    };
    let key_of = |id: &str| (id == t.secret_id).then(|| t.secret_key.reveal().to_string());
    if let Err(refusal) = tc3::verify(&received, service, key_of, (s.now)().div_euclid(1000)) {
        Shared::count(&s.tallies.bad_signature);
        return plain_error(refusal.code, refusal.message);
    }
    if header("x-tc-version") != version {
        return error(s, "NoSuchVersion", "The version of the interface does not exist.");
    }
    if service == "sms" && !matches!(header("x-tc-region"), "ap-guangzhou" | "ap-beijing" | "ap-nanjing") {
        return error(s, "UnsupportedRegion", "The region is not supported.");
    }
    let Ok(request @ Value::Object(_)) = serde_json::from_slice::<Value>(body) else {
        return error(s, "InvalidParameter", "The body is not a JSON object.");
    };
    match action {
        "SendSms" => send_sms(s, &request).await,
        "SendTtsVoice" => send_tts(s, &request).await,
        _ => pull(s, &request),
    }
}

fn request_id(s: &Shared) -> String {
    let n = s.tallies.requests.load(std::sync::atomic::Ordering::Relaxed);
    format!("{n:08x}-0000-4000-8000-{:012x}", n.wrapping_mul(0x9e37_79b9))
}
fn data(s: &Shared, mut response: Value) -> Answer {
    response["RequestId"] = json!(request_id(s));
    Answer::Json(200, json!({"Response": response}).to_string())
}
fn plain_error(code: &str, message: &str) -> Answer {
    let body = json!({"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "00000000-0000-4000-8000-000000000000"}});
    Answer::Json(200, body.to_string())
}
/// Errors come with HTTP 200, too.
fn error(s: &Shared, code: &str, message: &str) -> Answer {
    Shared::count(&s.tallies.rejected);
    plain_error(code, message)
}
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.iter().map(|v| v.as_str().map(str::to_string)).collect(),
        _ => None,
    }
}
/// Whether a code is said of the whole request rather than of a number.
fn of_request(code: &str) -> bool {
    ["AuthFailure", "UnauthorizedOperation", "RequestLimitExceeded", "InternalError", "UnsupportedRegion"]
        .iter()
        .any(|f| code.starts_with(f))
}

/// Values of a template checked as Tencent does; the code of the first fault.
fn checked(
    s: &Shared,
    template: &str,
    values: &[String],
) -> Result<(std::collections::BTreeMap<String, String>, Option<String>), &'static str> {
    let known = &s.settings.templates;
    if !known.is_empty() && !known.contains_key(template) {
        return Err("FailedOperation.TemplateIncorrectOrUnapproved");
    }
    if values.iter().any(|v| v.contains("://") || v.contains("www.")) {
        return Err("InvalidParameterValue.ProhibitedUseUrlInTemplateParameter");
    }
    taking::positional(known.get(template).map(String::as_str), values)
        .map_err(|()| "FailedOperation.TemplateParamSetNotMatchApprovedTemplate")
}

async fn send_sms(s: &Shared, r: &Value) -> Answer {
    let text = |key: &str| r[key].as_str().unwrap_or_default();
    let (Some(phones), Some(values)) = (texts(&r["PhoneNumberSet"]), texts(&r["TemplateParamSet"])) else {
        return error(s, "InvalidParameter", "PhoneNumberSet and TemplateParamSet are arrays of strings.");
    };
    if phones.is_empty() || text("TemplateId").is_empty() || text("SmsSdkAppId").is_empty() {
        return error(s, "MissingParameter", "PhoneNumberSet, SmsSdkAppId and TemplateId are needed.");
    }
    if phones.len() > 200 {
        return error(s, "LimitExceeded.PhoneNumberCountLimit", "At most 200 numbers.");
    }
    if text("SignName").is_empty() {
        return error(s, "FailedOperation.MissingSignature", "Domestic messages need a signature.");
    }
    let first = phones.first().and_then(|p| taking::mobile(p)).unwrap_or_default();
    let (wait, replies, code) = match throw(s, &first) {
        Throw::Good { wait } => (wait, true, None),
        Throw::Lost { taken: false } => return Answer::Cut,
        Throw::Lost { taken: true } => (Duration::ZERO, false, None),
        Throw::Refused => return Answer::Json(503, "service unavailable".into()),
        Throw::Failed => return plain_error("InternalError", "The request processing has failed."),
        Throw::Limited => (Duration::ZERO, true, Some("LimitExceeded.PhoneNumberThirtySecondLimit".to_string())),
        Throw::Code(code) if of_request(&code) => return plain_error(&code, "as told by the settings"),
        Throw::Code(code) => (Duration::ZERO, true, Some(code)),
    };
    let context = text("SessionContext");
    // Where the template's words are known, a message costs as many as its parts.
    let words = checked(s, text("TemplateId"), &values).ok().and_then(|(_, words)| words);
    let fee = words.map_or(1, |w| segments(&format!("【{}】{w}", text("SignName"))).count);
    let statuses: Vec<Value> = phones
        .iter()
        .map(|phone| {
            let taken = match &code {
                Some(code) => Err(code.clone()),
                None => one_sms(s, phone, text("TemplateId"), &values, context),
            };
            let (serial, code, message) = match taken {
                Ok(serial) => (serial, "Ok".to_string(), "send success"),
                Err(code) => (String::new(), code, "refused"),
            };
            json!({"SerialNo": serial, "PhoneNumber": phone, "Fee": if code == "Ok" { fee } else { 0 }, "SessionContext": context, "Code": code,
                   "Message": message, "IsoCode": "CN"})
        })
        .collect();
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if replies { data(s, json!({"SendStatusSet": statuses})) } else { Answer::Cut }
}

fn serial_of(id: u64) -> String {
    format!("5000:{:028}", 1_045_710_669_157_053_657_849_499_619_u128 + u128::from(id))
}

fn one_sms(s: &Shared, phone: &str, template: &str, values: &[String], context: &str) -> Result<String, String> {
    let Some(number) = taking::mobile(phone).filter(|_| phone.starts_with('+')) else {
        Shared::count(&s.tallies.rejected);
        return Err("InvalidParameterValue.IncorrectPhoneNumber".into());
    };
    let (variables, whole) = checked(s, template, values).map_err(|code| {
        Shared::count(&s.tallies.rejected);
        code.to_string()
    })?;
    let id = s.ledger.next_id();
    let serial = serial_of(id);
    let asked = Asked {
        vendor: VENDOR,
        phone: &number,
        out_id: context,
        template,
        variables,
        text: whole,
        id,
        message_id: &serial,
        walls: &taking::scaled(s, SMS_WALLS),
    };
    let m = taking::message(s, &asked).map_err(str::to_string)?;
    let Some(url) = &s.settings.tencent.sms_callback else { return Ok(serial) };
    let item = json!([status_item(s, &number, &serial, context, m.code, m.at + m.report_after.as_millis() as i64)]);
    for n in 0..m.receipts {
        s.courier.push(m.report_after + s.scaled(Span::secs(5)) * u32::from(n), push(s, Kind::Receipt, url, &item, None));
    }
    if let Some(reply) = m.reply {
        let after = m.report_after + s.scaled(reply.after);
        let body = json!({"extend": "", "mobile": number, "nationcode": "86", "sign": "叫应", "text": reply.text,
                          "time": (m.at + after.as_millis() as i64).div_euclid(1000)});
        s.courier.push(after, push(s, Kind::Reply, url, &body, Some(context)));
    }
    Ok(serial)
}

/// What `DELIVERED` and its contraries are here.
fn status_words(code: &str) -> (&'static str, &'static str, &'static str) {
    match code {
        "DELIVERED" => ("SUCCESS", "DELIVRD", "用户短信送达成功"),
        "INVALID_NUMBER" => ("FAIL", "MK:0001", "空号"),
        _ => ("FAIL", "MK:0005", "手机关机或不在服务区"),
    }
}
fn status_item(s: &Shared, phone: &str, serial: &str, context: &str, code: &str, at: i64) -> Value {
    let (status, errmsg, description) = status_words(code);
    let mut item = json!({
        "user_receive_time": Time(at).beijing().strftime("%Y-%m-%d %H:%M:%S").to_string(), "nationcode": "86", "mobile": phone,
        "report_status": status, "errmsg": errmsg, "description": description, "sid": serial,
    });
    if s.settings.tencent.session_context {
        item["ext"] = json!(context);
    }
    item
}

fn push(s: &Shared, kind: Kind, url: &str, body: &Value, about: Option<&str>) -> Push {
    Push {
        kind,
        url: url.to_string(),
        content_type: "application/json",
        headers: Vec::new(),
        body: body.to_string(),
        again: AGAIN.map(|a| s.scaled(a)).to_vec(),
        taken: |status, body| status == 200 && serde_json::from_slice::<Value>(body).is_ok_and(|b| b["result"] == 0),
        about: about.map(|a| (a.into(), body.clone())),
    }
}

fn pull(s: &Shared, r: &Value) -> Answer {
    let number = |key: &str| r[key].as_i64();
    let (Some(begin), Some(offset), Some(limit)) = (number("BeginTime"), number("Offset"), number("Limit")) else {
        return error(s, "MissingParameter", "BeginTime, Offset and Limit are needed.");
    };
    let Some(phone) = r["PhoneNumber"].as_str().and_then(taking::mobile) else {
        return error(s, "InvalidParameterValue.IncorrectPhoneNumber", "The number is wrong.");
    };
    if !(1..=100).contains(&limit) || offset < 0 || r["SmsSdkAppId"].as_str().is_none_or(str::is_empty) {
        return error(s, "InvalidParameterValue", "Limit is 1 to 100; SmsSdkAppId is needed.");
    }
    let end = number("EndTime").unwrap_or(i64::MAX);
    let now = (s.now)();
    let fits = |x: &Sent| {
        let at = x.at.div_euclid(1000);
        x.vendor == VENDOR && x.channel == Channel::Sms && (begin..=end).contains(&at)
    };
    let rows: Vec<Value> = s
        .ledger
        .of_phone(&phone)
        .into_iter()
        .filter(fits)
        .skip(offset as usize)
        .take(limit as usize)
        .map(|x| {
            let done = x.done_at <= now;
            let (status, _, description) = status_words(x.code);
            json!({
                "UserReceiveTime": if done { x.done_at.div_euclid(1000) } else { 0 }, "CountryCode": "86", "SubscriberNumber": x.phone,
                "PhoneNumber": format!("+86{}", x.phone), "SerialNo": serial_of(x.id), "ReportStatus": if done { status } else { "" },
                "Description": if done { description } else { "" },
                "SessionContext": if s.settings.tencent.session_context { &*x.out_id } else { "" },
            })
        })
        .collect();
    data(s, json!({"PullSmsSendStatusSet": rows}))
}

async fn send_tts(s: &Shared, r: &Value) -> Answer {
    let text = |key: &str| r[key].as_str().unwrap_or_default();
    if text("TemplateId").is_empty() || text("VoiceSdkAppid").is_empty() {
        return error(s, "MissingParameter", "TemplateId and VoiceSdkAppid are needed.");
    }
    let Some(number) = taking::any_number(text("CalledNumber")).filter(|n| text("CalledNumber").starts_with('+') && !n.starts_with('+'))
    else {
        return error(s, "InvalidParameterValue.CalledNumberVerifyFail", "The called number is wrong.");
    };
    let Some(values) = texts(&r["TemplateParamSet"]) else {
        return error(s, "FailedOperation.InvalidParameters", "TemplateParamSet is an array of strings.");
    };
    if r["PlayTimes"].as_i64().is_some_and(|n| !(1..=3).contains(&n)) {
        return error(s, "FailedOperation.InvalidParameters", "PlayTimes is 1 to 3.");
    }
    let (variables, whole) = match checked(s, text("TemplateId"), &values) {
        Ok(v) => v,
        Err(code) => return error(s, code, "refused"),
    };
    let (wait, replies) = match throw(s, &number) {
        Throw::Good { wait } => (wait, true),
        Throw::Lost { taken: false } => return Answer::Cut,
        Throw::Lost { taken: true } => (Duration::ZERO, false),
        Throw::Refused => return Answer::Json(503, "service unavailable".into()),
        Throw::Failed => return plain_error("InternalError", "The request processing has failed."),
        Throw::Limited => return plain_error("LimitExceeded.DeliveryFrequencyLimit", "too often"),
        Throw::Code(code) => return plain_error(&code, "as told by the settings"),
    };
    let id = s.ledger.next_id();
    let (call_id, context) = (format!("vms-{id:012x}"), text("SessionContext"));
    let asked = Asked {
        vendor: VENDOR,
        phone: &number,
        out_id: context,
        template: text("TemplateId"),
        variables,
        text: whole,
        id,
        message_id: &call_id,
        walls: &taking::scaled(s, VOICE_WALLS),
    };
    // The menu stands in the template, which the stand-in cannot read: these are what announcements say.
    let keys = ["1", "3", "4"].map(String::from);
    let call = match taking::call(s, &asked, &keys) {
        Ok(call) => call,
        Err(wall) => return plain_error(wall, "too often"),
    };
    report(s, &number, &call_id, context, &call);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if replies { data(s, json!({"SendStatus": {"CallId": call_id, "SessionContext": context}})) } else { Answer::Cut }
}

fn report(s: &Shared, number: &str, call_id: &str, context: &str, call: &taking::Call) {
    let Some(url) = &s.settings.tencent.voice_callback else { return };
    let seconds = |d: Duration| (call.at + d.as_millis() as i64).div_euclid(1000).to_string();
    let who = json!({"call_from": "03560000000", "callid": call_id, "mobile": number, "nationcode": "86"});
    let with = |more: Value| {
        let mut all = who.clone();
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        all
    };
    if let Some((when, key)) = &call.plan.key {
        let body = json!({"voicekey_callback": with(json!({"keypress": key}))});
        s.courier.push(s.scaled(*when), push(s, Kind::MidCall, url, &body, Some(context)));
    }
    let failure =
        |code: i32, reason: &str| json!({"voice_failure_callback": with(json!({"failure_code": code, "failure_reason": reason}))});
    let body = match call.plan.status_code {
        "200002" => failure(10, "用户忙"),
        "200003" => failure(5, "无应答"),
        "200004" => failure(8, "空号"),
        _ => json!({"voiceprompt_callback": with(json!({
            "result": "0", "accept_time": seconds(Duration::ZERO), "start_calltime": seconds(Duration::ZERO), "end_calltime": seconds(call.ends),
            "fee": "1"}))}),
    };
    for n in 0..call.reports {
        let after = call.ends + call.late + s.scaled(Span::secs(5)) * u32::from(n);
        s.courier.push(after, push(s, Kind::CallEnded, url, &body, None));
    }
}
