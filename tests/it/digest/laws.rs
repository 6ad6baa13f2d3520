//! The laws hold for groups as for persons: intent before request, unknown never said again as it was, one gateway sends.

use super::kit::Groups;
use futures_util::FutureExt;
use jiaoying::{
    core::{digest::Group, hazard::Level, send::Outcome, time::Span},
    engine::board::Wanted,
    store::{Reports, Store},
};

#[tokio::test]
async fn of_several_gateways_one_sends_each_message() {
    let g = Groups::new(3, vec![Group::default()]).await;
    for n in 0..3 {
        g.post(&g.content(&format!("w{n}"), Level::Red)).await;
    }
    g.after(Span::mins(30)).await;
    let told = g.told(0);
    assert!(told.len() > 3, "{:?}", g.titles(0));
    let mut all: Vec<(String, String)> = told.iter().map(|t| (t.at.to_string(), t.text.clone())).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), told.len(), "nothing was said twice: {told:#?}");
    assert_eq!(told.iter().map(|t| t.text.matches("开始叫应").count()).sum::<usize>(), 3);
    let (digest, _) = g.state(0).await;
    assert_eq!(digest.made as usize, told.len());
}

#[tokio::test]
async fn a_gateway_that_dies_while_it_sends_leaves_an_unknown_that_is_not_sent_again() {
    let mut g = Groups::new(1, vec![Group::default()]).await;
    g.robots[0].goes_mute();
    g.post(&g.content("a", Level::Red)).await;
    // The request left, no reply came, the gateway is gone.
    let killed = g.after(Span::secs(2)).now_or_never();
    assert!(killed.is_none() && g.told(0).len() == 1);
    g.gateways.clear();
    g.add_gateway().await;
    let (digest, due) = g.state(0).await;
    assert!(digest.flight.is_some() && due.is_some(), "the intent was durable before the request left");
    g.after(Span::secs(60)).await;
    assert_eq!(g.told(0).len(), 1, "it may have been read: {:#?}", g.told(0));
    // The next message says everything anew.
    g.after(Span::mins(5)).await;
    let told = g.told(0);
    assert!(told.len() > 1 && told[1].title.contains("到时限未应答"), "{told:#?}");
    let journal = g.store.journal(&jiaoying::store::Key::Named("digest/robot-0".into())).await.unwrap();
    let journal: String = journal.iter().map(|r| String::from_utf8_lossy(&r.entries).into_owned()).collect();
    assert!(journal.contains(r#""lost":1"#), "{journal}");
}

#[tokio::test]
async fn an_unknown_outcome_is_final_and_a_refusal_is_said_again() {
    let g = Groups::new(1, vec![Group::default(), Group::default()]).await;
    g.robots[0].will_say(Outcome::Unknown { detail: "no reply in time".into() });
    g.robots[1].will_say(Outcome::Retryable { detail: "connection refused".into() });
    g.post(&g.content("a", Level::Red)).await;
    g.after(Span::secs(60)).await;
    assert_eq!(g.titles(0), ["暴雨红色预警：开始叫应"]);
    assert_eq!(g.titles(1), ["暴雨红色预警：开始叫应"; 2]);
}

#[tokio::test]
async fn a_robot_that_is_set_up_wrongly_alarms_the_duty_room_and_is_tried_again() {
    let g = Groups::new(1, vec![Group::default()]).await;
    g.robots[0].will_say(Outcome::Config { detail: "310000: sign not match".into() });
    g.post(&g.content("a", Level::Red)).await;
    g.after(Span::secs(5)).await;
    let down = g.gateways[0].providers().into_iter().find(|p| p.0 == "robot-0").unwrap();
    assert!(!down.1 && down.2.contains("310000"), "{down:?}");
    let feed = g.store.feed_after(0, 1000).await.unwrap();
    assert!(feed.iter().any(|(_, f)| f.kind == "provider.down"), "the duty room hears of it");
    g.after(Span::secs(40)).await;
    assert_eq!(g.told(0).len(), 2);
    assert!(g.gateways[0].providers().iter().all(|p| p.1));
}

#[tokio::test]
async fn nothing_that_waits_is_without_a_clock_and_calls_go_on_whatever_robots_say() {
    let g = Groups::new(1, vec![Group::default(); 3]).await;
    for robot in &g.robots {
        for _ in 0..50 {
            robot.will_say(Outcome::Balance { detail: "never".into() });
        }
    }
    g.post(&g.content("a", Level::Red)).await;
    for _ in 0..30 {
        g.after(Span::mins(1)).await;
        assert_eq!(g.store.without_clock().await.unwrap(), Vec::new());
        for robot in 0..3 {
            let (digest, due) = g.state(robot).await;
            assert!(digest.warnings.is_empty() || due.is_some());
        }
    }
    let due = g.store.next_due().await.unwrap();
    assert!(due.is_some_and(|t| t > g.now()));
    let faces = g.store.faces(jiaoying::core::ids::WarningId(1)).await.unwrap();
    assert!(faces.iter().any(|(_, f)| f.state == jiaoying::core::callout::state::CalloutState::HandedOver), "the ladders ran on");
}

#[tokio::test]
async fn a_group_that_an_officer_switched_off_is_told_nothing_until_it_is_on_again() {
    let g = Groups::new(1, vec![Group::default(); 2]).await;
    let engine = &g.gateways[0];
    engine.order_account("robot-0", "值班员", Wanted::Disable).await.unwrap();
    g.post(&g.content("a", Level::Red)).await;
    g.after(Span::secs(60)).await;
    assert_eq!((g.titles(0).len(), g.titles(1).len()), (0, 1));
    engine.order_account("robot-1", "值班员", Wanted::Disable).await.unwrap();
    engine.order_account("robot-0", "值班员", Wanted::Enable).await.unwrap();
    g.after(Span::secs(60)).await;
    assert_eq!(g.titles(0), ["暴雨红色预警：开始叫应"], "what was to be said waited");
}
