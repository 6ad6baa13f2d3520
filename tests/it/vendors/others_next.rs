//! What the engine makes of the vendors' words: an account that must stop gives way to the next, and a receipt
//! that names only the provider's id finds its call, early or late.

use super::{
    kit::{ask, phone, standin},
    others_kit::{SECRET, account, account_of, table},
};
use jiaoying::{
    channel::{CallbackRequest, Provider},
    core::{
        callout::state::{Callout, Via},
        ids::{AttemptId, CalloutId, IssuerId, WarningId},
        policy::parse_policy,
        send::{Channel, Outcome},
        time::{Span, Time},
    },
    engine::{ActError, Engine, Issuer, Parts, Settings, dispatcher::Done, limits::Accounts},
    ingest::{self, SourceFormat},
    render::{RenderOptions, Renderer},
    sample,
    standin::{Behaviour, Receipts, StandinHandle, StandinSettings},
    store::{
        CalloutFilter, Reports,
        clock::{Clock, ManualClock},
        memory::MemoryStore,
    },
};
use serde_json::json;
use std::sync::Arc;

const PUBLIC: &str = "https://warning.example.org";
const START: &str = "2024-07-08T16:15:30+08:00";

/// Vendor's code → its class → whether the account stops and the next one takes over.
#[tokio::test]
async fn an_account_stops_for_configuration_and_balance_alone() {
    let table: &[(&str, &str, &str)] = &[
        ("tencent_sms", "UnauthorizedOperation.ServiceSuspendDueToArrears", "balance"),
        ("tencent_sms", "FailedOperation.SignatureIncorrectOrUnapproved", "config"),
        ("tencent_sms", "FailedOperation.PhoneNumberInBlacklist", "permanent_number"),
        ("tencent_sms", "LimitExceeded.PhoneNumberDailyLimit", "throttled"),
        ("tencent_sms", "InternalError.SendAndRecvFail", "unknown"),
        ("huawei_sms", "E000620", "config"),
        ("huawei_sms", "E000112", "balance"),
        ("huawei_sms", "E200028", "permanent_content"),
        ("huawei_sms", "E000000", "retryable"),
        ("twilio_sms", "20003", "config"),
        ("twilio_sms", "21610", "permanent_number"),
        ("twilio_sms", "20429", "throttled"),
        ("tencent_voice", "FailedOperation.InsufficientBalanceInVoicePackage", "balance"),
        ("tencent_voice", "InternalError.UpstreamError", "unknown"),
        ("twilio_voice", "21215", "config"),
    ];
    let now = Time::parse_rfc3339(START).unwrap();
    for (kind, code, class) in table {
        let codes = [("15400000001".to_string(), code.to_string())].into();
        let s = standin(StandinSettings { behaviour: Behaviour { codes, ..Behaviour::default() }, ..StandinSettings::default() }).await;
        let p = account(kind, &s.url(), PUBLIC);
        let other = account_of(&super::others_kit::table(kind, &s.url()), "the-other", PUBLIC);
        let weights = [("the-other".to_string(), 0)].into();
        let accounts = Accounts::configured(vec![p.clone(), other], &weights, "", 1.0, Arc::new(move || now));
        let outcome = p.send(&ask(phone(1), "r")).await;
        assert_eq!(outcome.class(), *class, "{kind} {code}");
        let stops = matches!(*class, "config" | "balance");
        assert_eq!(accounts.named(kind).unwrap().learn(&outcome, 0.0, now).is_some(), stops, "{kind} {code}");
        let next = accounts.in_order(p.channel(), ATTEMPT, &[], now);
        assert_eq!(next[0], if stops { "the-other" } else { kind }, "{kind} {code}");
    }
}

const ATTEMPT: AttemptId = AttemptId { callout: CalloutId { warning: WarningId(1), ordinal: 0 }, n: 1 };

/// A gateway of its own, turned by hand, whose accounts are these.
pub struct Gateway {
    pub engine: Arc<Engine>,
    pub clock: Arc<ManualClock>,
    pub memory: Arc<MemoryStore>,
    pub _standin: StandinHandle,
    /// Accepted and not yet recorded.
    pub held: Vec<Done>,
}

impl Gateway {
    pub async fn start(kinds: &[&str]) -> Gateway {
        Gateway::start_with(kinds, |_| {}).await
    }

    /// The same with each account's table changed.
    pub async fn start_with(kinds: &[&str], change: impl Fn(&mut toml::Table)) -> Gateway {
        let tables = |url: &str| kinds.iter().map(|k| (k.to_string(), table(k, url))).collect();
        Gateway::build(Behaviour::default(), tables, change).await
    }

    /// With these accounts (name and table, for a stand-in's address), each with every template it can have.
    pub async fn of(behaviour: Behaviour, tables: impl FnOnce(&str) -> Vec<(String, String)>) -> Gateway {
        Gateway::build(behaviour, tables, |_| {}).await
    }

