//! Status callbacks (an array) and replies (one object), which may come to one address.

use super::errors;
use crate::channel::{
    CallbackItem, ReceiptResult,
    item::{Item, items},
};

pub(super) fn read(body: &[u8]) -> Result<Vec<CallbackItem>, String> {
    let all = items(body)?;
    let count = all.len();
    let read: Vec<CallbackItem> = all.iter().filter_map(one).collect();
    if read.is_empty() && count > 0 {
        return Err("no element is a status (report_status, sid) or a reply (text)".into());
    }
    Ok(read)
}

fn one(i: &Item) -> Option<CallbackItem> {
    if i.has("report_status") || i.has("sid") { receipt(i) } else { reply(i) }
}

fn receipt(i: &Item) -> Option<CallbackItem> {
    let reference = i.text("ext");
    let provider_message_id = i.text("sid");
    if reference.is_none() && provider_message_id.is_none() {
        return None;
    }
    let code = i.text("errmsg").unwrap_or_default();
    let result = match i.text("report_status").unwrap_or_default().to_ascii_uppercase().as_str() {
        "SUCCESS" => ReceiptResult::Delivered,
        "FAIL" => errors::failed(&code, &i.text("description").unwrap_or_default()),
        // Neither delivered nor failed: a state of which more will come.
        _ => ReceiptResult::Waiting,
    };
    Some(CallbackItem::Receipt { reference, provider_message_id, at: i.time("user_receive_time"), result, keys: None })
}

fn reply(i: &Item) -> Option<CallbackItem> {
    let mobile = i.text("mobile")?;
    if !i.has("text") {
        return None;
    }
    let text = i.text("text").unwrap_or_default();
    let phone = match i.text("nationcode") {
        Some(nation) if !mobile.starts_with('+') => format!("+{}{mobile}", nation.trim_start_matches('+')),
        _ => mobile,
    };
    // There is no id of a reply: it knows itself again by number, second and words.
    let dedupe = format!("{phone}|{}|{text}", i.text("time").unwrap_or_default());
    Some(CallbackItem::Reply { phone, text, at: i.unix("time"), extend: i.text("extend"), dedupe })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_the_documents_shape_is_read() {
        let body = r#"[{"user_receive_time":"2015-10-17 08:03:04","nationcode":"86","mobile":"15400000001","report_status":"SUCCESS",
          "errmsg":"DELIVRD","description":"用户短信送达成功","sid":"2019:1","ext":"ref1"},
          {"mobile":"15400000002","report_status":"FAIL","errmsg":"MK:0001","description":"空号","sid":"2019:2"}, 7,
          {"mobile":"15400000002","report_status":"SUBMITTED","sid":3},{"report_status":"FAIL"}]"#;
        let read = read(body.as_bytes()).unwrap();
        assert_eq!(read.len(), 3);
        match &read[0] {
            CallbackItem::Receipt { reference, provider_message_id, at, result, .. } => {
                assert_eq!((reference.as_deref(), provider_message_id.as_deref()), (Some("ref1"), Some("2019:1")));
                assert_eq!(at.unwrap().rfc3339(), "2015-10-17T08:03:04+08:00");
                assert_eq!(result, &ReceiptResult::Delivered);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(&read[1], CallbackItem::Receipt { reference: None, result: ReceiptResult::Failed { number_dead: true, .. }, .. }));
        assert!(matches!(&read[2], CallbackItem::Receipt { result: ReceiptResult::Waiting, .. }));
    }

    #[test]
    fn a_reply_is_an_object_with_its_number_in_two_parts() {
        let body = r#"{"extend":"01","mobile":"15400000001","nationcode":"86","sign":"某","text":"收到1","time":1457336869}"#;
        match read(body.as_bytes()).unwrap().remove(0) {
            CallbackItem::Reply { phone, text, at, extend, dedupe } => {
                assert_eq!((phone.as_str(), text.as_str(), extend.as_deref()), ("+8615400000001", "收到1", Some("01")));
                assert_eq!(at.unwrap().rfc3339(), "2016-03-07T15:47:49+08:00");
                assert_eq!(dedupe, "+8615400000001|1457336869|收到1");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_neither_is_refused_in_plain_words() {
        assert!(read(br#"[{"x":1}]"#).is_err() && read(b"x").is_err() && read(br#"{"mobile":"1"}"#).is_err());
        assert!(read(b"[]").unwrap().is_empty());
    }
}
