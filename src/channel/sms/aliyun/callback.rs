//! SmsReport (receipts) and SmsUp (replies), which may come to one address and are told apart by
//! what they hold.

use super::{batch, errors};
use crate::channel::{
    CallbackItem, ReceiptResult,
    aliyun::callback::{Item, items},
};

pub(super) fn read(body: &[u8]) -> Result<Vec<CallbackItem>, String> {
    let all = items(body)?;
    let count = all.len();
    let read: Vec<CallbackItem> = all.iter().filter_map(one).collect();
    if read.is_empty() && count > 0 {
        return Err("no element is a receipt (SmsReport) or a reply (SmsUp)".into());
    }
    Ok(read)
}

fn one(i: &Item) -> Option<CallbackItem> {
    if i.has("success") || i.has("err_code") || i.has("biz_id") || i.has("report_time") {
        receipt(i)
    } else if i.has("content") || i.has("dest_code") {
        reply(i)
    } else {
        None
    }
}

fn receipt(i: &Item) -> Option<CallbackItem> {
    let (mut reference, mut provider_message_id) = (i.text("out_id"), i.text("biz_id"));
    if let Some(batch) = reference.as_deref().and_then(batch::lead) {
        // The batch and the number together name the message.
        provider_message_id = Some(batch::id(batch, &i.text("phone_number")?));
        reference = None;
    }
    if reference.is_none() && provider_message_id.is_none() {
        return None;
    }
    let code = i.text("err_code").unwrap_or_default();
    let result = match (i.flag("success"), code.as_str()) {
        (_, "REQUEST_SUCCESS") => ReceiptResult::Waiting,
        (Some(true), _) | (None, "DELIVERED") => ReceiptResult::Delivered,
        (Some(false), _) => errors::failed(&code, &i.text("err_msg").unwrap_or_default()),
        // Neither says delivered nor failed: an early state of which more will come.
        (None, "") => ReceiptResult::Waiting,
        (None, _) => errors::failed(&code, &i.text("err_msg").unwrap_or_default()),
    };
    Some(CallbackItem::Receipt {
        reference,
        provider_message_id,
        at: i.time("report_time").or_else(|| i.time("send_time")),
        result,
        keys: None,
    })
}

fn reply(i: &Item) -> Option<CallbackItem> {
    let phone = i.text("phone_number")?;
    let text = i.text("content").unwrap_or_default();
    let dedupe = match i.text("sequence_id") {
        Some(id) => format!("id:{id}"),
        None => format!("{phone}|{}|{text}", i.text("send_time").unwrap_or_default()),
    };
    Some(CallbackItem::Reply { phone, text, at: i.time("send_time"), extend: i.text("dest_code"), dedupe })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_of_the_documents_shape_is_read() {
        let body = r#"[{"phone_number":"15400000001","send_time":"2017-01-01 00:00:00","report_time":"2017-01-01 00:00:05","success":true,
          "err_code":"DELIVERED","err_msg":"用户接收成功","sms_size":"1","biz_id":"12345","out_id":"67890"},
          {"phone_number":"15400000002","report_time":"2017-01-01 00:00:05","success":"false","err_code":"MK:0001","err_msg":"空号","biz_id":12346,"out_id":67891},
          {"success":true,"err_code":"REQUEST_SUCCESS","out_id":"3"}]"#;
        let read = read(body.as_bytes()).unwrap();
        assert_eq!(read.len(), 3);
        match &read[0] {
            CallbackItem::Receipt { reference, provider_message_id, at, result, keys } => {
                assert_eq!(reference.as_deref(), Some("67890"));
                assert_eq!(provider_message_id.as_deref(), Some("12345"));
                assert_eq!(at.unwrap().rfc3339(), "2017-01-01T00:00:05+08:00");
                assert_eq!((result, keys), (&ReceiptResult::Delivered, &None));
            }
            other => panic!("{other:?}"),
        }
        match &read[1] {
            CallbackItem::Receipt { reference, result: ReceiptResult::Failed { code, number_dead, .. }, .. } => {
                assert_eq!((reference.as_deref(), code.as_str(), *number_dead), (Some("67891"), "MK:0001", false));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(&read[2], CallbackItem::Receipt { result: ReceiptResult::Waiting, .. }));
    }

    #[test]
    fn a_reply_is_read_in_both_documented_shapes_and_knows_itself_again() {
        let new = r#"[{"phone_number":"15400000001","content":"收到1","send_time":"2017-09-01 00:00:00","dest_code":"1234","sequence_id":"1234567890"}]"#;
        let old = r#"[{"phone_number":"15400000001","content":"收到1","send_time":"2017-09-01 00:00:00","sign_name":"某","sequence_id":1234567890}]"#;
        let bare = r#"[{"phone_number":"15400000001","content":"1","send_time":"2017-09-01 00:00:00"}]"#;
        let dedupe = |body: &str| match read(body.as_bytes()).unwrap().remove(0) {
            CallbackItem::Reply { phone, dedupe, at, .. } => {
                assert_eq!(phone, "15400000001");
                assert_eq!(at.unwrap().rfc3339(), "2017-09-01T00:00:00+08:00");
                dedupe
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(dedupe(new), dedupe(old));
        assert_eq!(dedupe(bare), "15400000001|2017-09-01 00:00:00|1");
    }

    #[test]
    fn an_unknown_code_is_a_failure_only_when_success_is_false() {
        let result = |body: &str| match read(body.as_bytes()).unwrap().remove(0) {
            CallbackItem::Receipt { result, .. } => result,
            other => panic!("{other:?}"),
        };
        assert_eq!(result(r#"[{"success":true,"err_code":"NEW_CODE","out_id":"1"}]"#), ReceiptResult::Delivered);
        assert!(matches!(result(r#"[{"success":false,"err_code":"NEW_CODE","out_id":"1"}]"#), ReceiptResult::Failed { .. }));
        assert!(matches!(result(r#"{"success":0,"out_id":"1"}"#), ReceiptResult::Failed { .. }));
    }

    #[test]
    fn one_odd_element_does_not_spoil_the_others() {
        let body = r#"[{"success":true,"err_code":"DELIVERED"},{"x":1},null,{"success":true,"out_id":"1"}]"#;
        assert_eq!(read(body.as_bytes()).unwrap().len(), 1);
        assert!(read(br#"[{"x":1}]"#).is_err());
        assert!(read(b"[]").unwrap().is_empty());
    }
}