    async fn build(behaviour: Behaviour, tables: impl FnOnce(&str) -> Vec<(String, String)>, change: impl Fn(&mut toml::Table)) -> Gateway {
        let behaviour = Behaviour { receipts: Receipts { send: false, ..Receipts::default() }, ..behaviour };
        let s = standin(StandinSettings { behaviour, ..StandinSettings::default() }).await;
        let renderer = Renderer::new(RenderOptions::default()).unwrap();
        let with_templates = |(kind, table): &(String, String)| {
            let channel = if kind.ends_with("voice") { Channel::Voice } else { Channel::Sms };
            let mut t: toml::Table = table.parse().unwrap();
            if t.contains_key("request_timeout") {
                t.insert("request_timeout".into(), "7s".into());
            }
            if t.contains_key("templates") {
                let of = |k: &jiaoying::channel::MessageKind| {
                    renderer.approved_text(*k, channel, false).is_some().then(|| {
                        let t = jiaoying::channel::ProviderTemplate {
                            code: "T".into(),
                            variables: renderer.provider_variables(*k, channel),
                            ..Default::default()
                        };
                        (k.as_str().to_string(), toml::Value::try_from(t).unwrap())
                    })
                };
                let all: toml::Table = jiaoying::channel::MessageKind::ALL.iter().filter_map(of).collect();
                t.insert("templates".into(), all.into());
            }
            change(&mut t);
            account_of(&t.to_string(), kind, PUBLIC)
        };
        let clock = Arc::new(ManualClock::new(Time::parse_rfc3339(START).unwrap()));
        let memory = Arc::new(MemoryStore::new(clock.clone() as Arc<dyn Clock>));
        let parts = Parts {
            store: memory.clone(),
            reports: memory.clone(),
            providers: tables(&s.url()).iter().map(with_templates).collect::<Vec<Arc<dyn Provider>>>(),
            renderer: Renderer::new(RenderOptions::default()).unwrap(),
            policy: parse_policy(include_str!("../../../config/policy.toml")).unwrap(),
            issuers: Vec::new(),
            settings: Settings { key: [7; 32], ..Settings::default() },
        };
        let engine = Arc::new(Engine::new(parts).await.unwrap());
        assert!(engine.replace_directory(0, sample::directory(60, 1)).await.unwrap());
        Gateway { engine, clock, memory, _standin: s, held: Vec::new() }
    }

    pub async fn warn(&self) -> WarningId {
        let issuer =
            Issuer {
                id: IssuerId("qixiang".into()), name: "晋城市气象台".into(), hazards: vec![], divisions: vec![], levels: vec![]
            };
        let body = json!({
            "identifier": "a", "sent": "2024-07-08T16:15:00+08:00", "status": "actual", "message_type": "alert", "hazard": "11B03", "level": "red",
            "headline": "沁水县发布暴雨红色预警", "description": "未来3小时雨量将超100毫米", "instruction": "立即转移危险区群众",
            "expires": "2024-07-08T22:15:00+08:00", "areas": [{"name": "沁水县", "division": "140521000000"}]
        });
        let body = body.to_string();
        let parsed = ingest::read(SourceFormat::Json, None, body.as_bytes(), "qixiang").unwrap();
        self.engine.post_warning(&issuer, parsed, body.as_bytes()).await.unwrap().id
    }

    /// Turns until nothing is due; `hold`: what was accepted is kept back instead of recorded.
    pub async fn run(&mut self, hold: bool) {
        for _ in 0..500 {
            let turn = self.engine.turn(200).await.unwrap();
            let idle = turn.claimed == 0;
            let mut done = Vec::new();
            for job in turn.jobs {
                done.push(self.engine.send(job).await);
            }
            if hold {
                self.held.extend(done)
            } else {
                self.engine.record(done).await.unwrap()
            }
            if idle {
                return;
            }
        }
        panic!("the engine never came to rest");
    }
    pub async fn pass(&mut self, span: Span, hold: bool) {
        let until = self.engine.now() + span;
        while self.engine.now() < until {
            self.clock.advance(Span(1_000.min((until - self.engine.now()).0)));
            self.run(hold).await;
        }
    }
    /// Until the first calls have left; what came of them is held back.
    async fn until_a_call_is_held(&mut self, account: &str) {
        for _ in 0..60 {
            self.pass(Span::secs(5), true).await;
            if self.held.iter().any(|d| d.account.name() == account) {
                return;
            }
        }
    }
    pub async fn callback(&mut self, account: &str, body: String) {
        self.engine.park_callback(account, Some("application/json"), body.as_bytes()).await.unwrap();
        self.run(true).await;
    }
    pub async fn answered(&self, warning: WarningId) -> Vec<(CalloutId, Via)> {
        let rows = self.memory.callouts(Some(warning), &CalloutFilter::default(), None, 1000).await.unwrap();
        let all = rows.iter().map(|r| serde_json::from_slice::<Callout>(&r.0.body).unwrap());
        all.filter_map(|c| c.acknowledgement.as_ref().map(|a| (c.id, a.via))).collect()
    }
}

