//! The words that groups read, and how they are made to fit.

use jiaoying::{
    core::{
        digest::{Figures, Section, Town, Why},
        division::Division,
        hazard::Level,
        time::{Span, Time},
        warning_life::WarningEnd,
    },
    render::{RenderOptions, Renderer},
};
use std::fmt::Write;

fn renderer() -> Renderer {
    Renderer::new(RenderOptions::default()).unwrap()
}

fn section(why: Why) -> Section {
    let accepted = Time::parse_rfc3339("2024-07-08T16:15:00+08:00").unwrap();
    let town = |code, silent, expected| Town { division: Division(code), silent, expected };
    let start = why == Why::Start;
    let towns = if start { vec![] } else { vec![town(140_521_101_000, 12, 40), town(140_521_102_000, 3, 35)] };
    Section {
        why,
        drill: false,
        level: Level::Red,
        hazard: "暴雨".into(),
        headline: "沁水县气象台发布暴雨红色预警信号[I级/特别严重]".into(),
        issuer: "沁水县气象台".into(),
        areas: vec!["龙港镇".into(), "中村镇".into()],
        accepted,
        deadlines: vec![("村级".into(), accepted + Span::mins(5)), ("县级".into(), accepted + Span::mins(10))],
        figures: match start {
            true => Figures { expected: 1234, told: 12, places: 260, ..Figures::default() },
            false => Figures {
                expected: 1234,
                answered: 1219,
                on_time: 1100,
                reported: 800,
                silent: 15,
                overdue: 10,
                handed_over: 4,
                unreachable: 1,
                closed: if why == Why::Closed { 3 } else { 0 },
                told: 12,
                places: 260,
                places_silent: 6,
                unclaimed: 2,
                towns: towns.clone(),
                more_towns: 0,
            },
        },
        towns: ["龙港镇", "中村镇"].map(String::from).into_iter().zip(towns).collect(),
        ended: (why == Why::Closed).then_some(WarningEnd::Cancelled),
        at: accepted + Span::mins(6),
    }
}

#[test]
fn what_a_group_reads() {
    let r = renderer();
    let mut page = String::new();
    for why in Why::ALL {
        let (m, used) = r.digest(&[section(why)], 4096).unwrap();
        assert_eq!(used, 1);
        writeln!(page, "── {} ──\n[{}]\n{}\n", why.as_str(), m.subject.unwrap(), m.text).unwrap();
    }
    let drill = |why| Section { drill: true, ..section(why) };
    let (m, used) = r.digest(&[drill(Why::Start), drill(Why::Closed)], 4096).unwrap();
    assert_eq!((used, m.drill), (2, true));
    writeln!(page, "── two of a drill ──\n[{}]\n{}", m.subject.unwrap(), m.text).unwrap();
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("digests", page);
    });
}

#[test]
fn a_message_never_has_more_bytes_than_the_robot_takes_and_lists_give_way_first() {
    let r = renderer();
    let mut long = section(Why::Overdue);
    long.towns = (0..40).map(|n| (format!("第{n}号很长很长的乡镇名字"), long.figures.towns[0].clone())).collect();
    long.areas = (0..200).map(|n| format!("第{n}号村民委员会")).collect();
    for longest in [4096, 2048, 1024, 600, 300] {
        let (m, used) = r.digest(&vec![long.clone(); 30], longest).unwrap();
        assert!(m.text.len() <= longest && used >= 1, "{longest}: {} bytes, {used} sections", m.text.len());
        assert!(m.text.contains("15 人到时限未应答"), "{longest}: the figures stay");
    }
    let (m, _) = r.digest(&[long], 2048).unwrap();
    assert!(m.text.contains("另有") && m.text.contains("等200处"), "what is left out is counted: {}", m.text);
}

#[test]
fn what_others_wrote_has_no_effect_in_a_groups_markdown() {
    let mut s = section(Why::Start);
    s.headline = "**急** <at id=all></at> [点我](http://x) 电话13812345678\n@所有人".into();
    s.areas = vec!["<font color=red>甲".into()];
    let (m, _) = renderer().digest(&[s], 4096).unwrap();
    assert!(!m.text.contains('<') && !m.text.contains('[') && !m.text.contains('@') && !m.text.contains("13812345678"), "{}", m.text);
    assert_eq!(m.text.matches("**").count(), 2, "our own marks only: {}", m.text);
}
