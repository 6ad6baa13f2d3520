//! What only a store with a file can show: restarts, a second gateway, a full disk, backups, SQL.

use super::*;
use jiaoying::{
    core::time::Span,
    store::{Doc, FeedItem, StoreError, sqlite::backup},
};
use rusqlite::Connection;

/// A bit of everything.
async fn furnish(room: &Room) {
    for (n, key) in (0..).zip(kinds()) {
        let mut c = change(&key, Head::NONE, "first");
        c.due = (n % 2 == 0).then_some(START + Span::secs(n));
        c.face = matches!(key, Key::Callout(_)).then(|| face(CalloutState::Answered, 3));
        c.blobs = vec![("raw".to_string(), vec![n as u8])];
        c.feed = vec![FeedItem { kind: "x".into(), warning: None, callout: None, at: START, data: serde_json::json!(n) }];
        c.send = vec![letter(&line(99), 3, Time(0), &n.to_string()), letter(&Key::Named("new".into()), 3, START + Span::hours(1), "later")];
        room.done(c).await;
    }
    room.store.docs_apply("recipient", 0, vec![Doc { id: "p1".into(), body: b"{}".to_vec() }], Vec::new()).await.unwrap();
}

async fn everything(room: &Room) -> Vec<String> {
    let s = &room.store;
    let mut seen = vec![format!("{:?} {:?}", s.load(&kinds()).await.unwrap(), s.next_due().await)];
    for key in kinds() {
        seen.push(format!("{:?} {:?}", s.journal(&key).await, s.blob(&key, "raw").await));
    }
    seen.push(format!("{:?} {:?} {:?}", s.feed_after(0, 99).await, s.docs("recipient").await, s.queue_depth().await));
    seen.push(format!("{:?} {:?}", s.counts(WarningId(7)).await, s.faces(WarningId(7)).await));
    seen
}

#[tokio::test]
async fn a_restart_changes_no_answer_and_forgets_the_leases() {
    let room = Room::sqlite_file();
    furnish(&room).await;
    let before = everything(&room).await;
    let room = room.reopen();
    assert_eq!(everything(&room).await, before);
    room.clock.advance(Span::mins(1));
    let strip = |claims: Vec<jiaoying::store::Claim>| claims.into_iter().map(|c| (c.key, c.record, c.inbox)).collect::<Vec<_>>();
    let claims = strip(room.store.claim(99, Span::hours(9)).await.unwrap());
    assert_eq!(claims.len(), 5, "four that are due and the line with letters");
    assert!(room.store.claim(99, Span::hours(9)).await.unwrap().is_empty());
    let room = room.reopen();
    assert_eq!(strip(room.store.claim(99, Span::hours(9)).await.unwrap()), claims);
}

#[tokio::test]
async fn a_name_first_mentioned_in_a_letter_is_known_after_a_restart() {
    let room = Room::sqlite_file();
    let named = [line(1), Key::Place(WarningId(1), "x".into()), Key::Named("n".into())];
    let mut c = change(&warning(1), Head::NONE, "posts");
    c.due = None;
    c.send = named.iter().map(|k| letter(k, 1, Time(0), "ask")).collect();
    // Refused commits leave no name behind that a letter could be lost under.
    for key in &named {
        assert_eq!(room.commit(change(key, Head::NONE.after(b"x"), "late")).await, Committed::Conflict);
    }
    room.done(c).await;
    let room = room.reopen();
    let mut keys: Vec<Key> = room.store.claim(9, Span::secs(9)).await.unwrap().into_iter().map(|c| c.key).collect();
    keys.sort();
    assert_eq!(keys, named);
}

#[tokio::test]
async fn engine_time_does_not_go_back_when_the_machines_clock_did() {
    let room = Room::sqlite_file();
    room.clock.advance(Span::hours(2));
    room.done(change(&warning(1), Head::NONE, "seen at two")).await;
    let earlier = Arc::new(ManualClock::new(START));
    let room = room.reopen_at(earlier.clone());
    assert_eq!(room.store.now(), START + Span::hours(2));
    earlier.advance(Span::secs(1));
    assert_eq!(room.store.now(), START + Span::hours(2) + Span::secs(1), "and it does not stand still");
    // The last thing a store does is to note the time, whatever was committed.
    earlier.advance(Span::hours(1));
    let room = room.reopen_at(Arc::new(ManualClock::new(START)));
    assert_eq!(room.store.now(), START + Span::hours(3) + Span::secs(1));
}

#[tokio::test]
async fn numbers_and_letters_go_on_after_a_restart() {
    let mut room = Room::sqlite_file();
    let mut last = 0;
    for _ in 0..3 {
        for _ in 0..5 {
            let n = room.store.next_number("warning").await.unwrap();
            assert_eq!(n, last + 1, "an orderly stop leaves no gap");
            last = n;
        }
        room = room.reopen();
    }
    let post = |n: u32| {
        let mut c = change(&warning(n), Head::NONE, "posts");
        c.due = None;
        c.send = vec![letter(&line(1), 0, Time(0), "x")];
        c
    };
    room.done(post(1)).await;
    let first = room.store.claim(1, Span::secs(9)).await.unwrap().remove(0);
    let mut read = change(&line(1), Head::NONE, "read");
    (read.due, read.consumed) = (None, vec![first.inbox[0].seq]);
    room.done(read).await;
    let room = room.reopen();
    room.done(post(2)).await;
    let second = room.store.claim(1, Span::secs(9)).await.unwrap().remove(0);
    assert!(second.inbox[0].seq > first.inbox[0].seq, "a letter's number is never used again");
}

