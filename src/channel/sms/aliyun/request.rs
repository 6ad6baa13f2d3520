//! SendSms and QuerySendDetails: building the query in its canonical order and reading the pages.

use super::{batch, errors};
use crate::channel::{
    Lookup, ProviderTemplate, ReceiptResult, SendRequest,
    aliyun::{Rpc, rpc::Envelope},
    sign::aliyun_acs3::encode_into,
    template::json_of_strings,
};
use crate::core::{
    send::Outcome,
    time::{Span, Time},
};
use serde::Deserialize;

/// Rows of one page of QuerySendDetails; the most there can be.
const PAGE: usize = 50;
/// Pages read at most: a number gets at most 50 notices a day of one template, and few templates.
const PAGES: usize = 8;

pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    encode_into(text, &mut out);
    out
}

/// The query of SendSms, keys in canonical order.
pub(super) fn send_sms(
    r: &SendRequest,
    phone: &str,
    encoded_sign_name: &str,
    template: &ProviderTemplate,
    extend_code: Option<&str>,
) -> String {
    let mut json = String::with_capacity(256);
    json_of_strings(r.message.variables.iter().map(|(n, v)| (n.as_str(), v.as_str())), &mut json);
    let mut query = String::with_capacity(json.len() * 3 + encoded_sign_name.len() + 160);
    query.push_str("OutId=");
    encode_into(&r.reference, &mut query);
    query.push_str("&PhoneNumbers=");
    encode_into(phone, &mut query);
    query.push_str("&SignName=");
    query.push_str(encoded_sign_name);
    if let Some(code) = extend_code {
        query.push_str("&SmsUpExtendCode=");
        encode_into(code, &mut query);
    }
    query.push_str("&TemplateCode=");
    encode_into(&template.code, &mut query);
    if !r.message.variables.is_empty() {
        query.push_str("&TemplateParam=");
        encode_into(&json, &mut query);
    }
    query
}

#[derive(Deserialize)]
struct Details {
    #[serde(rename = "SmsSendDetailDTOs", default)]
    list: DetailList,
}
#[derive(Deserialize, Default)]
struct DetailList {
    #[serde(rename = "SmsSendDetailDTO", default)]
    items: Vec<Detail>,
}
#[derive(Deserialize)]
struct Detail {
    #[serde(rename = "OutId", default)]
    out_id: Option<String>,
    #[serde(rename = "SendStatus", default)]
    status: serde_json::Value,
    #[serde(rename = "ErrCode", default)]
    code: Option<String>,
    #[serde(rename = "SendDate", default)]
    date: Option<String>,
}
impl Detail {
    /// Whether it was sent within minutes of `sent`; without a date that is not known, and not denied.
    fn left_about(&self, sent: Time) -> bool {
        let date = self.date.as_ref().and_then(|d| d.parse::<jiff::civil::DateTime>().ok()).and_then(Time::from_beijing);
        date.is_none_or(|at| (at.0 - sent.0).abs() <= Span::mins(10).0)
    }
}

/// Looks for our reference among what the provider sent to the number on the day it left; a request
/// that left near Beijing midnight may stand under either day.
pub(super) async fn find(rpc: &Rpc, reference: &str, phone: &str, sent: Time) -> Lookup {
    let day = |t: Time| t.beijing().strftime("%Y%m%d").to_string();
    let mut days = vec![day(sent)];
    let next = day(sent + Span::mins(10));
    if !days.contains(&next) {
        days.push(next);
    }
    for date in &days {
        for page in 1..=PAGES {
            let query = format!("CurrentPage={page}&PageSize={PAGE}&PhoneNumber={}&SendDate={date}", encoded(phone));
            let details = match ask(rpc, &query).await {
                Ok(d) => d,
                Err(why) => return Lookup::Unanswered(why),
            };
            let rows = details.list.items.len();
            for d in &details.list.items {
                let out_id = d.out_id.as_deref().unwrap_or_default();
                if out_id == reference {
                    return Lookup::Found { provider_message_id: None, result: status_of(d) };
                }
                if let Some(provider_message_id) = batch::holding(out_id, reference, phone).filter(|_| d.left_about(sent)) {
                    return Lookup::Found { provider_message_id: Some(provider_message_id), result: status_of(d) };
                }
            }
            if rows < PAGE {
                break;
            }
        }
    }
    Lookup::NotFound
}

async fn ask(rpc: &Rpc, query: &str) -> Result<Details, String> {
    let reply = rpc.call("QuerySendDetails", query).await.map_err(|o| outcome_detail(&o))?;
    match reply.envelope() {
        Some(Envelope { code, .. }) if reply.status == 200 && code == "OK" => {
            serde_json::from_slice(&reply.body).map_err(|e| format!("the list of sent messages is unreadable: {e}"))
        }
        _ => Err(outcome_detail(&reply.outcome(|_| None, errors::classify))),
    }
}

fn outcome_detail(o: &Outcome) -> String {
    match o {
        Outcome::Accepted { provider_message_id } => provider_message_id.clone(),
        Outcome::Throttled { detail, .. }
        | Outcome::Retryable { detail }
        | Outcome::PermanentNumber { detail }
        | Outcome::PermanentContent { detail }
        | Outcome::Config { detail }
        | Outcome::Balance { detail }
        | Outcome::Unknown { detail } => detail.clone(),
    }
}

/// SendStatus: 1 waiting, 2 failed, 3 delivered. Anything else is still under way as far as we know.
fn status_of(d: &Detail) -> ReceiptResult {
    match d.status.as_i64().or_else(|| d.status.as_str().and_then(|s| s.parse().ok())) {
        Some(2) => errors::failed(d.code.as_deref().unwrap_or("unknown"), ""),
        Some(3) => ReceiptResult::Delivered,
        _ => ReceiptResult::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Address, Message, MessageKind, sign::aliyun_acs3::canonical_query};
    use crate::core::phone::Phone;

    #[test]
    fn the_query_is_built_in_the_form_that_is_signed() {
        let r = SendRequest {
            reference: "a1B2c3D4e5F6g7H".into(),
            to: Address::Phone(Phone::parse("15400000001").unwrap()),
            message: Message {
                kind: MessageKind::Callout,
                variant: String::new(),
                drill: false,
                variables: vec![("level".into(), "红色 *~'\"".into()), ("digit".into(), "1".into())],
                text: String::new(),
                subject: None,
                html: None,
            },
        };
        let template = ProviderTemplate { code: "SMS_1".into(), ..ProviderTemplate::default() };
        for extend in [None, Some("12")] {
            let query = send_sms(&r, "15400000001", &encoded("某某应急"), &template, extend);
            assert_eq!(canonical_query(&query), query);
            assert!(matches!(canonical_query(&query), std::borrow::Cow::Borrowed(_)));
            assert_eq!(query.contains("SmsUpExtendCode=12"), extend.is_some());
        }
    }
}
