//! Callbacks of every provider, in its own shape and signed where it signs, against a whole gateway: in order, early
//! (before the send's own reply is on record), doubled, out of order, never; the answer it wants, the raw body kept.

use super::{others_kit::SECRET, others_next::Gateway};
use jiaoying::{
    channel::{CallbackReply, CallbackRequest, sign::twilio},
    core::{
        callout::state::{AttemptState, Callout, TaskKind, Via},
        ids::CalloutId,
        send::Outcome,
        time::Span,
    },
    engine::dispatcher::JobFor,
    store::{Key, Store},
};
use serde_json::{Value, json};

const SMS: [&str; 4] = ["aliyun_sms", "tencent_sms", "huawei_sms", "twilio_sms"];
const VOICE: [&str; 3] = ["aliyun_voice", "tencent_voice", "twilio_voice"];

/// One message or call that left: where it belongs here, and what the provider knows of it.
#[derive(Clone, Debug)]
struct Sent {
    kind: &'static str,
    callout: CalloutId,
    n: u16,
    phone: String,
    reference: String,
    id: String,
}

/// What a provider tells of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum News {
    Delivered,
    Failed,
    Reply(&'static str),
    Key(&'static str),
    /// A call ended after somebody had lifted the receiver.
    Ended,
}

/// The body in the provider's own shape, its media type, and the query of the address it comes to.
fn body(s: &Sent, news: News) -> (&'static str, String, String) {
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    let (at, local) = ("2024-07-08 16:16:00", s.phone.as_str());
    let form = |fields: &[(&str, &str)]| url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let e164 = format!("+86{local}");
    let by_reference = format!("?r={}", s.reference);
    let (media, body, query) = match (s.kind, news) {
        ("aliyun_sms", News::Delivered | News::Failed) => {
            let ok = news == News::Delivered;
            let code = if ok { "DELIVERED" } else { "MOBILE_NOT_ON_SERVICE" };
            let one = json!({"phone_number": local, "send_time": at, "report_time": at, "success": ok, "err_code": code, "err_msg": "",
                "sms_size": "1", "biz_id": s.id, "out_id": s.reference});
            (JSON, json!([one]).to_string(), String::new())
        }
        ("aliyun_sms", News::Reply(text)) => {
            let one = json!({"phone_number": local, "content": text, "send_time": at, "dest_code": "1234", "sequence_id": "1234567890"});
            (JSON, json!([one]).to_string(), String::new())
        }
        ("aliyun_voice", News::Key(key)) => {
            let one = json!({"call_id": s.id, "status_code": "300000", "dtmf": key, "status_time": at, "out_id": s.reference});
            (JSON, json!([one]).to_string(), String::new())
        }
        ("aliyun_voice", _) => {
            let one = json!({"status_code": "200000", "callee": local, "duration": "31", "voice_type": "voice", "end_time": at,
                "call_id": s.id, "status_msg": "执行完成", "out_id": s.reference, "toll_type": "LOCAL"});
            (JSON, json!([one]).to_string(), String::new())
        }
        ("tencent_sms", News::Delivered | News::Failed) => {
            let (status, code) = if news == News::Delivered { ("SUCCESS", "DELIVRD") } else { ("FAIL", "MK:0005") };
            let one = json!({"user_receive_time": at, "nationcode": "86", "mobile": local, "report_status": status, "errmsg": code,
                "description": "用户短信送达成功", "sid": s.id});
            (JSON, json!([one]).to_string(), String::new())
        }
        ("tencent_sms", News::Reply(text)) => {
            let one = json!({"extend": "01", "mobile": local, "nationcode": "86", "sign": "某某应急", "text": text, "time": 1_720_426_560});
            (JSON, one.to_string(), String::new())
        }
        ("tencent_voice", News::Key(key)) => {
            let one = json!({"call_from": "", "callid": s.id, "keypress": key, "mobile": local, "nationcode": "86"});
            (JSON, json!({"voicekey_callback": one}).to_string(), String::new())
        }
        ("tencent_voice", _) => {
            let one = json!({"result": "0", "accept_time": "1720426560", "callid": s.id, "end_calltime": "1720426591", "fee": "1",
                "mobile": local, "nationcode": "86", "start_calltime": "1720426555"});
            (JSON, json!({"voiceprompt_callback": one}).to_string(), String::new())
        }
        ("huawei_sms", News::Delivered | News::Failed) => {
            let status = if news == News::Delivered { "DELIVRD" } else { "UNDELIV" };
            let fields = [
                ("sequence", "1"),
                ("total", "1"),
                ("updateTime", "2024-07-08T08:16:00Z"),
                ("source", "2"),
                ("smsMsgId", &s.id),
                ("status", status),
                ("extend", &s.reference),
                ("to", &e164),
            ];
            (FORM, form(&fields), String::new())
        }
        ("huawei_sms", News::Reply(text)) => {
            let fields =
                [("smsMsgId", "up-1"), ("from", &e164), ("to", "8820000000000"), ("body", text), ("createTime", "2024-07-08T08:16:00Z")];
            (FORM, form(&fields), String::new())
        }
        ("twilio_sms", News::Delivered) => (FORM, form(&[("MessageSid", &s.id), ("MessageStatus", "delivered")]), by_reference),
        ("twilio_sms", News::Failed) => {
            (FORM, form(&[("MessageSid", &s.id), ("MessageStatus", "undelivered"), ("ErrorCode", "30003")]), by_reference)
        }
        ("twilio_sms", News::Reply(text)) => {
            (FORM, form(&[("MessageSid", "SMup1"), ("From", &e164), ("To", "+15005550006"), ("Body", text)]), String::new())
        }
        ("twilio_voice", News::Key(key)) => {
            (FORM, form(&[("CallSid", &s.id), ("CallStatus", "in-progress"), ("Digits", key)]), by_reference)
        }
        ("twilio_voice", _) => (FORM, form(&[("CallSid", &s.id), ("CallStatus", "completed"), ("CallDuration", "31")]), by_reference),
        other => panic!("{other:?} is not told by this provider"),
    };
    (media, body, query)
}

/// What each wants to hear once its callback is kept.
fn wanted(kind: &str, news: News, reply: &CallbackReply) {
    assert_eq!(reply.status, 200, "{kind}");
    match kind {
        "aliyun_sms" | "aliyun_voice" => assert_eq!(reply.body, r#"{"code":0,"msg":"接收成功"}"#),
        "tencent_sms" | "tencent_voice" => assert_eq!(reply.body, r#"{"result":0,"errmsg":"OK"}"#),
        "twilio_voice" if news == News::Key("1") => assert!(reply.body.contains("<Say") && reply.body.contains("已记录")),
        "twilio_sms" => assert!(reply.body.ends_with("<Response></Response>"), "{}", reply.body),
        _ => {}
    }
}

struct Scene {
    g: Gateway,
    sent: Sent,
    /// Callbacks kept so far.
    kept: u64,
}

impl Scene {
    /// A red warning is out; the first message (or call) of this kind has left. With `hold`, what came of it is not
    /// on record yet.
    async fn of(kind: &'static str, hold: bool) -> Scene {
        let channel = if kind.ends_with("voice") { "voice" } else { "sms" };
        let kinds: &[&str] = match kind {
            "aliyun_voice" => &["aliyun_sms", "aliyun_voice"],
            "tencent_voice" => &["tencent_sms", "tencent_voice"],
            "twilio_voice" => &["twilio_sms", "twilio_voice"],
            sms => &[sms],
        };
        let mut g = Gateway::start(kinds).await;
        g.warn().await;
        g.run(true).await;
        for _ in 0..120 {
            if g.held.iter().any(|d| d.account.name() == kind) {
                break;
            }
            let done = std::mem::take(&mut g.held);
            g.engine.record(done).await.unwrap();
            g.pass(Span::secs(1), true).await;
        }
        let done = g.held.iter().find(|d| d.account.name() == kind).unwrap_or_else(|| panic!("no {channel} left"));
        let Outcome::Accepted { provider_message_id } = &done.outcome else { panic!("{:?}", done.outcome) };
        let (callout, n) = match &done.whose {
            JobFor::Callout(id, n) => (*id, *n),
            JobFor::Line(_, lead) | JobFor::Canary(lead) => (lead.callout, lead.n),
        };
        let id = provider_message_id.clone();
        let parts = g.engine.callout_parts(callout).await.unwrap().unwrap();
        let a = parts.callout.attempt(n).unwrap();
        let person = parts.person(parts.callout.contacts[usize::from(a.contact)].person).unwrap();
        let phone = person.phones[usize::from(a.number)].reveal().to_string();
        let all = g._standin.sent();
        let wire = all.iter().find(|s| s.channel.as_str() == channel && s.phone.ends_with(&phone)).expect("the stand-in has it");
        let sent = Sent { kind, callout, n, phone, reference: wire.out_id.to_string(), id };
        let mut scene = Scene { g, sent, kept: 0 };
        if !hold {
            scene.record().await;
        }
        scene
    }

    async fn record(&mut self) {
        let done = std::mem::take(&mut self.g.held);
        self.g.engine.record(done).await.unwrap();
        self.g.pass(Span::secs(4), false).await;
    }

    /// The provider tells; its answer is checked.
    async fn told(&mut self, news: News) {
        let (media, body, query) = body(&self.sent, news);
        let path = format!("/callbacks/{}/{SECRET}{query}", self.sent.kind);
        let url = format!("https://warning.example.org{path}");
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let signature = twilio::sign("testsecret", &url, &fields, twilio::Hash::Sha1);
        let headers = [("content-type", media), ("x-twilio-signature", signature.as_str())];
        let request = CallbackRequest { path_and_query: &path, headers: &headers, body: body.as_bytes() };
        let reply = self.g.engine.take_callback(self.sent.kind, &request).await.unwrap();
        wanted(self.sent.kind, news, &reply);
        self.kept += 1;
        assert_eq!(self.raw(self.kept).await["body"], body, "{}: the raw body is kept", self.sent.kind);
        self.g.run(true).await;
    }

    /// A kept callback as it stands in the store.
    async fn raw(&self, n: u64) -> Value {
        let record = self.g.memory.load(&[Key::Callback(n)]).await.unwrap().remove(0).expect("it was kept");
        serde_json::from_slice(&record.body).unwrap()
    }

    async fn callout(&self) -> Callout {
        self.g.engine.callout_parts(self.sent.callout).await.unwrap().unwrap().callout
    }
    async fn state(&self) -> AttemptState {
        self.callout().await.attempt(self.sent.n).unwrap().state
    }
    async fn answered(&self) -> Option<Via> {
        self.callout().await.acknowledgement.map(|a| a.via)
    }
}

#[tokio::test]
async fn a_receipt_is_no_answer_and_a_reply_is_one_and_twice_is_once() {
    for kind in SMS {
        let mut s = Scene::of(kind, false).await;
        assert_eq!(s.state().await, AttemptState::Accepted, "{kind}");
        s.told(News::Delivered).await;
        assert_eq!((s.state().await, s.answered().await), (AttemptState::Delivered, None), "{kind}");
        s.told(News::Reply("收到1")).await;
        assert_eq!(s.answered().await, Some(Via::Reply), "{kind}");
        let before = s.callout().await;
        s.told(News::Delivered).await;
        s.told(News::Reply("收到1")).await;
        assert_eq!(s.callout().await, before, "{kind}: the same again changes nothing");
    }
}

#[tokio::test]
async fn a_reply_nobody_can_read_that_is_pushed_again_is_one_task() {
    for kind in SMS {
        let mut s = Scene::of(kind, false).await;
        for _ in 0..2 {
            s.told(News::Reply("在吗")).await;
            let read = s.callout().await.tasks.iter().filter(|t| t.kind == TaskKind::Read).count();
            assert_eq!(read, 1, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_receipt_that_comes_before_the_acceptance_is_on_record_is_kept_and_counts() {
    for kind in SMS {
        let mut s = Scene::of(kind, true).await;
        assert_eq!(s.state().await, AttemptState::Sending, "{kind}");
        s.told(News::Delivered).await;
        s.record().await;
        assert_eq!(s.state().await, AttemptState::Delivered, "{kind}");
    }
}

#[tokio::test]
async fn a_reply_that_comes_before_the_acceptance_is_on_record_answers() {
    for kind in SMS {
        let mut s = Scene::of(kind, true).await;
        s.told(News::Reply("1")).await;
        assert_eq!(s.answered().await, Some(Via::Reply), "{kind}");
        s.record().await;
        assert_eq!(s.answered().await, Some(Via::Reply), "{kind}");
    }
}

#[tokio::test]
async fn news_out_of_order_never_take_back_what_was_delivered_or_answered() {
    for kind in SMS {
        let mut s = Scene::of(kind, false).await;
        s.told(News::Reply("1")).await;
        s.told(News::Delivered).await;
        s.told(News::Failed).await;
        assert_eq!((s.state().await, s.answered().await), (AttemptState::Delivered, Some(Via::Reply)), "{kind}");
    }
}

#[tokio::test]
async fn a_failed_receipt_is_no_end_of_the_ladder() {
    for kind in SMS {
        let mut s = Scene::of(kind, false).await;
        s.told(News::Failed).await;
        assert_eq!(s.state().await, AttemptState::Failed, "{kind}");
        let c = s.callout().await;
        assert!(c.state.is_open() && c.attempts.len() >= usize::from(s.sent.n), "{kind}");
        s.g.pass(Span::mins(6), false).await;
        assert!(s.callout().await.rung > Some(0), "{kind}: the next rung was taken");
    }
}

#[tokio::test]
async fn where_nothing_ever_comes_back_the_ladder_runs_on_and_nothing_is_taken_for_delivered() {
    for kind in SMS {
        let mut s = Scene::of(kind, false).await;
        s.g.pass(Span::mins(8), false).await;
        assert_eq!(s.state().await, AttemptState::Accepted, "{kind}");
        let c = s.callout().await;
        assert!(c.state.is_open() && c.rung > Some(0) && c.acknowledgement.is_none(), "{kind}: {:?}", c.state);
    }
}

#[tokio::test]
async fn the_asked_key_answers_in_mid_call_and_the_calls_end_changes_nothing_of_it() {
    for kind in VOICE {
        let mut s = Scene::of(kind, false).await;
        s.told(News::Key("1")).await;
        assert_eq!(s.answered().await, Some(Via::Keypress), "{kind}");
        s.told(News::Ended).await;
        let before = s.callout().await;
        s.told(News::Key("1")).await;
        s.told(News::Ended).await;
        assert_eq!(s.callout().await, before, "{kind}: the same again changes nothing");
    }
}

#[tokio::test]
async fn a_key_told_after_the_calls_end_still_answers_and_another_key_or_a_lifted_receiver_never_does() {
    for kind in VOICE {
        let mut s = Scene::of(kind, false).await;
        s.told(News::Ended).await;
        assert_eq!(s.answered().await, None, "{kind}: somebody lifted the receiver, which is no answer");
        s.told(News::Key("9")).await;
        assert_eq!(s.answered().await, None, "{kind}: not the asked key");
        s.told(News::Key("1")).await;
        assert_eq!(s.answered().await, Some(Via::Keypress), "{kind}");
    }
}

#[tokio::test]
async fn a_key_and_an_end_that_come_before_the_acceptance_are_kept_and_count() {
    for kind in VOICE {
        let mut s = Scene::of(kind, true).await;
        s.told(News::Key("1")).await;
        s.told(News::Ended).await;
        s.record().await;
        assert_eq!(s.answered().await, Some(Via::Keypress), "{kind}");
    }
}

#[tokio::test]
async fn a_call_nobody_reports_the_end_of_is_given_up_and_the_next_one_is_made() {
    for kind in VOICE {
        let mut s = Scene::of(kind, false).await;
        let calls =
            |c: &Callout| c.attempts.iter().filter(|a| a.channel == jiaoying::core::send::Channel::Voice && a.sent.is_some()).count();
        let before = calls(&s.callout().await);
        s.g.pass(Span::mins(5), false).await;
        let c = s.callout().await;
        assert!(c.state.is_open() && calls(&c) > before, "{kind}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_kept_to_the_byte_and_an_officer_is_told_once() {
    use base64::Engine as _;
    for kind in ["aliyun_sms", "tencent_sms", "huawei_sms"] {
        let mut s = Scene::of(kind, false).await;
        for (n, raw) in [&b"\xca\xd5\xb5\xbd\xff\x00[{"[..], b"{\"x\":", b""].into_iter().enumerate() {
            let path = format!("/callbacks/{kind}/{SECRET}");
            let request = CallbackRequest { path_and_query: &path, headers: &[("content-type", "application/json")], body: raw };
            s.g.engine.take_callback(kind, &request).await.unwrap();
            let kept = s.raw(n as u64 + 1).await;
            let bytes = match kept["bytes"].as_str() {
                Some(text) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
                None => kept["body"].as_str().unwrap().as_bytes().to_vec(),
            };
            assert_eq!(bytes, raw, "{kind}");
        }
        s.g.run(true).await;
        let record = s.g.memory.load(&[Key::Warning(s.sent.callout.warning)]).await.unwrap().remove(0).unwrap();
        let warning: Value = serde_json::from_slice(&record.body).unwrap();
        let told = warning["tasks"].as_array().unwrap().iter().filter(|t| t["title"].as_str().unwrap().contains("无法读取")).count();
        assert_eq!(told, 1, "{kind}: {}", warning["tasks"]);
    }
}
