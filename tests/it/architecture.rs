//! The house's rules, kept by a test: who may use whom (the map in `src/lib.rs`), what stays pure, where
//! concrete stores and providers are named, and what product code never says. Each rule is also shown a
//! planted breach, so that none of them can be silently asleep.

mod source;

use source::{Source, sources};
use std::{collections::BTreeSet, path::Path};

/// Module → the modules it may use besides itself. `main.rs` and `lib.rs` only put things together.
const MAY_USE: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("ingest", &["core"]),
    ("sample", &["core"]),
    ("store", &["core"]),
    ("channel", &["core"]),
    ("render", &["channel", "core"]),
    ("report", &["core", "store"]),
    ("engine", &["channel", "core", "ingest", "render", "store", "telemetry"]),
    ("telemetry", &["config", "core", "store"]),
    ("config", &["channel", "core"]),
    ("http", &["config", "core", "engine", "ingest", "render", "report", "source", "store", "telemetry"]),
    // Bodies by every way, read and handed to the engine.
    ("source", &["channel", "config", "core", "engine", "ingest", "telemetry"]),
    // The providers' side: it shares only their wire formats with us.
    ("standin", &["channel", "core"]),
    ("app", &["channel", "config", "core", "engine", "http", "render", "report", "source", "store", "telemetry"]),
    ("cli", &["app", "channel", "config", "core", "engine", "ingest", "report", "sample", "standin", "store", "telemetry"]),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Module → what of a module it may use is all it may use.
const ONLY: &[(&str, &str, &[&str])] = &[
    // Merging one identity's messages is a decision of ingest; bytes are not the engine's.
    ("engine", "ingest", &["merge"]),
    // Counting is all; how numbers are shown and logs are set up is not the engine's.
    ("engine", "telemetry", &["metrics"]),
];

/// Rooms that never know each other: beneath the first, each is alone.
const SIBLINGS: &[(&str, &[&str])] = &[
    ("store", &["memory", "sqlite", "redis"]),
    ("channel", &["sms", "voice", "email", "im", "webhook", "script", "generic"]),
    // The national form (国突) is a dialect of CAP and may read as CAP does.
    ("ingest", &["json", "cap", "sheet"]),
];

/// Concrete engines and who may name them besides themselves.
const CONCRETE: &[(&str, &[&str], &[&str])] = &[
    ("store", &["memory", "sqlite", "redis"], &["app.rs"]),
    // `[provider.NAME] kind = …` → a provider: the one list of kinds, which `app` and `check` go through.
    ("channel", &["sms", "voice", "email", "im", "webhook", "script", "generic"], &["app.rs", "channel/settings.rs"]),
];

/// Module → what of other crates, and of std, it never touches.
const NEVER: &[(&str, &[&str])] = &[
    ("core", PURE),
    ("ingest", PURE),
    ("sample", PURE),
    ("render", &["tokio", "axum", "reqwest", "rusqlite", "std::net", "std::thread", "std::env", "async"]),
    ("report", &["tokio", "axum", "reqwest", "rusqlite", "std::net", "std::fs", "std::thread", "std::env"]),
    ("store", &["axum", "reqwest", "lettre", "std::net", "std::env"]),
    ("channel", &["axum", "rusqlite", "std::fs", "std::env", "std::thread"]),
    ("engine", &["axum", "reqwest", "rusqlite", "lettre", "std::net", "std::fs", "std::env", "std::thread"]),
    ("http", &["reqwest", "rusqlite", "lettre", "std::fs", "std::env", "std::thread"]),
    ("config", &["tokio", "axum", "reqwest", "rusqlite", "std::thread", "async"]),
];
const PURE: &[&str] = &[
    "tokio",
    "tokio_util",
    "axum",
    "reqwest",
    "rusqlite",
    "lettre",
    "tracing",
    "metrics",
    "getrandom",
    "governor",
    "async",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant",
    "SystemTime",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "std::io::stdin",
    "println!",
    "eprintln!",
];

/// The shells: only here may a call banned in `clippy.toml` stand, each with its reason beside it.
const SHELLS: &[&str] = &[
    "app.rs",
    "channel/aliyun/rpc.rs",
    "channel/http.rs",
    "cli/",
    "engine/run.rs",
    "http/events.rs",
    "standin/",
    "store/clock.rs",
    "store/redis/",
    "store/sqlite/",
    "store/journal/",
];

