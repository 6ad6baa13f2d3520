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
    for (address, info) in link.each_primary(&cmd("INFO")).await? {
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
    for (address, standing) in each(link).await? {
        let standing = standing?;
        if link.settings.assume_durable && standing.aof_off {
            tracing::warn!("the append-only file is off; store.redis.assume_durable says that this is known");
        } else if standing.fsync.as_deref() == Some("everysec") {
            tracing::info!("appendfsync is everysec: a power cut can lose the last second; `always` loses nothing");
        }
        faults.extend(standing.faults.into_iter().map(|f| format!("{address}: {f}")));
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

/// What a primary says of itself now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// `appendfsync`, where it may be asked.
    pub fsync: Option<String>,
    /// No append-only file, by its own word.
    pub aof_off: bool,
    /// Connected to it.
    pub replicas: u16,
    /// What is not as it must be, each with what to do; without addresses.
    pub faults: Vec<String>,
}

/// How all primaries stand together: the weakest of each.
///
/// # Errors
/// `Unavailable` where one does not answer.
pub(super) async fn standing(link: &Link) -> Result<Standing, StoreError> {
    let mut all = Standing { fsync: Some("always".to_string()), replicas: u16::MAX, ..Standing::default() };
    for (_, one) in each(link).await? {
        let one = one?;
        all.fsync = match (all.fsync, one.fsync) {
            (Some(weakest), Some(fsync)) if fsync == "always" => Some(weakest),
            (Some(weakest), Some(fsync)) if weakest == "always" || fsync == "no" => Some(fsync),
            (weakest, Some(_)) => weakest,
            (_, None) => None,
        };
        all.aof_off |= one.aof_off;
        all.replicas = all.replicas.min(one.replicas);
        all.faults.extend(one.faults.into_iter().filter(|f| !all.faults.contains(f)).collect::<Vec<_>>());
    }
    Ok(all)
}

async fn each(link: &Link) -> Result<Vec<(String, Result<Standing, StoreError>)>, StoreError> {
    let infos = link.each_primary(cmd("INFO").arg("memory")).await?;
    let persistence = link.each_primary(cmd("INFO").arg("persistence")).await?;
    let replication = link.each_primary(cmd("INFO").arg("replication")).await?;
    let mut names = cmd("CONFIG");
    names.arg("GET").arg("append*").arg("maxmemory-policy").arg("min-replicas-to-write");
    let configs = link.each_primary(&names).await?;
    let all = infos.into_iter().zip(persistence).zip(replication).zip(configs);
    let read = all.map(|((((address, memory), (_, persistence)), (_, replication)), (_, config))| {
        let standing = || {
            let info = [reply::text(memory?)?, reply::text(persistence?)?, reply::text(replication?)?].concat();
            Ok(durable(link, &info, config.ok().and_then(read_config)))
        };
        (address, standing())
    });
    Ok(read.collect())
}

/// Eviction, AOF, replicas. `config`: what `CONFIG GET` said, where it may be asked.
fn durable(link: &Link, info: &str, config: Option<BTreeMap<String, String>>) -> Standing {
    let s = &link.settings;
    let of = |name: &str| config.as_ref().and_then(|c| c.get(name)).map(String::as_str);
    let unasked = |what: &str| {
        format!(
            "{what} cannot be read (CONFIG GET is refused): make sure of it with the provider and set store.redis.assume_durable = true"
        )
    };
    let aof = of("appendonly").or_else(|| field(info, "aof_enabled"));
    let mut standing = Standing {
        fsync: of("appendfsync").map(str::to_string),
        aof_off: aof.is_some_and(|is| !["yes", "1"].contains(&is)),
        replicas: field(info, "connected_slaves").and_then(|n| n.parse().ok()).unwrap_or(0),
        faults: Vec::new(),
    };
    let mut tell = |fault: String| standing.faults.push(fault);
    match of("maxmemory-policy").or_else(|| field(info, "maxmemory_policy")) {
        Some("noeviction") => {}
        Some(policy) => tell(format!(
            "maxmemory-policy is {policy}, which throws data away when memory is short: CONFIG SET maxmemory-policy noeviction, and in redis.conf"
        )),
        None if s.assume_durable => {}
        None => tell(unasked("maxmemory-policy")),
    }
    match aof {
        Some("yes" | "1") => {}
        _ if s.assume_durable => {}
        Some(_) => {
            tell("the append-only file is off, so that a restart loses warnings: CONFIG SET appendonly yes, and in redis.conf".into())
        }
        None => tell(unasked("appendonly")),
    }
    if field(info, "aof_last_write_status") == Some("err") {
        tell("the append-only file cannot be written: see the server's log, most often its disk is full".into());
    }
    match of("appendfsync") {
        Some("always" | "everysec") => {}
        _ if s.assume_durable => {}
        Some(other) => tell(format!("appendfsync is {other}: CONFIG SET appendfsync always (or everysec), and in redis.conf")),
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
    standing
}

fn read_config(value: Value) -> Option<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for (name, value) in reply::pairs(value).ok()? {
        out.insert(reply::text(name).ok()?, reply::text(value).ok()?);
    }
    Some(out)
}

/// What the primaries can confirm by, and do at once.
async fn confirmation(link: &Link) -> Result<Confirm, StoreError> {
    let known = link.each_primary(cmd("COMMAND").arg("INFO").arg("WAITAOF")).await?;
    let everywhere = known.into_iter().all(|(_, answer)| {
        let first = answer.ok().and_then(|a| reply::array(a).ok()).and_then(|all| all.into_iter().next());
        matches!(first, Some(Value::Array(_)))
    });
    let fsync = standing(link).await?.fsync;
    // Where nobody may ask whether there is an append-only file, waiting for it could fail for ever.
    Ok(confirm_by(everywhere && !link.settings.assume_durable, fsync.as_deref(), link.settings.replicas))
}

/// `WAITAOF` where every primary has it (7.2) and syncs before it answers, else `WAIT`: with `everysec` each answer would
/// wait for the next second's sync.
fn confirm_by(waitaof: bool, fsync: Option<&str>, replicas: u16) -> Confirm {
    match replicas {
        _ if waitaof && fsync == Some("always") => Confirm::Disks,
        0 => Confirm::No,
        _ => Confirm::Replicas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_are_waited_for_only_where_they_are_synced_at_once() {
        assert_eq!(confirm_by(true, Some("always"), 0), Confirm::Disks);
        assert_eq!(confirm_by(true, Some("always"), 1), Confirm::Disks);
        assert_eq!(confirm_by(true, Some("everysec"), 1), Confirm::Replicas);
        assert_eq!(confirm_by(true, Some("everysec"), 0), Confirm::No);
        assert_eq!(confirm_by(true, None, 1), Confirm::Replicas);
        assert_eq!(confirm_by(false, Some("always"), 1), Confirm::Replicas);
        assert_eq!(confirm_by(false, Some("always"), 0), Confirm::No);
    }
}
