//! What the tables of all robots share.

use crate::{channel::CallbackReply, core::digest::Group};

/// Everything wrong with `[provider.NAME.group]`, as `key: reason`.
pub(super) fn faults(group: &Group) -> Vec<String> {
    group.faults().into_iter().map(|f| format!("group.{f}")).collect()
}

/// Whether a key, token or id fits an address and is none that an example left there.
pub(super) fn fault_in_address(key: &str, secret: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match secret {
        "" => Some(format!("{key}: is empty")),
        s if s.contains("://") => Some(format!("{key}: only what stands behind the last `=` or `/` of the robot's address, not all of it")),
        s if !s.bytes().all(fits) => Some(format!("{key}: may hold only letters, digits, - and _")),
        _ => None,
    }
}

/// What a robot answers where somebody calls it back.
pub(super) fn no_callbacks() -> CallbackReply {
    CallbackReply { status: 404, content_type: "text/plain; charset=utf-8", body: "no callbacks come for a group robot".into() }
}
