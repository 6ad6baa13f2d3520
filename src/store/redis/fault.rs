//! What a server's error means for the call: sure that nothing happened, or not known.

use redis::{ErrorKind, RedisError};
use std::fmt;

#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Nothing was done, and another look at who is primary may help.
    Elsewhere(String),
    /// The function library is not there (yet, or any more).
    NoLibrary,
    /// The connection broke or the time was up: it may have been done.
    Unknown(String),
    /// Nothing was done: this life of the primary is another one than we know.
    Reborn(String),
    /// Nothing was done: a new life of the primary is held for so many milliseconds more.
    Held(u64),
    /// Nothing was done, and asking again at once would not change that.
    Refused(String),
}

impl Fault {
    /// Of a connection that was not made: nothing was done.
    pub fn of_connecting(address: &str, e: &RedisError) -> Fault {
        let said = format!("{address}: {e}");
        match e.kind() {
            ErrorKind::AuthenticationFailed => Fault::Refused(format!("{said} (store.redis.username, password)")),
            // Waited for as long as an answer is: not to be tried as often as what fails at once.
            _ if e.is_timeout() => Fault::Unknown(said),
            _ => Fault::Elsewhere(said),
        }
    }

    pub fn of(e: &RedisError) -> Fault {
        let said = e.to_string();
        match e.code() {
            Some("MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "READONLY" | "LOADING" | "BUSY" | "UNBLOCKED") => {
                return Fault::Elsewhere(said);
            }
            Some("INSTANCE") => return Fault::Reborn(e.detail().unwrap_or_default().trim().to_string()),
            Some("HELD") => return Fault::Held(e.detail().and_then(|ms| ms.trim().parse().ok()).unwrap_or(100)),
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

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Elsewhere(why) | Fault::Unknown(why) | Fault::Refused(why) => f.write_str(why),
            Fault::NoLibrary => f.write_str("the function library is missing"),
            Fault::Reborn(life) => write!(f, "the primary lives anew ({life}) and what it lost is being repaired"),
            Fault::Held(ms) => write!(f, "the primary is new and held for {ms} ms more, until all gateways have repaired it"),
        }
    }
}
