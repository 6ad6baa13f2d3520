//! What the engine does after a provider said something: a real gateway over a store in memory, with two accounts
//! on each channel, of which the first says it once of one person; then two minutes pass on a clock turned by hand.

use jiaoying::{
    channel::{AccountLimits, Address, CallbackItem, CallbackReply, Lookup, Message, Provider, ReceiptResult, SendRequest},
    core::{
        ids::IssuerId,
        policy::parse_policy,
        send::{Channel, Outcome},
        time::{Span, Time},
    },
    engine::{Engine, Issuer, Parts, Settings},
    ingest::{self, SourceFormat},
    render::{RenderOptions, Renderer},
    sample,
    store::{
        clock::{Clock, ManualClock},
        memory::MemoryStore,
    },
};
use serde_json::json;
use std::sync::{Arc, Mutex};

const START: &str = "2024-07-08T16:15:30+08:00";
/// Long enough for every look-up and a second call.
const WATCHED: Span = Span::secs(135);

/// What the first account says of one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Reply(Outcome),
    /// After taking the request.
    Receipt(ReceiptResult),
}

/// One request as it left.
#[derive(Clone, Debug)]
struct Left {
    at: Time,
    account: &'static str,
    channel: Channel,
    to: String,
    reference: String,
}

struct Script {
    channel: Channel,
    said: Said,
    clock: Arc<ManualClock>,
    /// Persons with two numbers: the first of them that is asked is the one it happens to.
    candidates: Vec<Vec<String>>,
    victim: Mutex<Option<Vec<String>>>,
    log: Mutex<Vec<Left>>,
    looked_up: Mutex<Vec<(String, Time)>>,
}

struct Fake {
    name: &'static str,
    channel: Channel,
    limits: AccountLimits,
    script: Arc<Script>,
}

fn address(to: &Address) -> String {
    match to {
        Address::Phone(p) => p.reveal().to_string(),
        Address::Email { address, .. } => address.clone(),
        Address::Group { .. } => "group".into(),
    }
}

#[async_trait::async_trait]
impl Provider for Fake {
    fn account(&self) -> &str {
        self.name
    }
    fn channel(&self) -> Channel {
        self.channel
    }
    fn limits(&self) -> &AccountLimits {
        &self.limits
    }
    async fn send(&self, r: &SendRequest) -> Outcome {
        let s = &self.script;
        let to = address(&r.to);
        let at = s.clock.now();
        s.log.lock().unwrap().push(Left { at, account: self.name, channel: self.channel, to: to.clone(), reference: r.reference.clone() });
        let mut victim = s.victim.lock().unwrap();
        if self.channel == s.channel
            && self.name.starts_with("first")
            && victim.is_none()
            && let Some(person) = s.candidates.iter().find(|c| c.contains(&to))
        {
            *victim = Some(person.clone());
            if let Said::Reply(outcome) = &s.said {
                return outcome.clone();
            }
        }
        // What is wrong with the account is said to everybody from then on.
        if let Said::Reply(outcome @ (Outcome::Config { .. } | Outcome::Balance { .. })) = &s.said
            && self.channel == s.channel
            && self.name.starts_with("first")
            && victim.is_some()
        {
            return outcome.clone();
        }
        Outcome::Accepted { provider_message_id: format!("m-{}", r.reference) }
    }
    /// No voice account of China has a query.
    fn has_lookup(&self) -> bool {
        self.channel != Channel::Voice
    }
    async fn lookup(&self, reference: &str, _: &Address, _: Time) -> Lookup {
        self.script.looked_up.lock().unwrap().push((reference.to_string(), self.script.clock.now()));
        Lookup::NotFound
    }
    fn read_callback(&self, _: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        serde_json::from_slice(body).map_err(|e| e.to_string())
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        CallbackReply { status: if ok { 200 } else { 500 }, content_type: "text/plain", body: String::new() }
    }
    fn check_message(&self, _: &Message) -> Result<(), String> {
        Ok(())
    }
}

