//! What a group reads of a night.

use super::kit::Groups;
use jiaoying::core::{digest::Group, hazard::Level, time::Span};

#[tokio::test]
async fn a_group_hears_the_beginning_who_is_silent_at_the_deadline_the_unclaimed_tasks_and_the_end() {
    let g = Groups::new(1, vec![Group::default()]).await;
    let id = g.post(&g.content("a", Level::Red)).await;
    g.after(Span::secs(2)).await;
    let told = g.told(0);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].title, "暴雨红色预警：开始叫应");
    for words in ["范围：沁水县", "叫应：5 人", "应答时限", "沁水县气象台"] {
        assert!(told[0].text.contains(words), "{words}: {}", told[0].text);
    }
    // Two answer; the deadline passes.
    g.reply("15400000001", "1").await;
    g.reply("15400000003", "收到").await;
    g.after(Span::mins(5) + Span::secs(10)).await;
    let told = g.told(0);
    let overdue: Vec<_> = told.iter().filter(|t| t.title.contains("到时限未应答")).collect();
    assert!(!overdue.is_empty(), "{told:#?}");
    let text = &overdue.last().unwrap().text;
    assert!(text.contains("已应答 2/5 人（40%）") && text.contains("- 龙港镇：2 人（共 3 人）"), "{text}");
    assert!(!text.contains("中村镇"), "everybody there has answered: {text}");
    // Tasks are opened for the silent, and nobody claims them.
    g.after(Span::mins(8)).await;
    assert!(g.titles(0).iter().any(|t| t.contains("人工任务无人认领")), "{:#?}", g.titles(0));
    let before = g.told(0).len();
    g.gateways[0].cancel_warning(id, "值班员", "雨停了").await.unwrap();
    g.after(Span::secs(10)).await;
    let told = g.told(0);
    assert_eq!(told.len(), before + 1);
    assert_eq!(told[before].title, "暴雨红色预警：已解除，叫应结束");
    // Nothing more is said of it, and nothing waits.
    g.after(Span::hours(8)).await;
    assert_eq!(g.told(0).len(), before + 1, "{:#?}", g.told(0));
    let (digest, due) = g.state(0).await;
    assert!(digest.warnings.is_empty() && due.is_none(), "{digest:?}");
    for t in g.told(0) {
        assert!(!t.text.contains("1540000"), "no number is shown: {}", t.text);
        assert!(!t.at_all && !t.text.contains("演练"));
    }
}

#[tokio::test]
async fn ten_warnings_at_once_are_told_together_and_the_newest_figures_win() {
    let g = Groups::new(1, vec![Group::default()]).await;
    for n in 0..10 {
        let mut content = g.content(&format!("w{n}"), if n == 7 { Level::Red } else { Level::Orange });
        content.hazard.0 = format!("11B{:02}", n + 1);
        g.post(&content).await;
    }
    g.after(Span::secs(60)).await;
    let told = g.told(0);
    assert!(told.len() <= 4, "ten warnings in {} messages", told.len());
    let said = told.iter().map(|t| t.text.matches("开始叫应").count()).sum::<usize>();
    assert_eq!(said, 10, "each is begun once: {told:#?}");
    assert!(told.iter().any(|t| t.title.contains("叫应汇总")), "{:?}", g.titles(0));
    assert!(told.iter().all(|t| t.text.len() <= 4096));
    for pair in told.windows(2) {
        assert!(pair[1].at - pair[0].at >= Span::secs(5), "the gap is kept");
    }
    // While the robot refuses, people answer: what it then takes has the figures of that moment.
    let before = told.len();
    g.robots[0].will_say(jiaoying::core::send::Outcome::Throttled {
        after: Some(Span::mins(10)),
        whole_account: true,
        detail: String::new(),
    });
    g.after(Span::mins(11)).await;
    let refused = g.told(0)[before].at;
    g.reply("15400000001", "1").await;
    g.after(Span::mins(8)).await;
    let next = &g.told(0)[before + 1];
    assert!(next.at - refused >= Span::mins(10), "the ban is waited out: {} after {refused}", next.at);
    g.after(Span::hours(1)).await;
    let mut times: Vec<_> = g.told(0).iter().map(|t| t.at).collect();
    times.sort();
    assert!(times.windows(21).all(|w| w[20] - w[0] >= Span::mins(1)));
}

#[tokio::test]
async fn each_group_hears_its_own_divisions_and_levels() {
    let only = |text: &str| -> Group { toml::from_str(text).unwrap() };
    let groups = vec![only("divisions = ['140521102']"), only("divisions = ['140581']"), only("levels = ['orange']")];
    let g = Groups::new(1, groups).await;
    g.post(&g.content("a", Level::Red)).await;
    g.after(Span::mins(1)).await;
    assert_eq!(g.told(0).len(), 1);
    assert!(g.told(0)[0].text.contains("叫应：1 人"), "中村镇 alone: {}", g.told(0)[0].text);
    assert!(g.told(1).is_empty() && g.told(2).is_empty());
    // What does not concern a group leaves nothing behind.
    let (digest, due) = g.state(1).await;
    assert!(digest.warnings.is_empty() && due.is_none());
}

#[tokio::test]
async fn drills_are_marked_never_mixed_with_real_warnings_and_call_nobody_up() {
    let at_all = Group { at_all: vec![Level::Red], ..Group::default() };
    let none = Group { drills: false, ..Group::default() };
    let g = Groups::new(1, vec![at_all, none]).await;
    g.drill(&g.content("d", Level::Red)).await;
    g.after(Span::secs(10)).await;
    assert_eq!(g.titles(0), ["【演练】暴雨红色预警：开始叫应"]);
    assert!(g.told(0)[0].text.starts_with("**【演练】") && g.told(0)[0].drill && !g.told(0)[0].at_all);
    assert!(g.told(1).is_empty());
    g.post(&g.content("a", Level::Red)).await;
    g.after(Span::mins(7)).await;
    let told = g.told(0);
    assert!(told.iter().any(|t| t.drill && t.title.contains("已解除")), "the real one stops it: {told:#?}");
    for t in &told {
        assert_eq!(t.text.contains("【演练】"), t.drill, "{t:#?}");
        assert_eq!(t.title.contains("【演练】"), t.drill);
        // The beginning and the deadline of a real red warning call everybody up, and nothing else does.
        let loud = !t.drill && (t.title.contains("开始叫应") || t.title.contains("到时限"));
        assert_eq!(t.at_all, loud, "{t:#?}");
    }
    assert_eq!(told.iter().filter(|t| t.at_all).count(), 2, "{told:#?}");
}

#[tokio::test]
async fn a_warning_that_calls_nobody_by_its_own_nature_is_told_to_nobody() {
    let g = Groups::new(1, vec![Group::default()]).await;
    let mut content = g.content("t", Level::Red);
    content.status = jiaoying::core::warning::Status::Exercise;
    g.post(&content).await;
    g.after(Span::mins(20)).await;
    assert!(g.told(0).is_empty(), "{:#?}", g.told(0));
}
