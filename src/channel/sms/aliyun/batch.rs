//! SendBatchSms: up to 100 messages of one template in one request, each keeping its own outcome.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | one OutId and one BizId for the whole batch | document | OutId is `B-LEAD-TAGS`: LEAD the first reference, TAGS two characters of each; a receipt is found by LEAD and its number |
//! | after a lost reply each number is looked up | QuerySendDetails gives OutId | a row of a batch whose TAGS hold ours, sent within minutes; that another batch of the same minutes to the same number fits by chance is 1 in 38 at 100 messages |
//! | one bad element fails all | document (arrays are index-aligned) | what does not surely fit goes alone ([`super::AliyunSms`]'s key); when a batch is refused for its content or a number, each goes alone |
//! | whether a batch is taken in part when one number is over its limit | **not documented** | all become `unknown` and are looked up |
//! | parameters: four arrays in a form, TemplateCode and OutId in the query | SDK | the same |
//! | a batch may be delayed; single sending is advised for alerts | document | `batch` is 1 unless configured |

use super::errors;
use crate::channel::{Address, ProviderTemplate, SendRequest, aliyun::Rpc, sign::aliyun_acs3::encode_into, template::json_of_strings};
use crate::core::{phone::Phone, send::Outcome};
use sha2::{Digest, Sha256};

/// No reference of ours holds a hyphen.
const MARK: &str = "B-";
const TAG: usize = 2;

/// The number, where SMS reach it.
pub(super) fn phone(r: &SendRequest) -> Option<&str> {
    match &r.to {
        Address::Phone(p) if p.is_mobile() && !p.reveal().starts_with('+') => Some(p.reveal()),
        _ => None,
    }
}

/// Two base62 characters of a reference.
fn tag(reference: &str) -> [u8; TAG] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let hash = Sha256::digest(reference.as_bytes());
    let mut out = [b'0'; TAG];
    for (o, pair) in out.iter_mut().zip(hash.chunks_exact(4)) {
        let n = pair.iter().fold(0_u32, |n, b| (n << 8) | u32::from(*b));
        *o = DIGITS.get(n as usize % DIGITS.len()).copied().unwrap_or(b'0');
    }
    out
}

fn out_id(requests: &[SendRequest]) -> String {
    let lead = requests.first().map(|r| r.reference.as_str()).unwrap_or_default();
    let tags: Vec<u8> = requests.iter().flat_map(|r| tag(&r.reference)).collect();
    format!("{MARK}{lead}-{}", String::from_utf8_lossy(&tags))
}

/// The LEAD of a batch's OutId; `None` for a single message's.
pub(super) fn lead(out_id: &str) -> Option<&str> {
    out_id.strip_prefix(MARK)?.split_once('-').map(|(lead, _)| lead)
}

/// What names one message of a batch. Numbers come with and without their country.
pub(super) fn id(lead: &str, number: &str) -> String {
    let number = Phone::parse(number).map_or_else(|| number.to_string(), |p| p.reveal().to_string());
    format!("{lead}/{number}")
}

/// The message's id, if `out_id` is of a batch that holds `reference`.
pub(super) fn holding(out_id: &str, reference: &str, number: &str) -> Option<String> {
    let (lead, tags) = out_id.strip_prefix(MARK)?.split_once('-')?;
    let mine = tag(reference);
    tags.as_bytes().chunks_exact(TAG).any(|t| t == mine).then(|| id(lead, number))
}

/// Query and form, keys in canonical order.
fn request(requests: &[SendRequest], sign_name: &str, template: &ProviderTemplate, extend_code: Option<&str>) -> (String, String) {
    let array = |values: Vec<&str>| serde_json::Value::from(values).to_string();
    let phones = array(requests.iter().filter_map(phone).collect());
    let params: Vec<String> = requests
        .iter()
        .map(|r| {
            let mut one = String::new();
            json_of_strings(r.message.variables.iter().map(|(n, v)| (n.as_str(), v.as_str())), &mut one);
            one
        })
        .collect();
    let mut query = String::from("OutId=");
    encode_into(&out_id(requests), &mut query);
    query.push_str("&TemplateCode=");
    encode_into(&template.code, &mut query);
    let mut form = String::from("PhoneNumberJson=");
    encode_into(&phones, &mut form);
    form.push_str("&SignNameJson=");
    encode_into(&array(vec![sign_name; requests.len()]), &mut form);
    if let Some(code) = extend_code {
        form.push_str("&SmsUpExtendCodeJson=");
        encode_into(&array(vec![code; requests.len()]), &mut form);
    }
    form.push_str("&TemplateParamJson=");
    encode_into(&format!("[{}]", params.join(",")), &mut form);
    (query, form)
}

