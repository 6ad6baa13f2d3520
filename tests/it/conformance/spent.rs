//! What belongs to no warning and is over: found, and let go of.

use super::*;
use jiaoying::{
    core::time::Span,
    store::{
        JournalRow,
        archive::{AWAITED, FEW, RECOVERED, Spent},
        transfer::{Scope, mover},
    },
};

/// A record with so many commits, one a minute; due or finished.
pub async fn minutes(store: &dyn Store, key: &Key, many: u32, due: Option<Time>) {
    let mut head = store.load(std::slice::from_ref(key)).await.unwrap().remove(0).map_or(Head::NONE, |r| r.head);
    let batch: Vec<Commit> = (0..many)
        .map(|n| {
            let c = Commit { due, at: START + Span::mins(i64::from(n)), ..change(key, head, &format!("{n}")) };
            head = c.head;
            c
        })
        .collect();
    for c in store.commit(WriteLane::Rest, batch).await.unwrap() {
        assert_eq!(c, Committed::Done);
    }
}

/// All there is, however many calls it takes.
pub async fn all_spent(store: &dyn Forgetful, before: Time) -> Vec<Spent> {
    let (mut all, mut from) = (Vec::new(), String::new());
    loop {
        let (found, next) = store.spent(before, &from, 7).await.unwrap();
        all.extend(found);
        from = next;
        if from.is_empty() {
            all.sort_by(|a, b| a.key.cmp(&b.key));
            all.dedup();
            return all;
        }
    }
}

pub async fn rows(store: &dyn Reports, key: &Key) -> Vec<u64> {
    store.journal(key).await.unwrap().iter().map(|r| r.n).collect()
}

pub async fn what_is_over_is_found_and_let_go_of_as_it_was_named(room: Room) {
    let store = &*room.store;
    let sent = Key::Named("sent/tencent/7".into());
    let refusals = Key::Named("refusals".into());
    for n in 1..=40 {
        minutes(store, &Key::Callback(n), 2, None).await;
    }
    minutes(store, &Key::Callback(41), 2, Some(START)).await;
    minutes(store, &Key::Callback(42), 20, None).await;
    minutes(store, &sent, 1, None).await;
    // Who referred to what never came, and what a repair has seen to.
    let [awaited, recovered] = [AWAITED, RECOVERED].map(|of| Key::Named(format!("{of}x")));
    minutes(store, &awaited, 2, None).await;
    minutes(store, &recovered, 1, None).await;
    minutes(store, &refusals, 12, None).await;
    minutes(store, &line(1), 10, Some(START)).await;
    minutes(store, &line(2), FEW as u32, Some(START)).await;
    minutes(store, &warning(7), 10, None).await;
    minutes(store, &callout(7, 1), 10, None).await;
    let before = START + Span::mins(6);
    let all = all_spent(store, before).await;
    let of = |key: &Key| all.iter().find(|s| s.key == *key);
    assert_eq!(all.iter().filter(|s| matches!(s.key, Key::Callback(_))).count(), 40, "one is not worked through, one is too young");
    assert!(of(&Key::Callback(41)).is_none() && of(&Key::Callback(42)).is_none());
    for (key, row, whole) in [
        (&sent, 1, true),
        (&awaited, 2, true),
        (&recovered, 1, true),
        (&refusals, 7, false),
        (&line(1), 7, false),
        (&Key::Callback(3), 2, true),
    ] {
        let found = of(key).unwrap_or_else(|| panic!("{key} is over"));
        assert_eq!((found.row, found.whole), (row, whole), "{key}");
        assert_eq!(store.journal(key).await.unwrap().iter().find(|r| r.n == row).unwrap().head, found.head, "{key}");
    }
    assert_eq!(all.len(), 45, "{all:?}");

    // A letter waits for one, another has changed since.
    room.done(Commit { send: vec![letter(&Key::Callback(5), 2, Time(0), "x")], ..change(&line(9), Head::NONE, "sends") }).await;
    let head = room.load(&Key::Callback(6)).await.unwrap().head;
    room.done(Commit { due: None, ..change(&Key::Callback(6), head, "again") }).await;
    let line_before: Vec<JournalRow> = store.journal(&line(1)).await.unwrap();
    let mut what = all.clone();
    what.push(Spent { key: line(2), row: 3, head: Head([9; 16]), whole: false });
    for _ in 0..2 {
        store.let_go(&what).await.unwrap();
        let left = [5, 6, 41, 42];
        for n in 1..=42 {
            assert_eq!(room.load(&Key::Callback(n)).await.is_some(), left.contains(&n), "callback {n}");
            assert_eq!(rows(store, &Key::Callback(n)).await.is_empty(), !left.contains(&n), "callback {n}");
        }
        for key in [&sent, &awaited, &recovered] {
            assert!(room.load(key).await.is_none() && rows(store, key).await.is_empty(), "{key}");
        }
        assert_eq!(rows(store, &refusals).await, [7, 8, 9, 10, 11, 12]);
        assert_eq!(store.journal(&line(1)).await.unwrap(), line_before[6..]);
        assert_eq!(rows(store, &line(2)).await, [1, 2, 3, 4]);
        assert_eq!(rows(store, &callout(7, 1)).await.len(), 10);
    }
    // The record goes on as if nothing had been, also through a restart of what can be restarted.
    let head = room.load(&line(1)).await.unwrap().head;
    let mut next = change(&line(1), head, "goes on");
    next.at = START + Span::mins(60);
    room.done(next).await;
    assert_eq!(rows(store, &line(1)).await, [7, 8, 9, 10, 11]);
    assert!(!all_spent(store, before).await.iter().any(|s| s.key == line(1)), "few are left as they are");
    let late = all_spent(store, START + Span::hours(9)).await;
    assert_eq!(late.iter().find(|s| s.key == line(1)).map(|s| s.row), Some(11));
    store.let_go(&late).await.unwrap();
    assert_eq!(rows(store, &line(1)).await, [11]);
    let census = mover::survey(store, Scope::Everything).await.unwrap();
    assert_eq!(census.faults(), Vec::<String>::new());
}
