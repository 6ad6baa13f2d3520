//! Receipts (one as a form, or up to 50 as JSON under `statusReportList`) and replies (a form).

use super::errors;
use crate::channel::{
    CallbackItem, CallbackReply,
    item::{Item, items},
};

pub(super) fn read(content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
    let json = content_type.is_some_and(|t| t.to_ascii_lowercase().contains("json"))
        || matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    let all: Vec<Item> = if json {
        items(body)?.into_iter().flat_map(|i| i.list("statusReportList").unwrap_or_else(|| vec![i])).collect()
    } else {
        vec![Item::of_form(body)]
    };
    let count = all.iter().filter(|i| !i.is_empty()).count();
    let read: Vec<CallbackItem> = all.iter().filter_map(one).collect();
    if read.is_empty() && (count > 0 || !json) {
        return Err("neither a status report (status, smsMsgId) nor a reply (from, body)".into());
    }
    Ok(read)
}

fn one(i: &Item) -> Option<CallbackItem> {
    if i.has("status") {
        let reference = i.text("extend");
        let provider_message_id = i.text("smsMsgId");
        if reference.is_none() && provider_message_id.is_none() {
            return None;
        }
        let result = errors::receipt(&i.text("status").unwrap_or_default(), &i.text("statusDesc").unwrap_or_default());
        return Some(CallbackItem::Receipt { reference, provider_message_id, at: i.rfc3339("updateTime"), result, keys: None });
    }
    if !i.has("body") {
        return None;
    }
    let phone = i.text("from")?;
    let text = i.text("body").unwrap_or_default();
    let dedupe = match i.text("smsMsgId") {
        Some(id) => format!("id:{id}"),
        None => format!("{phone}|{}|{text}", i.text("createTime").unwrap_or_default()),
    };
    Some(CallbackItem::Reply { phone, text, at: i.rfc3339("createTime"), extend: i.text("to"), dedupe })
}

/// Huawei asks for HTTP 200 alone.
pub(super) fn reply(ok: bool) -> CallbackReply {
    let (status, body) = if ok { (200, r#"{"code":"000000"}"#) } else { (500, r#"{"code":"E000000"}"#) };
    CallbackReply { status, content_type: "application/json; charset=utf-8", body: body.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ReceiptResult;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    #[test]
    fn a_status_report_of_the_documents_shape_is_read() {
        let body = b"sequence=1&total=1&updateTime=2018-10-31T08%3A43%3A41Z&source=2&smsMsgId=2ea20735_11840135&status=DELIVRD&extend=ref1&to=%2B8615400000001";
        match read(FORM, body).unwrap().remove(0) {
            CallbackItem::Receipt { reference, provider_message_id, at, result, .. } => {
                assert_eq!((reference.as_deref(), provider_message_id.as_deref()), (Some("ref1"), Some("2ea20735_11840135")));
                assert_eq!(at.unwrap().rfc3339(), "2018-10-31T16:43:41+08:00");
                assert_eq!(result, ReceiptResult::Delivered);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_batch_is_read_and_one_odd_report_does_not_spoil_it() {
        let body = br#"{"statusReportList":[{"smsMsgId":"a","status":"DELIVRD","extend":"r1"},{"status":"DELIVRD"},7,{"smsMsgId":"b","status":"MK:0001","extend":"r2"}]}"#;
        let read = read(Some("application/json"), body).unwrap();
        assert_eq!(read.len(), 2);
        assert!(matches!(&read[1], CallbackItem::Receipt { result: ReceiptResult::Failed { number_dead: true, .. }, .. }));
    }

    #[test]
    fn a_reply_is_read() {
        let body = "smsMsgId=m1&from=%2B8615400000001&to=1069368924410003567&body=%E6%94%B6%E5%88%B01&createTime=2018-10-31T08%3A43%3A41Z";
        match read(FORM, body.as_bytes()).unwrap().remove(0) {
            CallbackItem::Reply { phone, text, dedupe, at, .. } => {
                assert_eq!((phone.as_str(), text.as_str(), dedupe.as_str()), ("+8615400000001", "收到1", "id:m1"));
                assert!(at.is_some());
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_neither_is_refused_in_plain_words() {
        assert!(read(FORM, b"a=b").is_err() && read(FORM, b"").is_err() && read(None, b"{\"a\":1}").is_err());
        assert!(read(None, b"{\"statusReportList\":[]}").unwrap().is_empty());
    }
}
