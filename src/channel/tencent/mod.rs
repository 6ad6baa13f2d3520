//! What Tencent's SMS and voice share: signing and sending one request, reading its reply, the codes of the
//! API gateway, and the answer their callbacks want.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | every reply is HTTP 200, errors are in `Response.Error.Code` | SDK, run | a reply without `Response` is classed by its status |
//! | nothing is idempotent; one read time-out sends one request | SDK, run | a lost reply is `Unknown` |
//! | callbacks are not signed | document 382/59178, 1128/37726 | secret path, https; the list of source addresses is the proxy's to keep |
//! | time-out of a callback, retries of voice callbacks | **not confirmed** | answered at once; a second push changes nothing |
//! | SMS callbacks echo SessionContext as `ext` only if support switched it on, voice never | documents | found by SerialNo/CallId, see [`crate::channel::Provider::echoes_reference`] |

pub mod callback;
pub mod errors;
pub mod rpc;

pub use rpc::{Rpc, RpcReply};
