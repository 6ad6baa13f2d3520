//! Forgetting a warning and taking it in again.

use super::*;
use jiaoying::store::{
    Identity, JournalRow, TaskRow,
    archive::{Forget, Forgot},
    transfer::{Census, Piece, Scope, channel},
};

/// How many callouts a closed warning has; more than a partition takes in one byte of its bitmap.
pub const CALLOUTS: u32 = 40;

fn done(key: &Key, expect: Head, what: &str) -> Commit {
    Commit { due: None, ..change(key, expect, what) }
}

pub fn identity(w: u32) -> Identity {
    let text = |t: &str| t.to_string();
    Identity { issuer: text("a"), sender: text("b"), identifier: format!("id-{w}"), digest: text("d"), warning: WarningId(w) }
}

pub fn task(w: u32, open: bool) -> TaskRow {
    TaskRow {
        id: format!("t-w{w}-1"),
        kind: "decide".into(),
        title: "看".into(),
        warning: Some(WarningId(w)),
        callout: None,
        division: None,
        opened_at: START,
        due_at: START,
        claimed_by: None,
        claimed_at: None,
        closed: (!open).then(|| "ended".to_string()),
        note: None,
    }
}

/// The record that those below a township wait on.
pub const RELAY: &str = "relay/township/140521101000";

