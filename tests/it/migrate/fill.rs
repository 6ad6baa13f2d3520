//! Stores with something of everything in them, and the stores they are moved to.

use crate::conformance::{START, callout, change, face, letter, line, on_cluster, one_server, warning};
use jiaoying::{
    core::{
        ids::{CalloutId, WarningId},
        time::{Span, Time},
    },
    store::{
        CalloutState, Commit, Committed, Doc, FeedItem, Head, Identity, Key, Store, TaskRow, WriteLane,
        clock::ManualClock,
        memory::MemoryStore,
        redis::{RedisImport, RedisStore, Settings, Timing},
        sqlite::{SqliteImport, SqliteStore},
    },
};
use std::{path::Path, sync::Arc};

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(START))
}

/// Somewhat later than all that was filled in.
pub fn later() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(START + Span::mins(10)))
}

async fn done(store: &dyn Store, batch: Vec<Commit>) {
    for (answer, of) in store.commit(WriteLane::Rest, batch.clone()).await.unwrap().into_iter().zip(batch) {
        assert_eq!(answer, Committed::Done, "{}", of.key);
    }
}

pub fn task(id: &str, callout: Option<CalloutId>, closed: bool) -> TaskRow {
    TaskRow {
        id: id.into(),
        kind: "call".into(),
        title: "人工电话叫应".into(),
        warning: Some(WarningId(1)),
        callout,
        division: Some(jiaoying::core::division::Division(140_521_000_000)),
        opened_at: START,
        due_at: START + Span::mins(5),
        claimed_by: closed.then(|| "值班员甲".into()),
        claimed_at: closed.then_some(START),
        closed: closed.then(|| "reached".into()),
        note: None,
    }
}

/// Two warnings with `n` callouts each, and something of everything else: records of every kind with and
/// without a due, letters ripe, not ripe and for nobody yet, tasks, feed, identities, blobs, documents of
/// several versions, numbers given.
pub async fn fill(store: &dyn Store, n: u32) {
    for w in [1, 2] {
        store.next_number("warning").await.unwrap();
        let mut c = change(&warning(w), Head::NONE, "accepted");
        c.blobs = vec![("raw".into(), vec![0, 159, 146, 150]), ("plan/0".into(), vec![b'x'; 70_000])];
        c.identity = Some(Identity {
            issuer: "qixiang".into(),
            sender: "晋城市气象台".into(),
            identifier: format!("14050041600000_{w}"),
            digest: format!("{w:064}"),
            warning: WarningId(w),
        });
        let head = c.head;
        done(store, vec![c]).await;
        let mut end = change(&warning(w), head, "active");
        end.due = (w == 1).then_some(START + Span::secs(2));
        done(store, vec![end]).await;
    }
    for from in (0..n).step_by(100) {
        let ordinals = from..(from + 100).min(n);
        let mut first = Vec::new();
        let mut second = Vec::new();
        for (w, i) in [1u32, 2].into_iter().flat_map(|w| ordinals.clone().map(move |i| (w, i))) {
            let mut c = change(&callout(w, i), Head::NONE, "queued");
            c.face = Some(face(CalloutState::Queued, i));
            let mut d = change(&callout(w, i), c.head, "moved on");
            let state = CalloutState::ALL[(i as usize + w as usize) % CalloutState::ALL.len()];
            let mut f = face(state, i);
            f.told_only = i % 17 == 3;
            f.feedback_owed = i % 5 == 0;
            f.answer_ms = (i % 3 == 0).then_some(40_000);
            f.via = (i % 3 == 0).then(|| "link".into());
            f.places.extend((i % 4 == 0).then(|| "DZ-140521-0032".to_string()));
            d.face = (i % 11 != 0).then_some(f);
            d.due = (i % 7 != 0).then_some(START + Span::secs(i64::from(i)));
            d.lane = jiaoying::store::Lane((i % 6) as u8);
            d.send = vec![letter(&line(i), 2, Time(0), &format!("{w}-{i} rings"))];
            if i % 10 == 0 {
                d.send.push(letter(&callout(w, i + 1), 0, START + Span::mins(3), "later"));
                let id = CalloutId::new(WarningId(w), i);
                d.tasks = vec![task(&format!("t-{id}-1"), Some(id), i % 20 == 0)];
                d.feed = vec![FeedItem {
                    kind: "callout.overdue".into(),
                    warning: Some(WarningId(w)),
                    callout: Some(id),
                    at: START,
                    data: serde_json::json!({"id": id.to_string(), "n": 1.5, "地点": "梁庄村"}),
                }];
            }
            first.push(c);
            second.push(d);
        }
        done(store, first).await;
        done(store, second).await;
    }
    let place = Key::Place(WarningId(1), "DZ-140521/0032".into());
    let mut kept = change(&Key::Named("subscriber/省平台".into()), Head::NONE, "subscribed");
    kept.due = None;
    kept.send = vec![
        letter(&place, 0, Time(0), "first"),
        letter(&place, 3, Time(0), "second"),
        letter(&Key::Callback(9), 0, Time(0), "for one that is not there yet"),
        letter(&Key::Named("breaker/carrier".into()), 0, Time(0), "nor is this"),
        letter(&warning(77), 1, START + Span::hours(1), "nor this"),
    ];
    kept.blobs = vec![("kept".into(), b"{}".to_vec())];
    done(store, vec![kept, change(&Key::Callback(5), Head::NONE, "parked"), change(&line(3), Head::NONE, "called")]).await;
    done(store, vec![change(&Key::Line(serde_json::from_str("\"not a number\"").unwrap()), Head::NONE, "odd")]).await;
    done(store, vec![change(&place, Head::NONE, "counted")]).await;
    for n in 0..3 {
        let docs = (0..20).map(|i| Doc { id: format!("recipient/p{i}"), body: format!("{{\"n\":{n}}}").into_bytes() }).collect();
        store.docs_apply("directory", n, docs, vec!["recipient/p3".into()]).await.unwrap().unwrap();
    }
    store.docs_apply("secret", 0, vec![Doc { id: "references".into(), body: b"[7]".to_vec() }], Vec::new()).await.unwrap();
    store.docs_apply("empty", 0, Vec::new(), Vec::new()).await.unwrap();
    for _ in 0..5 {
        store.next_number("callback").await.unwrap();
    }
}

pub async fn memory(n: u32) -> MemoryStore {
    let store = MemoryStore::new(clock());
    fill(&store, n).await;
    store
}

pub fn sqlite(path: &Path) -> SqliteStore {
    let open = || SqliteStore::open(path, later());
    // See `Room::at`: another test's child may hold the lock for a moment.
    (0..100).find_map(|_| open().inspect_err(|_| crate::conformance::servers::wait()).ok()).unwrap_or_else(|| open().unwrap())
}

pub fn into_sqlite(path: &Path) -> SqliteImport {
    let open = || SqliteImport::open(path);
    (0..100).find_map(|_| open().inspect_err(|_| crate::conformance::servers::wait()).ok()).unwrap_or_else(|| open().unwrap())
}

pub async fn redis(settings: &Settings) -> RedisStore {
    RedisStore::open_to_move(settings.clone(), Timing::Given(later())).await.unwrap()
}

pub async fn into_redis(settings: &Settings) -> RedisImport {
    RedisImport::open(settings.clone(), Timing::Given(later())).await.unwrap()
}

/// One server, one that sends by outbox, a Cluster.
pub fn kinds_of_redis() -> Vec<Settings> {
    vec![one_server(16), Settings { always_outbox: true, ..one_server(3) }, on_cluster(5)]
}
