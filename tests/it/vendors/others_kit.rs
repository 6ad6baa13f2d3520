//! Accounts of the other vendors, and a gateway's callback address that hands on whole requests.

use super::kit::{NOW, clock, loopback};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Uri},
    routing::any,
};
use jiaoying::{
    channel::{
        CallbackItem, CallbackRequest, Provider,
        http::{self, ClientSettings},
        settings::ProviderSettings,
    },
    core::time::Time,
    standin::{Behaviour, Huawei, People, StandinSettings, Tencent, Twilio},
};
use std::sync::Arc;
use tokio::sync::mpsc;

pub const SECRET: &str = "00112233445566778899aabbccddeeff";
const TEMPLATE: &str = "[templates.callout]\ncode = \"T1\"\nvariables = { level = { max = 10 }, digit = { kind = \"number\", max = 1 } }";

/// The kinds beside Aliyun's and mail.
pub const KINDS: [&str; 5] = ["tencent_sms", "tencent_voice", "huawei_sms", "twilio_sms", "twilio_voice"];

pub fn table(kind: &str, endpoint: &str) -> String {
    let own = match kind {
        "aliyun_sms" => {
            format!("access_key_id = 'testid'\naccess_key_secret = 'testsecret'\nsign_name = '某某应急'\n{TEMPLATE}")
        }
        "aliyun_voice" => {
            format!(
                "access_key_id = 'testid'\naccess_key_secret = 'testsecret'\ncalled_show_numbers = ['03562000001']\nmenu = [{{ key = '1', code = 'TTS_2' }}, {{ key = '4' }}]\n{TEMPLATE}"
            )
        }
        "tencent_sms" => {
            format!("secret_id = 'testid'\nsecret_key = 'testsecret'\nsdk_app_id = '1400006666'\nsign_name = '某某应急'\n{TEMPLATE}")
        }
        "tencent_voice" => format!("secret_id = 'testid'\nsecret_key = 'testsecret'\nsdk_app_id = '1400006666'\n{TEMPLATE}"),
        "huawei_sms" => {
            format!("app_key = 'testid'\napp_secret = 'testsecret'\nchannel_number = '8820000000000'\nsign_name = '某某应急'\n{TEMPLATE}")
        }
        _ => "account_sid = 'ACtest'\nauth_token = 'testsecret'\nfrom = '+15005550006'".to_string(),
    };
    format!("kind = '{kind}'\nendpoint = '{endpoint}'\ncallback_secret = '{SECRET}'\nrequest_timeout = '1s'\n{own}")
}

/// The account named as its kind, reached by `public_url`.
pub fn account_of(table: &str, name: &str, public_url: &str) -> Arc<dyn Provider> {
    let client = http::client(&ClientSettings::default()).unwrap();
    let settings = ProviderSettings::from_table(name, table.parse().unwrap()).unwrap_or_else(|e| panic!("{name}: {e:#?}"));
    settings.reached_by(public_url).provider(client, clock()).unwrap()
}
pub fn account(kind: &str, endpoint: &str, public_url: &str) -> Arc<dyn Provider> {
    account_of(&table(kind, endpoint), kind, public_url)
}

/// A callback as it came.
pub struct Came {
    pub path_and_query: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}
impl Came {
    pub fn with<T>(&self, look: impl FnOnce(&CallbackRequest<'_>) -> T) -> T {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        look(&CallbackRequest { path_and_query: &self.path_and_query, headers: &headers, body: &self.body })
    }
    /// The items, once the provider has found the callback to be genuine.
    pub fn items(&self, p: &Arc<dyn Provider>) -> Vec<CallbackItem> {
        self.with(|c| {
            p.check_callback(c).unwrap();
            p.read_callback_at(c.query(), c.content_type(), c.body).unwrap()
        })
    }
}

/// A gateway that keeps nothing: every callback is handed on and answered as `account` would.
pub async fn receiver() -> (String, mpsc::UnboundedReceiver<Came>) {
    let (tx, rx) = mpsc::unbounded_channel();
    let take = move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let tx = tx.clone();
        async move {
            let headers = headers.iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_string())).collect();
            tx.send(Came { path_and_query: uri.path_and_query().unwrap().to_string(), headers, body }).unwrap();
            r#"{"result":0,"errmsg":"OK"}"#
        }
    };
    let app = Router::new().fallback(any(take));
    let listener = loopback().await;
    let base = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (base, rx)
}

/// A stand-in's settings that push everything to the receiver at `base`.
pub fn pushing(base: &str, behaviour: Behaviour, people: People) -> StandinSettings {
    let to = |account: &str| Some(format!("{base}/callbacks/{account}/{SECRET}"));
    StandinSettings {
        speed: 1000.0,
        behaviour,
        people,
        tencent: Tencent { sms_callback: to("tencent_sms"), voice_callback: to("tencent_voice"), ..Tencent::default() },
        huawei: Huawei { reply_callback: to("huawei_sms"), ..Huawei::default() },
        twilio: Twilio { reply_callback: to("twilio_sms"), ..Twilio::default() },
        ..StandinSettings::default()
    }
}

pub fn sent_at() -> Time {
    NOW
}
