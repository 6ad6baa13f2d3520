//! Every message as people get it, and the templates' own check.

use jiaoying::{
    channel::MessageKind,
    core::{
        hazard::{HazardCode, Level},
        message::{Ask, EndReason, MessageFacts, segments},
        send::Channel,
        time::Time,
    },
    render::{RenderError, RenderOptions, Renderer, VOICE_KINDS, check_templates},
};
use std::fmt::Write;

fn options() -> RenderOptions {
    RenderOptions { signature: "晋城应急".into(), ..RenderOptions::default() }
}

fn facts() -> MessageFacts {
    let sent = Time::parse_rfc3339("2024-07-08T06:10:00+08:00").unwrap();
    MessageFacts {
        hazard: HazardCode("11B03".into()),
        level: Level::Red,
        headline: "沁水县气象台发布暴雨红色预警信号[I级/特别严重]".into(),
        description:
            "沁水县气象台2024年07月08日06时10分发布暴雨红色预警信号：未来3小时龙港镇、中村镇雨量将超100mm，阵风8-10级。请注意防范。".into(),
        instruction: "停止户外作业。".into(),
        issuer: "沁水县气象台".into(),
        sent,
        recipient: "张<三>".into(),
        places: vec!["龙港镇".into(), "中村镇".into(), "梁庄村地质灾害隐患点".into()],
        posts: vec!["镇长".into()],
        minutes: 5,
        digit: 1,
        count: 2,
        holders: vec!["李四".into(), "王五".into()],
        ask: vec!["到岗".into(), "转移人数".into(), "关停".into()],
        due: Time::parse_rfc3339("2024-07-08T14:30:00+08:00").ok(),
        end: Some((Time::parse_rfc3339("2024-07-08T19:30:00+08:00").unwrap(), EndReason::Cancelled)),
        options: vec![Ask { digit: 1, what: "暴雨红色".into() }, Ask { digit: 2, what: "地灾橙色".into() }],
        link: Some("https://jy.example.com/a/8K3FqT2mWc9x".into()),
        ..MessageFacts::default()
    }
}

#[test]
fn every_message_reads_as_agreed() {
    let renderer = Renderer::new(options()).unwrap();
    let mut page = String::new();
    for drill in [false, true] {
        writeln!(page, "======== {} ========", if drill { "演练" } else { "实战" }).unwrap();
        let facts = MessageFacts { drill, ..facts() };
        for channel in [Channel::Sms, Channel::Voice] {
            for kind in MessageKind::ALL {
                let Ok(m) = renderer.render(kind, channel, &facts) else { continue };
                let cost = segments(&format!("【晋城应急】{}", m.text));
                writeln!(page, "\n[{channel} {}] {}字 {}条\n{}", kind.as_str(), cost.units, cost.count, m.text).unwrap();
                let vars: Vec<String> = m.variables.iter().map(|(k, v)| format!("{k}={v}")).collect();
                writeln!(page, "  {}", vars.join(" | ")).unwrap();
            }
        }
        for kind in MessageKind::ALL {
            let m = renderer.render(kind, Channel::Email, &facts).unwrap();
            writeln!(page, "\n[email {}] {}\n{}", kind.as_str(), m.subject.unwrap(), m.text).unwrap();
        }
    }
    let html = renderer.render(MessageKind::Callout, Channel::Email, &facts()).unwrap().html.unwrap();
    writeln!(page, "======== html ========\n{html}").unwrap();
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("messages", page);
    });
}

#[test]
fn the_shipped_templates_have_no_fault_whatever_the_options() {
    for segments in [1, 2, 3] {
        let faults = check_templates(&RenderOptions { segments, ..options() });
        assert!(faults.is_empty(), "{segments}: {faults:#?}");
    }
}

#[test]
fn an_ordinary_message_costs_one_sms_even_where_two_are_allowed() {
    let r = Renderer::new(RenderOptions { segments: 2, ..options() }).unwrap();
    let costs = r.costs();
    assert!(costs.len() > 20, "every wording is counted");
    for c in costs {
        assert!(c.usual <= 70 && c.parts <= 2, "{c:?}");
    }
}

