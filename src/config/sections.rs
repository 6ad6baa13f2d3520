//! The plain sections, one struct each. Defaults stand here and, for readers, in
//! `config/default.toml`; a test keeps the two equal.

use super::Secret;
use crate::core::{coverage::FilingDate, time::Span};
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf};

/// `[server]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// What phones and providers reach it by: links in messages begin with it. No trailing slash.
    pub public_url: String,
    /// How long requests and sends in flight may take to end after a stop was asked for.
    pub shutdown_grace: Span,
}
impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://127.0.0.1:8080".into(),
            shutdown_grace: Span::secs(10),
        }
    }
}

/// `[coverage]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Coverage {
    /// By when the directory must be confirmed each year, `04-20`; empty: never asked.
    pub filing: String,
}
impl Default for Coverage {
    fn default() -> Self {
        Coverage { filing: "04-20".into() }
    }
}
impl Coverage {
    /// The date, where one is asked for and can be read ([`super::Config::check`] says where not).
    pub fn filing(&self) -> Option<FilingDate> {
        self.filing.parse().ok()
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    pub kind: StoreKind,
    /// The database file; its folder must exist.
    pub path: PathBuf,
    /// Where `kind` is `redis`.
    pub redis: Redis,
}
impl Default for Store {
    fn default() -> Self {
        Store { kind: StoreKind::Sqlite, path: PathBuf::from("data/jiaoying.sqlite"), redis: Redis::default() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// One file, durable.
    Sqlite,
    /// Several gateways on Redis 7: one server, Sentinel or Cluster.
    Redis,
    /// Forgets everything at exit: for trying out.
    Memory,
}

/// `[store.redis]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    pub mode: RedisMode,
    /// `host:port` each: the server, the sentinels, or some nodes of the Cluster.
    pub addresses: Vec<String>,
    /// What the sentinels call the primary.
    pub master_name: Option<String>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// Towards the sentinels, where they ask for it.
    pub sentinel_username: Option<String>,
    pub sentinel_password: Option<Secret>,
    pub tls: bool,
    /// PEM of the authority that signed the servers' certificates; the system's own without it.
    pub ca: Option<PathBuf>,
    /// Not in a Cluster, which has only database 0.
    pub database: u16,
    /// Parts the data is dealt out in (1 to 256). Fixed when the store is first opened.
    pub partitions: u16,
    /// Replicas that must have what a reply promises (0 to 5).
    pub replicas: u16,
    /// How long they are waited for.
    pub wait_timeout: Span,
    /// After this a call counts as lost and is asked again.
    pub response_timeout: Span,
    /// All keys begin with it.
    pub prefix: String,
    /// Where this gateway keeps what it told and sent, for after a failover; empty: nowhere.
    pub journal: PathBuf,
    /// How long it is kept there.
    pub journal_window: Span,
    /// MiB it may take (16 to 65536).
    pub journal_size: u32,
    /// How long a new life of a primary is held, so that all gateways repair it first.
    pub recovery_hold: Span,
    /// You answer for what a managed server does not let us ask.
    pub assume_durable: bool,
}
impl Default for Redis {
    fn default() -> Self {
        Redis {
            mode: RedisMode::Single,
            addresses: vec!["127.0.0.1:6379".into()],
            master_name: None,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            tls: false,
            ca: None,
            database: 0,
            partitions: 16,
            replicas: 0,
            wait_timeout: Span::secs(1),
            response_timeout: Span::secs(10),
            prefix: "jiaoying".into(),
            journal: PathBuf::from("data/jiaoying-journal.sqlite"),
            journal_window: Span::mins(10),
            journal_size: 2048,
            recovery_hold: Span::secs(3),
            assume_durable: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisMode {
    Single,
    Sentinel,
    Cluster,
}

/// `[archive]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// The file closed warnings go to; without it they stay in the store.
    pub path: Option<PathBuf>,
    /// How long a warning is closed and unchanged before it goes.
    pub after: Span,
}
impl Default for Archive {
    fn default() -> Self {
        Archive { path: None, after: Span::hours(7 * 24) }
    }
}

/// `[policy]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Rules of your own; without it the shipped ones apply.
    pub file: Option<PathBuf>,
}

/// `[templates]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Templates {
    /// Message templates of your own; without it the shipped ones apply.
    pub dir: Option<PathBuf>,
}

/// `[divisions]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Divisions {
    /// A folder of GeoJSON outlines; without it drawn areas are read by positioned points alone.
    pub outlines: Option<PathBuf>,
}

/// `[messages]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Messages {
    /// The registered SMS signature, without 【】, 2 to 12 characters.
    pub signature: String,
    /// Whether an SMS may carry the answer link: carriers want every link filed, so by default none does and people
    /// answer by `1`.
    pub link: Link,
    /// The longest SMS, in segments (1 to 5).
    pub segments: u8,
}
impl Default for Messages {
    fn default() -> Self {
        Messages { signature: "应急叫应".into(), link: Link::Never, segments: 1 }
    }
}

/// `messages.link`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    Never,
    /// Where the provider has approved a wording with it, and the message costs no more SMS than without.
    IfFits,
}

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// How long a piece of due work is reserved; after a crash it is taken up again this much later.
    pub lease: Span,
    /// How many sends may be intended ahead of their results (1 to 512): what a crash can leave
    /// with an unknown outcome.
    pub in_flight: u16,
    /// Persons of a plan turned into callouts between two looks at more urgent work (1 to 1000).
    pub planning_chunk: u16,
}
impl Default for Engine {
    fn default() -> Self {
        Engine { lease: Span::secs(10), in_flight: 512, planning_chunk: 500 }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,jiaoying::engine=debug`.
    pub level: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}
impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), json: false }
    }
}

/// `[clock]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Policy durations are divided by this: 60 makes minutes seconds. For demonstrations only.
    pub speed: f64,
}
impl Default for Clock {
    fn default() -> Self {
        Clock { speed: 1.0 }
    }
}
