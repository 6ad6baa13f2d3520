//! There and back: the same by content, and the work goes on.

use super::fill::*;
use crate::conformance::{
    Both, START, callout, change, line,
    spent::{all_spent, minutes, rows},
    warning,
};
use jiaoying::{
    core::time::Span,
    store::{
        Claim, Doc, Head, Key, Reports, Store,
        archive::Forgetful,
        memory::MemoryStore,
        redis::Settings,
        transfer::{Census, Export, Import, Kind, Scope, mover},
    },
};

async fn moved(source: &dyn Export, target: &dyn Import) -> Census {
    let moved = mover::carry(source, target).await.unwrap_or_else(|e| panic!("{e}"));
    let there = moved.target.expect("it was moved");
    assert_eq!(moved.source.differences(&there), Vec::<String>::new());
    there
}

#[tokio::test]
async fn everything_goes_from_memory_to_sqlite_to_redis_and_back_and_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let memory = memory(230).await;
    let first = mover::survey(&memory, Scope::Everything).await.unwrap();
    for kind in Kind::ALL {
        assert!(first.tally(kind).count > 0, "nothing of {kind:?} was filled in");
    }
    let file = dir.path().join("first.db");
    moved(&memory, &into_sqlite(&file)).await;
    let mut at = file;
    for (n, settings) in kinds_of_redis().iter().enumerate() {
        moved(&sqlite(&at), &into_redis(settings).await).await;
        at = dir.path().join(format!("{n}.db"));
        moved(&redis(settings).await, &into_sqlite(&at)).await;
    }
    let back = MemoryStore::new(later());
    let last = moved(&sqlite(&at), &back).await;
    assert_eq!(first.differences(&last), Vec::<String>::new());
    assert!(!at.with_extension("db.moving").exists(), "nothing is left beside");
}