/// What follows, in one plain line.
pub async fn follows(channel: Channel, said: &Said) -> String {
    let clock = Arc::new(ManualClock::new(Time::parse_rfc3339(START).unwrap()));
    let memory = Arc::new(MemoryStore::new(clock.clone() as Arc<dyn Clock>));
    let directory = sample::directory(sample::MIN_PERSONS, 1);
    let of_person = |r: &jiaoying::core::directory::Recipient| {
        let mut all: Vec<String> = r.phones.iter().map(|p| p.reveal().to_string()).collect();
        all.extend(r.email.clone());
        (r.phones.len() == 2 && r.phones.iter().all(|p| p.is_mobile()) && (channel != Channel::Email || r.email.is_some())).then_some(all)
    };
    let candidates: Vec<Vec<String>> = directory.recipients.values().filter_map(of_person).collect();
    let script = Arc::new(Script {
        channel,
        said: said.clone(),
        clock: clock.clone(),
        candidates,
        victim: Mutex::default(),
        log: Mutex::default(),
        looked_up: Mutex::default(),
    });
    let fake = |name: &'static str, channel: Channel| -> Arc<dyn Provider> {
        let limits = AccountLimits { per_second: 10_000, in_flight: 1000, concurrent_calls: 1000, per_callee: Vec::new() };
        Arc::new(Fake { name, channel, limits, script: script.clone() })
    };
    let parts = Parts {
        store: memory.clone(),
        reports: memory.clone(),
        providers: vec![
            fake("first-sms", Channel::Sms),
            fake("second-sms", Channel::Sms),
            fake("first-voice", Channel::Voice),
            fake("second-voice", Channel::Voice),
            fake("first-mail", Channel::Email),
            fake("second-mail", Channel::Email),
        ],
        renderer: Renderer::new(RenderOptions::default()).unwrap(),
        policy: parse_policy(include_str!("../../../config/policy.toml")).unwrap(),
        issuers: Vec::new(),
        settings: Settings {
            key: [7; 32],
            weights: ["second-sms", "second-voice", "second-mail"].map(|n| (n.to_string(), 0)).into(),
            ..Settings::default()
        },
    };
    let engine = Engine::new(parts).await.unwrap();
    assert!(engine.replace_directory(0, directory).await.unwrap());
    let issuer =
        Issuer { id: IssuerId("qixiang".into()), name: "晋城市气象台".into(), hazards: vec![], divisions: vec![], levels: vec![] };
    let body = json!({
        "identifier": "a", "sent": "2024-07-08T16:15:00+08:00", "status": "actual", "message_type": "alert", "hazard": "11B03", "level": "red",
        "headline": "沁水县发布暴雨红色预警", "description": "未来3小时雨量将超100毫米", "instruction": "立即转移危险区群众",
        "expires": "2024-07-08T22:15:00+08:00", "areas": [{"name": "沁水县", "division": "140521000000"}]
    })
    .to_string();
    let parsed = ingest::read(SourceFormat::Json, None, body.as_bytes(), "qixiang").unwrap();
    engine.post_warning(&issuer, parsed, body.as_bytes()).await.unwrap();

    let mut stopped = None;
    let mut until = None;
    let mut told = false;
    for second in 0.. {
        run(&engine).await;
        let first = first_of(&script);
        if let Some(first) = &first
            && until.is_none()
        {
            until = Some(first.at + WATCHED);
        }
        if let (Said::Receipt(result), Some(first), false) = (said, &first, told) {
            told = true;
            let item = CallbackItem::Receipt {
                reference: Some(first.reference.clone()),
                provider_message_id: None,
                at: None,
                result: result.clone(),
                keys: None,
            };
            engine.park_callback(first.account, None, &serde_json::to_vec(&[item]).unwrap()).await.unwrap();
            run(&engine).await;
        }
        stopped = stopped.or_else(|| engine.providers().into_iter().find(|p| !p.1).map(|p| p.0));
        assert!(second < 900, "nobody with two numbers was ever asked by {channel}");
        if until.is_some_and(|t| engine.now() >= t) {
            break;
        }
        clock.advance(Span::secs(1));
    }
    describe(&script, stopped)
}

/// Until nothing is due, look-ups included.
async fn run(engine: &Engine) {
    for _ in 0..200 {
        let turn = engine.turn(500).await.unwrap();
        let mut done = Vec::new();
        let idle = turn.claimed == 0;
        for job in turn.jobs {
            done.push(engine.send(job).await);
        }
        engine.record(done).await.unwrap();
        for job in engine.take_lookups() {
            engine.look_up(job).await.unwrap();
        }
        if idle {
            return;
        }
    }
    panic!("the engine never came to rest");
}

/// The request it happened to.
fn first_of(s: &Script) -> Option<Left> {
    let victim = s.victim.lock().unwrap().clone()?;
    s.log.lock().unwrap().iter().find(|l| l.channel == s.channel && victim.contains(&l.to)).cloned()
}

fn describe(s: &Script, stopped: Option<String>) -> String {
    let first = first_of(s).unwrap();
    let victim = s.victim.lock().unwrap().clone().unwrap();
    let mut parts = Vec::new();
    if let Some(name) = stopped {
        parts.push(format!("{name} is stopped"));
    }
    let looked: Vec<String> =
        s.looked_up.lock().unwrap().iter().filter(|l| l.0 == first.reference).map(|l| seconds(l.1 - first.at)).collect();
    if !looked.is_empty() {
        parts.push(format!("looked up after {}", looked.join(", ")));
    }
    let log = s.log.lock().unwrap();
    let after = log.iter().skip_while(|l| l.reference != first.reference || l.channel != first.channel).skip(1);
    let theirs: Vec<&Left> = after.filter(|l| victim.contains(&l.to)).collect();
    match theirs.iter().find(|l| l.channel == s.channel) {
        Some(l) => {
            let number = if l.to == first.to { "the same number" } else { "the other number" };
            let number = if s.channel == Channel::Email { "the same address" } else { number };
            parts.push(format!("{} by {} to {number}", when(l.at - first.at), l.account));
        }
        None => parts.push(format!("no more {}", if s.channel == Channel::Email { "mail" } else { s.channel.as_str() })),
    }
    if s.channel != Channel::Voice
        && let Some(l) = theirs.iter().find(|l| l.channel == Channel::Voice)
    {
        let number = if victim.first() == Some(&l.to) { "first" } else { "second" };
        parts.push(format!("call {} to the {number} number", when(l.at - first.at)));
    }
    parts.join("; ")
}

fn seconds(span: Span) -> String {
    format!("{} s", (span.0 + 500) / 1000)
}
fn when(span: Span) -> String {
    if span.0 < 1000 { "at once".into() } else { format!("after {}", seconds(span)) }
}
