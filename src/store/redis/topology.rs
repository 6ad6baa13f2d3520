//! Who is the primary of which partition: one address, what the sentinels say, or what the Cluster says.

use super::{
    fault::Fault,
    link::field,
    names::Part,
    reply,
    settings::{Mode, Settings},
};
use crate::store::StoreError;
use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates, Value, aio::MultiplexedConnection, cmd};
use std::collections::BTreeMap;

/// The primary's address of each partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topology(pub BTreeMap<Part, String>);

impl Topology {
    /// Every primary once.
    pub fn primaries(&self) -> BTreeMap<&str, Vec<Part>> {
        let mut all: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
        for (part, address) in &self.0 {
            all.entry(address).or_default().push(*part);
        }
        all
    }
}

fn unavailable(what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("redis: {what}"))
}

fn split(address: &str) -> Result<(String, u16), StoreError> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)));
    let (host, port) = parts.ok_or_else(|| unavailable(format!("`{address}` is not host:port")))?;
    Ok((host.to_string(), port))
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A client for one address; `sentinel`: with what sentinels want to hear.
pub(super) fn client(s: &Settings, address: &str, sentinel: bool) -> Result<Client, StoreError> {
    let (host, port) = split(address)?;
    let addr =
        if s.tls { ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None } } else { ConnectionAddr::Tcp(host, port) };
    let mut login = RedisConnectionInfo::default().set_lib_name("jiaoying", env!("CARGO_PKG_VERSION"));
    let (username, password) = if sentinel { (&s.sentinel_username, &s.sentinel_password) } else { (&s.username, &s.password) };
    if let Some(name) = username {
        login = login.set_username(name);
    }
    if let Some(password) = password {
        login = login.set_password(password);
    }
    if !sentinel && s.mode != Mode::Cluster {
        login = login.set_db(s.database);
    }
    let info = addr.into_connection_info().map_err(unavailable)?.set_redis_settings(login);
    let made = match &s.ca {
        Some(ca) if s.tls => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(ca.clone()) }),
        _ => Client::open(info),
    };
    made.map_err(|e| unavailable(format!("{address}: {e}")))
}

/// A new connection to one address.
pub(super) async fn connect(s: &Settings, address: &str, sentinel: bool) -> Result<MultiplexedConnection, Fault> {
    let config =
        redis::AsyncConnectionConfig::new().set_connection_timeout(Some(s.connect_timeout)).set_response_timeout(Some(s.response_timeout));
    let client = client(s, address, sentinel).map_err(|e| Fault::Refused(e.to_string()))?;
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|e| Fault::of_connecting(address, &e))
}

/// Asks who is primary. `known`: addresses of nodes seen before, for a Cluster whose first ones are gone.
pub(super) async fn find(s: &Settings, partitions: u16, known: &[String]) -> Result<Topology, StoreError> {
    let all_at = |address: &str| Topology(Part::all(partitions).map(|p| (p, address.to_string())).collect());
    let mut reasons = Vec::new();
    match &s.mode {
        Mode::Single => {
            let first = s.addresses.first().ok_or_else(|| unavailable("no address is configured (store.redis.addresses)"))?;
            return Ok(all_at(first));
        }
        Mode::Sentinel { master_name } => {
            for address in &s.addresses {
                match ask_sentinel(s, address, master_name).await {
                    Ok(primary) => return Ok(all_at(&primary)),
                    Err(why) => reasons.push(why.to_string()),
                }
            }
        }
        Mode::Cluster => {
            // A node that is cut off or half down still says who was primary before: it is believed only where no node
            // says that the Cluster is well.
            let mut doubtful = None;
            for address in known.iter().chain(&s.addresses) {
                match ask_cluster(s, address, partitions).await {
                    Ok((found, true)) => return Ok(found),
                    Ok((found, false)) => doubtful = doubtful.or(Some(found)),
                    Err(why) => reasons.push(why.to_string()),
                }
            }
            if let Some(found) = doubtful {
                return Ok(found);
            }
        }
    }
    Err(unavailable(format!("nobody could say who is primary: {}", reasons.join("; "))))
}

async fn ask_sentinel(s: &Settings, address: &str, name: &str) -> Result<String, StoreError> {
    let mut connection = connect(s, address, true).await.map_err(unavailable)?;
    let mut ask = cmd("SENTINEL");
    ask.arg("get-master-addr-by-name").arg(name);
    let value: Value = ask.query_async(&mut connection).await.map_err(|e| unavailable(format!("sentinel {address}: {e}")))?;
    if value == Value::Nil {
        return Err(unavailable(format!("sentinel {address} knows no primary called `{name}` (store.redis.master_name)")));
    }
    let [host, port] = reply::parts(value)?;
    Ok(join(&reply::text(host)?, reply::number(port)?))
}

/// Who has what in the eyes of this node, and whether it says that the Cluster is well.
async fn ask_cluster(s: &Settings, address: &str, partitions: u16) -> Result<(Topology, bool), StoreError> {
    let mut connection = connect(s, address, false).await.map_err(unavailable)?;
    // A server that does not let us ask is taken at its word.
    let info: Option<String> = cmd("CLUSTER").arg("INFO").query_async(&mut connection).await.ok();
    let well = info.as_deref().and_then(|info| field(info, "cluster_state")).is_none_or(|state| state == "ok");
    let value: Value =
        cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await.map_err(|e| unavailable(format!("{address}: {e}")))?;
    let asked = split(address)?.0;
    let mut ranges = Vec::new();
    for range in reply::array(value)? {
        let mut parts = reply::array(range)?.into_iter();
        let (Some(first), Some(last), Some(primary)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let mut primary = reply::array(primary)?.into_iter();
        let (Some(host), Some(port)) = (primary.next(), primary.next()) else { continue };
        // A node that does not know its own name is reached as we reached it.
        let host = reply::maybe_bytes(host)?.map(|h| String::from_utf8_lossy(&h).into_owned()).filter(|h| !h.is_empty() && h != "?");
        let at = join(host.as_deref().unwrap_or(&asked), reply::number(port)?);
        ranges.push((reply::number::<u16>(first)?..=reply::number::<u16>(last)?, at));
    }
    let mut found = Topology::default();
    for part in Part::all(partitions) {
        let owner = ranges.iter().find(|(slots, _)| slots.contains(&part.slot()));
        let (_, at) = owner.ok_or_else(|| unavailable(format!("no node of the Cluster has the slot of partition {part}")))?;
        found.0.insert(part, at.clone());
    }
    Ok((found, well))
}
