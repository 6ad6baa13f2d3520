//! Putting it together: the one place that names concrete stores and providers.

mod wordings;

use crate::{
    channel::{
        Provider,
        http::{ClientSettings, client},
        settings::ProviderSettings,
    },
    config::{Config, RedisMode, Secret, StoreKind},
    core::{
        outline::Outlines,
        outline_file::parse_outlines,
        phone::Phone,
        policy::{Policy, PolicyFault, parse_policy_noted},
        route::canary::Schedule,
    },
    engine::{self, Engine},
    http,
    render::{RenderOptions, Renderer},
    source::{self, Desk},
    store::{
        Doc, Reports, Store, StoreError,
        archive::{Archived, Live},
        clock::{Clock, SystemClock, wall},
        journal::Limits,
        memory::MemoryStore,
        redis::{self, RedisImport, RedisStore},
        sqlite::{SqliteImport, SqliteStore},
        transfer::{Export, Import, KEYS},
    },
    telemetry::{measured::MeasuredStore, metrics::Metrics},
};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Why a gateway cannot be put together. Each line says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Configuration, policy or templates: exit code 2.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Other(String),
}

/// The policy in force: the configured file or the shipped one, at the configured speed.
pub fn policy(config: &Config) -> Result<Policy, Vec<String>> {
    policy_noted(config).map(|(policy, _)| policy)
}

/// The same, with what its author should know besides, a line each.
pub fn policy_noted(config: &Config) -> Result<(Policy, Vec<String>), Vec<String>> {
    let (name, text) = match &config.policy.file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| vec![format!("{}: cannot be read: {e}", path.display())])?;
            (path.display().to_string(), text)
        }
        None => ("the shipped policy".to_string(), crate::core::policy::SHIPPED.to_string()),
    };
    let told = |faults: Vec<PolicyFault>| faults.into_iter().map(|f| format!("{name}: {f}")).collect::<Vec<_>>();
    let (policy, notes) = parse_policy_noted(&text).map_err(told)?;
    Ok((if config.clock.speed == 1.0 { policy } else { policy.scaled(config.clock.speed) }, told(notes)))
}

/// The message renderer as configured.
pub fn renderer(config: &Config) -> Result<Renderer, Vec<String>> {
    Renderer::new(render_options(config)).map_err(|f| f.into_iter().map(|f| f.to_string()).collect())
}

pub fn render_options(config: &Config) -> RenderOptions {
    RenderOptions {
        dir: config.templates.dir.clone(),
        signature: config.messages.signature.clone(),
        segments: usize::from(config.messages.segments),
        sms_link: config.messages.link == crate::config::Link::IfFits,
    }
}

/// The outlines of divisions in the configured folder; none where none is configured.
pub fn outlines(config: &Config) -> Result<Outlines, Vec<String>> {
    let Some(dir) = &config.divisions.outlines else { return Ok(Outlines::default()) };
    let at = |path: &Path, what: String| config.fault("divisions.outlines", format!("{}: {what}", path.display())).to_string();
    let entries = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<_> = entries.map_err(|e| vec![at(dir, format!("cannot be read: {e}"))])?.into_iter().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("geojson") || e.eq_ignore_ascii_case("json")));
    paths.sort();
    if paths.is_empty() {
        return Err(vec![at(dir, "has no file that ends in .geojson or .json".into())]);
    }
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for path in &paths {
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let read = std::fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}")).and_then(|t| parse_outlines(stem, &t));
        match read {
            Err(why) => faults.push(at(path, why)),
            Ok(outlines) => {
                for o in outlines {
                    if all.iter().any(|known: &crate::core::outline::Outline| known.division == o.division) {
                        faults.push(at(path, format!("{} has an outline in another file already", o.division)));
                    }
                    all.push(o);
                }
            }
        }
    }
    if faults.is_empty() { Ok(Outlines::new(all)) } else { Err(faults) }
}

