//! How soon a provider's callback is answered while a warning goes out: Aliyun waits 700 ms, then pushes again.
//!
//!   cargo run --release --example callbacks -- [--persons N] [--rate CALLBACKS A SECOND] [--seconds N]
//!
//! Gateway (SQLite, synced), stand-in and the pushing provider are all in this one process. A red warning rings a whole
//! city; each push tells ten receipts of messages that really left, and is due at a fixed time whether or not the one
//! before it was answered, so that a stall is counted for all that it held up. Exits 1 when one took over 700 ms.

use jiaoying::{
    app,
    channel::{
        MessageKind, Secret,
        http::{ClientSettings, client},
    },
    config::{Config, Environment},
    core::{ids::IssuerId, send::Channel, time::Span},
    engine::Issuer,
    ingest::{self, SourceFormat},
    render::Renderer,
    sample, standin,
    telemetry::metrics::Metrics,
};
use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::broadcast::error::RecvError};
use tokio_util::sync::CancellationToken;

const SECRET: &str = "callback-secret-0123456789";
const BOUND: Duration = Duration::from_millis(700);
/// Receipts in one push.
const EACH: usize = 10;

struct Options {
    persons: usize,
    rate: u64,
    seconds: u64,
}

fn options() -> Result<Options, String> {
    let mut o = Options { persons: 20_000, rate: 500, seconds: 15 };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().ok_or(format!("{arg} wants a value"))?;
        let number: u64 = value.parse().map_err(|_| format!("{arg}: {value} is no number"))?;
        match arg.as_str() {
            "--persons" => o.persons = number as usize,
            "--rate" => o.rate = number.max(1),
            "--seconds" => o.seconds = number.max(1),
            other => return Err(format!("{other} is not known: --persons, --rate, --seconds")),
        }
    }
    Ok(o)
}

fn config(dir: &std::path::Path, endpoint: &str) -> Result<Config, String> {
    let head = format!(
        "[store]\npath = {:?}\n[messages]\nsignature = \"晋城应急\"\n[log]\nlevel = \"warn\"\n",
        dir.join("jiaoying.sqlite").display().to_string()
    );
    let read = |text: &str| Config::from_text("the load", text, &Environment::default()).map_err(|f| f.to_string());
    let renderer: Renderer = app::renderer(&read(&head)?).map_err(|f| f.join("\n"))?;
    let mut templates = String::new();
    for kind in MessageKind::ALL {
        let name = kind.as_str();
        templates.push_str(&format!("[provider.aliyun-sms.templates.{name}]\ncode = \"SMS_{name}\"\n"));
        for (variable, rule) in renderer.provider_variables(kind, Channel::Sms) {
            templates.push_str(&format!("variables.{variable} = {{ kind = \"{}\", max = {} }}\n", rule.kind, rule.max));
        }
    }
    read(&format!(
        "{head}[provider.aliyun-sms]\nkind = \"aliyun_sms\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"testid\"\n\
         access_key_secret = \"testsecret\"\nsign_name = \"晋城应急\"\ncallback_secret = \"{SECRET}\"\n{templates}"
    ))
}

