//! What a server must be like before warnings are entrusted to it. Each refusal says what to do.

use super::{
    link::{Confirm, Link, field},
    reply,
    settings::Mode,
};
use crate::store::StoreError;
use redis::{Value, cmd};
use std::collections::BTreeMap;

/// Looks at every primary; also answers how urgent commits can be confirmed.
///
/// # Errors
/// `Unavailable` with every fault of every primary at once.
pub(super) async fn check(link: &Link) -> Result<Confirm, StoreError> {
    let mut faults = Vec::new();
    let mut ask = cmd("INFO");
    for (address, info) in link.each_primary(&ask).await? {
        let info = reply::text(info?)?;
        let mut tell = |fault: String| faults.push(format!("{address}: {fault}"));
        server(link, &info, &mut tell);
        let clustered = field(&info, "cluster_enabled") == Some("1");
        if clustered && link.settings.mode != Mode::Cluster {
            tell("is a node of a Cluster: set store.redis.mode = \"cluster\"".into());
        } else if !clustered && link.settings.mode == Mode::Cluster {
            tell("is not a node of a Cluster: set store.redis.mode = \"single\" or \"sentinel\"".into());
        }
    }
    let infos = link.each_primary(ask.arg("memory")).await?;
    let persistence = link.each_primary(cmd("INFO").arg("persistence")).await?;
    let mut names = cmd("CONFIG");
    names.arg("GET").arg("append*").arg("maxmemory-policy").arg("min-replicas-to-write");
    let configs = link.each_primary(&names).await?;
    for (((address, memory), (_, persistence)), (_, config)) in infos.into_iter().zip(persistence).zip(configs) {
        let (memory, persistence) = (reply::text(memory?)?, reply::text(persistence?)?);
        let mut tell = |fault: String| faults.push(format!("{address}: {fault}"));
        durable(link, &memory, &persistence, config.ok().and_then(read_config), &mut tell);
    }
    if !faults.is_empty() {
        return Err(StoreError::Unavailable(format!("redis: {}", faults.join("; "))));
    }
    confirmation(link).await
}

fn server(link: &Link, info: &str, tell: &mut impl FnMut(String)) {
    let version = field(info, "redis_version").unwrap_or_default();
    if version.split('.').next().and_then(|v| v.parse::<u32>().ok()).is_none_or(|major| major < 7) {
        tell(format!("runs Redis {version}; functions need 7.0 or later"));
    }
    let replicas: u16 = field(info, "connected_slaves").and_then(|n| n.parse().ok()).unwrap_or(0);
    if replicas < link.settings.replicas {
        tracing::warn!(
            connected = replicas,
            wanted = link.settings.replicas,
            "too few replicas: answers wait for them in vain until they come"
        );
    }
}

/// Eviction, AOF, replicas. `config`: what `CONFIG GET` said, where it may be asked.
fn durable(link: &Link, memory: &str, persistence: &str, config: Option<BTreeMap<String, String>>, tell: &mut impl FnMut(String)) {
    let s = &link.settings;
    let of = |name: &str| config.as_ref().and_then(|c| c.get(name)).map(String::as_str);
    let unasked = |what: &str| {
        format!(
            "{what} cannot be read (CONFIG GET is refused): make sure of it with the provider and set store.redis.assume_durable = true"
        )
    };
    match of("maxmemory-policy").or_else(|| field(memory, "maxmemory_policy")) {
        Some("noeviction") => {}
        Some(policy) => tell(format!(
            "maxmemory-policy is {policy}, which throws data away when memory is short: CONFIG SET maxmemory-policy noeviction, and in redis.conf"
        )),
        None if s.assume_durable => {}
        None => tell(unasked("maxmemory-policy")),
    }
    match of("appendonly").or_else(|| field(persistence, "aof_enabled")) {
        Some("yes" | "1") => {}
        Some(_) if s.assume_durable => tracing::warn!("the append-only file is off; store.redis.assume_durable says that this is known"),
        Some(_) => {
            tell("the append-only file is off, so that a restart loses warnings: CONFIG SET appendonly yes, and in redis.conf".into())
        }
        None if s.assume_durable => {}
        None => tell(unasked("appendonly")),
    }
    match of("appendfsync") {
        Some("always") => {}
        Some("everysec") => tracing::info!("appendfsync is everysec: a power cut can lose the last second; `always` loses nothing"),
        Some(_) if s.assume_durable => {}
        Some(other) => tell(format!("appendfsync is {other}: CONFIG SET appendfsync always (or everysec), and in redis.conf")),
        None if s.assume_durable => {}
        None => tell(unasked("appendfsync")),
    }
    if s.replicas > 0 {
        match of("min-replicas-to-write").map(str::parse::<u16>) {
            Some(Ok(n)) if n >= 1 => {}
            Some(_) => tell(format!(
                "store.redis.replicas is {}, but min-replicas-to-write is 0: a primary cut off from its replicas would go on taking writes \
                 that are lost afterwards. CONFIG SET min-replicas-to-write 1, and in redis.conf",
                s.replicas
            )),
            None if s.assume_durable => {}
            None => tell(unasked("min-replicas-to-write")),
        }
    }
}

fn read_config(value: Value) -> Option<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for (name, value) in reply::pairs(value).ok()? {
        out.insert(reply::text(name).ok()?, reply::text(value).ok()?);
    }
    Some(out)
}

/// `WAITAOF` where every primary has it (7.2), else `WAIT`.
async fn confirmation(link: &Link) -> Result<Confirm, StoreError> {
    let known = link.each_primary(cmd("COMMAND").arg("INFO").arg("WAITAOF")).await?;
    let everywhere = known.into_iter().all(|(_, answer)| {
        let first = answer.ok().and_then(|a| reply::array(a).ok()).and_then(|all| all.into_iter().next());
        matches!(first, Some(Value::Array(_)))
    });
    // Where nobody may ask whether there is an append-only file, waiting for it could fail for ever.
    Ok(match (everywhere && !link.settings.assume_durable, link.settings.replicas) {
        (true, _) => Confirm::Disks,
        (false, 0) => Confirm::No,
        (false, _) => Confirm::Replicas,
    })
}