/// A warning of several commits with callouts, a place, a relay, blobs, a task, all finished.
pub async fn closed_warning(store: &dyn Store, w: u32, body: &str) {
    let key = warning(w);
    let chunk = format!(r#"{{"people": [], "entries": [{{"relay": {{"uppers": ["{RELAY}"]}}}}]}}"#);
    let mut first = done(&key, Head::NONE, "accepted");
    first.identity = Some(identity(w));
    first.blobs = vec![("raw".into(), b"<alert/>".to_vec()), ("plan/0".into(), vec![0, 255, 10]), ("plan/1".into(), chunk.into_bytes())];
    let mut last = done(&key, first.head, "closed");
    last.body = body.as_bytes().to_vec();
    last.tasks = vec![task(w, false)];
    let mut all = vec![first, last];
    for n in 0..CALLOUTS {
        let begun = Commit { face: Some(face(CalloutState::Calling, n)), ..done(&callout(w, n), Head::NONE, "begun") };
        let mut ended = done(&callout(w, n), begun.head, "ended");
        let state = if n % 3 == 0 { CalloutState::Answered } else { CalloutState::Closed };
        ended.face = Some(Face { told_only: n == 7, feedback_owed: false, ..face(state, n) });
        ended.blobs = vec![("note".into(), vec![n as u8])];
        all.extend([begun, ended]);
    }
    let place = Key::Place(WarningId(w), face(CalloutState::Closed, 3).place);
    all.push(done(&place, Head::NONE, "covered"));
    all.push(done(&Key::Place(WarningId(w), RELAY.into()), Head::NONE, "answered above"));
    for c in store.commit(WriteLane::Rest, all).await.unwrap() {
        assert_eq!(c, Committed::Done);
    }
}

pub async fn pieces(store: &dyn Forgetful, w: u32) -> Vec<Piece> {
    let (to, mut from) = channel();
    let sending = async { store.export(Scope::Warning(WarningId(w)), to).await.unwrap().end().await.unwrap() };
    let taking = async {
        let mut all = Vec::new();
        while let Some(some) = from.recv().await {
            all.extend(some);
        }
        all
    };
    tokio::join!(sending, taking).1
}

pub fn census(pieces: &[Piece]) -> Census {
    let mut c = Census::default();
    pieces.iter().for_each(|p| c.add(p));
    c
}

pub fn forget(w: u32, pieces: &[Piece], token: &str) -> Forget {
    let heads = pieces.iter().filter_map(|p| match p {
        Piece::Entity(e) => e.record.as_ref().map(|r| (e.key.clone(), r.head)),
        _ => None,
    });
    Forget { warning: WarningId(w), token: token.into(), heads: heads.collect() }
}

/// The warning's own pieces last, as the promise asks.
pub async fn take_in(store: &dyn Forgetful, w: u32, pieces: Vec<Piece>) {
    let own =
        |p: &Piece| !matches!(p, Piece::Entity(e) if e.key != warning(w)) && !matches!(p, Piece::Blob { key, .. } if *key != warning(w));
    let (last, first): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(own);
    store.take_in(WarningId(w), first).await.unwrap();
    store.take_in(WarningId(w), last).await.unwrap();
}

pub async fn a_warning_is_forgotten_whole_but_for_its_identity_and_taken_in_as_it_stood(room: Room) {
    let store = &*room.store;
    closed_warning(store, 7, "{}").await;
    closed_warning(store, 8, "{}").await;
    let [before, other] = [pieces(store, 7).await, pieces(store, 8).await];
    let counted = census(&before);
    assert_eq!(counted.faults(), Vec::<String>::new());
    // A record, two rows and a blob a callout; the warning with two rows and three blobs, a place and a relay with one row, a task.
    assert_eq!(counted.rows(), 4 * u64::from(CALLOUTS) + 6 + 2 + 2 + 1);
    let what = forget(7, &before, "one");
    assert_eq!(what.heads.len() as u32, CALLOUTS + 3);

    assert_eq!(store.forget(&what).await.unwrap(), Forgot::Done);
    let keys: Vec<Key> = what.heads.iter().map(|(k, _)| k.clone()).collect();
    assert!(store.load(&keys).await.unwrap().iter().all(Option::is_none));
    for key in &keys {
        assert_eq!(store.journal(key).await.unwrap(), Vec::<JournalRow>::new());
    }
    assert_eq!(store.blob(&warning(7), "raw").await.unwrap(), None);
    assert_eq!(store.faces(WarningId(7)).await.unwrap(), Vec::new());
    assert_eq!(store.counts(WarningId(7)).await.unwrap(), Default::default());
    assert_eq!(store.recount(WarningId(7)).await.unwrap(), Default::default());
    assert_eq!(store.tasks(None, false, 9).await.unwrap(), [task(8, false)]);
    assert_eq!(store.task("t-w7-1").await.unwrap(), None);
    assert_eq!(store.warnings(None, 9).await.unwrap().into_iter().map(|r| r.key).collect::<Vec<_>>(), [warning(8)]);
    assert_eq!(census(&pieces(store, 8).await), census(&other), "the other warning is as it was");
    assert!(store.claim(9, jiaoying::core::time::Span::secs(1)).await.unwrap().is_empty());

    // What stays: who posts it again is told so. And the same once more changes nothing.
    let again = Commit { identity: Some(identity(7)), ..change(&warning(9), Head::NONE, "posted again") };
    assert_eq!(room.commit(again).await, Committed::IdentityTaken(identity(7)));
    assert_eq!(store.forget(&what).await.unwrap(), Forgot::Done);

    take_in(store, 7, before.clone()).await;
    assert_eq!(census(&pieces(store, 7).await), counted);
    take_in(store, 7, before).await;
    assert_eq!(census(&pieces(store, 7).await), counted, "twice is as once");
    assert_eq!(store.counts(WarningId(7)).await.unwrap(), store.recount(WarningId(7)).await.unwrap());
    assert_eq!(store.tasks(Some(WarningId(7)), false, 9).await.unwrap(), [task(7, false)]);
    let head = room.load(&callout(7, 5)).await.unwrap().head;
    room.done(done(&callout(7, 5), head, "answered late")).await;
    assert_eq!(store.journal(&callout(7, 5)).await.unwrap().len(), 3);
}

pub async fn nothing_is_forgotten_of_what_changed_or_waits(room: Room) {
    let store = &*room.store;
    let place = Key::Place(WarningId(7), face(CalloutState::Closed, 3).place);
    closed_warning(store, 7, "{}").await;
    for key in [warning(7), callout(7, 21), place] {
        let what = forget(7, &pieces(store, 7).await, "one");
        let head = room.load(&key).await.unwrap().head;
        room.done(done(&key, head, "late")).await;
        let before = census(&pieces(store, 7).await);
        let changed = store.forget(&what).await.unwrap();
        assert!(matches!(&changed, Forgot::Changed(why) if why.contains("not as it was archived")), "{key}: {changed:?}");
        assert_eq!(census(&pieces(store, 7).await), before, "{key}");
    }
    let what = forget(7, &pieces(store, 7).await, "two");
    let sender = Commit { send: vec![letter(&callout(7, 4), 2, Time(0), "late")], ..done(&line(1), Head::NONE, "sends") };
    room.done(sender).await;
    // By outbox it is delivered with the claim at the latest.
    let claim = store.claim(9, jiaoying::core::time::Span::secs(30)).await.unwrap().remove(0);
    assert!(matches!(store.forget(&what).await.unwrap(), Forgot::Changed(_)));
    let worked = Commit { consumed: claim.inbox.iter().map(|l| l.seq).collect(), ..done(&claim.key, claim.record.unwrap().head, "read") };
    room.done(worked).await;
    let what = forget(7, &pieces(store, 7).await, "three");
    let head = room.load(&warning(7)).await.unwrap().head;
    room.done(Commit { tasks: vec![TaskRow { id: "t-w7-2".into(), ..task(7, true) }], ..done(&warning(7), head, "asks") }).await;
    let head = room.load(&warning(7)).await.unwrap().head;
    let heads = what.heads.into_iter().map(|(k, h)| if k == warning(7) { (k, head) } else { (k, h) }).collect();
    assert!(matches!(&store.forget(&Forget { heads, ..what }).await.unwrap(), Forgot::Changed(why) if why.contains("open")));
    assert_eq!(store.faces(WarningId(7)).await.unwrap().len() as u32, CALLOUTS);
    assert_eq!(store.counts(WarningId(7)).await.unwrap(), store.recount(WarningId(7)).await.unwrap());
}

pub async fn what_is_taken_in_leaves_alone_what_stands(room: Room) {
    let store = &*room.store;
    closed_warning(store, 7, "{}").await;
    let old = pieces(store, 7).await;
    let head = room.load(&callout(7, 9)).await.unwrap().head;
    let late = Commit { face: Some(face(CalloutState::Answered, 9)), ..done(&callout(7, 9), head, "late") };
    room.done(late).await;
    let now = census(&pieces(store, 7).await);
    take_in(store, 7, old).await;
    assert_eq!(census(&pieces(store, 7).await), now);
    assert_eq!(now.faults(), Vec::<String>::new());
}

pub async fn forgetting_goes_on_where_it_was_broken_off(room: Room) {
    let store = &*room.store;
    closed_warning(store, 7, "{}").await;
    let all = pieces(store, 7).await;
    let whole = census(&all);
    let what = forget(7, &all, "one");
    // The warning's own record and one callout went; then whoever did it died and another brought it back half.
    let (some, rest): (Vec<Piece>, Vec<Piece>) =
        all.iter().cloned().partition(|p| matches!(p, Piece::Entity(e) if matches!(&e.key, Key::Callout(c) if c.ordinal % 2 == 0)));
    assert_eq!(store.forget(&what).await.unwrap(), Forgot::Done);
    store.take_in(WarningId(7), some.clone()).await.unwrap();
    // What is back is not taken by the attempt of before; nor is it counted twice when the rest comes.
    let late = store.forget(&what).await.unwrap();
    take_in(store, 7, some).await;
    take_in(store, 7, rest).await;
    assert_eq!(census(&pieces(store, 7).await), whole, "after {late:?}");
    assert_eq!(store.forget(&forget(7, &all, "two")).await.unwrap(), Forgot::Done);
    assert!(store.faces(WarningId(7)).await.unwrap().is_empty());
}
