//! Commits: applied whole on the head they were decided on, or not at all.

use super::*;
use jiaoying::store::Identity;

pub async fn a_record_of_every_kind_is_read_back_as_it_was_committed(room: Room) {
    for key in kinds() {
        assert_eq!(room.load(&key).await, None, "{key}");
        let mut first = change(&key, Head::NONE, "first");
        first.lane = Lane(4);
        let head = room.done(first.clone()).await;
        let stands = Record { key: key.clone(), head, due: Some(START), lane: Lane(4), body: first.body };
        assert_eq!(room.load(&key).await, Some(stands));

        let mut last = change(&key, head, "last");
        last.due = None;
        room.done(last.clone()).await;
        let stands = Record { key: key.clone(), head: last.head, due: None, lane: Lane(2), body: last.body };
        assert_eq!(room.load(&key).await, Some(stands));
    }
    let all = room.store.load(&kinds()).await.unwrap();
    assert_eq!(all.into_iter().flatten().map(|r| r.key).collect::<Vec<_>>(), kinds());
}

pub async fn a_commit_on_an_old_head_conflicts_and_changes_nothing(room: Room) {
    let (key, other) = (callout(1, 1), callout(1, 2));
    let head = room.done(change(&key, Head::NONE, "first")).await;
    for expect in [Head::NONE, Head::NONE.after(b"never was")] {
        let mut late = change(&key, expect, "late");
        late.send.push(letter(&other, 0, Time(0), "never"));
        late.face = Some(face(CalloutState::Queued, 1));
        late.blobs.push(("never".to_string(), vec![1]));
        assert_eq!(room.commit(late).await, Committed::Conflict);
    }
    assert_eq!(room.load(&key).await.map(|r| r.head), Some(head));
    assert_eq!(room.store.queue_depth().await.unwrap(), []);
    assert_eq!(room.store.blob(&key, "never").await.unwrap(), None);
    assert_eq!(room.store.counts(WarningId(1)).await.unwrap(), Default::default());
    assert_eq!(room.store.journal(&key).await.unwrap().len(), 1);
    // A record that is not there has no head to decide on.
    for missing in kinds() {
        assert_eq!(room.commit(change(&missing, Head::NONE.after(b"x"), "late")).await, Committed::Conflict, "{missing}");
        assert_eq!(room.load(&missing).await, None);
        room.done(change(&missing, Head::NONE, "first")).await;
    }
}

pub async fn the_same_commit_again_is_done_and_changes_nothing(room: Room) {
    let (key, to) = (callout(1, 1), callout(1, 2));
    let mut first = change(&key, Head::NONE, "first");
    first.send.push(letter(&to, 0, Time(0), "once"));
    first.face = Some(face(CalloutState::Queued, 1));
    room.done(first.clone()).await;
    room.done(first.clone()).await;
    let warning = accepted(1, identity("i", "s", "1", 1));
    room.done(warning.clone()).await;
    room.done(warning).await;
    let done = room.store.commit(WriteLane::Urgent, vec![first.clone(), first]).await.unwrap();
    assert_eq!(done, [Committed::Done, Committed::Done]);
    assert_eq!(room.store.queue_depth().await.unwrap(), [(Lane(0), 1)]);
    assert_eq!(room.store.journal(&key).await.unwrap().len(), 1);
    assert_eq!(room.store.counts(WarningId(1)).await.unwrap().by_state, [(CalloutState::Queued, 1)].into());
}

pub async fn a_batch_answers_in_order_and_one_conflict_hinders_no_other(room: Room) {
    room.done(change(&callout(1, 2), Head::NONE, "there already")).await;
    let batch = (1..=3).map(|n| change(&callout(1, n), Head::NONE, "new")).collect();
    let done = room.store.commit(WriteLane::Red, batch).await.unwrap();
    assert_eq!(done, [Committed::Done, Committed::Conflict, Committed::Done]);
    assert!(room.load(&callout(1, 3)).await.is_some());
    assert_eq!(room.store.commit(WriteLane::Red, Vec::new()).await.unwrap(), []);
}

pub async fn a_batch_may_change_one_record_twice(room: Room) {
    let key = line(1);
    let one = change(&key, Head::NONE, "one");
    let two = change(&key, one.head, "two");
    let stale = change(&key, one.head, "stale");
    let batch = vec![one, two.clone(), stale];
    let done = room.store.commit(WriteLane::Rest, batch).await.unwrap();
    assert_eq!(done, [Committed::Done, Committed::Done, Committed::Conflict]);
    assert_eq!(room.load(&key).await.map(|r| r.head), Some(two.head));
    assert_eq!(room.store.journal(&key).await.unwrap().len(), 2);
}

