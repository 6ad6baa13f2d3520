//! Our mail against a real mail server, which `tests/smtp/run` starts (`JIAOYING_SMTP`: its folder). Skipped, and said
//! so, without one; the same outcomes against our own sink are in [`super::smtp`].

use super::kit::{ask, provider, soon};
use jiaoying::{
    channel::{Address, Provider},
    core::send::Outcome,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

struct Server {
    dir: PathBuf,
    plain: u64,
    starttls: u64,
}

fn server() -> Option<Server> {
    let Some(dir) = std::env::var_os("JIAOYING_SMTP").map(PathBuf::from) else {
        println!("skipped: no real mail server (tests/smtp/run starts one)");
        return None;
    };
    let ports: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("ports")).unwrap()).unwrap();
    let port = |name: &str| ports[name].as_u64().unwrap();
    Some(Server { plain: port("plain"), starttls: port("starttls"), dir })
}

fn email(endpoint: &str, more: &str) -> Arc<dyn Provider> {
    let table = format!(
        "kind = 'email'\nendpoint = '{endpoint}'\nfrom = '叫应平台 <warning@example.org>'\nhello_name = 'gateway.example.org'\n\
         request_timeout = '2s'\n{more}"
    );
    provider("mail", &table)
}
fn plain(s: &Server) -> Arc<dyn Provider> {
    email(&format!("127.0.0.1:{}", s.plain), "tls = 'none'")
}
fn to(local: &str) -> Address {
    Address::Email { name: "王 书记".into(), address: format!("{local}@example.org") }
}
/// What the server took under this id.
fn taken(dir: &Path, id: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("mails.jsonl")).unwrap_or_default();
    text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()).filter(|m| m["message_id"] == id).collect()
}

#[tokio::test]
async fn each_refusal_of_a_real_server_has_its_outcome_and_spoils_nothing_for_the_next_mail() {
    let Some(s) = server() else { return };
    let p = plain(&s);
    for (local, class) in [
        ("tempfail", "retryable"),
        ("wang", "accepted"),
        ("permfail", "permanent_number"),
        ("spam", "permanent_content"),
        ("later", "retryable"),
        ("wang", "accepted"),
    ] {
        let outcome = p.send(&ask(to(local), "refRefusals0001")).await;
        assert_eq!(outcome.class(), class, "{local}: {outcome:?}");
    }
    assert_eq!(taken(&s.dir, "<refRefusals0001@example.org>").len(), 2, "only what was accepted was taken");
}

#[tokio::test]
async fn a_real_server_gets_the_characters_that_were_written() {
    let Some(s) = server() else { return };
    let mut request = ask(to("wang"), "refCharacters01");
    request.message.text = "山洪红色预警：𠮷家岭、㙍底村、龑塬。\n.以点开头的一行\n收到请点链接".into();
    request.message.html = Some("<p>𠮷家岭、㙍底村、龑塬</p>".into());
    request.message.subject = Some("山洪红色预警（𠮷家岭等3处）：请立即应答".into());
    assert_eq!(plain(&s).send(&request).await.class(), "accepted");
    let mails = taken(&s.dir, "<refCharacters01@example.org>");
    let mail = mails.first().expect("it was taken");
    assert_eq!(mail["subject"], request.message.subject.unwrap());
    assert_eq!(mail["text"].as_str().unwrap().replace("\r\n", "\n").trim_end(), request.message.text);
    assert_eq!(mail["html"].as_str().unwrap().trim_end(), request.message.html.unwrap());
}

#[tokio::test]
async fn a_connection_that_goes_silent_is_unknown_after_the_message_and_unsent_before_it() {
    let Some(s) = server() else { return };
    // Nobody waits for ever: `soon` ends a test that would.
    let silent = soon(plain(&s).send(&ask(to("silent"), "refSilent000001"))).await;
    assert_eq!(silent.class(), "retryable", "nothing had left");
    let outcome = soon(plain(&s).send(&ask(to("stall"), "refStall0000001"))).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(taken(&s.dir, "<refStall0000001@example.org>").len(), 1, "it had been taken all the same, which we cannot know");
}

#[tokio::test]
async fn starttls_with_the_offices_own_authority_and_a_login_protects_the_mail() {
    let Some(s) = server() else { return };
    let ca = std::fs::read_to_string(s.dir.join("ca.pem")).unwrap();
    let endpoint = format!("localhost:{}", s.starttls);
    let with = |more: &str| email(&endpoint, &format!("tls = 'starttls'\nusername = 'warning'\n{more}"));
    let good = with(&format!("password = '口令 pass'\nca = '''{ca}'''"));
    let outcome = good.send(&ask(to("wang"), "refStarttls0001")).await;
    assert_eq!(outcome.class(), "accepted", "{outcome:?}");
    let mails = taken(&s.dir, "<refStarttls0001@example.org>");
    let mail = mails.first().expect("it was taken");
    assert_eq!((&mail["tls"], &mail["login"]), (&Value::Bool(true), &Value::Bool(true)));
    // The wrong word, and a server whose certificate nobody here knows: nothing leaves, and somebody must look.
    let wrong = with(&format!("password = 'pass'\nca = '''{ca}'''")).send(&ask(to("wang"), "refStarttls0002")).await;
    assert_eq!(wrong.class(), "config", "{wrong:?}");
    let stranger = with("password = '口令 pass'").send(&ask(to("wang"), "refStarttls0003")).await;
    assert_eq!(stranger.class(), "config", "{stranger:?}");
    for id in ["<refStarttls0002@example.org>", "<refStarttls0003@example.org>"] {
        assert!(taken(&s.dir, id).is_empty(), "{id}");
    }
    // Without protection it takes nothing at all.
    let bare = email(&endpoint, "tls = 'none'").send(&ask(to("wang"), "refStarttls0004")).await;
    assert_eq!(bare.class(), "config", "{bare:?}");
}
