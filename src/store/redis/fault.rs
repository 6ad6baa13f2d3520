//! What a server's error means for the call: sure that nothing happened, or not known.

use redis::{ErrorKind, RedisError};

#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing was done, and another look at who is primary may help.
    Elsewhere(String),
    /// The function library is not there (yet, or any more).
    NoLibrary,
    /// The connection broke or the time was up: it may have been done.
    Unknown(String),
    /// Nothing was done, and asking again at once would not change that.
    Refused(String),
}

impl Fault {
    pub fn of(e: &RedisError) -> Fault {
        let said = e.to_string();
        match e.code() {
            Some("MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "READONLY" | "LOADING" | "BUSY" | "UNBLOCKED") => {
                return Fault::Elsewhere(said);
            }
            Some("NOREPLICAS") => {
                return Fault::Refused(format!("too few replicas are connected to the primary (min-replicas-to-write): {said}"));
            }
            Some("OOM") => return Fault::Refused(format!("the server has no memory left: raise maxmemory or archive: {said}")),
            Some(_) if said.contains("unction not found") => return Fault::NoLibrary,
            _ => {}
        }
        match e.kind() {
            ErrorKind::Io if e.is_connection_refusal() => Fault::Elsewhere(said),
            ErrorKind::Io | ErrorKind::Parse => Fault::Unknown(said),
            _ => Fault::Refused(said),
        }
    }
}
