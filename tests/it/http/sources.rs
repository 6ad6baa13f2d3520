//! Bodies that are not ours: posted by a mapping, put into a watched folder, fetched from an address.

use super::{intake::*, kit::*};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiaoying::{
    config::{Config, Environment},
    source::{
        Desk,
        folder::Folder,
        pull::{Pull, Pulled},
    },
};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
};

const POST: &str = "/api/v1/warnings";

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ingest/adapters").join(name);
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

async fn post(app: &App, key: &str, body: &str) -> Reply {
    let request = request("POST", POST, key).header("content-type", "application/json;charset=UTF-8");
    app.send(request.body(Body::from(body.to_string())).unwrap()).await
}

pub async fn a_platform_posts_its_own_json_and_is_answered_as_the_contract_says(room: Room) {
    let app = App::start(room).await;
    let first = post(&app, PLATFORM_KEY, &sample("flash-flood.json")).await;
    assert_eq!(first.header("location"), "/api/v1/warnings/w1");
    let first = first.expect(202);
    assert_eq!((&first["id"], &first["identifier"], &first["duplicate"]), (&json!("w1"), &json!("SH20240708-000317"), &json!(false)));
    assert_eq!(post(&app, PLATFORM_KEY, &sample("flash-flood.json")).await.expect(200)["duplicate"], true);
    let other = sample("flash-flood.json").replace("62.5", "63.5");
    post(&app, PLATFORM_KEY, &other).await.expect(409);
    let shown = app.get("/api/v1/warnings/w1", VIEWER).await.expect(200);
    assert_eq!((&shown["content"]["stage"], &shown["level"]), (&json!("准备转移"), &json!("orange")));
    let raw = app.engine.store().blob(&jiaoying::store::Key::Warning("w1".parse().unwrap()), "raw").await.unwrap().unwrap();
    assert_eq!(String::from_utf8(raw).unwrap(), sample("flash-flood.json"), "kept as it was sent");
    // The contract's own shape is not what this issuer sends, and the fault says where and why.
    let refused = post(&app, PLATFORM_KEY, &warning("W9").to_string()).await.expect(422);
    let faults = refused["errors"].as_array().unwrap();
    assert!(faults.iter().any(|e| e["pointer"] == "/warnId" && e["detail"].as_str().unwrap().contains("flash-flood line ")), "{refused}");
    // CAP by its own name is CAP all the same.
    let cap = request("POST", POST, PLATFORM_KEY).header("content-type", "application/cap+xml").body(Body::from("<alert/>")).unwrap();
    assert!(app.send(cap).await.expect(422)["errors"][0]["pointer"].as_str().unwrap().starts_with("/alert"));
    let inner = sample("flash-flood.json").replace("外部预警", "内部预警");
    let skipped = post(&app, PLATFORM_KEY, &inner).await.expect(200);
    assert_eq!(skipped["items"][0]["status"], 204);
}