fn identity(issuer: &str, sender: &str, identifier: &str, w: u32) -> Identity {
    Identity {
        issuer: issuer.to_string(),
        sender: sender.to_string(),
        identifier: identifier.to_string(),
        digest: format!("digest of w{w}"),
        warning: WarningId(w),
    }
}

fn accepted(w: u32, identity: Identity) -> Commit {
    let mut c = change(&warning(w), Head::NONE, &format!("accepted {w}"));
    c.identity = Some(identity);
    c
}

pub async fn an_identity_is_given_once(room: Room) {
    let first = identity("qixiang", "s", "1", 1);
    room.done(accepted(1, first.clone())).await;
    let again = room.commit(accepted(2, identity("qixiang", "s", "1", 2))).await;
    assert_eq!(again, Committed::IdentityTaken(first.clone()));
    assert_eq!(room.load(&warning(2)).await, None);
    // In one batch, too.
    let batch = vec![accepted(3, identity("qixiang", "s", "3", 3)), accepted(4, identity("qixiang", "s", "3", 4))];
    let done = room.store.commit(WriteLane::Urgent, batch).await.unwrap();
    assert_eq!(done, [Committed::Done, Committed::IdentityTaken(identity("qixiang", "s", "3", 3))]);
    // A refused number is still free.
    room.done(accepted(2, identity("qixiang", "s", "2", 2))).await;
}

pub async fn identities_are_found_whatever_the_issuer(room: Room) {
    let all = [identity("qixiang", "s", "1", 1), identity("shuili", "s", "1", 2), identity("qixiang", "t", "1", 3)];
    for (w, i) in (1..).zip(&all) {
        room.done(accepted(w, i.clone())).await;
    }
    room.done(accepted(9, identity("qixiang", "s", "11", 9))).await;
    assert_eq!(room.store.identities("1").await.unwrap(), all);
    assert_eq!(room.store.identities("nobody's").await.unwrap(), []);
}

pub async fn blobs_are_written_once_and_kept_with_their_record(room: Room) {
    for key in kinds() {
        let large = vec![7u8; 300_000];
        let mut first = change(&key, Head::NONE, "first");
        first.blobs = vec![("plan/0".to_string(), large.clone()), ("empty".to_string(), Vec::new())];
        let head = room.done(first).await;
        let mut second = change(&key, head, "second");
        second.blobs = vec![("plan/0".to_string(), vec![9]), ("plan/1".to_string(), vec![1])];
        room.done(second).await;
        assert_eq!(room.store.blob(&key, "plan/0").await.unwrap(), Some(large));
        assert_eq!(room.store.blob(&key, "plan/1").await.unwrap(), Some(vec![1]));
        assert_eq!(room.store.blob(&key, "empty").await.unwrap(), Some(Vec::new()));
        assert_eq!(room.store.blob(&key, "plan/2").await.unwrap(), None);
    }
    assert_eq!(room.store.blob(&callout(99, 1), "plan/0").await.unwrap(), None);
}

pub async fn keys_that_are_no_ones_are_nowhere(room: Room) {
    room.done(change(&callout(1, 1), Head::NONE, "there")).await;
    let odd =
        [callout(u32::MAX, 1), callout(0, 1), Key::Callback(u64::MAX), Key::Named(String::new()), Key::Place(WarningId(1), "/".into())];
    assert_eq!(room.store.load(&odd).await.unwrap(), vec![None; odd.len()]);
    for key in odd {
        assert_eq!(room.store.journal(&key).await.unwrap(), []);
        room.store.release(&[(key, 1)], START).await.unwrap();
    }
    assert_eq!(room.store.load(&[]).await.unwrap(), []);
}

pub async fn of_many_that_decide_on_one_head_one_wins(room: Room) {
    let key = callout(1, 1);
    let mut head = room.done(change(&key, Head::NONE, "first")).await;
    for round in 0..20 {
        let all = (0..8).map(|n| {
            let commit = change(&key, head, &format!("round {round} by {n}"));
            let won = commit.head;
            let store = &room.store;
            async move { (store.commit(WriteLane::Rest, vec![commit]).await.unwrap(), won) }
        });
        let answers = futures_util::future::join_all(all).await;
        let won: Vec<Head> = answers.iter().filter(|(a, _)| a[0] == Committed::Done).map(|(_, h)| *h).collect();
        assert_eq!(won.len(), 1);
        head = won[0];
        assert_eq!(room.load(&key).await.map(|r| r.head), Some(head));
    }
}