#[test]
fn a_bad_template_of_an_operator_is_told_by_file_and_never_sent() {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let with = RenderOptions { dir: Some(dir.path().to_path_buf()), ..options() };
    write("sms/callout.txt", "${hazzard}预警");
    write("sms/end.txt", "${hazard}预警结束${");
    write("email/info.txt", "主题：{{ nothing.of.it }}");
    write("email/chase.html", "{% for %}");
    write("voice/variables.toml", "[digit]\nkind = \"text\"\nmax = 0\n[pigeon]\nkind = \"text\"\nmax = 3\n");
    let told: Vec<String> = check_templates(&with).iter().map(ToString::to_string).collect();
    for want in [
        "sms/callout.txt: there is no variable `hazzard`",
        "sms/end.txt: `${` is never closed",
        "email/chase.html: chase.html, line 1",
        "voice/variables.toml: there is no variable `pigeon`",
        "voice/variables.toml: `digit`: max must be at least 1",
    ] {
        assert!(told.iter().any(|f| f.starts_with(want)), "{want}\n{told:#?}");
    }
    assert!(Renderer::new(with.clone()).is_err());

    write(
        "sms/callout.txt",
        "【晋城】${hazard}预警，详情很长${places}很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长",
    );
    write("sms/end.txt", "${hazard}${level}预警${how}");
    write("email/chase.html", "{% extends \"layout.html\" %}");
    write("voice/variables.toml", include_str!("../../../templates/message/voice/variables.toml"));
    let told: Vec<String> = check_templates(&with).iter().map(ToString::to_string).collect();
    for want in [
        "sms/callout.txt: `【` is not allowed",
        "sms/callout.txt: it asks for an answer",
        "sms/callout.txt: with the longest",
        "email/info.txt",
    ] {
        assert!(told.iter().any(|f| f.starts_with(want)), "{want}\n{told:#?}");
    }
    let ok = Renderer::new(with).unwrap();
    let own = ok.render(MessageKind::End, Channel::Sms, &facts()).unwrap();
    assert_eq!(own.text, "暴雨红色预警已解除", "the file in the directory replaces the embedded one");
}

#[test]
fn an_sms_carries_the_link_only_where_it_is_allowed_known_and_costs_nothing() {
    let linked = Renderer::new(RenderOptions { sms_link: true, segments: 2, ..options() }).unwrap();
    let of = |r: &Renderer, facts: &MessageFacts, known: &dyn Fn(&str) -> bool| {
        r.render_known(MessageKind::Which, Channel::Sms, facts, known).unwrap()
    };
    let facts = || MessageFacts { link: Some("https://jy.example/8K3F".into()), ..facts() };
    let m = of(&linked, &facts(), &|_| true);
    assert!(m.text.ends_with(" https://jy.example/8K3F"), "{}", m.text);
    assert_eq!((m.variant.as_str(), m.variables.last().unwrap().0.as_str()), ("link", "link"));
    // Not allowed, not approved, or one SMS more: the reply alone.
    let plain = Renderer::new(options()).unwrap();
    assert!(!of(&plain, &facts(), &|_| true).text.contains("http"));
    assert!(!of(&linked, &facts(), &|v| v != "link").text.contains("http"));
    let long = MessageFacts { link: Some(format!("https://jy.example.com/a/{}", "x".repeat(30))), ..facts() };
    let m = of(&linked, &long, &|_| true);
    assert_eq!((m.variant.as_str(), m.text.contains("http")), ("", false), "{}", m.text);
    assert!(linked.approved_text(MessageKind::Callout, Channel::Sms, true).unwrap().starts_with("[演练]${hazard}"));
    assert!(linked.approved_wording(MessageKind::Callout, "rainstorm.red.link", Channel::Sms, false).unwrap().ends_with(" ${link}"));
    let declared = linked.wording_variables(MessageKind::Callout, "rainstorm.red.link", Channel::Sms);
    assert_eq!(declared["link"].kind, "link");
    assert!(linked.variants(MessageKind::Callout, Channel::Sms).contains(&"link".to_string()));
    assert!(!plain.variants(MessageKind::Callout, Channel::Sms).iter().any(|v| v.ends_with("link")));
}

#[test]
fn each_hazard_level_and_stage_is_worded_as_agreed() {
    let renderer = Renderer::new(options()).unwrap();
    let mut page = String::new();
    for (code, level, stage) in [
        ("11B03", Level::Red, None),
        ("11B03", Level::Orange, None),
        ("11A51", Level::Red, None),
        ("11A51", Level::Unknown, Some("准备转移")),
        ("11A51", Level::Unknown, Some("立即转移")),
        ("11A01", Level::Red, None),
        ("11D01", Level::Red, None),
        ("11B37", Level::Yellow, None),
        ("11G01", Level::Red, None),
        ("11G01", Level::Orange, None),
        ("11B25", Level::Red, None),
        ("11B03", Level::Orange, Some("T-12h")),
        ("11B03", Level::Orange, Some("T-6h")),
        ("11B03", Level::Red, Some("T-2h")),
        ("11C02", Level::Red, None),
    ] {
        let facts = MessageFacts { hazard: HazardCode(code.into()), level, stage: stage.map(str::to_string), ..facts() };
        for kind in [MessageKind::Callout, MessageKind::End] {
            for channel in [Channel::Sms, Channel::Voice] {
                let m = renderer.render(kind, channel, &facts).unwrap();
                if kind == MessageKind::End && m.variant.is_empty() {
                    continue;
                }
                let stage = stage.unwrap_or("-");
                writeln!(page, "[{code} {} {stage} {} {channel}] {:?}\n{}\n", level.as_str(), kind.as_str(), m.variant, m.text).unwrap();
                assert!(!m.text.contains(['【', '】']), "{}", m.text);
            }
        }
    }
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("wordings", page);
    });
}