pub async fn a_body_of_several_warnings_is_answered_item_by_item(room: Room) {
    let app = App::start(room).await;
    let reply = post(&app, LIST_KEY, &sample("fire-iot.json")).await.expect(202);
    let statuses: Vec<i64> = reply["items"].as_array().unwrap().iter().map(|i| i["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [202, 202, 204, 422], "{reply}");
    assert_eq!(reply["items"][3]["errors"][0]["pointer"], "/data/3/alarmTime");
    let told = refusals(&app).await;
    assert!(told.iter().any(|r| r["reason"].as_str().unwrap().contains("alarmTime")), "{told:?}");
    let again = post(&app, LIST_KEY, &sample("fire-iot.json")).await.expect(200);
    assert!(again["items"][0]["duplicate"].as_bool().unwrap() && again["items"][1]["duplicate"].as_bool().unwrap());
    // Nothing of it came in: refused as a whole, with all reasons.
    let mut only: Value = serde_json::from_str(&sample("fire-iot.json")).unwrap();
    only["data"] = json!([only["data"][3]]);
    post(&app, LIST_KEY, &only.to_string()).await.expect(422);
    assert_eq!(post(&app, LIST_KEY, "{\"data\":[]}").await.expect(200)["items"], json!([]));
    post(&app, LIST_KEY, "{\"date\":[]}").await.expect(422);
    app.disk_full.store(true, Ordering::SeqCst);
    let full = sample("fire-iot.json").replace("FA24", "FB24");
    post(&app, LIST_KEY, &full).await.expect(503);
    app.disk_full.store(false, Ordering::SeqCst);
    post(&app, LIST_KEY, &full).await.expect(202);
}

pub async fn past_its_rate_a_platform_waits_unless_a_red_one_is_in_the_body(room: Room) {
    let app = App::start(room).await;
    let mut last = 0;
    for n in 0..62 {
        let body = sample("flash-flood.json").replace("000317", &format!("1{n:05}"));
        last = post(&app, PLATFORM_KEY, &body).await.status.as_u16();
    }
    assert_eq!(last, 429);
    let reply = post(&app, PLATFORM_KEY, &sample("flash-flood.json")).await;
    assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1);
    let red = sample("flash-flood-2.json");
    post(&app, PLATFORM_KEY, &red).await.expect(202);
}

fn desk(app: &App, more: &str) -> (Arc<Desk>, Config) {
    let text = format!("{CONFIG}\n{more}");
    let config = Config::from_text("test.toml", &text, &Environment::default()).unwrap_or_else(|e| panic!("{e}"));
    (Arc::new(Desk::new(app.engine.clone(), &config).unwrap()), config)
}

fn names(dir: &Path) -> Vec<String> {
    let mut all: Vec<String> = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

pub async fn a_watched_folder_takes_whole_files_once_and_gives_every_refusal_its_reason(room: Room) {
    let app = App::start(room).await;
    let dir = tempfile::tempdir().unwrap();
    let inbox = dir.path().join("in");
    let more = format!("[[source.folder]]\nissuer = \"platform\"\npath = {:?}\nfailures = 2\n", inbox);
    let (desk, config) = desk(&app, &more);
    let issuer = config.issuers.iter().find(|i| i.id.0 == "platform").unwrap().clone();
    let open = || Folder::open(desk.clone(), issuer.clone(), &config.source.folders[0]).unwrap();
    let mut folder = open();
    let put = |name: &str, text: &str| std::fs::write(inbox.join(name), text).unwrap();

    let text = sample("flash-flood.json");
    put("a.json", &text[..100]);
    put("b.json.tmp", "half");
    put(".c.json", "hidden");
    assert_eq!(folder.look().await, 0, "seen for the first time");
    put("a.json", &text);
    assert_eq!(folder.look().await, 0, "it has grown");
    assert_eq!(folder.look().await, 1);
    assert_eq!((names(&inbox.join("done")), stored(&app).await), (vec!["a.json".to_string()], 1));
    assert_eq!(names(&inbox), [".c.json", "b.json.tmp", "done", "refused"]);

    // A gateway that died before moving the file finds it again: the same warning, no second one.
    put("a.json", &text);
    let mut folder = open();
    folder.look().await;
    assert_eq!(folder.look().await, 1);
    assert_eq!((names(&inbox.join("done")), stored(&app).await), (vec!["a-1.json".to_string(), "a.json".to_string()], 1));

    put("bad.json", "{\"warnId\":");
    put("other.json", &text.replace("62.5", "99"));
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/hostname", inbox.join("link.json")).unwrap();
    folder.look().await;
    // What is no document may be half of one whose copy stalled: for half a minute (fifteen looks) it stays.
    assert_eq!(folder.look().await, 1);
    assert_eq!(names(&inbox.join("refused")), ["other.json", "other.json.why.txt"]);
    put("half.json", &text.replace("000317", "000318")[..60]);
    for _ in 0..13 {
        assert_eq!(folder.look().await, 0);
    }
    assert!(inbox.join("bad.json").exists());
    put("half.json", &text.replace("000317", "000318"));
    assert_eq!(folder.look().await, 1);
    assert_eq!(folder.look().await, 1, "the other half came after all");
    assert_eq!((names(&inbox.join("done")).len(), stored(&app).await), (3, 2));
    assert_eq!(names(&inbox.join("refused")), ["bad.json", "bad.json.why.txt", "other.json", "other.json.why.txt"]);
    let why = |name: &str| std::fs::read_to_string(inbox.join("refused").join(name)).unwrap();
    assert!(why("bad.json.why.txt").contains("not a readable JSON document"), "{}", why("bad.json.why.txt"));
    assert!(why("other.json.why.txt").contains("other content"), "{}", why("other.json.why.txt"));
    assert_eq!(refusals(&app).await.len(), 2);

    // What cannot be made durable stays, and the duty room hears of it after the second time.
    app.disk_full.store(true, Ordering::SeqCst);
    put("d.json", &text.replace("000317", "000400"));
    folder.look().await;
    assert_eq!(folder.look().await, 0);
    assert!(inbox.join("d.json").exists() && names(&inbox.join("done")).len() == 3);
    app.disk_full.store(false, Ordering::SeqCst);
    assert_eq!(folder.look().await, 1);
    std::fs::rename(&inbox, dir.path().join("gone")).unwrap();
    folder.look().await;
    folder.look().await;
    let feed = app.engine.reports().feed_after(0, 1000).await.unwrap();
    let down: Vec<_> = feed.iter().filter(|(_, i)| i.kind == "source.down").collect();
    assert_eq!(down.len(), 1, "told once");
    assert!(down[0].1.data["reason"].as_str().unwrap().contains("连续 2 次失败"));
}

/// A bureau's web server: answers as it is told, and notes what it was asked with.
#[derive(Clone, Default)]
struct Site {
    body: Arc<Mutex<(u16, String, String)>>,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}
impl Site {
    fn say(&self, status: u16, etag: &str, body: &str) {
        *self.body.lock().unwrap() = (status, etag.to_string(), body.to_string());
    }
    async fn answer(self, path: String, headers: HeaderMap) -> Response {
        let (status, etag, body) = self.body.lock().unwrap().clone();
        let known = headers.get("if-none-match").is_some_and(|v| v.to_str().unwrap() == etag);
        self.asked.lock().unwrap().push((path, headers));
        if known {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let location =
            [("content-type", "application/json"), ("location", "/elsewhere"), ("last-modified", "Mon, 08 Jul 2024 08:00:00 GMT")];
        let mut response = (StatusCode::from_u16(status).unwrap(), location, body).into_response();
        response.headers_mut().insert("etag", etag.parse().unwrap());
        response
    }
    #[allow(clippy::disallowed_methods, reason = "a server for the length of a test")]
    async fn open(&self) -> String {
        let site = self.clone();
        let router =
            Router::new().fallback(move |uri: axum::http::Uri, headers: HeaderMap| site.clone().answer(uri.path().to_string(), headers));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/alarms.json")
    }
}

pub async fn a_polled_address_is_asked_for_changes_only_and_its_silence_is_told(room: Room) {
    let app = App::start(room).await;
    let site = Site::default();
    let url = site.open().await;
    let more = format!("[[source.pull]]\nissuer = \"list\"\nurl = \"{url}\"\ntimeout = \"5s\"\nfailures = 2\n");
    let (desk, config) = desk(&app, &more);
    let issuer = config.issuers.iter().find(|i| i.id.0 == "list").unwrap().clone();
    let mut pull = Pull::new(desk, issuer, &config.source.pulls[0]).unwrap();

    site.say(200, "\"one\"", &sample("fire-iot.json"));
    app.disk_full.store(true, Ordering::SeqCst);
    assert!(matches!(pull.turn().await, Pulled::Failed(_)));
    app.disk_full.store(false, Ordering::SeqCst);
    assert_eq!(pull.turn().await, Pulled::New(2), "its mark did not count while nothing was durable");
    assert_eq!(pull.turn().await, Pulled::Unchanged);
    let last = site.asked.lock().unwrap().last().unwrap().1.clone();
    assert_eq!(
        (&last["if-none-match"], &last["if-modified-since"]),
        (&"\"one\"".parse().unwrap(), &"Mon, 08 Jul 2024 08:00:00 GMT".parse().unwrap())
    );
    let told = refusals(&app).await.len();
    site.say(200, "\"two\"", &sample("fire-iot.json"));
    assert_eq!(pull.turn().await, Pulled::New(0));
    assert_eq!((stored(&app).await, refusals(&app).await.len()), (2, told), "the same again is neither called nor told twice");

    site.say(302, "\"three\"", "");
    assert!(matches!(pull.turn().await, Pulled::Failed(why) if why.contains("redirects are not followed")));
    site.say(200, "\"four\"", &" ".repeat(5 << 20));
    assert!(matches!(pull.turn().await, Pulled::Failed(why) if why.contains("longer than")));
    assert!(site.asked.lock().unwrap().iter().all(|(path, _)| path == "/alarms.json"), "no other address is ever asked");
    let feed = app.engine.reports().feed_after(0, 1000).await.unwrap();
    assert_eq!(feed.iter().filter(|(_, i)| i.kind == "source.down").count(), 1, "told at the second failure in a row, once");
    site.say(200, "\"five\"", "{\"data\":[]}");
    assert_eq!(pull.turn().await, Pulled::New(0));
}