/// What product code never says.
const NEVER_SAID: &[&str] = &["todo!", "unimplemented!", "dbg!", ".unwrap()", ".expect(", "panic!", "unreachable!", "unsafe"];
/// Where it does, and why that cannot hurt: file, a part of the line, reason.
const SAID_WITH_REASON: &[(&str, &str, &str)] = &[
    ("channel/sign/aliyun_acs3.rs", "Hmac::new_from_slice", "HMAC takes a key of any length"),
    ("channel/sign/mod.rs", "new_from_slice", "HMAC takes a key of any length"),
    ("engine/reference.rs", "Hmac::<Sha256>::new_from_slice", "HMAC takes a key of any length"),
];

/// Lines a file may have.
const LONGEST: usize = 600;
/// Longer ones, and why.
const LONG_WITH_REASON: &[(&str, &str)] = &[
    ("core/callout/tests.rs", "one story after the other over the same small cast"),
    ("http/operations.rs", "one table: every operation stands in it, so that none is without a rule and a line of documentation"),
];

fn all() -> Vec<Source> {
    let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(all.len() > 100, "the source tree was not read");
    all
}

fn top(s: &Source) -> String {
    s.path.split(['/', '.']).next().unwrap_or_default().to_string()
}

/// Who uses whom: one line for each breach.
fn dependency_faults(all: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for s in all {
        let me = top(s);
        let Some((_, may)) = MAY_USE.iter().find(|(m, _)| *m == me) else {
            faults.push(format!("{}: a new room `{me}`: give it a place in MAY_USE and in the map of lib.rs", s.path));
            continue;
        };
        for (line, path) in s.inner_paths(&s.product) {
            let Some(used) = path.first() else { continue };
            if *used != me && !may.contains(&used.as_str()) {
                faults.push(format!("{}:{line}: `{me}` must not use `{}`", s.path, path.join("::")));
            }
            for (_, from, parts) in ONLY.iter().filter(|(m, from, _)| *m == me && from == used) {
                if path.get(1).is_some_and(|p| !parts.contains(&p.as_str())) {
                    faults.push(format!("{}:{line}: of `{from}`, `{me}` may use only {}", s.path, parts.join(", ")));
                }
            }
        }
    }
    faults
}

/// Siblings and concrete names, tests' code included.
fn sibling_faults(all: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for s in all {
        let module = s.module();
        for (line, path) in s.inner_paths(&s.code) {
            let (Some(first), Some(second)) = (path.first(), path.get(1)) else { continue };
            for (parent, rooms) in SIBLINGS.iter().filter(|(p, _)| p == first) {
                let mine = module.first().is_some_and(|m| m == parent).then(|| module.get(1)).flatten();
                if let Some(mine) = mine
                    && rooms.contains(&mine.as_str())
                    && rooms.contains(&second.as_str())
                    && mine != second
                {
                    faults.push(format!("{}:{line}: `{parent}::{mine}` must not know `{}`", s.path, path.join("::")));
                }
            }
        }
        for (line, path) in s.inner_paths(&s.product) {
            let (Some(first), Some(second)) = (path.first(), path.get(1)) else { continue };
            for (parent, rooms, namers) in CONCRETE.iter().filter(|(p, ..)| p == first) {
                let inside = module.first().is_some_and(|m| m == parent) && module.get(1) == Some(second);
                if rooms.contains(&second.as_str()) && !inside && !namers.contains(&s.path.as_str()) {
                    faults.push(format!("{}:{line}: only {} may name `{}`", s.path, namers.join(", "), path.join("::")));
                }
            }
        }
    }
    faults
}

/// What a room never touches, and banned calls outside the shells.
fn purity_faults(all: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for s in all {
        let me = top(s);
        for word in NEVER.iter().filter(|(m, _)| *m == me).flat_map(|(_, words)| *words) {
            let own = s.inner_paths(&s.product);
            for line in s.lines_with(&s.product, word) {
                // A module of ours may be called like a crate: `telemetry::metrics`.
                if !own.iter().any(|(l, path)| *l == line && path.iter().any(|p| p == word)) {
                    faults.push(format!("{}:{line}: `{me}` must not touch `{word}`", s.path));
                }
            }
            // `use std::{fs, …}` says it in two parts.
            if let Some((root, part)) = word.split_once("::")
                && nested_use(&s.product, root, part)
            {
                faults.push(format!("{}: `{me}` must not touch `{word}`", s.path));
            }
        }
        if !SHELLS.iter().any(|shell| s.path.starts_with(shell)) {
            for line in s.lines_with(&s.product, "clippy::disallowed_methods") {
                faults.push(format!("{}:{line}: a banned call outside the shells", s.path));
            }
        }
    }
    faults
}

