//! Providers of text messages, one folder each.

pub mod aliyun;
