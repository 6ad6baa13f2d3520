//! IvrCall, SingleCallByTts and QueryCallDetailByCallId, from the provider's side: a call is placed,
//! somebody takes it or not, presses a key or not, and two kinds of report tell of it.

use super::{
    SentMessage, Shared, chance,
    ledger::{Of, Sent, Wall},
    people::{self, CallPlan},
    push::{self, Kind},
    server::{Answer, Params, business, error_body, ok_body},
    sms::{Luck, fill, luck, missing, variables, walls},
};
use crate::core::{phone::Phone, send::Channel, time::Span};
use serde_json::json;
use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

/// 1 in a minute, 5 in an hour, 20 in 24 h for one number.
const WALLS: [Wall; 3] = [
    Wall { of: Of::All, count: 1, window_ms: 60_000, message: "触发分钟级流控Permits:1" },
    Wall { of: Of::All, count: 5, window_ms: 3_600_000, message: "触发小时级流控Permits:5" },
    Wall { of: Of::All, count: 20, window_ms: 86_400_000, message: "触发天级流控Permits:20" },
];

struct Call<'a> {
    phone: &'a str,
    out_id: &'a str,
    template: &'a str,
    params: Option<&'a str>,
    keys: Vec<String>,
}

pub(super) async fn ivr_call(s: &Shared, p: &Params<'_>) -> Answer {
    let (Some(phone), Some(_show), Some(template)) = (p.get("CalledNumber"), p.get("CalledShowNumber"), p.get("StartCode")) else {
        return missing(s, p, &["CalledNumber", "CalledShowNumber", "StartCode"]);
    };
    let keys: Vec<String> = (1..=16).map_while(|i| p.get(&format!("MenuKeyMap.{i}.Key"))).map(|k| k.into_owned()).collect();
    let out_id = p.get("OutId").unwrap_or_default();
    let params = p.get("StartTtsParams");
    place(s, Call { phone: &phone, out_id: &out_id, template: &template, params: params.as_deref(), keys }).await
}

pub(super) async fn single_call(s: &Shared, p: &Params<'_>) -> Answer {
    let (Some(phone), Some(template)) = (p.get("CalledNumber"), p.get("TtsCode")) else {
        return missing(s, p, &["CalledNumber", "TtsCode"]);
    };
    let out_id = p.get("OutId").unwrap_or_default();
    let params = p.get("TtsParam");
    place(s, Call { phone: &phone, out_id: &out_id, template: &template, params: params.as_deref(), keys: Vec::new() }).await
}

