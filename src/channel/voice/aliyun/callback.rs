//! VoiceReport (a call ended) and VoiceCallReport (a key in mid-call). Both may tell the same
//! keypress; what is told twice is the engine's to absorb.

use super::errors;
use crate::channel::{
    CallbackItem,
    aliyun::callback::{Item, items},
};

/// `status_code` of a VoiceCallReport that carries a key.
const KEY_PRESSED: &str = "300000";
/// Other states of a call under way: ringing, connected, hung up. They prove nothing we need.
const UNDER_WAY: [&str; 4] = ["200100", "200101", "200102", "200201"];

pub(super) fn read(body: &[u8]) -> Result<Vec<CallbackItem>, String> {
    let all = items(body)?;
    let count = all.len();
    let calls: Vec<&Item> = all.iter().filter(|i| i.has("status_code") && (i.has("call_id") || i.has("out_id"))).collect();
    if calls.is_empty() && count > 0 {
        return Err("no element is a report of a call (VoiceReport, VoiceCallReport)".into());
    }
    Ok(calls.into_iter().filter_map(one).collect())
}

fn one(i: &Item) -> Option<CallbackItem> {
    let reference = i.text("out_id");
    let provider_message_id = i.text("call_id");
    let code = i.text("status_code")?;
    let keys = i.text("dtmf");
    if code == KEY_PRESSED {
        return keys.map(|keys| CallbackItem::Key { reference, provider_message_id, at: i.time("status_time"), keys });
    }
    let ended = ["end_time", "originate_time", "voice_type", "duration", "b_duration", "toll_type"].iter().any(|k| i.has(k));
    if UNDER_WAY.contains(&code.as_str()) || (!ended && i.has("status_time")) {
        return None;
    }
    let duration = i.seconds("duration").or_else(|| i.seconds("b_duration"));
    Some(CallbackItem::Receipt {
        reference,
        provider_message_id,
        at: i.time("end_time").or_else(|| i.time("originate_time")),
        result: errors::call_ended(&code, &i.text("status_msg").unwrap_or_default(), duration),
        keys,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ReceiptResult;

    #[test]
    fn a_report_of_the_documents_shape_is_read() {
        let body = r#"[{"status_code":"200003","callee":"15400000000","ring_time":"2021-04-28 10:02:40","duration":"10","voice_type":"voice",
          "originate_time":"2021-04-28 10:02:34","b_start_time":"2021-04-28 10:03:40","end_time":"2021-04-28 10:03:40",
          "call_id":"122628733198^10942206","caller":"20200900","status_msg":"执行完成","out_id":"ref1","dtmf":"1","toll_type":"LOCAL"},
          {"status_code":200000,"end_time":"2021-04-28 10:03:40","call_id":"c2","out_id":"ref2","dtmf":12,"b_duration":7}]"#;
        let read = read(body.as_bytes()).unwrap();
        match &read[0] {
            CallbackItem::Receipt { reference, provider_message_id, at, result, keys } => {
                assert_eq!(reference.as_deref(), Some("ref1"));
                assert_eq!(provider_message_id.as_deref(), Some("122628733198^10942206"));
                assert_eq!(at.unwrap().rfc3339(), "2021-04-28T10:03:40+08:00");
                assert!(matches!(result, ReceiptResult::CallEnded { heard: false, .. }));
                assert_eq!(keys.as_deref(), Some("1"));
            }
            other => panic!("{other:?}"),
        }
        match &read[1] {
            CallbackItem::Receipt { result: ReceiptResult::CallEnded { heard, code, .. }, keys, .. } => {
                assert_eq!((*heard, code.as_str(), keys.as_deref()), (true, "200000", Some("12")));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn in_mid_call_only_a_key_is_told() {
        let body = r#"[{"call_id":"c","status_code":"200101","status_time":"2021-04-28 10:02:40","out_id":"r"},
          {"call_id":"c","status_code":"200201","status_time":"2021-04-28 10:02:41","out_id":"r"},
          {"call_id":"c","status_code":"300000","dtmf":"1","status_time":"2021-04-28 10:02:44","out_id":"r"},
          {"call_id":"c","status_code":"300000","status_time":"2021-04-28 10:02:44","out_id":"r"}]"#;
        let read = read(body.as_bytes()).unwrap();
        assert_eq!(read.len(), 1);
        match &read[0] {
            CallbackItem::Key { reference, keys, at, .. } => {
                assert_eq!((reference.as_deref(), keys.as_str()), (Some("r"), "1"));
                assert_eq!(at.unwrap().rfc3339(), "2021-04-28T10:02:44+08:00");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_report_is_refused_in_plain_words() {
        assert!(read(br#"[{"success":true,"out_id":"1"}]"#).is_err());
        assert!(read(b"nonsense").is_err());
        assert!(read(b"[]").unwrap().is_empty());
    }
}
