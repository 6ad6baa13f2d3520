//! Status callbacks and incoming messages: forms, told apart by what they hold.

use crate::channel::{
    CallbackItem, ReceiptResult,
    item::Item,
    twilio::{callback::reference, errors},
};

pub(super) fn read(query: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
    let i = Item::of_form(body);
    let sid = i.text("MessageSid").or_else(|| i.text("SmsSid"));
    let status = i.text("MessageStatus").or_else(|| i.text("SmsStatus")).unwrap_or_default().to_ascii_lowercase();
    // What people send has words; what tells of our own message has none.
    if i.has("Body") && matches!(status.as_str(), "" | "received" | "receiving") {
        let phone = i.text("From").ok_or("an incoming message without From")?;
        let text = i.text("Body").unwrap_or_default();
        let dedupe = match &sid {
            Some(sid) => format!("id:{sid}"),
            None => format!("{phone}||{text}"),
        };
        return Ok(vec![CallbackItem::Reply { phone, text, at: None, extend: i.text("To"), dedupe }]);
    }
    let reference = reference(query);
    if status.is_empty() || (reference.is_none() && sid.is_none()) {
        return Err("neither a status (MessageStatus, MessageSid) nor a message (Body, From)".into());
    }
    let code = i.text("ErrorCode").unwrap_or_default();
    Ok(vec![CallbackItem::Receipt { reference, provider_message_id: sid, at: None, result: result(&status, &code), keys: None }])
}

/// What a status and its error code say. States can come out of order: only the last ones say more than
/// "under way", and those the engine takes once.
pub(super) fn result(status: &str, code: &str) -> ReceiptResult {
    match status {
        "delivered" | "read" => ReceiptResult::Delivered,
        "undelivered" | "failed" | "canceled" => ReceiptResult::Failed {
            code: if code.is_empty() { status.to_string() } else { code.to_string() },
            detail: status.to_string(),
            number_dead: errors::number_dead(code),
            config: errors::is_config(code),
            elsewhere: errors::elsewhere(code),
        },
        _ => ReceiptResult::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(body: &str) -> ReceiptResult {
        match read(Some("r=ref1"), body.as_bytes()).unwrap().remove(0) {
            CallbackItem::Receipt { reference, provider_message_id, result, .. } => {
                assert_eq!((reference.as_deref(), provider_message_id.as_deref()), (Some("ref1"), Some("SM1")));
                result
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_state_of_a_message_is_read() {
        for state in ["accepted", "scheduled", "queued", "sending", "sent", "something-new"] {
            assert_eq!(receipt(&format!("MessageSid=SM1&MessageStatus={state}")), ReceiptResult::Waiting, "{state}");
        }
        assert_eq!(receipt("SmsSid=SM1&SmsStatus=delivered"), ReceiptResult::Delivered);
        assert!(matches!(
            receipt("MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30005"),
            ReceiptResult::Failed { number_dead: true, config: false, code, .. } if code == "30005"
        ));
        assert!(matches!(receipt("MessageSid=SM1&MessageStatus=failed&ErrorCode=30034"), ReceiptResult::Failed { config: true, .. }));
        assert!(matches!(
            receipt("MessageSid=SM1&MessageStatus=failed"),
            ReceiptResult::Failed { number_dead: false, code, .. } if code == "failed"
        ));
    }

    #[test]
    fn an_incoming_message_is_a_reply() {
        let body = "MessageSid=SM9&SmsStatus=received&From=%2B8615400000001&To=%2B15005550006&Body=%E6%94%B6%E5%88%B01&NumMedia=0";
        match read(None, body.as_bytes()).unwrap().remove(0) {
            CallbackItem::Reply { phone, text, dedupe, .. } => {
                assert_eq!((phone.as_str(), text.as_str(), dedupe.as_str()), ("+8615400000001", "收到1", "id:SM9"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_neither_is_refused_in_plain_words() {
        for bad in ["", "a=b", "Body=1", "MessageStatus=sent"] {
            assert!(read(None, bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
