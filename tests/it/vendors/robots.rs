//! Our robots' clients against the stand-in that plays the three programs: what arrives, what is refused, what a limit does.

use super::kit::{closed_port, provider, standin};
use jiaoying::{
    channel::{Address, Message, MessageKind, Provider, SendRequest, settings::ProviderSettings},
    core::send::Outcome,
    standin::{Behaviour, StandinHandle, StandinSettings},
};
use std::{collections::BTreeMap, sync::Arc};

pub const ROBOTS: [&str; 3] = ["dingtalk_robot", "wecom_robot", "feishu_robot"];

pub fn table(kind: &str, endpoint: &str) -> String {
    let own = match kind {
        "dingtalk_robot" => "access_token = 'testid'\nsecret = 'testsecret'",
        "wecom_robot" => "key = 'testid'",
        _ => "hook = 'testid'\nsecret = 'testsecret'",
    };
    format!("kind = '{kind}'\nendpoint = '{endpoint}'\nrequest_timeout = '1s'\n{own}")
}
pub fn robot(kind: &str, endpoint: &str) -> Arc<dyn Provider> {
    provider(kind, &table(kind, endpoint))
}

/// Rare characters, those beyond the first plane, quotes, escapes and what addresses and JSON escape.
const TEXT: &str = "**暴雨红色预警：开始叫应**\n𠮷家岭、㙍底村（龑塬）、𬒔沟“二〇三”点；Ａ１２&=+\"\\/%'~\n- 龙港镇：12 人";

pub fn digest(text: &str, at_all: bool) -> SendRequest {
    let message = Message {
        kind: MessageKind::Digest,
        variant: "start".into(),
        drill: false,
        variables: Vec::new(),
        text: text.into(),
        subject: Some("暴雨红色预警：开始叫应 𠮷".into()),
        html: None,
    };
    SendRequest { reference: "robot-1".into(), to: Address::Group { at_all }, message }
}

fn arrived(s: &StandinHandle, kind: &str) -> (String, String, bool) {
    let m = s.groups().pop().unwrap_or_else(|| panic!("{kind}: nothing arrived"));
    assert!(kind.starts_with(m.robot), "{kind}: {m:?}");
    (m.title, m.text, m.at_all)
}

#[tokio::test]
async fn a_digest_arrives_byte_for_byte_in_every_group() {
    let s = standin(StandinSettings::default()).await;
    for kind in ROBOTS {
        let p = robot(kind, &s.url());
        for at_all in [false, true] {
            assert_eq!(p.send(&digest(TEXT, at_all)).await, Outcome::Accepted { provider_message_id: "robot-1".into() }, "{kind}");
            let (title, text, loud) = arrived(&s, kind);
            assert_eq!(loud, at_all, "{kind}");
            let wanted = match (kind, at_all) {
                // Each line with the two spaces that keep it one.
                ("dingtalk_robot", _) => TEXT.replace('\n', "  \n") + "  ",
                // Only text calls everybody up, and text has no marks.
                ("wecom_robot", true) => TEXT.replace("**", ""),
                ("feishu_robot", true) => format!("{TEXT}\n<at id=all></at>"),
                _ => TEXT.to_string(),
            };
            assert_eq!(text, wanted, "{kind}");
            assert!(kind == "wecom_robot" || title == "暴雨红色预警：开始叫应 𠮷", "{kind}: {title}");
        }
    }
    assert_eq!(s.counts()["groups"]["taken"], serde_json::json!({"dingtalk": 2, "wecom": 2, "feishu": 2}));
}

#[tokio::test]
async fn a_wrong_secret_or_key_is_a_fault_of_configuration() {
    let s = standin(StandinSettings::default()).await;
    for kind in ROBOTS {
        for (right, wrong) in [("'testsecret'", "'wrong'"), ("'testid'", "'nobody'")] {
            let table = table(kind, &s.url());
            if table.contains(right) {
                let p = provider(kind, &table.replace(right, wrong));
                assert_eq!(p.send(&digest(TEXT, false)).await.class(), "config", "{kind} {wrong}");
            }
        }
    }
    assert!(s.groups().is_empty());
    assert_eq!(s.counts()["bad_signature"], 5);
}

#[tokio::test]
async fn the_twenty_first_in_a_minute_is_refused_as_each_program_refuses_it() {
    let s = standin(StandinSettings::default()).await;
    for (kind, takes, class) in [("dingtalk_robot", 20, "130101"), ("wecom_robot", 20, "45009"), ("feishu_robot", 5, "11232")] {
        let p = robot(kind, &s.url());
        for n in 0..takes {
            assert_eq!(p.send(&digest(TEXT, false)).await.class(), "accepted", "{kind} {n}");
        }
        match p.send(&digest(TEXT, false)).await {
            Outcome::Throttled { detail, whole_account: true, .. } => assert!(detail.contains(class), "{kind}: {detail}"),
            other => panic!("{kind}: {other:?}"),
        }
    }
    assert_eq!(s.counts()["groups"]["limited"], serde_json::json!({"dingtalk": 1, "wecom": 1, "feishu": 1}));
}

