//! `jiaoying migrate` as an operator runs it.

use super::fill::*;
use crate::conformance::{servers, warning};
use jiaoying::store::{Reports, Store};
use std::{path::Path, process::Command};

fn run(arguments: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_jiaoying")).arg("migrate").args(arguments).output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

fn config(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn file(dir: &Path, name: &str) -> String {
    config(dir, &format!("{name}.toml"), &format!("[store]\npath = \"{}\"\n", dir.join(name).display()))
}

#[tokio::test]
async fn there_and_back_by_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (old, new) = (file(dir, "old.db"), file(dir, "new.db"));
    let redis = format!(
        "[store]\nkind = \"redis\"\nredis.addresses = [\"{}\"]\nredis.prefix = \"{}\"\n",
        servers::shared().address(),
        servers::prefix()
    );
    let redis = config(dir, "redis.toml", &redis);
    let odd = config(dir, "odd.toml", "[store]\nkind = \"tape\"\n");
    fill(&sqlite(&dir.join("old.db")), 30).await;

    let (code, said, _) = run(&["--from", &old, "--to", &redis, "--dry-run"]);
    assert_eq!(code, 0);
    assert!(said.contains("可以迁移") && said.contains("叫应"), "{said}");
    let (code, said, complaint) = run(&["--from", &old, "--to", &redis]);
    assert_eq!(code, 0, "{complaint}");
    assert!(said.contains("已迁移") && said.matches("一致").count() == 15, "{said}");
    let (code, said, _) = run(&["--from", &redis, "--to", &new, "--json"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&json["verified"], &json["target"]["callout"]), (&true.into(), &60.into()));
    let moved = sqlite(&dir.join("new.db"));
    assert_eq!(moved.journal(&warning(1)).await.unwrap().len(), 2);
    assert!(moved.now() > sqlite(&dir.join("old.db")).now(), "engine time is the real one by now");
    drop(moved);

    let (code, _, why) = run(&["--from", &new, "--to", &redis]);
    assert_eq!(code, 1);
    assert!(why.contains("the target is not empty"), "{why}");
    let (code, _, why) = run(&["--from", &odd, "--to", &redis]);
    assert_eq!(code, 2);
    assert!(why.contains("store.kind"), "{why}");
    let (code, _, why) = run(&["--from", &file(dir, "nowhere.db"), "--to", &redis]);
    assert_eq!(code, 1);
    assert!(why.contains("there is no such file"), "{why}");
    assert_eq!(run(&["--from", &old]).0, 2, "both are needed");
}
