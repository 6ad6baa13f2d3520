//! SendSms, SendBatchSms and QuerySendDetails, from the provider's side.

use super::{
    SentMessage, Shared, chance,
    dice::{Throw, throw},
    ledger::{Of, Sent, Wall},
    people,
    push::{self, Kind},
    server::{Answer, Params, business, error_body, ok_body},
    settings::Behaviour,
};
use crate::core::{
    phone::Phone,
    send::Channel,
    time::{Span, Time},
};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, sync::atomic::Ordering, time::Duration};

/// 50 notices in 24 h for one number and template.
const WALLS: [Wall; 1] = [Wall { of: Of::Template, count: 50, window_ms: 86_400_000, message: "触发天级流控Permits:50" }];

/// How a request fares before its content is looked at.
pub(super) enum Luck {
    Good {
        wait: Duration,
    },
    /// Taken or not, no reply comes.
    Lost {
        taken: bool,
    },
    Bad(Answer),
}

/// Throws the dice for one request to one phone.
pub(super) fn luck(s: &Shared, phone: &str) -> Luck {
    let bad = |status, code: &str, message: &str| Luck::Bad(Answer::Json(status, error_body(s, code, message)));
    match throw(s, phone) {
        Throw::Good { wait } => Luck::Good { wait },
        Throw::Lost { taken } => Luck::Lost { taken },
        Throw::Refused => bad(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
        Throw::Failed => bad(500, "InternalError", "The request processing has failed due to some unknown error."),
        Throw::Limited => bad(200, "isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1"),
        Throw::Code(code) => bad(200, &code, "as told by the settings"),
    }
}

/// The walls of one number, when they are to be enforced, with their windows scaled.
pub(super) fn walls<const N: usize>(s: &Shared, walls: [Wall; N]) -> Vec<Wall> {
    if !s.settings.behaviour.callee_limits {
        return Vec::new();
    }
    let scale = |w: Wall| Wall { window_ms: s.scaled(Span(w.window_ms)).as_millis() as i64, ..w };
    walls.into_iter().map(scale).collect()
}

pub(super) async fn send(s: &Shared, p: &Params<'_>) -> Answer {
    let (Some(phones), Some(_sign), Some(template)) = (p.get("PhoneNumbers"), p.get("SignName"), p.get("TemplateCode")) else {
        return missing(s, p, &["PhoneNumbers", "SignName", "TemplateCode"]);
    };
    let numbers: Vec<&str> = phones.split(',').collect();
    if numbers.len() > 1000 {
        return business(s, "isv.MOBILE_COUNT_OVER_LIMIT", "手机号码数量超过限制");
    }
    let Some(numbers) = numbers.into_iter().map(mainland).collect::<Option<Vec<_>>>() else {
        return business(s, "isv.MOBILE_NUMBER_ILLEGAL", "非法手机号");
    };
    let out_id = p.get("OutId").unwrap_or_default();
    if out_id.len() >= 256 {
        return business(s, "isv.INVALID_PARAMETERS", "参数异常");
    }
    let param = p.get("TemplateParam");
    let variables = match variables(s, param.as_deref(), &template) {
        Ok(v) => v,
        Err((code, message)) => return business(s, code, message),
    };
    let first = numbers.first().map(|n| n.as_ref()).unwrap_or_default();
    let (wait, replies) = match luck(s, first) {
        Luck::Bad(answer) => return answer,
        Luck::Lost { taken: false } => return Answer::Cut,
        Luck::Lost { taken: true } => (Duration::ZERO, false),
        Luck::Good { wait } => (wait, true),
    };
    let biz = s.ledger.next_id();
    let biz_id = format!("9006{biz:012}^0");
    for number in &numbers {
        if let Err(answer) = accept(s, number.as_ref(), &out_id, &template, biz, &biz_id, variables.as_ref()) {
            return answer;
        }
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if replies { Answer::Json(200, ok_body(s, "BizId", &biz_id)) } else { Answer::Cut }
}

pub(super) async fn send_batch(s: &Shared, p: &Params<'_>) -> Answer {
    let (Some(phones), Some(signs), Some(template)) = (p.get("PhoneNumberJson"), p.get("SignNameJson"), p.get("TemplateCode")) else {
        return missing(s, p, &["PhoneNumberJson", "SignNameJson", "TemplateCode"]);
    };
    let (Ok(phones), Ok(signs)) = (serde_json::from_str::<Vec<String>>(&phones), serde_json::from_str::<Vec<String>>(&signs)) else {
        return business(s, "isv.INVALID_JSON_PARAM", "JSON参数不合法，只接受字符串值");
    };
    let params: Vec<Value> = match p.get("TemplateParamJson").map(|j| serde_json::from_str(&j)) {
        None => vec![json!({}); phones.len()],
        Some(Ok(list)) => list,
        Some(Err(_)) => return business(s, "isv.INVALID_JSON_PARAM", "JSON参数不合法，只接受字符串值"),
    };
    if phones.is_empty() || phones.len() > 100 || signs.len() != phones.len() || params.len() != phones.len() {
        return business(s, "isv.INVALID_PARAMETERS", "参数异常");
    }
    let out_id = p.get("OutId").unwrap_or_default();
    if out_id.len() >= 256 {
        return business(s, "isv.INVALID_PARAMETERS", "参数异常");
    }
    let biz = s.ledger.next_id();
    let biz_id = format!("9006{biz:012}^0");
    let mut checked = Vec::with_capacity(phones.len());
    for (phone, param) in phones.iter().zip(&params) {
        let Some(number) = mainland(phone) else { return business(s, "isv.MOBILE_NUMBER_ILLEGAL", "非法手机号") };
        match variables(s, Some(&param.to_string()), &template) {
            Ok(v) => checked.push((number, v)),
            Err((code, message)) => return business(s, code, message),
        }
    }
    let first = checked.first().map(|(n, _)| n.as_ref()).unwrap_or_default();
    let (wait, replies) = match luck(s, first) {
        Luck::Bad(answer) => return answer,
        Luck::Lost { taken: false } => return Answer::Cut,
        Luck::Lost { taken: true } => (Duration::ZERO, false),
        Luck::Good { wait } => (wait, true),
    };
    for (number, variables) in &checked {
        if let Err(answer) = accept(s, number.as_ref(), &out_id, &template, biz, &biz_id, variables.as_ref()) {
            return answer;
        }
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    if replies { Answer::Json(200, ok_body(s, "BizId", &biz_id)) } else { Answer::Cut }
}

/// Records the message, and arranges what the provider and the person will make of it.
fn accept(
    s: &Shared,
    phone: &str,
    out_id: &str,
    template: &str,
    id: u64,
    biz_id: &str,
    variables: Option<&BTreeMap<String, String>>,
) -> Result<(), Answer> {
    let b = &s.settings.behaviour;
    let now = (s.now)();
    let (code, report_after, n) = fate(s, b, phone);
    let done_at = now + report_after.as_millis() as i64;
    let sent = Sent {
        vendor: "aliyun",
        channel: Channel::Sms,
        phone: phone.into(),
        out_id: out_id.into(),
        template: template.into(),
        says: 0, // no wall of its counts by text
        id,
        at: now,
        done_at,
        code,
    };
    if let Err(message) = s.ledger.accept(sent, &walls(s, WALLS)) {
        Shared::count(&s.tallies.limited);
        return Err(Answer::Json(200, error_body(s, "isv.BUSINESS_LIMIT_CONTROL", message)));
    }
    if b.receipts.send && s.pusher.wants(Kind::Receipt) && !chance::happens(b.receipts.lost_share, b.seed, phone, n, "receipt-lost") {
        let item = push::receipt_item(phone, out_id, biz_id, code, now, done_at);
        if chance::happens(b.receipts.duplicate_share, b.seed, phone, n, "receipt-again") {
            s.pusher.push(Kind::Receipt, report_after + s.scaled(Span::secs(5)), item.clone());
        }
        s.pusher.push(Kind::Receipt, report_after, item);
    }
    let Some(variables) = variables else { return Ok(()) };
    if code == "DELIVERED"
        && let Some(reply) = people::on_sms(&s.settings.people, b.seed, phone, n, variables)
    {
        let after = report_after + s.scaled(reply.after);
        Shared::count(&s.tallies.replies);
        let at = now + after.as_millis() as i64;
        s.pusher.push_about(Kind::Reply, after, push::reply_item(phone, &reply.text, s.ledger.next_id(), at), out_id);
    }
    if s.watched.load(Ordering::Relaxed) {
        s.tell(SentMessage {
            channel: Channel::Sms,
            phone: phone.to_string(),
            out_id: out_id.to_string(),
            template: template.to_string(),
            variables: variables.clone(),
            text: s.settings.templates.get(template).map(|t| fill(t, variables)),
            provider_message_id: biz_id.to_string(),
            at: now,
        });
    }
    Ok(())
}

/// What becomes of a message, how long until that is known, and its ordinal for further dice.
pub(super) fn fate(s: &Shared, b: &Behaviour, phone: &str) -> (&'static str, Duration, u32) {
    if b.dead_share <= 0.0 && !b.receipts.send && !s.settings.people.react() {
        return ("DELIVERED", Duration::ZERO, 0);
    }
    let n = s.ledger.request(phone);
    let dead = people::is_dead(b.dead_share, b.seed, phone);
    let code = match dead {
        true if chance::happens(0.5, b.seed, phone, 0, "empty") => "INVALID_NUMBER",
        true => "MOBILE_NOT_ON_SERVICE",
        false => "DELIVERED",
    };
    let r = &b.receipts;
    let mut delay = r.delay.0 + (r.spread.0 as f64 * chance::roll(b.seed, phone, n, "receipt")) as i64;
    if chance::happens(r.late_share, b.seed, phone, n, "receipt-late") {
        delay += (60_000.0 * chance::roll(b.seed, phone, n, "receipt-how-late")) as i64;
    }
    (code, s.scaled(Span(delay)), n)
}

pub(super) fn query(s: &Shared, p: &Params<'_>) -> Answer {
    let (Some(phone), Some(date), Some(size), Some(page)) =
        (p.get("PhoneNumber"), p.get("SendDate"), p.get("PageSize"), p.get("CurrentPage"))
    else {
        return missing(s, p, &["PhoneNumber", "SendDate", "PageSize", "CurrentPage"]);
    };
    let (Ok(size @ 1..=50), Ok(page @ 1..)) = (size.parse::<usize>(), page.parse::<usize>()) else {
        return business(s, "isv.INVALID_PARAMETERS", "参数异常");
    };
    let Some(phone) = mainland(&phone) else { return business(s, "isv.MOBILE_NUMBER_ILLEGAL", "非法手机号") };
    let biz_id = p.get("BizId");
    let now = (s.now)();
    let beijing = |ms: i64, form: &str| Time(ms).beijing().strftime(form).to_string();
    let fits = |x: &Sent| {
        x.vendor == "aliyun"
            && x.channel == Channel::Sms
            && beijing(x.at, "%Y%m%d") == *date
            && biz_id.as_deref().is_none_or(|b| b == format!("9006{:012}^0", x.id))
    };
    let all: Vec<Sent> = s.ledger.of_phone(&phone).into_iter().filter(fits).collect();
    let rows: Vec<Value> = all
        .iter()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .map(|x| {
            let done = x.done_at <= now;
            let status = if !done {
                1
            } else if x.code == "DELIVERED" {
                3
            } else {
                2
            };
            json!({
                "PhoneNum": x.phone, "OutId": x.out_id, "TemplateCode": x.template, "SendStatus": status,
                "ErrCode": if done { x.code } else { "REQUEST_SUCCESS" }, "Content": s.settings.templates.get(&*x.template),
                "SendDate": beijing(x.at, "%Y-%m-%d %H:%M:%S"),
                "ReceiveDate": done.then(|| beijing(x.done_at, "%Y-%m-%d %H:%M:%S")),
            })
        })
        .collect();
    let body = json!({"RequestId": "QUERY", "Code": "OK", "Message": "OK", "TotalCount": all.len().to_string(),
                      "SmsSendDetailDTOs": {"SmsSendDetailDTO": rows}});
    Answer::Json(200, body.to_string())
}

/// The gateway's own complaint about the first needed parameter that is absent.
pub(super) fn missing(s: &Shared, p: &Params<'_>, needed: &[&str]) -> Answer {
    Shared::count(&s.tallies.rejected);
    let name = needed.iter().find(|n| p.get(n).is_none()).copied().unwrap_or("Parameter");
    Answer::Json(400, error_body(s, &format!("Missing{name}"), &format!("{name} is mandatory for this action.")))
}

/// A mainland number as 11 digits.
pub(super) fn mainland(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    let plain = text.len() == 11 && text.starts_with('1') && text.bytes().all(|b| b.is_ascii_digit());
    if plain {
        return Some(text.into());
    }
    let phone = Phone::parse(text)?;
    (phone.is_mobile() && !phone.reveal().starts_with('+')).then(|| phone.reveal().to_string().into())
}

/// Checks TemplateParam (a JSON object of strings) and, when somebody needs them, reads the values.
pub(super) fn variables(
    s: &Shared,
    param: Option<&str>,
    template: &str,
) -> Result<Option<BTreeMap<String, String>>, (&'static str, &'static str)> {
    const BAD_JSON: (&str, &str) = ("isv.INVALID_JSON_PARAM", "JSON参数不合法，只接受字符串值");
    let known = &s.settings.templates;
    let text = match known.get(template) {
        None if !known.is_empty() => {
            let voice = template.starts_with("TTS_");
            return Err(if voice {
                ("isv.TTS_TEMPLATE_ILLEGAL", "未找到审核通过的文本转语音模板")
            } else {
                ("isv.SMS_TEMPLATE_ILLEGAL", "短信模版不合法")
            });
        }
        text => text,
    };
    if !s.wants_variables() {
        if let Some(param) = param {
            serde_json::from_str::<StringsOnly>(param).map_err(|_| BAD_JSON)?;
        }
        return Ok(None);
    }
    let values: BTreeMap<String, String> = match param {
        None => BTreeMap::new(),
        Some(param) => serde_json::from_str(param).map_err(|_| BAD_JSON)?,
    };
    if values.values().any(|v| v.contains("://") || v.contains("www.")) {
        return Err(("isv.PARAM_NOT_SUPPORT_URL", "变量不支持传入URL"));
    }
    if text.is_some_and(|t| names_in(t).any(|name| !values.contains_key(name))) {
        return Err(("isv.TEMPLATE_MISSING_PARAMETERS", "模版缺少变量"));
    }
    Ok(Some(values))
}

/// The names inside `${…}`.
pub(super) fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

pub(super) fn fill(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = text.to_string();
    for (name, value) in variables {
        out = out.replace(&format!("${{{name}}}"), value);
    }
    out
}

/// Accepts a JSON object whose values are all strings, keeping nothing.
struct StringsOnly;
impl<'de> Deserialize<'de> for StringsOnly {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Deserialize<'de> for Any {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V;
                impl Visitor<'_> for V {
                    type Value = Any;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a string")
                    }
                    fn visit_str<E>(self, _: &str) -> Result<Any, E> {
                        Ok(Any)
                    }
                }
                d.deserialize_str(V)
            }
        }
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = StringsOnly;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StringsOnly, A::Error> {
                while map.next_entry::<Any, Any>()?.is_some() {}
                Ok(StringsOnly)
            }
        }
        d.deserialize_map(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_must_be_an_object_of_strings() {
        let ok = |t: &str| serde_json::from_str::<StringsOnly>(t).is_ok();
        assert!(ok(r#"{}"#) && ok(r#"{"a":"红\n色"}"#));
        assert!(!ok(r#"{"a":1}"#) && !ok(r#"["a"]"#) && !ok("x") && !ok(r#"{"a":null}"#));
    }

    #[test]
    fn templates_are_filled_and_their_names_found() {
        let t = "【叫应】${place}发布${level}预警，收到回${digit}";
        assert_eq!(names_in(t).collect::<Vec<_>>(), ["place", "level", "digit"]);
        let v =
            BTreeMap::from([("place".to_string(), "沁水县".to_string()), ("level".into(), "红色".into()), ("digit".into(), "1".into())]);
        assert_eq!(fill(t, &v), "【叫应】沁水县发布红色预警，收到回1");
    }
}