fn main() -> ExitCode {
    let o = match options() {
        Ok(o) => o,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap_or_else(|e| panic!("{e}"));
    match runtime.block_on(run(o)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "everything ends with the process; the clock is only measured with")]
async fn run(o: Options) -> Result<bool, String> {
    let plain = |e: &dyn std::fmt::Display| e.to_string();
    let dir = std::env::temp_dir().join(format!("jiaoying-callbacks-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| plain(&e))?;
    let bind = || TcpListener::bind("127.0.0.1:0");
    let quiet = standin::StandinSettings {
        access_key_secret: Secret::new("testsecret"),
        behaviour: standin::Behaviour {
            receipts: standin::Receipts { send: false, ..standin::Receipts::default() },
            ..standin::Behaviour::default()
        },
        ..standin::StandinSettings::default()
    };
    let wall = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let carrier = standin::serve(quiet, bind().await.map_err(|e| plain(&e))?, Arc::new(wall)).await.map_err(|e| plain(&e))?;
    let references: Arc<Mutex<Vec<String>>> = Arc::default();
    let (mut messages, known) = (carrier.subscribe(), references.clone());
    tokio::spawn(async move {
        loop {
            match messages.recv().await {
                Ok(m) => known.lock().unwrap_or_else(PoisonError::into_inner).push(m.out_id),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    let config = config(&dir, &carrier.url())?;
    let stores = app::open_store(&config).await.map_err(|e| plain(&e))?;
    let engine = app::engine(&config, stores).await.map_err(|e| plain(&e))?;
    engine.replace_directory(0, sample::directory(o.persons, 1)).await.map_err(|e| plain(&e))?;
    let listener = bind().await.map_err(|e| plain(&e))?;
    let to = format!("http://{}/callbacks/aliyun-sms/{SECRET}", listener.local_addr().map_err(|e| plain(&e))?);
    let (stop, metrics) = (CancellationToken::new(), Metrics::install().map_err(|e| plain(&e))?);
    let (gateway, serving, until) = (engine.clone(), config.clone(), stop.clone());
    let serving = tokio::spawn(async move { app::run(&serving, gateway, listener, metrics, until, None).await });
    // A new gateway is quiet for a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let issuer =
        Issuer { id: IssuerId("qixiang".into()), name: "晋城市气象台".into(), hazards: vec![], divisions: vec![], levels: vec![] };
    let at = engine.now().rfc3339();
    let expires = (engine.now() + Span::hours(6)).rfc3339();
    let body = format!(
        r#"{{"identifier":"a","sent":"{at}","status":"actual","message_type":"alert","hazard":"11B03","level":"red",
        "headline":"晋城市发布暴雨红色预警","description":"未来3小时雨量将超100毫米","expires":"{expires}",
        "areas":[{{"name":"晋城市","division":"140500000000"}}]}}"#
    );
    let parsed = ingest::read(SourceFormat::Json, None, body.as_bytes(), "qixiang").map_err(|e| format!("{e:?}"))?;
    engine.post_warning(&issuer, parsed, body.as_bytes()).await.map_err(|e| plain(&e))?;

    let http = client(&ClientSettings::default())?;
    let begun = Instant::now();
    let mut pushes = Vec::new();
    let mut told = 0;
    for n in 0..o.rate * o.seconds {
        let due = begun + Duration::from_nanos(n * 1_000_000_000 / o.rate);
        tokio::time::sleep_until(due.into()).await;
        let body = {
            let known = references.lock().unwrap_or_else(PoisonError::into_inner);
            let items: Vec<String> = (0..EACH)
                .map(|k| {
                    let reference = known.get(told + k).map_or("none", String::as_str);
                    format!(
                        r#"{{"phone_number":"15400000001","success":true,"err_code":"DELIVERED","out_id":"{reference}","biz_id":"{n}"}}"#
                    )
                })
                .collect();
            told = (told + EACH).min(known.len());
            format!("[{}]", items.join(","))
        };
        let request = http.post(&to).header("content-type", "application/json").body(body);
        pushes.push(tokio::spawn(async move {
            let answered = match request.send().await {
                Ok(r) if r.status() == 200 => r.text().await.is_ok_and(|t| t == r#"{"code":0,"msg":"接收成功"}"#),
                _ => false,
            };
            (answered, due.elapsed())
        }));
    }
    let (mut took, mut bad) = (Vec::with_capacity(pushes.len()), 0);
    for push in pushes {
        match push.await {
            Ok((true, span)) => took.push(span),
            _ => bad += 1,
        }
    }
    took.sort();
    let sent = references.lock().unwrap_or_else(PoisonError::into_inner).len();
    let of = |share: f64| took.get(((took.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
    let late = took.iter().filter(|t| **t > BOUND).count();
    println!(
        "{} callbacks of {EACH} receipts, {} a second, while {sent} messages left ({} persons): answered p50 {:?}, p99 {:?}, p99.9 {:?}, slowest {:?}; \
         {late} over 700 ms, {bad} not answered rightly",
        took.len() + bad,
        o.rate,
        o.persons,
        of(0.5),
        of(0.99),
        of(0.999),
        of(1.0)
    );
    stop.cancel();
    let _ = serving.await;
    let _ = std::fs::remove_dir_all(&dir);
    Ok(late == 0 && bad == 0 && !took.is_empty())
}