/// Whether `use root::{… part …}` stands anywhere.
fn nested_use(code: &str, root: &str, part: &str) -> bool {
    let open = format!("use {root}::{{");
    code.match_indices(&open).any(|(at, _)| {
        let block = &code[at + open.len()..];
        let block = &block[..block.find(';').unwrap_or(block.len())];
        let mut depth = 0;
        let mut item = String::new();
        let mut items = Vec::new();
        for c in block.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if c == ',' && depth == 0 || depth < 0 {
                items.push(std::mem::take(&mut item));
            } else {
                item.push(if c.is_whitespace() || matches!(c, '{' | '}' | ',') { ' ' } else { c });
            }
        }
        let (head, leaf) = part.split_once("::").map_or((part, None), |(h, l)| (h, Some(l)));
        items.iter().any(|i| {
            let words: Vec<&str> = i.split([' ', ':']).filter(|w| !w.is_empty()).collect();
            words.first() == Some(&head) && leaf.is_none_or(|l| words.contains(&l))
        })
    })
}

/// First lines, lengths, words that are never said, `select!` without an order.
fn habit_faults(all: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut said = BTreeSet::new();
    for s in all {
        if !s.text.starts_with("//! ") {
            faults.push(format!("{}: does not begin with //! saying who lives here and why", s.path));
        }
        let lines = s.text.lines().count();
        let reason = LONG_WITH_REASON.iter().find(|(p, _)| *p == s.path);
        if lines > LONGEST && reason.is_none() {
            faults.push(format!("{}: {lines} lines; divide it, or give the reason in LONG_WITH_REASON", s.path));
        }
        for word in NEVER_SAID {
            for (n, line) in s.product.lines().enumerate().filter(|(_, l)| l.contains(word)) {
                match SAID_WITH_REASON.iter().find(|(path, part, _)| *path == s.path && line.contains(part)) {
                    Some(known) => drop(said.insert(known)),
                    None => faults.push(format!("{}:{}: `{word}` in product code", s.path, n + 1)),
                }
            }
        }
        // Law 9: a seed is a trace, so nobody tosses a coin over which branch is looked at first.
        let lines: Vec<&str> = s.product.lines().map(str::trim).collect();
        for (n, line) in lines.iter().enumerate().filter(|(_, l)| l.contains("select! {")) {
            let first = lines[n + 1..].iter().find(|l| !l.is_empty());
            if first != Some(&"biased;") && !line.contains("biased;") {
                faults.push(format!("{}:{}: select! without `biased;`", s.path, n + 1));
            }
        }
    }
    for known in SAID_WITH_REASON {
        // Planted trees hold no such file.
        if all.iter().any(|s| s.path == known.0) && !said.contains(known) {
            faults.push(format!("{}: `{}` is listed with a reason but not there any more", known.0, known.1));
        }
    }
    faults
}

fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    none(dependency_faults(&all()));
}

#[test]
fn siblings_do_not_know_each_other_and_only_app_names_concrete_ones() {
    none(sibling_faults(&all()));
}

#[test]
fn the_core_is_pure_and_every_room_keeps_to_its_own() {
    none(purity_faults(&all()));
}

#[test]
fn files_say_what_they_are_stay_short_and_never_give_up() {
    none(habit_faults(&all()));
}

#[test]
fn the_map_in_lib_names_every_room() {
    let all = all();
    let lib = all.iter().find(|s| s.path == "lib.rs").unwrap();
    for module in all.iter().map(top).filter(|m| !matches!(m.as_str(), "lib" | "main")).collect::<BTreeSet<_>>() {
        assert!(lib.text.contains(&format!("[`{module}`]")), "lib.rs does not say what `{module}` is for");
    }
}