/// What a gateway sees and does next, as text that every engine must give alike.
async fn night_goes_on(store: &(impl Store + Reports)) -> Vec<String> {
    let mut seen = Vec::new();
    let mut claims: Vec<Claim> = store.claim(10_000, Span::secs(5)).await.unwrap();
    claims.sort_by(|a, b| a.key.cmp(&b.key));
    let letters = |c: &Claim| c.inbox.iter().map(|l| String::from_utf8_lossy(&l.body).into_owned()).collect::<Vec<_>>();
    seen.extend(claims.iter().map(|c| format!("{:?} {:?}", c.record, letters(c))));
    seen.push(format!("{:?} {:?}", store.next_due().await, store.queue_depth().await));
    // A commit goes on where the record stood, and is told after what was told before.
    let key = callout(1, 10);
    let record = store.load(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
    let mut c = change(&key, record.head, "answered");
    c.tasks = vec![task("t-w1-10-1", None, true)];
    c.feed = vec![jiaoying::store::FeedItem {
        kind: "callout.answered".into(),
        warning: None,
        callout: None,
        at: START,
        data: serde_json::Value::Null,
    }];
    seen.push(format!("{:?}", store.commit(jiaoying::store::WriteLane::Urgent, vec![c]).await));
    let tip = store.feed_tip().await.unwrap();
    seen.push(format!("{tip} {:?}", store.feed_after(tip - 2, 9).await));
    seen.push(format!("{:?} {:?}", store.tasks(None, false, 999).await, store.journal(&key).await));
    for w in [1, 2] {
        let id = jiaoying::core::ids::WarningId(w);
        assert_eq!(store.counts(id).await.unwrap(), store.recount(id).await.unwrap());
        seen.push(format!("{:?} {:?}", store.counts(id).await, store.faces(id).await));
        seen.push(format!("{:?}", store.blob(&warning(w), "raw").await));
        seen.push(format!("{:?}", store.identities(&format!("14050041600000_{w}")).await));
    }
    seen.push(format!("{:?} {:?}", store.without_clock().await, store.warnings(None, 9).await));
    seen.push(format!("{:?}", store.blob(&Key::Named("subscriber/省平台".into()), "kept").await));
    seen.push(format!("{:?} {:?}", store.next_number("warning").await, store.next_number("callback").await));
    let docs = vec![Doc { id: "recipient/p3".into(), body: b"{}".to_vec() }];
    seen.push(format!("{:?} {:?}", store.docs_apply("directory", 3, docs, vec![]).await, store.docs("directory").await));
    let mut again = change(&warning(3), Head::NONE, "the same message again");
    again.identity = store.identities("14050041600000_1").await.unwrap().pop();
    seen.push(format!("{:?}", store.commit(jiaoying::store::WriteLane::Urgent, vec![again]).await));
    seen
}

#[tokio::test]
async fn the_work_goes_on_in_the_new_store_as_it_would_have_in_the_old() {
    let dir = tempfile::tempdir().unwrap();
    let filled = memory(120).await;
    let expected = {
        let twin = MemoryStore::new(later());
        moved(&filled, &twin).await;
        night_goes_on(&twin).await
    };
    let file = dir.path().join("a.db");
    moved(&filled, &into_sqlite(&file)).await;
    let mut servers: Vec<Settings> = kinds_of_redis();
    for settings in &servers {
        moved(&sqlite(&file), &into_redis(settings).await).await;
    }
    assert_eq!(night_goes_on(&sqlite(&file)).await, expected);
    for settings in servers.drain(..) {
        let timing = jiaoying::store::redis::Timing::Given(later());
        let store = jiaoying::store::redis::RedisStore::open(settings, timing).await.unwrap();
        assert_eq!(night_goes_on(&store).await, expected);
    }
}

#[tokio::test]
async fn engine_time_does_not_go_back_over_a_move() {
    let dir = tempfile::tempdir().unwrap();
    let ahead = MemoryStore::new(std::sync::Arc::new(jiaoying::store::clock::ManualClock::new(START + Span::hours(9))));
    let file = dir.path().join("a.db");
    moved(&ahead, &into_sqlite(&file)).await;
    let settings = kinds_of_redis().remove(0);
    moved(&sqlite(&file), &into_redis(&settings).await).await;
    assert!(sqlite(&file).now() >= START + Span::hours(9));
    assert!(redis(&settings).await.now() >= START + Span::hours(9), "its machine's clock stands hours before");
}

#[tokio::test]
async fn one_warning_is_exported_whole_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let memory = memory(60).await;
    let scope = Scope::Warning(jiaoying::core::ids::WarningId(1));
    let of_memory = mover::survey(&memory, scope).await.unwrap();
    assert_eq!((of_memory.tally(Kind::Warning).count, of_memory.tally(Kind::Callout).count), (1, 60));
    assert_eq!((of_memory.tally(Kind::Line).count, of_memory.tally(Kind::Identity).count), (0, 0));
    assert!(of_memory.tally(Kind::Task).count > 0 && of_memory.faults().is_empty());
    let file = dir.path().join("a.db");
    moved(&memory, &into_sqlite(&file)).await;
    let of_file = mover::survey(&sqlite(&file), scope).await.unwrap();
    assert_eq!(of_memory.differences(&of_file), Vec::<String>::new());
}

#[tokio::test]
async fn a_journal_whose_older_rows_are_in_the_archive_moves_as_it_stands_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let source = MemoryStore::new(later());
    minutes(&source, &line(1), 10, Some(START)).await;
    minutes(&source, &line(2), 3, Some(START)).await;
    source.let_go(&all_spent(&source, START + Span::mins(6)).await).await.unwrap();
    assert_eq!(rows(&source, &line(1)).await, [7, 8, 9, 10]);
    let stood = source.journal(&line(1)).await.unwrap();
    let mut at = dir.path().join("first.db");
    moved(&source, &into_sqlite(&at)).await;
    for (n, settings) in kinds_of_redis().iter().enumerate() {
        moved(&sqlite(&at), &into_redis(settings).await).await;
        at = dir.path().join(format!("{n}.db"));
        moved(&redis(settings).await, &into_sqlite(&at)).await;
        for store in [&redis(settings).await as &dyn Both, &sqlite(&at)] {
            assert_eq!(store.journal(&line(1)).await.unwrap(), stood);
            minutes(store, &line(1), 1, Some(START)).await;
            assert_eq!(rows(store, &line(1)).await, [7, 8, 9, 10, 11]);
        }
        // The next round begins where this one began.
        at = dir.path().join(format!("again-{n}.db"));
        moved(&source, &into_sqlite(&at)).await;
    }
}
