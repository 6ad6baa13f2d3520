//! Providers of text messages, one folder each.

pub mod aliyun;
pub mod huawei;
pub mod smpp;
pub mod tencent;
pub mod twilio;