#[test]
fn every_planted_breach_is_found() {
    type Rule = fn(&[Source]) -> Vec<String>;
    let planted: &[(Rule, &str, &str)] = &[
        (dependency_faults, "core/plan.rs", "use crate::engine::Engine;"),
        (dependency_faults, "core/callout/step.rs", "use super::super::super::store::Commit;"),
        (dependency_faults, "core/plan.rs", "fn f() -> crate::http::Router { todo }"),
        (dependency_faults, "engine/mod.rs", "use crate::{core::time::Time, http};"),
        (dependency_faults, "engine/mod.rs", "use crate::{\n    core::{ids, time::{self, Time}},\n    config::Config,\n};"),
        (dependency_faults, "engine/mod.rs", "use crate::ingest::cap;"),
        (dependency_faults, "store/mod.rs", "use super::channel::Provider;"),
        (dependency_faults, "attic/mod.rs", "fn f() {}"),
        (sibling_faults, "store/memory/mod.rs", "use super::sqlite::SqliteStore;"),
        (sibling_faults, "store/sqlite/load.rs", "use crate::store::memory;"),
        (sibling_faults, "channel/sms/aliyun/mod.rs", "use crate::channel::{Provider, voice::aliyun::Menu};"),
        (sibling_faults, "engine/mod.rs", "use crate::store::{Store, sqlite::SqliteStore};"),
        (sibling_faults, "cli/demo/mod.rs", "use crate::channel::sms::aliyun::AliyunSms;"),
        (purity_faults, "core/time.rs", "fn now() -> u64 { std::time::SystemTime::now() }"),
        (purity_faults, "core/time.rs", "use std::{\n    collections::BTreeMap,\n    fs,\n};"),
        (purity_faults, "core/time.rs", "use std::{collections::BTreeMap, time::{Duration, Instant}};"),
        (purity_faults, "core/time.rs", "pub async fn wait() {}"),
        (purity_faults, "core/time.rs", "fn f() { tracing::info!(1); }"),
        (purity_faults, "ingest/mod.rs", "use tokio::sync::mpsc;"),
        (purity_faults, "http/mod.rs", "use rusqlite::Connection;"),
        (purity_faults, "core/time.rs", "#[expect(clippy::disallowed_methods, reason = \"quick\")] fn f() {}"),
        (habit_faults, "core/time.rs", "fn f() { x.unwrap(); }"),
        (habit_faults, "core/time.rs", "fn f() { x.expect(\"said with a reason elsewhere\"); }"),
        (habit_faults, "core/time.rs", "fn f() { todo!() }"),
        (habit_faults, "core/time.rs", "#[cfg(test)]\nmod tests { fn t() {} }\nfn f() { panic!() }"),
        (habit_faults, "engine/run.rs", "fn f() { tokio::select! {\n () = a => {}\n } }"),
    ];
    for (rule, path, code) in planted {
        let found = rule(&[Source::new(path, &format!("//! Planted.\n{code}\n"))]);
        assert!(!found.is_empty(), "{path}: {code}");
    }
    assert_eq!(habit_faults(&[Source::new("core/a.rs", "fn f() {}\n")]).len(), 1, "no first line");
    assert_eq!(habit_faults(&[Source::new("core/a.rs", &"//! x\n".repeat(LONGEST + 1))]).len(), 1, "too long");
}

#[test]
fn what_is_allowed_or_only_said_is_no_breach() {
    let rules = [dependency_faults, sibling_faults, purity_faults, habit_faults];
    let fine = [
        ("engine/mod.rs", "use crate::{core::time::Time, store::Store};"),
        ("core/a.rs", "// crate::engine, tokio, x.unwrap()\n/* std::fs /* nested */ */\nconst A: &str = \"crate::engine::b x.unwrap()\";"),
        ("core/a.rs", "const A: &str = r#\"a \"quoted\" tokio\"#; const B: char = '\"'; const C: char = '\\''; fn f<'a>(x: &'a str) {}"),
        ("core/a.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    fn t() { Some(1).unwrap(); }\n}"),
        ("core/callout/tests.rs", "use crate::core::time::Time; fn t() { Some(1).unwrap(); }"),
        ("core/callout/step.rs", "use super::{event::Event, super::time::Time};"),
        ("core/a.rs", "mod b { use super::super::time::Time; }"),
        ("store/sqlite/load.rs", "use super::{index::Index, super::{Commit, clock::Clock}};"),
        ("channel/sms/aliyun/mod.rs", "use crate::channel::aliyun::rpc::Rpc;"),
    ];
    for (path, code) in fine {
        let source = [Source::new(path, &format!("//! Fine.\n{code}\n"))];
        for rule in rules {
            none(rule(&source));
        }
    }
}
