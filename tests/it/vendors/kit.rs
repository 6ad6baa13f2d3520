//! Builders shared by the rooms of this floor.

use jiaoying::{
    channel::{
        Address, Message, MessageKind, Provider, SendRequest,
        http::{self, ClientSettings},
        settings::ProviderSettings,
    },
    core::{phone::Phone, time::Time},
    standin::{self, StandinHandle, StandinSettings},
};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// 2026-07-21T01:02:03Z, for both sides of every conversation here.
pub const NOW: Time = Time(1_784_595_723_000);

pub fn clock() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    Arc::new(|| NOW.0)
}

pub async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// An address nobody listens on.
pub async fn closed_port() -> String {
    let listener = loopback().await;
    format!("http://{}", listener.local_addr().unwrap())
}

pub async fn standin(settings: StandinSettings) -> StandinHandle {
    standin::serve(settings, loopback().await, clock()).await.unwrap()
}

/// What the stand-in serves about itself.
pub async fn served(s: &StandinHandle, path: &str) -> serde_json::Value {
    let client = http::client(&ClientSettings::default()).unwrap();
    client.get(format!("{}{path}", s.url())).send().await.unwrap().json().await.unwrap()
}

pub fn provider(name: &str, table: &str) -> Arc<dyn Provider> {
    let client = http::client(&ClientSettings::default()).unwrap();
    ProviderSettings::from_table(name, table.parse().unwrap()).unwrap().provider(client, clock()).unwrap()
}

pub fn sms_table(endpoint: &str) -> String {
    format!(
        r#"
        kind = "aliyun_sms"
        endpoint = "{endpoint}"
        access_key_id = "testid"
        access_key_secret = "testsecret"
        sign_name = "某某应急"
        callback_secret = "00112233445566778899aabbccddeeff"
        request_timeout = "1s"
        [templates.callout]
        code = "SMS_1"
        variables = {{ level = {{ max = 10 }}, digit = {{ kind = "number", max = 1 }} }}
        "#
    )
}
pub fn sms(endpoint: &str) -> Arc<dyn Provider> {
    provider("aliyun-sms", &sms_table(endpoint))
}

pub fn voice(endpoint: &str) -> Arc<dyn Provider> {
    provider(
        "aliyun-voice",
        &format!(
            r#"
            kind = "aliyun_voice"
            endpoint = "{endpoint}"
            access_key_id = "testid"
            access_key_secret = "testsecret"
            called_show_numbers = ["03562000001"]
            callback_secret = "00112233445566778899aabbccddeeff"
            request_timeout = "1s"
            menu = [{{ key = "1", code = "TTS_2" }}, {{ key = "2" }}, {{ key = "3", code = "TTS_3" }}, {{ key = "4", code = "TTS_4" }}]
            [templates.callout]
            code = "TTS_1"
            variables = {{ level = {{ max = 10 }}, digit = {{ kind = "number", max = 1 }} }}
            "#
        ),
    )
}

pub fn phone(n: u32) -> Address {
    Address::Phone(Phone::parse(&format!("154{n:08}")).unwrap())
}

pub fn ask(to: Address, reference: &str) -> SendRequest {
    SendRequest {
        reference: reference.into(),
        to,
        message: Message {
            kind: MessageKind::Callout,
            variant: String::new(),
            drill: false,
            variables: vec![("level".into(), "红色 *~'!".into()), ("digit".into(), "1".into())],
            text: "沁水县发布暴雨红色预警，收到请回1".into(),
            subject: Some("暴雨红色预警：请立即应答".into()),
            html: Some("<p>收到请点<b>链接</b></p>".into()),
        },
    }
}

/// Waits for something that must come; the bound only ends a broken test.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it never came")
}
