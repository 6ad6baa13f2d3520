//! Twilio's side: Messages and Calls made, fetched and listed with Basic authentication; statuses, incoming
//! messages and gathered keys posted with `X-Twilio-Signature`.

use super::{
    Shared,
    courier::Push,
    dice::{Throw, throw},
    ledger::Sent,
    push::Kind,
    server::Answer,
    taking::{self, Asked},
    twiml,
};
use crate::channel::{
    item::Item,
    sign::twilio::{Hash, SIGNATURE, sign},
};
use crate::core::{message::segments, phone::Phone, send::Channel, time::Span};
use axum::http::request::Parts;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const VENDOR: &str = "twilio";
const PREFIX: &str = "/2010-04-01/Accounts/";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

pub(super) fn is_for(parts: &Parts) -> bool {
    parts.uri.path().starts_with(PREFIX)
}

/// Errors in Twilio's shape.
fn error(status: u16, code: &str, message: &str) -> Answer {
    let number: Value = code.parse::<u32>().map_or_else(|_| json!(code), |n| json!(n));
    let body =
        json!({"code": number, "message": message, "more_info": format!("https://www.twilio.com/docs/errors/{code}"), "status": status});
    Answer::Json(status, body.to_string())
}
fn refused(s: &Shared, status: u16, code: &str, message: &str) -> Answer {
    Shared::count(&s.tallies.rejected);
    error(status, code, message)
}

pub(super) async fn handle(s: &Shared, parts: &Parts, body: &[u8]) -> Answer {
    let t = &s.settings.twilio;
    let wanted = format!("Basic {}", STANDARD.encode(format!("{}:{}", t.account_sid, t.auth_token.reveal())));
    let given = parts.headers.get("authorization").map(|v| v.as_bytes()).unwrap_or_default();
    if !bool::from(subtle::ConstantTimeEq::ct_eq(given, wanted.as_bytes())) {
        Shared::count(&s.tallies.bad_signature);
        return error(401, "20003", "Authenticate");
    }
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let (account, resource) = path.split_once('/').unwrap_or((path, ""));
    let resource = resource.trim_end_matches(".json");
    if account != t.account_sid {
        return refused(s, 404, "20404", "The requested resource was not found");
    }
    let (kind, sid) = resource.split_once('/').map_or((resource, None), |(k, sid)| (k, Some(sid)));
    let channel = match kind {
        "Messages" => Channel::Sms,
        "Calls" => Channel::Voice,
        _ => return refused(s, 404, "20404", "The requested resource was not found"),
    };
    match (parts.method.as_str(), sid) {
        ("POST", None) if channel == Channel::Sms => message(s, &Fields::new(body)).await,
        ("POST", None) => call(s, &Fields::new(body)).await,
        ("GET", None) => list(s, channel, parts.uri.query().unwrap_or_default()),
        ("GET", Some(sid)) => fetch(s, channel, sid),
        _ => refused(s, 405, "20004", "Method not allowed"),
    }
}

struct Fields(Item);
impl Fields {
    fn new(body: &[u8]) -> Fields {
        Fields(Item::of_form(body))
    }
    fn text(&self, key: &str) -> String {
        self.0.text(key).unwrap_or_default()
    }
}

