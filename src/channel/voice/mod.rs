//! Providers of telephone calls, one folder each.

pub mod aliyun;
pub mod tencent;
pub mod twilio;
