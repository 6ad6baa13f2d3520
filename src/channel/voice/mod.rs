//! Providers of telephone calls, one folder each.

pub mod aliyun;
