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
