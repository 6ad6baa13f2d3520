//! An SMPP line against an SMSC: what leaves, what comes back, and what a broken line proves.

use super::{
    kit::{NOW, ask, closed_port, loopback, phone, soon},
    others_next::Gateway,
};
use async_trait::async_trait;
use jiaoying::{
    channel::{CallbackItem, Inbox, Provider, ReceiptResult, http, settings::ProviderSettings},
    core::{
        callout::state::{AttemptState, Callout},
        time::Span,
    },
    engine::inbox::Lines,
    standin::{
        Behaviour,
        smpp::{self, Fate, SmppHandle, SmppSettings},
    },
    store::{CalloutFilter, Reports},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::mpsc;

fn table(endpoint: &str, extra: &str) -> String {
    format!(
        "kind = 'smpp_sms'\nendpoint = '{endpoint}'\nsystem_id = 'testid'\npassword = 'testpw'\nsource = '10690000001'\nsign_name = '某某应急'\n\
         request_timeout = '1s'\nenquire_every = '1s'\nreconnect = ['100ms']\n{extra}"
    )
}
pub(super) fn account(endpoint: &str, extra: &str) -> Arc<dyn Provider> {
    let settings = ProviderSettings::from_table("line", table(endpoint, extra).parse().unwrap()).unwrap();
    settings.provider(http::client(&Default::default()).unwrap(), Arc::new(|| NOW.0)).unwrap()
}

/// The number that the SMSC of every test refuses: asked until the line is bound, it leaves nothing behind.
const NOBODY: u32 = 99_999_999;

pub(super) async fn smsc(settings: SmppSettings) -> SmppHandle {
    let mut settings = settings;
    settings.fates.insert(format!("86154{NOBODY:08}"), Fate::Status(0x0B));
    smpp::serve(settings, loopback().await).await.unwrap()
}

/// What is kept; `willing`: whether it can be.
struct Shelf {
    willing: AtomicBool,
    kept: mpsc::UnboundedSender<Vec<u8>>,
}
#[async_trait]
impl Inbox for Shelf {
    async fn keep(&self, account: &str, _content_type: &str, body: &[u8]) -> bool {
        assert_eq!(account, "line");
        let willing = self.willing.load(Ordering::Relaxed);
        if willing {
            self.kept.send(body.to_vec()).unwrap();
        }
        willing
    }
}

/// The line, held until the test ends.
pub(super) fn held(p: &Arc<dyn Provider>, willing: bool) -> mpsc::UnboundedReceiver<Vec<u8>> {
    let (kept, came) = mpsc::unbounded_channel();
    let (p, shelf) = (p.clone(), Arc::new(Shelf { willing: AtomicBool::new(willing), kept }));
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move { p.hold(shelf).await });
    came
}

/// Until the line answers.
pub(super) async fn bound(p: &Arc<dyn Provider>) {
    let mut said = None;
    let answers = async {
        loop {
            let outcome = p.send(&ask(phone(NOBODY), "r")).await;
            if outcome.class() == "permanent_number" {
                return;
            }
            if said.as_ref() != Some(&outcome) {
                println!("{outcome:?}");
                said = Some(outcome);
            }
            tokio::task::yield_now().await;
        }
    };
    soon(answers).await;
}

#[tokio::test]
async fn chinese_arrives_byte_for_byte_in_one_part_in_several_and_as_a_payload() {
    for (extra, parts) in [("", 2), ("long = 'payload'", 1)] {
        let s = smsc(SmppSettings::default()).await;
        let p = account(&s.addr().to_string(), extra);
        let _came = held(&p, true);
        bound(&p).await;
        let mut long = ask(phone(2), "r2");
        long.message.text = format!("{}😀𠮷㙍龑〇{}", "暴雨".repeat(30), "收到请回1。".repeat(5));
        for r in [&ask(phone(1), "r1"), &long] {
            assert_eq!(p.send(r).await.class(), "accepted");
        }
        let taken = s.taken();
        assert_eq!(taken[0].text, "【某某应急】沁水县发布暴雨红色预警，收到请回1");
        assert_eq!((taken[1].text.as_str(), taken[1].parts), (format!("【某某应急】{}", long.message.text).as_str(), parts));
        assert_eq!(taken[1].phone, "8615400000002");
    }
}

