//! Facts to try templates with: an ordinary warning, the shortest and the longest that life brings.

use crate::core::{
    digest::{Figures, Section, Town, Why},
    division::Division,
    hazard::{HazardCode, Level},
    message::{Ask, EndReason, MessageFacts},
    time::Time,
    warning_life::WarningEnd,
};

/// Named sample facts, each also as a drill.
pub fn samples() -> Vec<(&'static str, MessageFacts)> {
    let mut all = vec![("usual", usual()), ("shortest", shortest()), ("longest", longest()), ("linked", linked())];
    for (name, base) in [("usual drill", usual()), ("longest drill", longest())] {
        all.push((name, MessageFacts { drill: true, ..base }));
    }
    all
}

/// A red rainstorm in two townships.
pub fn usual() -> MessageFacts {
    // 2024-07-08 16:15 in Beijing.
    let sent = Time(1_720_426_500_000);
    let later = Time(sent.0 + 3_600_000);
    MessageFacts {
        hazard: HazardCode("11B03".into()),
        hazard_name: "暴雨".into(),
        level: Level::Red,
        headline: "沁水县气象台发布暴雨红色预警信号[I级/特别严重]".into(),
        description: "沁水县气象台2024年07月08日16时15分发布暴雨红色预警信号：未来3小时龙港镇、中村镇雨量将超100毫米，山洪地质灾害风险极高。请注意防范。"
            .into(),
        instruction: "停止户外作业，转移危险区群众。".into(),
        issuer: "沁水县气象台".into(),
        sent,
        recipient: "张三".into(),
        places: vec!["龙港镇".into(), "中村镇".into()],
        posts: vec!["镇长".into(), "防汛指挥长".into()],
        minutes: 5,
        digit: 1,
        count: 3,
        holders: vec!["李四".into(), "王五".into(), "赵六".into()],
        ask: vec!["到岗".into(), "转移人数".into(), "关停".into(), "险情".into()],
        due: Some(later),
        end: Some((later, EndReason::Cancelled)),
        options: vec![Ask { digit: 1, what: "暴雨红色".into() }, Ask { digit: 2, what: "地灾橙色".into() }],
        link: Some("https://jy.example.com/a/8K3FqT2mWc9xZ0".into()),
        ..MessageFacts::default()
    }
}

/// As little as a message can know.
pub fn shortest() -> MessageFacts {
    MessageFacts { hazard: HazardCode("11C02".into()), level: Level::Blue, ..MessageFacts::default() }
}

/// Its issuer points to a web site in his own words.
pub fn linked() -> MessageFacts {
    let description = "沁水县气象台发布暴雨红色预警信号：未来3小时雨量将超100毫米，详见www.example.gov.cn或12379.cn。请注意防范。";
    MessageFacts { headline: "暴雨红色预警http://example.com".into(), description: description.into(), ..usual() }
}

/// Long names, many places, big numbers.
pub fn longest() -> MessageFacts {
    let many = |name: &str, n: usize| (1..=n).map(|i| format!("{name}{i}号")).collect();
    MessageFacts {
        hazard: HazardCode("11B37".into()),
        level: Level::Unknown,
        headline: "山西省自然资源厅和山西省气象台联合发布地质灾害气象风险预警".into(),
        description: "山西省自然资源厅和山西省气象台联合发布地质灾害气象风险预警：预计7月8日20时至9日20时，沁水县、阳城县、陵川县、泽州县东部山区发生地质灾害的气象风险高，累计雨量可达150～250毫米。"
            .into(),
        issuer: "山西省自然资源厅和山西省气象台地质灾害联合会商室".into(),
        recipient: "欧阳阿卜杜拉·买买提".into(),
        places: many("郑庄镇西古堆村委会后山滑坡隐患点", 120),
        posts: many("地质灾害群测群防监测员", 120),
        minutes: 1_440,
        digit: 99,
        count: 123_456,
        holders: many("欧阳阿卜杜拉·买买提", 120),
        ask: many("危险区群众转移安置人数", 12),
        overdue: true,
        end: Some((usual().sent, EndReason::Covered)),
        options: (10..=40).map(|digit| Ask { digit, what: "地质灾害气象风险未定级".into() }).collect(),
        ..usual()
    }
}

/// Sections to try the templates of groups' digests with: every reason, as usual, shortest and longest, each also as a drill.
pub fn digest_samples() -> Vec<(&'static str, Section)> {
    let mut all = Vec::new();
    for why in Why::ALL {
        let ended = (why == Why::Closed).then_some(WarningEnd::Cancelled);
        for (name, base) in [("usual", usual_section()), ("shortest", shortest_section()), ("longest", longest_section())] {
            all.push((name, Section { why, ended, ..base.clone() }));
            all.push((name, Section { why, ended, drill: true, ..base }));
        }
    }
    all
}

/// Half an hour into a red rainstorm in one county.
pub fn usual_section() -> Section {
    let facts = usual();
    let town = |code, silent, expected| Town { division: Division(code), silent, expected };
    let towns = vec![town(140_521_101_000, 12, 40), town(140_521_102_000, 3, 35)];
    Section {
        why: Why::Overdue,
        drill: false,
        level: facts.level,
        hazard: facts.hazard_name,
        headline: facts.headline,
        issuer: facts.issuer,
        areas: facts.places,
        accepted: facts.sent,
        deadlines: vec![("村级".into(), Time(facts.sent.0 + 300_000)), ("县级".into(), Time(facts.sent.0 + 600_000))],
        figures: Figures {
            expected: 1_234,
            answered: 1_219,
            on_time: 1_100,
            reported: 800,
            silent: 15,
            overdue: 10,
            handed_over: 4,
            unreachable: 1,
            told: 12,
            places: 260,
            places_silent: 6,
            unclaimed: 2,
            towns: towns.clone(),
            ..Figures::default()
        },
        towns: ["龙港镇", "中村镇"].map(String::from).into_iter().zip(towns).collect(),
        ended: None,
        at: Time(facts.sent.0 + 360_000),
    }
}

fn shortest_section() -> Section {
    let figures = Figures { expected: 1, silent: 1, ..Figures::default() };
    Section {
        level: Level::Unknown,
        hazard: "灾害".into(),
        headline: String::new(),
        issuer: String::new(),
        areas: Vec::new(),
        deadlines: Vec::new(),
        towns: Vec::new(),
        figures,
        ..usual_section()
    }
}

fn longest_section() -> Section {
    let facts = longest();
    let big = 4_000_000_000;
    let towns: Vec<Town> = (0..40).map(|n| Town { division: Division(140_521_101_000 + n), silent: big, expected: big }).collect();
    let figures = Figures {
        expected: big,
        answered: big,
        on_time: big,
        reported: big,
        silent: big,
        overdue: big,
        handed_over: big,
        unreachable: big,
        closed: big,
        told: big,
        places: big,
        places_silent: big,
        unclaimed: big,
        towns: towns.clone(),
        more_towns: 5_000,
    };
    Section {
        hazard: "地质灾害气象风险".into(),
        headline: facts.headline.repeat(8),
        issuer: facts.issuer,
        areas: facts.places,
        deadlines: ["市级", "县级", "乡级", "村级", "点位", "值班室"].map(|t| (t.to_string(), facts.sent)).to_vec(),
        towns: towns.into_iter().map(|t| ("克孜勒苏柯尔克孜自治州乌恰县吉根乡".to_string(), t)).collect(),
        figures,
        ..usual_section()
    }
}
