//! `jiaoying serve`: the gateway until a signal.

use super::Failure;
use crate::{app, telemetry};
use std::path::Path;
use tokio::net::TcpListener;

pub(super) async fn run(config: Option<&Path>, print_addr: bool) -> Result<(), Failure> {
    let config = app::load_config(config)?;
    telemetry::logs::start(&config.log).map_err(Failure::Usage)?;
    let metrics = telemetry::metrics::Metrics::install().map_err(|e| Failure::Failed(e.to_string()))?;
    let (stores, archive) = app::open_served(&config).await.map_err(|e| Failure::Failed(e.to_string()))?;
    let engine = app::engine(&config, stores).await?;
    let from = config.policy.file.as_ref().map_or_else(|| "shipped".to_string(), |p| p.display().to_string());
    engine.record_policy(&from).await.map_err(|e| Failure::Failed(e.to_string()))?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|e| Failure::Failed(format!("server.listen {}: {e}", config.server.listen)))?;
    let addr = listener.local_addr().map_err(|e| Failure::Failed(e.to_string()))?;
    if print_addr {
        println!("{}", serde_json::json!({"listen": addr.to_string()}));
    }
    tracing::info!(%addr, people = engine.directory().recipients.len(), "jiaoying is listening");
    if engine.directory().recipients.is_empty() {
        tracing::warn!("the directory is empty: nobody can be called; see `jiaoying import`");
    }
    for concern in engine.filing_concerns() {
        tracing::warn!(%concern, "a filing needs somebody");
    }
    app::run(&config, engine, listener, metrics, super::stop_on_signal(), archive).await?;
    Ok(())
}