#[tokio::test]
async fn faults_on_demand_have_their_classes() {
    let share = |b: Behaviour| StandinSettings { behaviour: b, ..StandinSettings::default() };
    let cases = [
        (share(Behaviour { refused_share: 1.0, ..Behaviour::default() }), "retryable"),
        (share(Behaviour { error_share: 1.0, ..Behaviour::default() }), "retryable"),
        (share(Behaviour { limit_share: 1.0, ..Behaviour::default() }), "throttled"),
        (share(Behaviour { lost_share: 1.0, ..Behaviour::default() }), "unknown"),
        (share(Behaviour { lost_share: 1.0, lost_taken_share: 1.0, ..Behaviour::default() }), "unknown"),
    ];
    for (settings, class) in cases {
        let taken = settings.behaviour.lost_taken_share > 0.0;
        let s = standin(settings).await;
        for kind in ROBOTS {
            assert_eq!(robot(kind, &s.url()).send(&digest(TEXT, false)).await.class(), class, "{kind}");
        }
        assert_eq!(s.groups().len(), if taken { 3 } else { 0 });
    }
    let codes =
        BTreeMap::from([("dingtalk", "310000"), ("wecom", "93000"), ("feishu", "19024")].map(|(k, v)| (k.to_string(), v.to_string())));
    let s = standin(share(Behaviour { codes, ..Behaviour::default() })).await;
    for kind in ROBOTS {
        assert_eq!(robot(kind, &s.url()).send(&digest(TEXT, false)).await.class(), "config", "{kind}");
        assert_eq!(robot(kind, &closed_port().await).send(&digest(TEXT, false)).await.class(), "retryable", "{kind}");
    }
}

#[tokio::test]
async fn what_is_too_long_or_lacks_the_keyword_does_not_leave() {
    let s = standin(StandinSettings::default()).await;
    for (kind, at_all, bytes) in
        [("dingtalk_robot", false, 20_001), ("wecom_robot", false, 4_097), ("wecom_robot", true, 2_049), ("feishu_robot", false, 20_481)]
    {
        let outcome = robot(kind, &s.url()).send(&digest(&"a".repeat(bytes), at_all)).await;
        assert_eq!(outcome.class(), "permanent_content", "{kind}");
    }
    for kind in ["dingtalk_robot", "feishu_robot"] {
        let p = provider(kind, &format!("keyword = '防汛'\n{}", table(kind, &s.url())));
        assert_eq!(p.send(&digest(TEXT, false)).await.class(), "permanent_content");
    }
    assert_eq!(s.counts()["requests"], 0);
}

#[test]
fn a_robots_table_is_read_whole_and_its_faults_are_named() {
    let fault = |text: &str| ProviderSettings::from_table("g", text.parse().unwrap()).unwrap_err().join("\n");
    let ding = table("dingtalk_robot", "https://oapi.dingtalk.com");
    let whole = ding.replace("testid", "https://oapi.dingtalk.com/robot/send?access_token=x");
    assert!(fault(&whole).contains("access_token: only what stands behind"), "{}", fault(&whole));
    assert!(fault(&format!("{ding}\n[group]\nlevel = ['red']")).contains("level"));
    assert!(fault(&format!("{ding}\n[group]\ngap = '1h'")).contains("group.gap"));
    assert!(fault(&table("wecom_robot", "x").replace("'testid'", "''")).contains("key: is empty"));
    let read = ProviderSettings::from_table("g", format!("{ding}\n[group]\nat_all = ['red']").parse().unwrap()).unwrap();
    assert!(read.callback_secret().is_none());
    assert!(!format!("{read:?}").contains("testsecret") && !format!("{read:?}").contains("testid"));
}

/// Captured for the judges of tests/vendors/run, where a folder is named.
#[tokio::test]
async fn requests_of_robots_are_captured_for_the_judges() {
    let dir = std::env::var_os("JIAOYING_CAPTURE_ROBOTS").map(std::path::PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let dir = dir.unwrap_or_else(|| folder.path().to_path_buf());
    let s = standin(StandinSettings { capture: Some(dir.clone()), ..StandinSettings::default() }).await;
    for kind in ROBOTS {
        for at_all in [false, true] {
            assert_eq!(robot(kind, &s.url()).send(&digest(TEXT, at_all)).await.class(), "accepted");
        }
    }
    let names: Vec<String> = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    for name in ["dingtalkRobot", "wecomRobot", "feishuRobot"] {
        assert_eq!(names.iter().filter(|n| n.ends_with(&format!("_{name}.json"))).count(), 2, "{names:?}");
    }
}

/// Whoever cannot be asked must not be asked whether it works: its silence would be taken for a broken account.
#[test]
fn a_robot_says_that_it_has_no_query() {
    for kind in ROBOTS {
        assert!(!robot(kind, "http://127.0.0.1:1").has_lookup(), "{kind}");
    }
}
