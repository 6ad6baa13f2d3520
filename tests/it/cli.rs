//! The command line as an operator runs it.

use jiaoying::store::{clock::SystemClock, sqlite::SqliteStore};
use std::{process::Command, sync::Arc};

#[test]
fn check_goes_on_beside_a_running_gateway_and_says_what_it_could_not_look_at() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.db");
    let config = dir.path().join("jiaoying.toml");
    std::fs::write(&config, format!("[store]\npath = \"{}\"\n", file.display())).unwrap();
    let check = || {
        let out = Command::new(env!("CARGO_BIN_EXE_jiaoying")).arg("check").arg("--config").arg(&config).output().unwrap();
        let (said, complaint) = (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned());
        assert_eq!(out.status.code(), Some(0), "{said}{complaint}");
        said
    };
    let alone = check();
    assert!(alone.contains("名册：") && !alone.contains("正由运行中"), "{alone}");
    let gateway = SqliteStore::open(&file, Arc::new(SystemClock::new())).unwrap();
    let beside = check();
    for wanted in ["正由运行中的网关使用", "规则：默认叫应规则", "短信长度", "配置、规则、模板无误"] {
        assert!(beside.contains(wanted), "{wanted} not in {beside}");
    }
    drop(gateway);
}

#[test]
fn a_past_season_adds_up_only_what_the_run_would_have_called() {
    let dir = tempfile::tempdir().unwrap();
    let warning = |id: &str, kind: &str, status: &str, level: &str, refers: &[&str], areas: &[&str], minute: u32| {
        serde_json::json!({
            "identifier": id, "sent": format!("2024-07-08T16:{minute:02}:00+08:00"), "status": status, "message_type": kind,
            "references": refers, "hazard": "11B03", "level": level, "headline": "暴雨预警",
            "areas": areas.iter().map(|d| serde_json::json!({"division": d})).collect::<Vec<_>>(),
        })
        .to_string()
    };
    let rehearse = |name: &str, messages: &[String], more: &[&str]| {
        let file = dir.path().join(name);
        std::fs::write(&file, messages.join("\n")).unwrap();
        let config = dir.path().join("jiaoying.toml");
        std::fs::write(&config, "").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jiaoying"));
        command.current_dir(dir.path()).arg("rehearse").arg(&file).arg("--config").arg(&config).args(["--sample", "1000"]).args(more);
        let out = command.output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let town = ["140521100"];
    let towns = ["140521100", "140521101"];
    let season = [
        warning("a", "alert", "actual", "red", &[], &town, 0),
        warning("same", "update", "actual", "red", &["a"], &town, 10),
        warning("wider", "update", "actual", "red", &["same"], &towns, 20),
        warning("exercise", "alert", "exercise", "red", &[], &towns, 25),
        warning("lower", "update", "actual", "orange", &["wider"], &towns, 30),
        warning("raised", "update", "actual", "red", &["lower"], &towns, 40),
        warning("end", "cancel", "actual", "red", &["raised"], &towns, 50),
        warning("again", "update", "actual", "red", &["raised"], &town, 55),
    ];
    let told: serde_json::Value = serde_json::from_str(&rehearse("season.jsonl", &season, &["--json"])).unwrap();
    let alone = |areas: &[&str]| {
        let one = rehearse("one.json", &[warning("x", "alert", "actual", "red", &[], areas, 0)], &["--json", "--at", "sent"]);
        serde_json::from_str::<serde_json::Value>(&one).unwrap()
    };
    let (one_town, two_towns) = (alone(&town), alone(&towns));
    let items = told["items"].as_array().unwrap();
    let of = |id: &str| items.iter().find(|i| i["identifier"] == id).unwrap_or_else(|| panic!("{id}: {told}"));
    let people = |v: &serde_json::Value| v["expected"].as_u64().unwrap() + v["told"].as_u64().unwrap();
    assert_eq!((items.len(), &told["cancels"], &told["not_actual"]), (6, &1.into(), &1.into()));
    assert!(people(of("a")) == people(&one_town) && people(&two_towns) > people(&one_town) && people(&one_town) > 10);
    let none = &of("same");
    assert_eq!((people(none), none["renewed"].as_u64().unwrap()), (0, people(&one_town)), "nobody is called anew, all get the new text");
    assert!(none["cost_at_most"]["voice_minutes"] == 0.0 && none["cost_at_most"]["sms_parts"].as_f64().unwrap() > 5.0, "{none}");
    assert_eq!(people(of("wider")), people(&two_towns) - people(&one_town), "only who is newly covered");
    assert!(of("lower")["renewed"].as_u64().unwrap() > 0, "a lower level calls nobody anew whom the higher one called");
    assert_eq!((people(of("raised")), of("raised")["renewed"].as_u64()), (people(&two_towns), Some(0)), "a raised level calls everybody");
    assert_eq!((people(of("again")), &of("again")["renewed"]), (people(&one_town), &serde_json::Value::Null), "what was cancelled is over");
    assert!(of("again")["findings"].as_array().unwrap().iter().any(|f| f["code"] == "update_alone"));
    // As text: the sum is of what is counted, and what is not is said.
    let text = rehearse("season.jsonl", &season, &[]);
    let sum: u64 = items.iter().map(|i| i["expected"].as_u64().unwrap()).sum();
    let last = text.lines().find(|l| l.starts_with("合计")).unwrap();
    assert!(last.contains("6 条") && last.split_whitespace().any(|w| w == sum.to_string()), "{text}");
    for said in ["1 条解除报文不叫人", "1 条演练、测试", "4 条更新只计新叫到的人", "1 条更新的前一条不在所给报文中"]
    {
        assert!(text.contains(said), "{said} not in {text}");
    }
    let exercise = rehearse("exercise.json", &season[3..4], &[]);
    assert!(exercise.contains("不是正式预警"), "{exercise}");
}