/// All provider accounts, in the order of their names.
pub fn providers(config: &Config) -> Result<Vec<Arc<dyn Provider>>, Vec<String>> {
    let mut faults = Vec::new();
    let mut all = Vec::new();
    let http = match client(&ClientSettings::default()) {
        Ok(c) => c,
        Err(e) => return Err(vec![e]),
    };
    // Read anew each time: who mends the machine's clock mends the signatures.
    let wall: Arc<dyn Fn() -> i64 + Send + Sync> = Arc::new(wall);
    for (account, table) in &config.providers {
        let made = ProviderSettings::from_table(account, table.0.clone())
            .and_then(|s| s.reached_by(&config.server.public_url).provider(http.clone(), wall.clone()).map_err(|e| vec![e]));
        match made {
            Ok(p) => all.push(p),
            Err(list) => faults.extend(list.into_iter().map(|f| config.fault(&format!("provider.{account}"), f).to_string())),
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

/// Everything that can be wrong before a gateway starts, in one run.
pub fn faults(config: &Config) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(policy(config).err().unwrap_or_default());
    match (renderer(config), providers(config)) {
        (Ok(r), accounts) => {
            all.extend(r.check().into_iter().map(|f| f.to_string()));
            all.extend(accounts.iter().flatten().flat_map(|p| wordings::faults(config, &r, p.as_ref())));
            all.extend(accounts.err().unwrap_or_default());
        }
        (Err(f), accounts) => {
            all.extend(f);
            all.extend(accounts.err().unwrap_or_default());
        }
    }
    all.extend(outlines(config).err().unwrap_or_default());
    if let Some(path) = &config.archive.path
        && let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty() && d.exists() && !d.is_dir())
    {
        all.push(config.fault("archive.path", format!("`{}` is not a folder", dir.display())).to_string());
    }
    all.extend(source::desk::faults(config));
    all
}

type Stores = (Arc<dyn Store>, Arc<dyn Reports>);

/// What the Redis store is told.
fn redis_settings(r: &crate::config::Redis) -> Result<redis::Settings, StoreError> {
    let secret = |s: &Option<Secret>| s.as_ref().map(|s| s.reveal().to_string());
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|e| StoreError::Unavailable(format!("store.redis.ca: {}: {e}", path.display())))
    };
    Ok(redis::Settings {
        mode: match r.mode {
            RedisMode::Single => redis::Mode::Single,
            RedisMode::Sentinel => redis::Mode::Sentinel { master_name: r.master_name.clone().unwrap_or_default() },
            RedisMode::Cluster => redis::Mode::Cluster,
        },
        addresses: r.addresses.clone(),
        username: r.username.clone(),
        password: secret(&r.password),
        sentinel_username: r.sentinel_username.clone(),
        sentinel_password: secret(&r.sentinel_password),
        tls: r.tls,
        ca: r.ca.as_ref().map(read).transpose()?,
        database: i64::from(r.database),
        partitions: r.partitions,
        replicas: r.replicas,
        wait_timeout: r.wait_timeout.to_std(),
        response_timeout: r.response_timeout.to_std(),
        prefix: r.prefix.clone(),
        journal: (!r.journal.as_os_str().is_empty())
            .then(|| (r.journal.clone(), Limits { age: r.journal_window, bytes: u64::from(r.journal_size) << 20 })),
        recovery_hold: r.recovery_hold.to_std(),
        assume_durable: r.assume_durable,
        ..redis::Settings::single("")
    })
}

/// Opens the configured store, by all its sides.
async fn open_live(config: &Config) -> Result<Live, StoreError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Ok(match config.store.kind {
        StoreKind::Memory => {
            let store = Arc::new(MemoryStore::new(clock));
            Live { store: Arc::new(MeasuredStore(store.clone())), reports: store.clone(), forgetful: store }
        }
        StoreKind::Sqlite => {
            make_dir(&config.store.path)?;
            let store = Arc::new(SqliteStore::open(&config.store.path, clock)?);
            Live { store: Arc::new(MeasuredStore(store.clone())), reports: store.clone(), forgetful: store }
        }
        StoreKind::Redis => {
            if let Some(dir) = config.store.redis.journal.parent().filter(|d| !d.as_os_str().is_empty()) {
                std::fs::create_dir_all(dir).map_err(|e| StoreError::Unavailable(format!("{}: {e}", dir.display())))?;
            }
            let store = Arc::new(RedisStore::open(redis_settings(&config.store.redis)?, redis::Timing::Server(clock)).await?);
            Live { store: Arc::new(MeasuredStore(store.clone())), reports: store.clone(), forgetful: store }
        }
    })
}

/// Opens the configured store, without its archive.
pub async fn open_store(config: &Config) -> Result<Stores, StoreError> {
    open_live(config).await.map(|live| (live.store, live.reports))
}