async fn place(s: &Shared, c: Call<'_>) -> Answer {
    let Some(number) = Phone::parse(c.phone).filter(|n| !n.reveal().starts_with('+')) else {
        return business(s, "isv.MOBILE_NUMBER_ILLEGAL", "非法手机号");
    };
    let phone = number.reveal();
    if c.out_id.len() > 15 {
        return business(s, "isv.INVALID_PARAMETERS", "参数异常");
    }
    let variables = match variables(s, c.params, c.template) {
        Ok(v) => v.unwrap_or_default(),
        Err((code, message)) => return business(s, code, message),
    };
    if variables.values().map(|v| v.chars().count()).sum::<usize>() >= 250 {
        return business(s, "isv.PARAM_LENGTH_LIMIT", "参数超出长度限制");
    }
    let (wait, replies) = match luck(s, phone) {
        Luck::Bad(answer) => return answer,
        Luck::Lost { taken: false } => return Answer::Cut,
        Luck::Lost { taken: true } => (Duration::ZERO, false),
        Luck::Good { wait } => (wait, true),
    };
    let id = s.ledger.next_id();
    let call_id = call_id(id);
    let now = (s.now)();
    let n = s.ledger.request(phone);
    let plan = plan(s, phone, n, now, &variables, &c.keys);
    let ends = s.scaled(plan.ends);
    let sent = Sent {
        vendor: "aliyun",
        channel: Channel::Voice,
        phone: phone.into(),
        out_id: c.out_id.into(),
        template: c.template.into(),
        says: 0, // no wall of its counts by text
        id,
        at: now,
        done_at: now + ends.as_millis() as i64,
        code: plan.status_code,
    };
    if let Err(message) = s.ledger.accept(sent, &walls(s, WALLS)) {
        Shared::count(&s.tallies.limited);
        return Answer::Json(200, error_body(s, "isv.BUSINESS_LIMIT_CONTROL", message));
    }
    play(s, phone, c.out_id, &call_id, n, now, &plan);
    if s.watched.load(Ordering::Relaxed) {
        s.tell(SentMessage {
            channel: Channel::Voice,
            phone: phone.to_string(),
            out_id: c.out_id.to_string(),
            template: c.template.to_string(),
            text: s.settings.templates.get(c.template).map(|t| fill(t, &variables)),
            variables,
            provider_message_id: call_id.clone(),
            at: now,
        });
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if replies { Answer::Json(200, ok_body(s, "CallId", &call_id)) } else { Answer::Cut }
}

fn call_id(id: u64) -> String {
    format!("{:012}^{id}", 116_000_000_000 + id)
}

/// How the call will go.
pub(super) fn plan(s: &Shared, phone: &str, n: u32, now: i64, variables: &BTreeMap<String, String>, keys: &[String]) -> CallPlan {
    let b = &s.settings.behaviour;
    if people::is_dead(b.dead_share, b.seed, phone) {
        return CallPlan { status_code: "200004", key: None, ends: Span::secs(1) };
    }
    if (b.receipts.send || s.settings.people.take_calls()) && s.ledger.in_call(phone, now) {
        return CallPlan { status_code: "200002", key: None, ends: Span::secs(3) };
    }
    people::on_call(&s.settings.people, b.seed, phone, n, variables, keys)
}

/// Arranges the reports of the call.
fn play(s: &Shared, phone: &str, out_id: &str, call_id: &str, n: u32, now: i64, plan: &CallPlan) {
    let b = &s.settings.behaviour;
    let at = |d: Duration| now + d.as_millis() as i64;
    let mut keys = "";
    if let Some((when, key)) = &plan.key {
        keys = key;
        let when = s.scaled(*when);
        Shared::count(&s.tallies.keys);
        s.pusher.push_about(Kind::MidCall, when, push::key_item(out_id, call_id, key, at(when)), out_id);
    }
    if !b.receipts.send || chance::happens(b.receipts.lost_share, b.seed, phone, n, "report-lost") {
        return;
    }
    let ends = s.scaled(plan.ends);
    let item = push::call_item(phone, out_id, call_id, plan.status_code, keys, now, at(ends));
    if chance::happens(b.receipts.duplicate_share, b.seed, phone, n, "report-again") {
        s.pusher.push(Kind::CallEnded, ends + s.scaled(Span::secs(5)), item.clone());
    }
    let mut late = Span::ZERO;
    if chance::happens(b.receipts.late_share, b.seed, phone, n, "report-late") {
        late = Span((60_000.0 * chance::roll(b.seed, phone, n, "report-how-late")) as i64);
    }
    s.pusher.push(Kind::CallEnded, ends + s.scaled(late), item);
}

pub(super) fn query(s: &Shared, p: &Params<'_>) -> Answer {
    let (Some(id), Some(_product), Some(_date)) = (p.get("CallId"), p.get("ProdId"), p.get("QueryDate")) else {
        return missing(s, p, &["CallId", "ProdId", "QueryDate"]);
    };
    let found = id.split_once('^').and_then(|(_, n)| n.parse().ok()).and_then(|n| s.ledger.call(n)).filter(|c| call_id(c.id) == *id);
    let Some(call) = found else { return business(s, "isv.CALL_NOT_EXIST", "呼叫不存在") };
    let ended = call.done_at <= (s.now)();
    // Aliyun gives the details as a JSON text inside the JSON.
    let data = json!({
        "callId": id, "callee": call.phone, "outId": call.out_id, "state": if ended { call.code } else { "200100" },
        "stateDesc": if ended { "呼叫结束" } else { "呼叫中" }, "duration": if ended { (call.done_at - call.at) / 1000 } else { 0 },
    });
    let body = json!({"RequestId": "QUERY", "Code": "OK", "Message": "OK", "Data": data.to_string()});
    Answer::Json(200, body.to_string())
}