#[tokio::test]
async fn a_second_gateway_is_refused_with_what_to_do() {
    let room = Room::sqlite_file();
    let refused = SqliteStore::open(room.path(), room.clock.clone());
    let why = refused.err().expect("refused").to_string();
    assert!(why.contains("another gateway is using") && why.contains("stop it first"), "{why}");
    room.done(change(&warning(1), Head::NONE, "the first works on")).await;
    let room = room.reopen();
    assert!(room.load(&warning(1)).await.is_some());
}

#[tokio::test]
async fn a_file_of_a_newer_program_or_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let newer = dir.path().join("newer.db");
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let clock = Arc::new(ManualClock::new(START));
    let why = SqliteStore::open(&newer, clock.clone()).err().expect("refused").to_string();
    assert!(why.contains("schema version 99"), "{why}");
    let text = dir.path().join("text.db");
    std::fs::write(&text, "this is no database, but long enough to be read as one; ".repeat(40)).unwrap();
    assert!(SqliteStore::open(&text, clock.clone()).is_err());
    let why = SqliteStore::open(dir.path().join("no/such/dir/a.db"), clock).err().expect("refused").to_string();
    assert!(why.contains("does its directory exist"), "{why}");
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_whole_and_the_rest_of_the_group_is_not() {
    let room = Room::sqlite_file();
    // The write fails in the middle of a commit, when its letters are already written.
    let saboteur = Connection::open(room.path()).unwrap();
    saboteur
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON task WHEN new.id = 't-full' BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END;",
        )
        .unwrap();
    let mut poison = change(&callout(1, 2), Head::NONE, "poison");
    poison.face = Some(face(CalloutState::Queued, 2));
    poison.send = vec![letter(&line(77), 0, Time(0), "never")];
    poison.tasks = vec![jiaoying::store::TaskRow {
        id: "t-full".into(),
        kind: "call".into(),
        title: String::new(),
        warning: None,
        callout: None,
        division: None,
        opened_at: START,
        due_at: START,
        claimed_by: None,
        claimed_at: None,
        closed: None,
        note: None,
    }];
    let batches = [
        vec![change(&callout(1, 1), Head::NONE, "before it, in its batch"), poison],
        vec![change(&callout(1, 3), Head::NONE, "in another batch")],
        vec![change(&callout(1, 4), Head::NONE, "in another batch")],
    ];
    let answers = futures_util::future::join_all(batches.map(|b| room.store.commit(WriteLane::Rest, b))).await;
    let Err(StoreError::Unavailable(why)) = &answers[0] else { panic!("{:?}", answers[0]) };
    assert!(why.contains("disk is full"), "{why}");
    assert!(answers[1..].iter().all(|a| a.as_deref().is_ok_and(|a| a == [Committed::Done])), "{answers:?}");
    let check = async |room: &Room| {
        let there = room.store.load(&[callout(1, 1), callout(1, 2), callout(1, 3), callout(1, 4)]).await.unwrap();
        assert_eq!(there.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true, true]);
        assert_eq!(room.store.queue_depth().await.unwrap(), []);
        assert_eq!(room.store.counts(WarningId(1)).await.unwrap(), Default::default());
        assert_eq!(room.store.journal(&callout(1, 2)).await.unwrap(), []);
    };
    check(&room).await;
    saboteur.execute_batch("DROP TRIGGER full").unwrap();
    drop(saboteur);
    let room = room.reopen();
    check(&room).await;
    room.done(change(&line(77), Head::NONE, "its name was not lost either")).await;
    room.done(change(&callout(1, 2), Head::NONE, "once more")).await;
    assert_eq!(room.store.journal(&callout(1, 2)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_number_beyond_the_ids_is_refused_and_not_taken_for_another() {
    let room = Room::sqlite_file();
    let refused = room.store.commit(WriteLane::Rest, vec![change(&callout(u32::MAX, 1), Head::NONE, "x")]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    room.done(change(&callout(1, 1), Head::NONE, "the writer goes on")).await;
}

#[tokio::test]
async fn commits_that_nobody_waits_for_are_still_whole() {
    let room = Room::sqlite_file();
    for n in 0..50 {
        let batch = (0..20).map(|m| change(&callout(n, m), Head::NONE, "new")).collect();
        let commit = room.store.commit(WriteLane::Rest, batch);
        // The caller goes away after asking.
        let _ = futures_util::FutureExt::now_or_never(commit);
    }
    let room = room.reopen();
    for n in 0..50 {
        let keys: Vec<Key> = (0..20).map(|m| callout(n, m)).collect();
        let there = room.store.load(&keys).await.unwrap().iter().flatten().count();
        assert_eq!(there, 20, "what was asked is done before the file is closed");
    }
}

#[tokio::test]
async fn a_backup_of_a_store_at_work_opens_as_a_store() {
    let room = Room::sqlite_file();
    furnish(&room).await;
    let before = everything(&room).await;
    let dir = tempfile::tempdir().unwrap();
    let copy = path(&dir);
    std::fs::write(&copy, "an older backup").unwrap();
    backup(&room.path(), &copy).unwrap();
    room.done(change(&warning(50), Head::NONE, "after the backup")).await;
    let restored = Room::at(dir, room.clock.clone());
    assert_eq!(everything(&restored).await, before);
    let nowhere = restored.path().join("not/a/directory");
    assert!(backup(&room.path(), &nowhere).is_err());
}

#[tokio::test]
async fn an_operator_reads_who_has_not_answered_by_sql() {
    let room = Room::sqlite_file();
    for (n, state) in [(1, CalloutState::Overdue), (2, CalloutState::Answered)] {
        let mut c = change(&callout(12, n), Head::NONE, "x");
        c.face = Some(face(state, n));
        room.done(c).await;
    }
    room.done(change(&Key::Named("subscriber/1".into()), Head::NONE, "x")).await;
    let sql = Connection::open(room.path()).unwrap();
    let text = |query: &str| sql.query_row(query, [], |r| r.get::<_, String>(0)).unwrap();
    let columns =
        "callout || ' ' || state || ' ' || division || ' ' || recipient || ' ' || next_at_beijing || ' ' || json_extract(body, '$.is')";
    let found = text(&format!("SELECT group_concat({columns}) FROM v_unanswered"));
    assert_eq!(found, "w12-1 overdue 140521100001 p1 2024-07-08 16:15:00 x");
    assert_eq!(text("SELECT group_concat(record) FROM v_journal"), "w12-1,w12-2,named/subscriber/1");
    let whole: String = sql.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    assert_eq!(whole, "ok");
}

/// What a power cut leaves: the file as it stood, and the log cut off anywhere. (No checkpoint runs
/// below some megabytes, so the file beside the log is the one the log belongs to.)
fn crashed(room: &Room, log: &[u8]) -> Room {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(room.path(), path(&dir)).unwrap();
    std::fs::write(dir.path().join("jiaoying.db-wal"), log).unwrap();
    Room::at(dir, Arc::new(ManualClock::new(START)))
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_answered_and_leaves_nothing_half_done() {
    let room = Room::sqlite_file();
    let log = || std::fs::read(room.path().with_extension("db-wal")).unwrap();
    let mut number = 0;
    let mut answered = Vec::new();
    for round in 0..30u32 {
        let batches = (0..4).map(|b| {
            let commits = (0..5).map(|n| {
                // Every commit sends one letter and shows one face.
                let mut c = change(&callout(round, 10 * b + n), Head::NONE, "new");
                c.face = Some(face(CalloutState::Queued, n));
                c.send = vec![letter(&line(round), 1, Time(0), "one")];
                c
            });
            room.store.commit(WriteLane::Rest, commits.collect())
        });
        for done in futures_util::future::join_all(batches).await {
            assert!(done.unwrap().iter().all(|d| *d == Committed::Done));
        }
        number = room.store.next_number("callback").await.unwrap();
        answered.push((log().len(), 20 * (round as usize + 1), number));
    }
    let whole = log();
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=whole.len()).step_by(whole.len() / 40) {
        let after = crashed(&room, &whole[..cut]);
        let mut found = 0;
        for w in 0..30 {
            let warning = WarningId(w);
            let counts = after.store.counts(warning).await.unwrap();
            assert_eq!(counts, after.store.recount(warning).await.unwrap());
            let faces = after.store.faces(warning).await.unwrap();
            for (id, _) in &faces {
                let rows = after.store.journal(&Key::Callout(*id)).await.unwrap();
                assert_eq!(rows.len(), 1);
                assert_eq!(after.load(&Key::Callout(*id)).await.map(|r| r.head), Some(rows[0].head));
            }
            assert_eq!(faces.len() % 5, 0, "a batch went into one transaction");
            found += faces.len();
        }
        let letters: u64 = after.store.queue_depth().await.unwrap().iter().map(|d| d.1).sum();
        assert_eq!(letters, found as u64, "each letter with its commit");
        let told = answered.iter().rev().find(|(len, _, _)| *len <= cut);
        if let Some((_, commits, number)) = told {
            assert!(found >= *commits, "cut at {cut}: {commits} were answered, {found} are there");
            assert!(after.store.next_number("callback").await.unwrap() > *number);
        }
        seen.insert(found);
    }
    assert!(seen.len() > 10 && seen.contains(&0), "the cuts fell everywhere: {seen:?}");
    let after = crashed(&room, &whole);
    assert_eq!(after.store.faces(WarningId(29)).await.unwrap().len(), 20);
    assert!(after.store.next_number("callback").await.unwrap() > number);
}