/// Opens the configured store and, where one is configured, the archive behind it, as a gateway uses them.
pub async fn open_served(config: &Config) -> Result<(Stores, Option<Arc<Archived>>), StoreError> {
    let live = open_live(config).await?;
    let Some(path) = &config.archive.path else { return Ok(((live.store, live.reports), None)) };
    make_dir(path)?;
    let shelf = SqliteStore::open(path, Arc::new(SystemClock::new()));
    let shelf = shelf.map_err(|e| StoreError::Unavailable(format!("archive.path {}: {e}", path.display())))?;
    let archived = Arc::new(Archived::open(live, Arc::new(shelf), config.archive.after).await?);
    tracing::info!(path = %path.display(), copies = archived.copies(), after = %archived.after(), "closed warnings are archived");
    Ok(((archived.clone(), archived.clone()), Some(archived)))
}

/// The configured store, to be read whole by a move. It must be there already.
/// `look`: nothing is put back there from the local journal before it is read.
pub async fn open_source(config: &Config, look: bool) -> Result<Box<dyn Export>, StoreError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    match config.store.kind {
        StoreKind::Memory => Err(nothing_to_move()),
        StoreKind::Sqlite if !config.store.path.exists() => {
            Err(StoreError::Unavailable(format!("{}: there is no such file", config.store.path.display())))
        }
        StoreKind::Sqlite => Ok(Box::new(SqliteStore::open(&config.store.path, clock)?)),
        StoreKind::Redis => {
            let settings = redis_settings(&config.store.redis)?;
            let timing = redis::Timing::Server(clock);
            Ok(Box::new(match look {
                true => RedisStore::open_to_look(settings, timing).await?,
                false => RedisStore::open_to_move(settings, timing).await?,
            }))
        }
    }
}

/// The configured store, to be filled by a move.
pub async fn open_target(config: &Config) -> Result<Box<dyn Import>, StoreError> {
    match config.store.kind {
        StoreKind::Memory => Err(nothing_to_move()),
        StoreKind::Sqlite => {
            make_dir(&config.store.path)?;
            Ok(Box::new(SqliteImport::open(&config.store.path)?))
        }
        StoreKind::Redis => {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            let settings = redis_settings(&config.store.redis)?;
            Ok(Box::new(RedisImport::open(settings, redis::Timing::Server(clock)).await?))
        }
    }
}

fn nothing_to_move() -> StoreError {
    StoreError::Unavailable("store.kind is \"memory\", which keeps nothing: name a configuration with \"sqlite\" or \"redis\"".to_string())
}

fn make_dir(path: &Path) -> Result<(), StoreError> {
    match path.parent().filter(|d| !d.as_os_str().is_empty()) {
        Some(dir) => std::fs::create_dir_all(dir).map_err(|e| StoreError::Unavailable(format!("{}: {e}", dir.display()))),
        None => Ok(()),
    }
}

/// The key of references and links: made once, kept in the store, because links sent before a
/// restart must open after it.
async fn reference_key(store: &Arc<dyn Store>) -> Result<[u8; 32], AppError> {
    for _ in 0..3 {
        let (version, docs) = store.docs(KEYS).await?;
        if let Some(doc) = docs.iter().find(|d| d.id == "references") {
            let bytes: Vec<u8> = serde_json::from_slice(&doc.body).map_err(|e| StoreError::Corrupt(format!("the reference key: {e}")))?;
            return bytes.try_into().map_err(|_| StoreError::Corrupt("the reference key has not 32 bytes".into()).into());
        }
        let mut key = [0u8; 32];
        #[expect(clippy::disallowed_methods, reason = "the key of references is drawn once, here")]
        getrandom::fill(&mut key).map_err(|e| AppError::Other(format!("the system has no randomness: {e}")))?;
        let body = serde_json::to_vec(&key.to_vec()).map_err(|e| AppError::Other(e.to_string()))?;
        if store.docs_apply(KEYS, version, vec![Doc { id: "references".into(), body }], Vec::new()).await?.is_some() {
            return Ok(key);
        }
    }
    Err(AppError::Other("the reference key could not be kept".into()))
}

/// A name no other run has.
fn gateway_name() -> Result<String, AppError> {
    let mut name = [0u8; 8];
    #[expect(clippy::disallowed_methods, reason = "the gateway's own name; no decision looks at it")]
    getrandom::fill(&mut name).map_err(|e| AppError::Other(format!("the system has no randomness: {e}")))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(name)))
}