fn sid_of(channel: Channel, id: u64) -> String {
    format!("{}{id:032x}", if channel == Channel::Sms { "SM" } else { "CA" })
}
fn e164(phone: &str) -> String {
    Phone::parse(phone).map_or_else(|| phone.to_string(), |p| crate::channel::e164::e164(&p))
}
fn rfc2822(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// The dice of a request, in Twilio's words.
fn luck(s: &Shared, phone: &str) -> Result<(Duration, bool), Answer> {
    match throw(s, phone) {
        Throw::Good { wait } => Ok((wait, true)),
        Throw::Lost { taken: true } => Ok((Duration::ZERO, false)),
        Throw::Lost { taken: false } => Err(Answer::Cut),
        Throw::Refused => Err(error(503, "20503", "Service unavailable")),
        Throw::Failed => Err(error(500, "20500", "Internal server error")),
        Throw::Limited => Err(error(429, "20429", "Too many requests")),
        Throw::Code(code) => {
            let status = match code.as_str() {
                "20003" => 401,
                "20404" => 404,
                "20429" => 429,
                _ => 400,
            };
            Err(error(status, &code, "as told by the settings"))
        }
    }
}

async fn answer(body: Value, wait: Duration, replies: bool) -> Answer {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if replies { Answer::Json(201, body.to_string()) } else { Answer::Cut }
}

async fn message(s: &Shared, f: &Fields) -> Answer {
    let (to, body) = (f.text("To"), f.text("Body"));
    if f.text("From").is_empty() && f.text("MessagingServiceSid").is_empty() {
        return refused(s, 400, "21603", "A 'From' phone number is required.");
    }
    let Some(phone) = Phone::parse(&to).filter(|p| p.is_mobile() && to.starts_with('+')).map(|p| p.reveal().to_string()) else {
        return refused(s, 400, "21211", "The 'To' number is not a valid phone number.");
    };
    if body.is_empty() {
        return refused(s, 400, "21602", "Message body is required.");
    }
    if body.chars().count() > 1600 {
        return refused(s, 400, "21617", "The concatenated message body exceeds the 1600 character limit.");
    }
    let (wait, replies) = match luck(s, &phone) {
        Ok(luck) => luck,
        Err(answer) => return answer,
    };
    let id = s.ledger.next_id();
    let sid = sid_of(Channel::Sms, id);
    let callback = f.text("StatusCallback");
    let reference = reference_in(&callback);
    let mut variables = BTreeMap::new();
    variables.extend(taking::asked_digit(&body).map(|d| ("digit".to_string(), d)));
    let asked = Asked {
        vendor: VENDOR,
        phone: &phone,
        out_id: &reference,
        template: "",
        variables,
        text: Some(body.clone()),
        id,
        message_id: &sid,
        walls: &[],
    };
    let m = match taking::message(s, &asked) {
        Ok(m) => m,
        Err(wall) => return refused(s, 429, "20429", wall),
    };
    let from = f.text("From");
    if callback.starts_with("http") {
        let tell = |status: &str, code: &str, after: Duration| {
            let mut fields = vec![("MessageSid", sid.as_str()), ("SmsSid", &sid), ("MessageStatus", status), ("To", &to), ("From", &from)];
            if !code.is_empty() {
                fields.push(("ErrorCode", code));
            }
            s.courier.push(after, push(s, Kind::Receipt, &callback, &fields, None));
        };
        let (status, code) = last_status(m.code);
        for n in 0..m.receipts {
            let after = m.report_after + s.scaled(Span::secs(5)) * u32::from(n);
            tell("sent", "", m.report_after / 2);
            tell(status, code, after);
        }
    }
    if let (Some(reply), Some(url)) = (&m.reply, &s.settings.twilio.reply_callback) {
        let after = m.report_after + s.scaled(reply.after);
        let up = sid_of(Channel::Sms, s.ledger.next_id());
        let fields = [
            ("MessageSid", up.as_str()),
            ("SmsStatus", "received"),
            ("From", &to),
            ("To", &from),
            ("Body", &reply.text),
            ("NumMedia", "0"),
        ];
        s.courier.push(after, push(s, Kind::Reply, url, &fields, Some(&reference)));
    }
    let resource = json!({
        "sid": sid, "account_sid": s.settings.twilio.account_sid, "to": to, "from": from, "body": body, "status": "queued", "direction": "outbound-api",
        "date_created": rfc2822(m.at), "date_updated": rfc2822(m.at), "date_sent": null, "error_code": null, "error_message": null,
        "num_segments": segments(&body).count.to_string(), "num_media": "0", "price": null, "price_unit": "USD", "api_version": "2010-04-01",
        "messaging_service_sid": null, "uri": format!("{PREFIX}{}/Messages/{sid}.json", s.settings.twilio.account_sid), "subresource_uris": {},
    });
    answer(resource, wait, replies).await
}

fn last_status(code: &str) -> (&'static str, &'static str) {
    match code {
        "DELIVERED" => ("delivered", ""),
        "INVALID_NUMBER" => ("undelivered", "30005"),
        _ => ("undelivered", "30003"),
    }
}

async fn call(s: &Shared, f: &Fields) -> Answer {
    let to = f.text("To");
    let Some(phone) = taking::any_number(&to).filter(|_| to.starts_with('+')) else {
        return refused(s, 400, "21211", "The 'To' number is not a valid phone number.");
    };
    if f.text("From").is_empty() {
        return refused(s, 400, "21213", "A 'From' phone number is required.");
    }
    let words = f.text("Twiml");
    if words.is_empty() {
        return refused(s, 400, "21205", "Url or Twiml is required; this stand-in takes Twiml only.");
    }
    let script = match twiml::read(&words) {
        Ok(script) if words.chars().count() <= 4000 => script,
        Ok(_) => return refused(s, 400, "21218", "Twiml is longer than 4000 characters."),
        Err(why) => return refused(s, 400, "12100", &why),
    };
    let (wait, replies) = match luck(s, &phone) {
        Ok(luck) => luck,
        Err(answer) => return answer,
    };
    let id = s.ledger.next_id();
    let sid = sid_of(Channel::Voice, id);
    let callback = f.text("StatusCallback");
    let reference = reference_in(&callback);
    let mut variables = BTreeMap::new();
    // What is asked for is said in the first announcement; what follows is good-bye.
    variables.extend(
        taking::asked_digit(script.said.split('。').filter(|p| p.contains('按')).take(1).collect::<String>().as_str())
            .map(|d| ("digit".to_string(), d)),
    );
    let asked = Asked {
        vendor: VENDOR,
        phone: &phone,
        out_id: &reference,
        template: "",
        variables,
        text: Some(script.said.clone()),
        id,
        message_id: &sid,
        walls: &[],
    };
    let keys = ["1", "3", "4"].map(String::from);
    let call = match taking::call(s, &asked, &keys) {
        Ok(call) => call,
        Err(wall) => return refused(s, 429, "20429", wall),
    };
    let from = f.text("From");
    let who = [
        ("CallSid", sid.as_str()),
        ("AccountSid", &s.settings.twilio.account_sid),
        ("To", &to),
        ("From", &from),
        ("Direction", "outbound-api"),
    ];
    if let (Some((when, key)), Some(action)) = (&call.plan.key, &script.action) {
        let mut fields = who.to_vec();
        fields.extend([("CallStatus", "in-progress"), ("Digits", key.as_str())]);
        s.courier.push(s.scaled(*when), push(s, Kind::MidCall, action, &fields, Some(&reference)));
    }
    if callback.starts_with("http") {
        let (status, sip) = call_status(call.plan.status_code);
        let seconds = if status == "completed" { (call.plan.ends.0 / 1000).max(1).to_string() } else { "0".into() };
        let stamp = rfc2822(call.at + call.ends.as_millis() as i64);
        let mut fields = who.to_vec();
        fields.extend([
            ("CallStatus", status),
            ("CallDuration", &seconds),
            ("Timestamp", &stamp),
            ("CallbackSource", "call-progress-events"),
        ]);
        if !sip.is_empty() {
            fields.push(("SipResponseCode", sip));
        }
        for n in 0..call.reports {
            let after = call.ends + call.late + s.scaled(Span::secs(5)) * u32::from(n);
            s.courier.push(after, push(s, Kind::CallEnded, &callback, &fields, None));
        }
    }
    let resource = json!({
        "sid": sid, "account_sid": s.settings.twilio.account_sid, "to": to, "from": from, "status": "queued", "direction": "outbound-api",
        "date_created": rfc2822(call.at), "date_updated": rfc2822(call.at), "start_time": null, "end_time": null, "duration": null,
        "answered_by": null, "price": null, "price_unit": "USD", "api_version": "2010-04-01",
        "uri": format!("{PREFIX}{}/Calls/{sid}.json", s.settings.twilio.account_sid), "subresource_uris": {},
    });
    answer(resource, wait, replies).await
}

fn call_status(code: &str) -> (&'static str, &'static str) {
    match code {
        "200002" => ("busy", "486"),
        "200003" => ("no-answer", "487"),
        "200004" => ("failed", "404"),
        _ => ("completed", ""),
    }
}

/// Our reference, which stands in the query of the status callback as `r`; what the ledger counts by.
fn reference_in(callback: &str) -> String {
    crate::channel::twilio::callback::reference(callback.split_once('?').map(|(_, q)| q)).unwrap_or_default()
}

fn resource_of(s: &Shared, x: &Sent) -> Value {
    let now = (s.now)();
    let done = x.done_at <= now;
    let mut v = json!({
        "sid": sid_of(x.channel, x.id), "account_sid": s.settings.twilio.account_sid, "to": e164(&x.phone), "direction": "outbound-api",
        "date_created": rfc2822(x.at), "date_updated": rfc2822(x.at), "api_version": "2010-04-01", "subresource_uris": {},
    });
    let seconds = ((x.done_at - x.at) / 1000).to_string();
    let more = if x.channel == Channel::Sms {
        let (status, code) = if done { last_status(x.code) } else { ("sent", "") };
        json!({"status": status, "error_code": code.parse::<u32>().ok(), "body": "", "num_segments": "1", "num_media": "0"})
    } else {
        let (status, _) = if done { call_status(x.code) } else { ("in-progress", "") };
        json!({"status": status, "duration": done.then_some(seconds), "start_time": rfc2822(x.at)})
    };
    if let (Some(v), Value::Object(more)) = (v.as_object_mut(), more) {
        v.extend(more);
    }
    v
}

fn list(s: &Shared, channel: Channel, query: &str) -> Answer {
    let filters = Item::of_form(query.as_bytes());
    let size = filters.text("PageSize").and_then(|n| n.parse::<usize>().ok()).unwrap_or(50).min(1000);
    let Some(phone) = filters.text("To").and_then(|to| taking::any_number(&to)) else {
        return refused(s, 400, "21604", "This stand-in lists by To only.");
    };
    let of_ours = |x: &Sent| x.vendor == VENDOR && x.channel == channel;
    let rows: Vec<Value> = s.ledger.of_phone(&phone).iter().filter(|x| of_ours(x)).take(size).map(|x| resource_of(s, x)).collect();
    let key = if channel == Channel::Sms { "messages" } else { "calls" };
    let body =
        json!({key: rows, "page": 0, "page_size": size, "first_page_uri": "", "next_page_uri": null, "previous_page_uri": null, "uri": ""});
    Answer::Json(200, body.to_string())
}

fn fetch(s: &Shared, channel: Channel, sid: &str) -> Answer {
    let found = s.ledger.sent().into_iter().find(|x| x.vendor == VENDOR && x.channel == channel && sid_of(channel, x.id) == sid);
    match found {
        Some(x) => Answer::Json(200, resource_of(s, &x).to_string()),
        None => refused(s, 404, "20404", "The requested resource was not found"),
    }
}

fn push(s: &Shared, kind: Kind, url: &str, fields: &[(&str, &str)], about: Option<&str>) -> Push {
    let owned: Vec<(String, String)> = fields.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let signature = sign(s.settings.twilio.auth_token.reveal(), url, &owned, Hash::Sha1);
    let told: Value = owned.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<serde_json::Map<_, _>>().into();
    Push {
        kind,
        url: url.to_string(),
        content_type: FORM,
        headers: vec![(SIGNATURE, signature)],
        body: url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish(),
        // A status callback that failed is not made again unless the customer asked for it.
        again: Vec::new(),
        taken: |status, _| (200..300).contains(&status),
        about: about.map(|a| (a.into(), told)),
    }
}
