//! What a Redis store is told: where the servers are, how they are spoken to, what must be durable.

use crate::store::journal::Limits;
use std::{fmt, path::PathBuf, time::Duration};

/// How the primary of a partition is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One server, at the first address.
    Single,
    /// The addresses are sentinels; they are asked for the primary of this name.
    Sentinel { master_name: String },
    /// The addresses are some nodes of a Cluster.
    Cluster,
}

/// See `[store.redis]` in `config/default.toml` for what each key means.
#[derive(Clone)]
pub struct Settings {
    pub mode: Mode,
    /// `host:port` each.
    pub addresses: Vec<String>,
    pub username: Option<String>,
    pub password: Option<String>,
    /// Towards the sentinels, where they ask for it.
    pub sentinel_username: Option<String>,
    pub sentinel_password: Option<String>,
    pub tls: bool,
    /// PEM of the authority that signed the servers' certificates; the system's own without it.
    pub ca: Option<Vec<u8>>,
    pub database: i64,
    /// Fixed when the store is first opened; later that number is in force.
    pub partitions: u16,
    /// This many replicas must have what a reply promises.
    pub replicas: u16,
    pub wait_timeout: Duration,
    pub response_timeout: Duration,
    pub connect_timeout: Duration,
    /// All keys begin with it.
    pub prefix: String,
    /// The operator answers for what a managed server does not let us ask.
    pub assume_durable: bool,
    /// Where this gateway keeps what it told and sent, to repair what a failover lost; without it a failover loses it.
    pub journal: Option<(PathBuf, Limits)>,
    /// How long a new life of a primary is held, so that all gateways repair it before anybody decides anew.
    pub recovery_hold: Duration,
    /// Carry letters between partitions by outbox even where one server holds them all: as in a
    /// Cluster, without needing one.
    pub always_outbox: bool,
}

impl Settings {
    /// One server with the defaults of `config/default.toml`.
    pub fn single(address: impl Into<String>) -> Settings {
        Settings {
            mode: Mode::Single,
            addresses: vec![address.into()],
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            tls: false,
            ca: None,
            database: 0,
            partitions: 16,
            replicas: 0,
            wait_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
            prefix: "jiaoying".to_string(),
            assume_durable: false,
            journal: None,
            recovery_hold: Duration::from_secs(3),
            always_outbox: false,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No password in a log.
        write!(f, "redis {:?} at {}, prefix {}", self.mode, self.addresses.join(", "), self.prefix)
    }
}