/// Whom canaries ring, where any are configured; the numbers were checked.
fn canaries(config: &Config) -> Option<engine::canary::Canaries> {
    let c = &config.canary;
    let phones = |numbers: &[String]| numbers.iter().filter_map(|n| Phone::parse(n)).collect();
    c.is_on().then(|| engine::canary::Canaries {
        schedule: Schedule { times: c.minutes(), every: c.every, within: c.within },
        sms: phones(&c.sms),
        voice: phones(&c.voice),
        email: c.email.clone(),
        accounts: c.accounts.clone(),
    })
}

/// An engine over an open store.
pub async fn engine(config: &Config, (store, reports): Stores) -> Result<Arc<Engine>, AppError> {
    let settings = engine::Settings {
        lease: config.engine.lease,
        intents: usize::from(config.engine.in_flight),
        rows_per_turn: u32::from(config.engine.planning_chunk),
        public_url: config.server.public_url.clone(),
        sms_link: config.messages.link == crate::config::Link::IfFits,
        key: reference_key(&store).await?,
        gateway: gateway_name()?,
        outlines: Arc::new(outlines(config).map_err(AppError::Faults)?),
        canaries: canaries(config),
        speed: config.clock.speed,
        weights: config.providers.iter().filter_map(|(account, table)| Some((account.clone(), table.weight()?))).collect(),
        assumptions: config.forecast.at_speed(config.clock.speed),
        drills: config.drills.clone(),
        filing: config.coverage.filing(),
        prices: config.cost,
        ..engine::Settings::default()
    };
    let issuers = config
        .issuers
        .iter()
        .map(|i| engine::Issuer {
            id: i.id.clone(),
            name: i.name.clone(),
            hazards: i.hazards.clone(),
            divisions: i.divisions.clone(),
            levels: i.levels.clone(),
        })
        .collect();
    let parts = engine::Parts {
        store,
        reports,
        providers: providers(config).map_err(AppError::Faults)?,
        renderer: renderer(config).map_err(AppError::Faults)?,
        policy: policy(config).map_err(AppError::Faults)?,
        issuers,
        settings,
    };
    Ok(Arc::new(Engine::new(parts).await?))
}

/// Runs a gateway until `stop`: the engine's loops and the HTTP side. Requests under way are finished
/// and recorded first, within the configured grace.
#[expect(clippy::disallowed_methods, reason = "the roots of a gateway, all waited for below")]
pub async fn run(
    config: &Config,
    engine: Arc<Engine>,
    listener: TcpListener,
    metrics: Metrics,
    stop: CancellationToken,
    archive: Option<Arc<Archived>>,
) -> Result<(), AppError> {
    let router = http::router(engine.clone(), config, metrics, stop.clone()).map_err(AppError::Other)?;
    let archiving = archive.map(|a| tokio::spawn(engine::archiving::run(a, engine.clone(), stop.clone())));
    let sources = TaskTracker::new();
    let desk = Arc::new(Desk::new(engine.clone(), config).map_err(AppError::Faults)?);
    source::watch::start(&desk, config, &sources, &stop).map_err(AppError::Other)?;
    sources.close();
    let loops = tokio::spawn(engine::run::run(engine, stop.clone()));
    let served = stop.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { served.cancelled().await });
    let grace: Duration = config.server.shutdown_grace.to_std();
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        biased;
        ended = &mut server => {
            stop.cancel();
            ended.map_err(|e| AppError::Other(e.to_string()))?.map_err(|e| AppError::Other(format!("the server ended: {e}")))?;
        }
        () = stop.cancelled() => {
            // A live stream has no end of its own.
            let _ = tokio::time::timeout(grace, server).await;
        }
    }
    // What was being handed over is whole in the engine, or is handed over again at the next start.
    let _ = tokio::time::timeout(grace, sources.wait()).await;
    if tokio::time::timeout(grace, loops).await.is_err() {
        tracing::warn!("requests were still under way after the grace; their fate is looked up at the next start");
    }
    if let Some(archiving) = archiving
        && let Err(e) = archiving.await
    {
        tracing::error!(error = %e, "the archiver had stopped");
    }
    Ok(())
}