fn accepted(d: &Done) -> (&str, String) {
    match &d.outcome {
        Outcome::Accepted { provider_message_id } => (d.account.name(), provider_message_id.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_that_names_only_the_calls_id_answers_even_before_the_acceptance_is_on_record() {
    let mut g = Gateway::start(&["tencent_sms", "tencent_voice"]).await;
    let warning = g.warn().await;
    g.run(false).await;
    g.until_a_call_is_held("tencent_voice").await;
    let (_, id) = g.held.iter().map(accepted).find(|(account, _)| *account == "tencent_voice").expect("a call left");
    let key = json!({"voicekey_callback": {"callid": id, "keypress": "1", "mobile": "15400000001", "nationcode": "86"}}).to_string();
    g.callback("tencent_voice", key.clone()).await;
    assert!(g.answered(warning).await.is_empty(), "nobody knows this call yet");
    let held = std::mem::take(&mut g.held);
    g.engine.record(held).await.unwrap();
    // The callback is read again within seconds.
    g.pass(Span::secs(5), false).await;
    let answered = g.answered(warning).await;
    assert!(!answered.is_empty() && answered.iter().all(|(_, via)| *via == Via::Keypress), "{answered:?}");
    // Told twice, nothing changes; of a call of nobody's, nothing happens.
    g.callback("tencent_voice", key).await;
    g.callback("tencent_voice", json!({"voicekey_callback": {"callid": "nobodys", "keypress": "1"}}).to_string()).await;
    g.pass(Span::secs(5), false).await;
    assert_eq!(g.answered(warning).await, answered);
}

#[tokio::test]
async fn the_key_of_a_call_whose_reply_was_lost_answers_by_the_number_that_rings() {
    let mut g = Gateway::start(&["tencent_sms", "tencent_voice"]).await;
    let warning = g.warn().await;
    g.run(false).await;
    g.until_a_call_is_held("tencent_voice").await;
    // No outcome is ever recorded: the calls that ring are of unknown fate.
    g.held.clear();
    g.pass(Span::secs(16), true).await;
    let rung = g._standin.sent().iter().find(|m| m.channel == Channel::Voice).map(|m| m.phone.to_string()).expect("a call left");
    let key = |phone: &str, id: &str| json!({"voicekey_callback": {"callid": id, "keypress": "1", "mobile": phone, "nationcode": "86"}});
    g.callback("tencent_voice", key("15499999999", "another").to_string()).await;
    assert!(g.answered(warning).await.is_empty());
    g.callback("tencent_voice", key(&rung, "never-heard-of").to_string()).await;
    let answered = g.answered(warning).await;
    assert!(!answered.is_empty() && answered.iter().all(|(_, via)| *via == Via::Keypress), "{answered:?}");
}

#[tokio::test]
async fn a_signed_callback_finds_its_call_by_the_reference_in_its_address_and_a_forged_one_is_refused() {
    let mut g = Gateway::start(&["twilio_sms", "twilio_voice"]).await;
    let warning = g.warn().await;
    g.run(false).await;
    g.until_a_call_is_held("twilio_voice").await;
    let sent = g._standin.sent();
    let call = sent.iter().find(|s| s.channel == Channel::Voice).expect("a call left");
    let held = std::mem::take(&mut g.held);
    g.engine.record(held).await.unwrap();
    let path = format!("/callbacks/twilio_voice/{SECRET}?r={}", call.out_id);
    let fields = [("CallSid".to_string(), "CA1".to_string()), ("Digits".into(), "1".into())];
    let post = async |secret: &str| {
        let url = format!("{PUBLIC}{path}");
        let signature = jiaoying::channel::sign::twilio::sign(secret, &url, &fields, jiaoying::channel::sign::twilio::Hash::Sha1);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-twilio-signature", signature.as_str())];
        let request = CallbackRequest { path_and_query: &path, headers: &headers, body: b"CallSid=CA1&Digits=1" };
        g.engine.take_callback("twilio_voice", &request).await
    };
    assert!(matches!(post("forged").await, Err(ActError::NotFound(_))));
    let reply = post("testsecret").await.unwrap();
    assert!(reply.body.contains("已记录您的确认"), "{}", reply.body);
    g.run(false).await;
    let answered = g.answered(warning).await;
    assert!(!answered.is_empty() && answered.iter().all(|(_, via)| *via == Via::Keypress), "{answered:?}");
}
