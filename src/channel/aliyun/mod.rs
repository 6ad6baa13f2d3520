//! What Aliyun's SMS and voice share: signing and sending one RPC request, reading its reply, and
//! the gateway's own error codes.
//!
//! One request in, one [`Reply`] or one [`Outcome`] back. Never repeats a request.

pub mod callback;
pub mod errors;
pub mod rpc;

pub use rpc::{Reply, Rpc};
