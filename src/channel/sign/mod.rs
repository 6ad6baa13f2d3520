//! Request signatures, one file per scheme. Pure: date and nonce come in as arguments.

pub mod aliyun_acs3;
