//! One address, one wrapper key for each kind: a call ended (voiceprompt, voicecode), a key, a failure.
//! None of them names our reference: the engine finds the call by its id.

use super::errors;
use crate::{
    channel::{
        CallbackItem,
        item::{Item, items},
    },
    core::phone::Phone,
};

pub(super) fn read(body: &[u8]) -> Result<Vec<CallbackItem>, String> {
    let all = items(body)?;
    let count = all.len();
    let read: Vec<CallbackItem> = all.iter().filter_map(one).collect();
    if read.is_empty() && count > 0 {
        return Err("neither voiceprompt_callback, voicekey_callback nor voice_failure_callback with a callid".into());
    }
    Ok(read)
}

/// Whom the call of this id rang.
pub(super) fn number(id: &str, body: &[u8]) -> Option<Phone> {
    const KINDS: [&str; 4] = ["voicekey_callback", "voiceprompt_callback", "voicecode_callback", "voice_failure_callback"];
    let all = items(body).ok()?;
    let mut inner = all.iter().flat_map(|i| KINDS.iter().filter_map(|kind| i.inner(kind)));
    let of_call = inner.find(|i| i.text("callid").as_deref() == Some(id))?;
    Phone::parse(&of_call.text("mobile")?)
}

fn one(i: &Item) -> Option<CallbackItem> {
    if let Some(key) = i.inner("voicekey_callback") {
        let keys = key.text("keypress")?;
        return Some(CallbackItem::Key { reference: None, provider_message_id: Some(key.text("callid")?), at: None, keys });
    }
    let (ended, result) = if let Some(f) = i.inner("voice_failure_callback") {
        let result = errors::failed(&f.text("failure_code").unwrap_or_default(), &f.text("failure_reason").unwrap_or_default());
        (f, result)
    } else {
        let p = i.inner("voiceprompt_callback").or_else(|| i.inner("voicecode_callback"))?;
        let result = errors::ended(&p.text("result").unwrap_or_default());
        (p, result)
    };
    Some(CallbackItem::Receipt {
        reference: None,
        provider_message_id: Some(ended.text("callid")?),
        at: ended.unix("end_calltime").or_else(|| ended.unix("start_calltime")),
        result,
        keys: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ReceiptResult;

    #[test]
    fn each_kind_of_the_documents_is_read() {
        let prompt = r#"{"voiceprompt_callback":{"result":"0","accept_time":"1470197211","call_from":"","callid":"c1","end_calltime":"1470197221","fee":"1","mobile":"15400000001","nationcode":"86","start_calltime":"1470197196"}}"#;
        match read(prompt.as_bytes()).unwrap().remove(0) {
            CallbackItem::Receipt { reference: None, provider_message_id, at, result, .. } => {
                assert_eq!(provider_message_id.as_deref(), Some("c1"));
                assert_eq!(at.unwrap().0, 1_470_197_221_000);
                assert!(matches!(result, ReceiptResult::CallEnded { heard: true, .. }));
            }
            other => panic!("{other:?}"),
        }
        let key = r#"{"voicekey_callback":{"call_from":"","callid":"c1","keypress":"2","mobile":"15400000001","nationcode":"86"}}"#;
        assert_eq!((number("c1", key.as_bytes()), number("c2", key.as_bytes())), (Phone::parse("15400000001"), None));
        match read(key.as_bytes()).unwrap().remove(0) {
            CallbackItem::Key { provider_message_id, keys, .. } => {
                assert_eq!((provider_message_id.as_deref(), keys.as_str()), (Some("c1"), "2"));
            }
            other => panic!("{other:?}"),
        }
        let failure = r#"{"voice_failure_callback":{"call_from":"03562000001","callid":"c1","failure_code":8,"failure_reason":"空号","mobile":"15400000001","nationcode":"86"}}"#;
        assert!(matches!(
            &read(failure.as_bytes()).unwrap()[0],
            CallbackItem::Receipt { result: ReceiptResult::CallEnded { number_dead: true, code, .. }, .. } if code == "8"
        ));
    }

    #[test]
    fn several_at_once_are_read_and_the_unreadable_left_out() {
        let body = r#"[{"voicekey_callback":{"callid":"c1","keypress":1}},{"voicekey_callback":{"callid":"c1"}},{"x":1},
          {"voicecode_callback":{"callid":"c2","result":1}}]"#;
        assert_eq!(read(body.as_bytes()).unwrap().len(), 2);
        assert!(read(br#"{"voicekey_callback":7}"#).is_err() && read(b"{}").is_err());
    }
}
