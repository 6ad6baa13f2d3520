//! Our e-mail provider against the SMTP sink: each way a mail can fare.

use super::kit::{ask, loopback, provider, soon};
use jiaoying::{
    channel::{Address, Provider},
    core::send::Outcome,
    standin::smtp::{self, SmtpHandle, SmtpSettings},
};
use std::sync::Arc;

async fn sink(settings: SmtpSettings) -> SmtpHandle {
    smtp::serve(settings, loopback().await).await.unwrap()
}
fn email(endpoint: &str, more: &str) -> Arc<dyn Provider> {
    let table = format!(
        "kind = 'email'\nendpoint = '{endpoint}'\ntls = 'none'\nfrom = '叫应平台 <warning@example.org>'\nreply_to = 'duty@example.org'\n\
         hello_name = 'gateway.example.org'\nrequest_timeout = '1s'\n{more}"
    );
    provider("mail", &table)
}
fn to(local: &str) -> Address {
    Address::Email { name: "王 书记".into(), address: format!("{local}@example.org") }
}

#[tokio::test]
async fn a_mail_arrives_with_text_and_html_and_our_reference_in_its_id() {
    let s = sink(SmtpSettings::default()).await;
    let mut mails = s.subscribe();
    let p = email(&s.addr().to_string(), "");
    let mut request = ask(to("wang"), "a1B2c3D4e5F6g7H");
    request.message.text = ".一行以点开头\n收到请点链接".into();
    assert_eq!(p.send(&request).await, Outcome::Accepted { provider_message_id: "<a1B2c3D4e5F6g7H@example.org>".into() });
    let m = soon(mails.recv()).await.unwrap();
    assert_eq!((m.from.as_str(), m.to.as_slice()), ("warning@example.org", &["wang@example.org".to_string()][..]));
    assert_eq!(m.subject, "暴雨红色预警：请立即应答");
    assert_eq!(m.text, ".一行以点开头\n收到请点链接");
    assert_eq!(m.html, "<p>收到请点<b>链接</b></p>");
    assert_eq!(m.message_id, "<a1B2c3D4e5F6g7H@example.org>");
    assert!(m.sender.starts_with("叫应平台") || m.sender.contains("叫应平台"), "{}", m.sender);
    assert!(m.raw.contains("Reply-To: duty@example.org"), "{}", m.raw);
    assert!(m.raw.contains("Date: Tue, 21 Jul 2026 01:02:03"), "{}", m.raw);
}

#[tokio::test]
async fn each_refusal_has_its_outcome_and_spoils_nothing_for_the_next_mail() {
    let s = sink(SmtpSettings::default()).await;
    let p = email(&s.addr().to_string(), "");
    for (local, class) in [("tempfail", "retryable"), ("wang", "accepted"), ("permfail", "permanent_number"), ("wang", "accepted")] {
        assert_eq!(p.send(&ask(to(local), "r")).await.class(), class, "{local}");
    }
    assert_eq!(s.messages().len(), 2);
    let malformed = Address::Email { name: String::new(), address: "nobody".into() };
    assert_eq!(p.send(&ask(malformed, "r")).await.class(), "permanent_number");
}

#[tokio::test]
async fn silence_after_the_message_went_out_is_unknown() {
    let s = sink(SmtpSettings::default()).await;
    let p = email(&s.addr().to_string(), "");
    for local in ["stall", "cut"] {
        assert_eq!(p.send(&ask(to(local), "r")).await.class(), "unknown", "{local}");
    }
    assert_eq!(s.messages().len(), 2, "both were taken all the same");
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_sent_nothing() {
    let closed = loopback().await.local_addr().unwrap().to_string();
    assert_eq!(email(&closed, "").send(&ask(to("wang"), "r")).await.class(), "retryable");
}

#[tokio::test]
async fn a_mail_server_that_says_nothing_at_all_sent_nothing() {
    let listener = loopback().await;
    let p = email(&listener.local_addr().unwrap().to_string(), "");
    assert_eq!(p.send(&ask(to("wang"), "r")).await.class(), "retryable");
}

#[tokio::test]
async fn a_login_that_fails_is_a_fault_of_configuration() {
    let s = sink(SmtpSettings { login: Some(("user".into(), "pass".into())) }).await;
    let addr = s.addr().to_string();
    assert_eq!(email(&addr, "username = 'user'\npassword = 'pass'").send(&ask(to("wang"), "r")).await.class(), "accepted");
    assert_eq!(email(&addr, "username = 'user'\npassword = 'wrong'").send(&ask(to("wang"), "r")).await.class(), "config");
    assert_eq!(email(&addr, "").send(&ask(to("wang"), "r")).await.class(), "config", "no login where one is asked");
}

#[tokio::test]
async fn nothing_is_sent_unprotected_when_starttls_is_not_offered() {
    let s = sink(SmtpSettings::default()).await;
    let p = provider("mail", &format!("kind = 'email'\nendpoint = '{}'\ntls = 'starttls'\nfrom = 'a@example.org'", s.addr()));
    assert_eq!(p.send(&ask(to("wang"), "r")).await.class(), "config");
    assert!(s.messages().is_empty());
}

#[tokio::test]
async fn a_mail_without_subject_is_told_before_it_is_sent() {
    let p = email("127.0.0.1:1", "");
    let mut request = ask(to("wang"), "r");
    request.message.subject = None;
    assert!(p.check_message(&request.message).unwrap_err().contains("subject"));
    assert_eq!(p.send(&request).await.class(), "permanent_content");
    assert!(p.read_callback(None, b"[]").is_err());
}