/// The configuration file, or the defaults where the default file is absent.
pub fn load_config(path: Option<&Path>) -> Result<Config, AppError> {
    let env: Vec<(String, String)> = std::env::vars().collect();
    let loaded = match path {
        Some(p) => Config::load(p, env),
        None if Path::new(DEFAULT_CONFIG).exists() => Config::load(Path::new(DEFAULT_CONFIG), env),
        None => Config::from_text("defaults", "", &crate::config::Environment::new(env)),
    };
    loaded.map_err(|f| AppError::Faults(f.0.iter().map(|f| f.to_string()).collect()))
}

/// Read when `--config` is not given.
pub const DEFAULT_CONFIG: &str = "config/jiaoying.toml";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{MessageKind, template::TemplateSet},
        config::Environment,
        core::send::Channel,
    };
    use std::collections::BTreeMap;

    const EXAMPLE: &str = include_str!("../config/example.toml");

    fn example() -> Config {
        let secrets = [
            "QIXIANG_KEY",
            "DUTY_ROOM_TOKEN",
            "MONITORING_TOKEN",
            "ALIYUN_ACCESS_KEY_ID",
            "ALIYUN_ACCESS_KEY_SECRET",
            "ALIYUN_SMS_CALLBACK",
            "ALIYUN_VOICE_CALLBACK",
            "MAIL_PASSWORD",
        ];
        for name in secrets {
            assert!(EXAMPLE.lines().any(|l| l.starts_with('#') && l.contains(name)), "{name} is explained at the head of the file");
        }
        let env = Environment::new(secrets.map(|n| (n.to_string(), format!("{n}-0123456789-0123456789"))));
        Config::from_text("config/example.toml", EXAMPLE, &env).unwrap_or_else(|f| panic!("{f}"))
    }

    #[test]
    fn the_example_configuration_has_no_fault() {
        assert_eq!(faults(&example()), Vec::<String>::new());
    }

    #[test]
    fn the_example_declares_for_every_message_just_the_variables_of_its_template() {
        let config = example();
        let renderer = renderer(&config).unwrap();
        let (mut seen, mut variants) = (0, 0);
        let mut check = |channel: Channel, set: &TemplateSet| {
            let wanted: BTreeMap<_, _> = MessageKind::ALL
                .into_iter()
                .filter(|k| renderer.approved_text(*k, channel, false).is_some())
                .map(|k| (k, renderer.provider_variables(k, channel)))
                .collect();
            let given: BTreeMap<_, _> = set.0.iter().map(|(k, t)| (*k, t.variables.clone())).collect();
            assert_eq!(given, wanted, "{channel}");
            for (k, t) in &set.0 {
                for (variant, v) in &t.variants {
                    assert_eq!(v.variables, renderer.wording_variables(*k, variant, channel), "{channel} {k:?} {variant}");
                    variants += 1;
                }
            }
            seen += 1;
        };
        for (account, table) in &config.providers {
            match ProviderSettings::from_table(account, table.0.clone()).unwrap() {
                ProviderSettings::AliyunSms(s) => {
                    check(Channel::Sms, &s.templates);
                    check(Channel::Sms, s.drill_templates.as_ref().unwrap());
                }
                ProviderSettings::AliyunVoice(s) => {
                    check(Channel::Voice, &s.templates);
                    check(Channel::Voice, s.drill_templates.as_ref().unwrap());
                }
                _ => {}
            }
        }
        assert_eq!(seen, 4);
        assert!(variants >= 2, "a wording of its own is shown, for SMS and voice");
    }

    #[test]
    fn a_template_whose_declared_variables_do_not_fit_the_wording_is_told_by_check() {
        let mut config = example();
        let sms = config.providers.get_mut("aliyun-sms").unwrap();
        let text = toml::to_string(&sms.0).unwrap();
        assert!(text.contains("max = 35"));
        sms.0 = text.replace("max = 35", "max = 6").parse().unwrap();
        let told = faults(&config);
        let has = |words: &[&str]| told.iter().any(|f| words.iter().all(|w| f.contains(w)));
        assert!(has(&["provider.aliyun-sms.templates", "sms/callout.txt", "`places`", "at most 6"]), "{told:#?}");
        let voice = config.providers.get_mut("aliyun-voice").unwrap();
        voice.0 = toml::to_string(&voice.0).unwrap().replace("rainstorm.red", "rainstrom.red").parse().unwrap();
        let told = faults(&config);
        assert!(told.iter().any(|f| f.contains("callout.variants") && f.contains("voice/callout.rainstrom.red.txt")), "{told:#?}");
    }
}
