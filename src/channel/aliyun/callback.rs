//! What Aliyun's pushes have in common: their shape and the answer they want.

pub use crate::channel::item::{Item, items};

use crate::channel::CallbackReply;

/// The answer Aliyun wants within 700 ms; anything but 200 makes it push again after 1, 5, 10 min.
pub fn reply(ok: bool) -> CallbackReply {
    let (status, body) = if ok { (200, r#"{"code":0,"msg":"接收成功"}"#) } else { (500, r#"{"code":1,"msg":"接收失败"}"#) };
    CallbackReply { status, content_type: "application/json; charset=utf-8", body: body.into() }
}
