//! The answer both products' callbacks want.

use crate::channel::CallbackReply;

/// Anything but `result` 0 is pushed again (SMS: twice more).
pub fn reply(ok: bool) -> CallbackReply {
    let (status, body) = if ok { (200, r#"{"result":0,"errmsg":"OK"}"#) } else { (500, r#"{"result":1,"errmsg":"not kept"}"#) };
    CallbackReply { status, content_type: "application/json; charset=utf-8", body: body.into() }
}