/// Sends all at once. `None`: refused whole for one element's sake, nothing was taken.
pub(super) async fn send(
    rpc: &Rpc,
    requests: &[SendRequest],
    sign_name: &str,
    template: &ProviderTemplate,
    extend_code: Option<&str>,
) -> Option<Vec<Outcome>> {
    let (query, form) = request(requests, sign_name, template, extend_code);
    let outcome = match rpc.call_with("SendBatchSms", &query, Some(form)).await {
        Ok(reply) => reply.outcome(|e| e.biz_id.as_deref().map(str::to_string), errors::classify),
        Err(outcome) => outcome,
    };
    shared(outcome, requests)
}

/// The outcome of the request as that of each message.
fn shared(outcome: Outcome, requests: &[SendRequest]) -> Option<Vec<Outcome>> {
    let lead = requests.first().map(|r| r.reference.as_str()).unwrap_or_default();
    let each = |r: &SendRequest| match &outcome {
        Outcome::Accepted { .. } => Outcome::Accepted { provider_message_id: id(lead, phone(r).unwrap_or_default()) },
        Outcome::Throttled { whole_account: false, detail, .. } => {
            Outcome::Unknown { detail: format!("one number of a batch is over its limit; who was sent to is looked up: {detail}") }
        }
        other => other.clone(),
    };
    match &outcome {
        Outcome::PermanentNumber { .. } | Outcome::PermanentContent { .. } => None,
        _ => Some(requests.iter().map(each).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Message, MessageKind, sign::aliyun_acs3::canonical_query};
    use std::collections::BTreeMap;

    fn ask(n: usize) -> SendRequest {
        SendRequest {
            reference: format!("abcdefghijk{n:04}"),
            to: Address::Phone(Phone::parse(&format!("154{n:08}")).unwrap()),
            message: Message {
                kind: MessageKind::Callout,
                drill: false,
                variant: String::new(),
                variables: vec![("level".into(), "红\"色".into())],
                text: String::new(),
                subject: None,
                html: None,
            },
        }
    }

    #[test]
    fn a_hundred_fit_one_request_in_its_canonical_form() {
        let all: Vec<SendRequest> = (0..100).map(ask).collect();
        let template = ProviderTemplate { code: "SMS_1".into(), ..Default::default() };
        let (query, form) = request(&all, "某某应急", &template, Some("01"));
        assert_eq!((canonical_query(&query), canonical_query(&form)), (query.as_str().into(), form.as_str().into()));
        let fields: BTreeMap<String, String> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let list = |key: &str| serde_json::from_str::<Vec<serde_json::Value>>(&fields[key]).unwrap();
        for key in ["PhoneNumberJson", "SignNameJson", "SmsUpExtendCodeJson", "TemplateParamJson"] {
            assert_eq!(list(key).len(), 100, "{key}");
        }
        assert_eq!((&list("PhoneNumberJson")[99], &list("TemplateParamJson")[99]["level"]), (&"15400000099".into(), &"红\"色".into()));
        assert!(out_id(&all).len() < 256);
    }

    #[test]
    fn each_message_of_a_batch_is_known_again() {
        let all: Vec<SendRequest> = (0..100).map(ask).collect();
        let o = out_id(&all);
        assert_eq!(lead(&o), Some("abcdefghijk0000"));
        for r in &all {
            assert_eq!(holding(&o, &r.reference, "+8615400000001"), Some("abcdefghijk0000/15400000001".into()));
        }
        let strangers = (0..4000).filter(|n| holding(&o, &format!("stranger{n}"), "15400000001").is_some()).count();
        assert!(strangers < 200, "{strangers} of 4000 fit by chance");
        assert_eq!((lead("abcdefghijk0000"), holding("abc", "abc", "1"), lead("B-")), (None, None, None));
    }

    #[test]
    fn what_came_of_a_batch_is_said_of_each_message_and_never_guessed() {
        let all: Vec<SendRequest> = (0..3).map(ask).collect();
        let of = |o: Outcome| shared(o, &all).map(|v| v.iter().map(Outcome::class).collect::<Vec<_>>());
        let detail = String::new;
        assert_eq!(of(Outcome::Unknown { detail: detail() }), Some(vec!["unknown"; 3]));
        assert_eq!(of(Outcome::Throttled { after: None, whole_account: false, detail: detail() }), Some(vec!["unknown"; 3]));
        assert_eq!(of(Outcome::Throttled { after: None, whole_account: true, detail: detail() }), Some(vec!["throttled"; 3]));
        assert_eq!(of(Outcome::Balance { detail: detail() }), Some(vec!["balance"; 3]));
        assert_eq!(of(Outcome::PermanentNumber { detail: detail() }), None);
        let accepted = shared(Outcome::Accepted { provider_message_id: "9006^0".into() }, &all).unwrap();
        assert_eq!(accepted[2], Outcome::Accepted { provider_message_id: "abcdefghijk0000/15400000002".into() });
    }
}