#[tokio::test]
async fn receipts_and_replies_are_kept_before_they_are_thanked_for_and_find_their_message() {
    for by_tlv in [false, true] {
        let s = smsc(SmppSettings { by_tlv, reply: Some("收到1".into()), ..SmppSettings::default() }).await;
        let p = account(&s.addr().to_string(), "");
        let mut came = held(&p, true);
        bound(&p).await;
        assert!(!p.echoes_reference(), "receipts name the SMSC's id alone");
        let outcome = p.send(&ask(phone(1), "r1")).await;
        let mut items = Vec::new();
        for _ in 0..2 {
            items.extend(p.read_callback(None, &soon(came.recv()).await.unwrap()).unwrap());
        }
        let jiaoying::core::send::Outcome::Accepted { provider_message_id } = outcome else { panic!("{outcome:?}") };
        let receipt = |i: &CallbackItem| matches!(i, CallbackItem::Receipt { provider_message_id: Some(id), result: ReceiptResult::Delivered, .. } if *id == provider_message_id);
        let reply = |i: &CallbackItem| matches!(i, CallbackItem::Reply { phone, text, .. } if phone == "8615400000001" && text == "收到1");
        assert!(items.iter().any(receipt) && items.iter().any(reply), "{items:?}");
        soon(async {
            while s.counts().2 < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    // What could not be kept is not thanked for: the SMSC will bring it again.
    let s = smsc(SmppSettings::default()).await;
    let p = account(&s.addr().to_string(), "");
    let _came = held(&p, false);
    bound(&p).await;
    assert_eq!(p.send(&ask(phone(1), "r1")).await.class(), "accepted");
    soon(async {
        while s.counts().3 < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(s.counts().2, 0);
}

#[tokio::test]
async fn the_seventy_first_character_is_refused_or_makes_two_parts_as_configured() {
    let s = smsc(SmppSettings::default()).await;
    let (split, refuse) = (account(&s.addr().to_string(), ""), account(&s.addr().to_string(), "segments_max = 1"));
    assert!(refuse.refuses_long_sms() && !split.refuses_long_sms());
    let _came = held(&split, true);
    bound(&split).await;
    // 【某某应急】 has six.
    for (n, parts) in [(70, 1), (71, 2), (134, 2), (135, 3)] {
        let mut r = ask(phone(1), "r");
        r.message.text = "雨".repeat(n - 6);
        assert_eq!((split.sms_count(&r.message), split.check_message(&r.message)), (parts, Ok(())), "{n}");
        assert_eq!(refuse.check_message(&r.message).is_err(), parts > 1, "{n}");
        assert_eq!(split.send(&r).await.class(), "accepted", "{n}");
        let taken = s.taken().pop().unwrap();
        assert_eq!((taken.parts, taken.text), (parts, format!("【某某应急】{}", r.message.text)), "{n}");
    }
}

#[tokio::test]
async fn a_line_lost_between_submit_and_response_is_unknown_and_bound_again_and_nothing_goes_twice() {
    let fates = [("8615400000001".to_string(), Fate::Cut), ("8615400000002".to_string(), Fate::Silent)].into();
    let s = smsc(SmppSettings { fates, ..SmppSettings::default() }).await;
    let p = account(&s.addr().to_string(), "");
    let _came = held(&p, true);
    bound(&p).await;
    assert_eq!(p.send(&ask(phone(1), "r")).await.class(), "unknown", "cut");
    bound(&p).await;
    assert_eq!(p.send(&ask(phone(2), "r")).await.class(), "unknown", "silent");
    assert_eq!(p.send(&ask(phone(3), "r")).await.class(), "accepted");
    assert!(s.counts().1 >= 2, "bound again");
    let mut phones: Vec<String> = s.taken().into_iter().map(|t| t.phone).collect();
    phones.dedup();
    assert_eq!(phones, ["8615400000001", "8615400000002", "8615400000003"]);
    s.stop().await;
    let after = p.send(&ask(phone(4), "r")).await;
    assert!(matches!(after.class(), "retryable" | "unknown"), "{after:?}");
}

#[tokio::test]
async fn a_line_that_is_refused_is_a_fault_of_configuration_and_one_that_is_not_there_is_none() {
    let s = smsc(SmppSettings { password: "another".into(), ..SmppSettings::default() }).await;
    let p = account(&s.addr().to_string(), "");
    let _came = held(&p, true);
    soon(async {
        while p.send(&ask(phone(1), "r")).await.class() != "config" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(s.counts().1, 0);
    let closed = closed_port().await;
    let p = account(closed.trim_start_matches("http://"), "");
    let _came = held(&p, true);
    assert_eq!(p.send(&ask(phone(1), "r")).await.class(), "retryable", "nothing left");
}

#[tokio::test]
async fn a_line_that_answers_no_enquiry_is_given_up_and_bound_again() {
    let s = smsc(SmppSettings { alive: false, ..SmppSettings::default() }).await;
    let p = account(&s.addr().to_string(), "");
    let _came = held(&p, true);
    bound(&p).await;
    soon(async {
        while s.counts().1 < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn through_the_engine_a_receipt_over_the_line_reaches_its_callout() {
    let s = smsc(SmppSettings::default()).await;
    let endpoint = s.addr().to_string();
    let mut g = Gateway::of(Behaviour::default(), |_| vec![("line".into(), table(&endpoint, "segments_max = 10"))]).await;
    let lines = Lines::open(&g.engine);
    let warning = g.warn().await;
    // The first tries may come before the line is bound: then they go again by the clock.
    for _ in 0..120 {
        g.pass(Span::secs(1), false).await;
        if s.counts().2 > 0 && !s.taken().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    g.pass(Span::secs(30), false).await;
    let rows = g.memory.callouts(Some(warning), &CalloutFilter::default(), None, 1000).await.unwrap();
    let all: Vec<Callout> = rows.iter().map(|r| serde_json::from_slice(&r.0.body).unwrap()).collect();
    let delivered = all.iter().filter(|c| c.attempts.iter().any(|a| a.state == AttemptState::Delivered)).count();
    println!("{} messages over the line, {delivered} of {} callouts with a receipt", s.taken().len(), all.len());
    assert!(delivered > 0 && !s.taken().is_empty());
    lines.close().await;
}

/// Another's SMSC (tests/vendors/smpp starts one): what it understood it says in its replies.
#[tokio::test]
async fn anothers_smsc_takes_our_messages_and_its_receipts_and_replies_are_read() {
    let Some(endpoint) = std::env::var_os("JIAOYING_SMSC") else {
        println!("skipped: no other SMSC is running (JIAOYING_SMSC; tests/vendors/smpp starts one)");
        return;
    };
    for (extra, text) in
        [("", "暴雨红色预警".repeat(4)), ("", "暴雨😀红色预警，收到请回1。".repeat(9)), ("long = 'payload'", "暴雨红色预警".repeat(20))]
    {
        let p = account(&endpoint.to_string_lossy(), extra);
        let mut came = held(&p, true);
        let mut r = ask(phone(1), "r1");
        r.message.text = text;
        let outcome = soon(async {
            loop {
                match p.send(&r).await {
                    o if o.class() == "retryable" => tokio::task::yield_now().await,
                    o => return o,
                }
            }
        })
        .await;
        let jiaoying::core::send::Outcome::Accepted { provider_message_id } = outcome else { panic!("{outcome:?}") };
        let (mut echoed, mut delivered) = (false, false);
        while !(echoed && delivered) {
            for item in p.read_callback(None, &soon(came.recv()).await.unwrap()).unwrap() {
                match item {
                    CallbackItem::Receipt { provider_message_id: Some(id), result: ReceiptResult::Delivered, .. } => {
                        delivered |= id == provider_message_id
                    }
                    CallbackItem::Reply { phone, text, .. } => {
                        assert_eq!((phone.as_str(), text.as_str()), ("8615400000001", format!("【某某应急】{}", r.message.text).as_str()));
                        echoed = true;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    let refused = account(&endpoint.to_string_lossy(), "").send(&ask(phone(1), "r")).await;
    assert_eq!(refused.class(), "retryable", "an account whose line nobody holds sends nothing");
}
