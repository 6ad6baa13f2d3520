//! `jiaoying demo`: a whole night in a minute. Gateway, stand-ins of the providers, a mail sink, the
//! sample directory of Jincheng and simulated people and officers, all in this process on free ports,
//! in speeded-up policy time. It posts a real-shaped red rainstorm CAP warning for one county by HTTP
//! and shows what becomes of it.

mod setup;
mod show;
mod world;

use super::Failure;
use crate::{
    app,
    channel::http::{ClientSettings, client},
    core::warning::Content,
    ingest::{self, sheet},
    sample, standin,
    standin::smtp,
    store::clock::{Clock, SystemClock},
    telemetry,
};
use anyhow::Context;
use clap::Args;
use std::{io::Write, path::PathBuf, sync::Arc};
use tokio::net::TcpListener;

#[derive(Args)]
pub(super) struct Options {
    /// End with the warning; print its tally.
    #[arg(long)]
    until_closed: bool,
    /// The tally as one line of JSON on standard output; everything else goes to standard error.
    #[arg(long)]
    json: bool,
    /// Persons in the sample directory (at least 200).
    #[arg(long, default_value_t = sample::PERSONS)]
    persons: usize,
    /// How many times faster than life: 60 makes the five-minute deadline five seconds.
    #[arg(long, default_value_t = 60.0)]
    speed: f64,
    /// The county, by its six digits.
    #[arg(long, default_value = "140521")]
    county: String,
    /// Chooses who answers and who does not.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep the database and every provider request here; a temporary folder otherwise.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Listen here instead of on a free port.
    #[arg(long)]
    listen: Option<std::net::SocketAddr>,
    /// Print the sample directory as the CSV that `jiaoying import` reads, and end.
    #[arg(long)]
    print_directory: bool,
}

#[expect(clippy::disallowed_methods, reason = "the gateway task is waited for at the end")]
pub(super) async fn run(o: Options) -> Result<(), Failure> {
    let county = o.county.parse().map_err(|e: String| Failure::Usage(format!("--county: {e}")))?;
    if !(o.speed >= 1.0 && o.speed <= 1000.0) {
        return Err(Failure::Usage("--speed: from 1 to 1000".into()));
    }
    if o.persons < sample::MIN_PERSONS {
        return Err(Failure::Usage(format!("--persons: at least {}", sample::MIN_PERSONS)));
    }
    if o.print_directory {
        let sheet = sheet::sheet_csv(&sample::directory(o.persons, o.seed));
        // Whoever reads it may stop early (`| head`).
        return match std::io::stdout().write_all(sheet.as_bytes()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Failed(e.to_string())),
            _ => Ok(()),
        };
    }
    let _ = telemetry::logs::start(&crate::config::Log { level: "warn".into(), json: false });
    let metrics = telemetry::metrics::Metrics::install().map_err(|e| Failure::Failed(e.to_string()))?;
    let say = show::Voice::new(o.json);
    let temporary = setup::folder(o.data.as_deref()).context("the demo's folder")?;
    let clock = SystemClock::new();
    let wall: crate::channel::WallClock = Arc::new(move || clock.now().0);

    let secrets = setup::Secrets::new().context("random keys")?;
    let listener = TcpListener::bind(o.listen.unwrap_or(([127, 0, 0, 1], 0).into())).await.context("the gateway's address")?;
    let addr = listener.local_addr().context("the gateway's address")?;
    let base = format!("http://{addr}");

    let standin_settings = setup::standin(&o, &secrets, &base, &temporary.path);
    setup::keep_key(&standin_settings).context("the folder of captured requests")?;
    let aliyun = standin::serve(standin_settings, TcpListener::bind("127.0.0.1:0").await.context("stand-in")?, wall.clone())
        .await
        .context("stand-in")?;
    let mail = smtp::serve(smtp::SmtpSettings::default(), TcpListener::bind("127.0.0.1:0").await.context("mail sink")?)
        .await
        .context("mail sink")?;

    let config = setup::config(&o, &secrets, &base, &aliyun.url(), &mail.addr().to_string(), &temporary.path).map_err(Failure::Failed)?;
    let engine = app::engine(&config, app::open_store(&config).await.map_err(|e| Failure::Failed(e.to_string()))?).await?;
    say.line("生成晋城市示例名册……");
    let directory = sample::directory(o.persons, o.seed);
    let people = directory.recipients.len();
    let version = engine.directory().version;
    if !engine.replace_directory(version, directory).await.map_err(|e| Failure::Failed(e.to_string()))? {
        return Err(Failure::Failed("the sample directory was not taken".into()));
    }
    let stop = super::stop_on_signal();
    let gateway = tokio::spawn({
        let (config, engine, stop) = (config.clone(), engine.clone(), stop.clone());
        async move { app::run(&config, engine, listener, metrics, stop, None).await }
    });
    say.greeting(&base, people, &secrets, o.speed, county);

    let content: Content = setup::warning(&engine, county);
    let http = client(&ClientSettings::default()).map_err(Failure::Failed)?;
    let posted = http
        .post(format!("{base}/api/v1/warnings"))
        .bearer_auth(&secrets.issuer)
        .header("content-type", "application/cap+xml")
        .body(ingest::write_cap(&content))
        .send()
        .await
        .context("posting the warning")?;
    let status = posted.status();
    let reply: serde_json::Value = posted.json().await.context("the reply to the warning")?;
    if status != reqwest::StatusCode::ACCEPTED {
        return Err(Failure::Failed(format!("the warning was refused: {status} {reply}")));
    }
    let id = reply["id"].as_str().unwrap_or_default().to_string();
    say.line(&format!("预警已受理 {id}：{}", content.headline));

    let world = world::World { engine: engine.clone(), http, base, secrets, speed: o.speed, seed: o.seed };
    let tasks = world::start(world.clone(), mail.subscribe(), stop.clone());
    let tally = show::until_closed(&world, &id, &say, &stop).await?;
    if o.until_closed {
        show::last_words(&aliyun, &stop).await;
        stop.cancel();
    } else {
        say.line("预警已结束；网关仍在运行，可用上面的命令再发一条预警，Ctrl-C 退出");
        show::follow(&world, &say, &stop).await?;
    }
    for t in tasks {
        let _ = t.await;
    }
    let _ = gateway.await;
    say.groups(&aliyun.groups());
    aliyun.stop().await;
    drop(temporary);
    match tally {
        Some(t) => {
            if o.json {
                println!("{t}");
            }
            Ok(())
        }
        None => Err(Failure::Failed("stopped before the warning was closed".into())),
    }
}