#[test]
fn an_operators_file_words_a_message_for_what_its_name_says() {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let with = RenderOptions { dir: Some(dir.path().to_path_buf()), ..options() };
    write("sms/end.gale.blue.txt", "大风蓝色预警${how}");
    write("email/callout.rainstorm.txt", "主题：暴雨！{% if drill %}[演练]{% endif %}\n{% if drill %}[演练]{% endif %}请看 {{ link }}");
    let own = Renderer::new(with.clone()).unwrap();
    assert!(own.check().is_empty(), "{:#?}", own.check());
    let gale = MessageFacts { hazard: HazardCode("11B06".into()), level: Level::Blue, ..facts() };
    assert_eq!(own.render(MessageKind::End, Channel::Sms, &gale).unwrap().text, "大风蓝色预警已解除");
    let mail = own.render(MessageKind::Callout, Channel::Email, &facts()).unwrap();
    assert_eq!(mail.subject.as_deref(), Some("暴雨！"));
    assert!(mail.html.unwrap().contains("请立即到岗"), "the HTML is that of every hazard, having none of its own");
    write("sms/callout.rainstrom.red.txt", "${hazard}");
    write("voice/chase.red.txt", "${hazard}");
    write("sms/calout.txt", "${hazard}");
    let told: Vec<String> = check_templates(&with).iter().map(ToString::to_string).collect();
    for want in [
        "sms/callout.rainstrom.red.txt: `rainstrom`",
        "voice/chase.red.txt: `chase` is never said",
        "sms/calout.txt: its name begins with no kind",
    ] {
        assert!(told.iter().any(|f| f.starts_with(want)), "{want}\n{told:#?}");
    }
}

#[test]
fn what_is_declared_with_a_provider_is_what_is_sent() {
    let r = Renderer::new(options()).unwrap();
    for (channel, kinds) in [(Channel::Sms, &MessageKind::ALL[..]), (Channel::Voice, &VOICE_KINDS[..])] {
        for kind in kinds {
            let sent = r.render(*kind, channel, &facts()).unwrap();
            let declared = r.wording_variables(*kind, &sent.variant, channel);
            assert_eq!(declared.len(), sent.variables.len(), "{kind:?}");
            for (name, value) in sent.variables {
                assert!(value.chars().count() <= declared[&name].max, "{kind:?} {name}={value}");
                assert!(declared[&name].kind != "number" || value.parse::<u64>().is_ok(), "{kind:?} {name}={value}");
            }
        }
    }
}

#[test]
fn only_asks_are_spoken() {
    let r = Renderer::new(options()).unwrap();
    for kind in MessageKind::ALL {
        let spoken = r.render(kind, Channel::Voice, &facts());
        match VOICE_KINDS.contains(&kind) {
            true => assert!(spoken.is_ok()),
            false => assert_eq!(spoken.unwrap_err(), RenderError::NoTemplate { kind, channel: Channel::Voice }),
        }
    }
}

#[test]
fn a_message_stays_within_its_segments_whatever_the_facts() {
    use proptest::prelude::*;
    let one = Renderer::new(options()).unwrap();
    let two = Renderer::new(RenderOptions { segments: 2, ..options() }).unwrap();
    let words = || proptest::collection::vec("[\u{4e00}-\u{4e40}0-9，。【】]{0,30}", 0..20);
    proptest!(ProptestConfig::with_cases(300), |(
        headline in "[\u{4e00}-\u{4e40}0-9，。mm【】\n]{0,120}", places in words(), holders in words(), ask in words(),
        minutes in 0u32..100_000, digit in 0u8..=99, count in 0u32..1_000_000, drill: bool, overdue: bool,
    )| {
        let facts = MessageFacts { headline, places, holders, ask, minutes, digit, count, drill, overdue, ..facts() };
        for kind in MessageKind::ALL {
            for (r, may) in [(&one, 1), (&two, 2)] {
                let m = r.render(kind, Channel::Sms, &facts).unwrap();
                let cost = segments(&format!("【晋城应急】{}", m.text));
                prop_assert!(cost.count <= may, "{} costs {}: {}", kind.as_str(), cost.count, m.text);
                prop_assert!(!m.text.contains(['【', '】', '\n']), "{}", m.text);
                prop_assert!(m.variables.iter().all(|(_, v)| !v.is_empty()), "{:?}", m.variables);
                prop_assert_eq!(m.text.starts_with("[演练]"), drill);
            }
        }
        let spoken = r_voice(&one, &facts);
        prop_assert!(!spoken.contains(|c: char| c.is_ascii_digit()), "{spoken}");
    });
}

fn r_voice(r: &Renderer, facts: &MessageFacts) -> String {
    r.render(MessageKind::Callout, Channel::Voice, facts).unwrap().text
}
