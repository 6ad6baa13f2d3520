//! `jiaoying simulate-providers`: the providers' side, for demos, tests and trying out.

use super::Failure;
use crate::{
    standin::{self, People, StandinSettings, smpp, smtp},
    store::clock::{Clock, SystemClock},
    telemetry,
};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::net::TcpListener;

#[derive(Args)]
pub(super) struct Options {
    /// Where Aliyun's SMS and voice are spoken.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Also take mail here (SMTP, nothing is delivered).
    #[arg(long)]
    smtp: Option<SocketAddr>,
    /// Also be an SMSC here (SMPP; system_id testid, password testpw).
    #[arg(long)]
    smpp: Option<SocketAddr>,
    /// A TOML file with the stand-in's settings: keys, callbacks, behaviour, people.
    #[arg(long)]
    settings: Option<PathBuf>,
    /// Write every request there as one JSON file.
    #[arg(long)]
    capture: Option<PathBuf>,
    /// Where receipts and replies of SMS are pushed, whole URL.
    #[arg(long)]
    sms_callback: Option<String>,
    /// Where reports and keypresses of calls are pushed, whole URL.
    #[arg(long)]
    voice_callback: Option<String>,
    /// People who answer, stay silent, press wrong keys; without it nobody does anything.
    #[arg(long)]
    people: bool,
    /// Divide all delays by this.
    #[arg(long)]
    speed: Option<f64>,
    /// Print one line of JSON with the addresses.
    #[arg(long)]
    print_addr: bool,
}

pub(super) async fn run(o: Options) -> Result<(), Failure> {
    telemetry::logs::start(&crate::config::Log::default()).map_err(Failure::Usage)?;
    let mut settings = match &o.settings {
        None => StandinSettings::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
            toml::from_str(&text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?
        }
    };
    settings.capture = o.capture.or(settings.capture);
    settings.sms_callback = o.sms_callback.or(settings.sms_callback);
    settings.voice_callback = o.voice_callback.or(settings.voice_callback);
    settings.speed = o.speed.unwrap_or(settings.speed);
    if o.people {
        settings.people = People::lively();
    }
    let faults = settings.faults();
    if !faults.is_empty() {
        return Err(Failure::Usage(faults.join("\n")));
    }
    let failed = |e: std::io::Error| Failure::Failed(e.to_string());
    let listener = TcpListener::bind(o.listen).await.map_err(failed)?;
    let clock = SystemClock::new();
    let handle = standin::serve(settings, listener, Arc::new(move || clock.now().0)).await.map_err(failed)?;
    let mail = match o.smtp {
        Some(addr) => {
            let listener = TcpListener::bind(addr).await.map_err(failed)?;
            Some(smtp::serve(smtp::SmtpSettings::default(), listener).await.map_err(failed)?)
        }
        None => None,
    };
    let smsc = match o.smpp {
        Some(addr) => {
            let listener = TcpListener::bind(addr).await.map_err(failed)?;
            let reply = o.people.then(|| "1".to_string());
            Some(smpp::serve(smpp::SmppSettings { reply, ..Default::default() }, listener).await.map_err(failed)?)
        }
        None => None,
    };
    if o.print_addr {
        println!(
            "{}",
            serde_json::json!({"listen": handle.addr().to_string(), "smtp": mail.as_ref().map(|m| m.addr().to_string()), "smpp": smsc.as_ref().map(|s| s.addr().to_string())})
        );
    }
    tracing::info!(addr = %handle.addr(), "the providers' stand-in is listening");
    super::stop_on_signal().cancelled().await;
    handle.stop().await;
    Ok(())
}
