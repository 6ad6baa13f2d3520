//! The key of a `<Gather>`, and the status of a call that ended: forms.

use crate::channel::{
    CallbackItem, Rang, ReceiptResult,
    item::Item,
    twilio::{
        callback::{reference, rfc2822},
        errors,
    },
};

pub(super) fn read(query: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
    let i = Item::of_form(body);
    let (reference, sid) = (reference(query), i.text("CallSid"));
    if reference.is_none() && sid.is_none() {
        return Err("no CallSid, and no reference in the address".into());
    }
    let at = i.text("Timestamp").as_deref().and_then(rfc2822);
    if let Some(keys) = i.text("Digits") {
        return Ok(vec![CallbackItem::Key { reference, provider_message_id: sid, at, keys }]);
    }
    let Some(status) = i.text("CallStatus") else { return Err("neither Digits nor CallStatus".into()) };
    let code = i.text("SipResponseCode").or_else(|| i.text("ErrorCode")).unwrap_or_default();
    let seconds = i.seconds("CallDuration").or_else(|| i.seconds("Duration"));
    let result = ended(&status, &code, &i.text("AnsweredBy").unwrap_or_default(), seconds);
    Ok(result.map(|result| CallbackItem::Receipt { reference, provider_message_id: sid, at, result, keys: None }).into_iter().collect())
}

/// How a call ended; `None` while it is under way.
pub(super) fn ended(status: &str, code: &str, answered_by: &str, seconds: Option<f64>) -> Option<ReceiptResult> {
    let machine = answered_by.starts_with("machine") || answered_by == "fax";
    let heard = match status {
        // `completed` is said of calls that were answered only.
        "completed" => !machine && seconds.is_none_or(|s| s > 0.0),
        "busy" | "no-answer" | "failed" | "canceled" => false,
        _ => return None,
    };
    let detail = match (machine, code) {
        (true, _) => format!("answered by {answered_by}"),
        (false, "") => status.to_string(),
        (false, code) => format!("{status} ({code})"),
    };
    // SIP: not found, does not exist anywhere.
    let number_dead = status == "failed" && (matches!(code, "404" | "604") || errors::number_dead(code));
    let config = status == "failed" && errors::is_config(code);
    Some(ReceiptResult::CallEnded {
        code: status.to_string(),
        detail: detail.chars().take(160).collect(),
        heard,
        number_dead,
        config,
        // A SIP code of 5xx is the network's; without one nobody knows.
        rang: match (status, code) {
            _ if number_dead || config => Rang::Yes,
            ("failed", code) if code.starts_with('5') => Rang::No,
            ("failed", _) => Rang::Unsure,
            _ => Rang::Yes,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &str) -> Option<CallbackItem> {
        read(Some("r=ref1"), body.as_bytes()).unwrap().pop()
    }

    #[test]
    fn a_key_is_told_with_the_reference_of_the_address() {
        match one("CallSid=CA1&CallStatus=in-progress&Digits=1").unwrap() {
            CallbackItem::Key { reference, provider_message_id, keys, .. } => {
                assert_eq!((reference.as_deref(), provider_message_id.as_deref(), keys.as_str()), (Some("ref1"), Some("CA1"), "1"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_state_of_a_call_is_read() {
        for under_way in ["queued", "initiated", "ringing", "in-progress", "something-new"] {
            assert_eq!(one(&format!("CallSid=CA1&CallStatus={under_way}")), None, "{under_way}");
        }
        let flags = |body: &str| match one(&format!("CallSid=CA1&{body}")).unwrap() {
            CallbackItem::Receipt { result: ReceiptResult::CallEnded { heard, number_dead, config, .. }, .. } => {
                (heard, number_dead, config)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(flags("CallStatus=completed&CallDuration=12"), (true, false, false));
        assert_eq!(flags("CallStatus=completed&CallDuration=30&AnsweredBy=machine_start"), (false, false, false), "a mailbox");
        for not in ["busy", "no-answer", "canceled", "failed"] {
            assert_eq!(flags(&format!("CallStatus={not}")), (false, false, false), "{not}");
        }
        assert_eq!(flags("CallStatus=failed&SipResponseCode=404"), (false, true, false));
        assert_eq!(flags("CallStatus=failed&ErrorCode=21215"), (false, false, true));
        let timed = "CallSid=CA1&CallStatus=completed&Timestamp=Fri%2C%2024%20May%202019%2017%3A18%3A27%20%2B0000";
        assert!(matches!(one(timed), Some(CallbackItem::Receipt { at: Some(t), .. }) if t.0 == 1_558_718_307_000));
    }

    #[test]
    fn what_is_neither_is_refused_in_plain_words() {
        assert!(read(None, b"").is_err() && read(None, b"CallStatus=completed").is_err() && read(None, b"CallSid=CA1").is_err());
    }
}
