//! The read side: lists, counts, journals, the feed, tasks.

use super::*;
use jiaoying::store::{CalloutFilter, FeedItem, TaskRow};

impl Room {
    /// Puts a callout into a state, whatever it was in before.
    async fn put(&self, w: u32, n: u32, face: Face) {
        let key = callout(w, n);
        let head = self.load(&key).await.map_or(Head::NONE, |r| r.head);
        let mut c = change(&key, head, &format!("{} after {head:?}", face.state.as_str()));
        c.due = face.state.is_open().then_some(START);
        c.face = Some(face);
        self.done(c).await;
    }
    async fn listed(&self, w: Option<u32>, filter: CalloutFilter, cursor: Option<CalloutId>, limit: usize) -> Vec<String> {
        let found = self.store.callouts(w.map(WarningId), &filter, cursor, limit).await.unwrap();
        found.into_iter().map(|(r, _)| r.key.to_string()).collect()
    }
    async fn agree(&self, w: u32) {
        assert_eq!(self.store.counts(WarningId(w)).await.unwrap(), self.store.recount(WarningId(w)).await.unwrap());
    }
}

pub async fn warnings_are_listed_newest_first_by_pages(room: Room) {
    for n in [3, 1, 2, 5] {
        room.done(change(&warning(n), Head::NONE, "accepted")).await;
    }
    room.done(change(&callout(4, 1), Head::NONE, "no warning")).await;
    let page = |cursor, limit| {
        let store = &room.store;
        async move { store.warnings(cursor, limit).await.unwrap().into_iter().map(|r| r.key).collect::<Vec<_>>() }
    };
    assert_eq!(page(None, 2).await, [warning(5), warning(3)]);
    assert_eq!(page(Some(WarningId(3)), 9).await, [warning(2), warning(1)]);
    assert_eq!(page(Some(WarningId(1)), 9).await, []);
}

pub async fn callouts_are_listed_by_every_filter_and_by_pages(room: Room) {
    for n in 0..6 {
        let mut f = face(CalloutState::ALL[n as usize], 100 + n);
        f.tier = if n % 2 == 0 { Tier::Village } else { Tier::Township };
        f.division = if n < 4 { Division(140_521_101_201) } else { Division(140_522_000_000) };
        room.put(1, n, f).await;
    }
    room.put(2, 0, face(CalloutState::Queued, 100)).await;
    let all = ["w1-0", "w1-1", "w1-2", "w1-3", "w1-4", "w1-5"];
    let any = CalloutFilter::default;
    assert_eq!(room.listed(Some(1), any(), None, 99).await, all);
    assert_eq!(room.listed(Some(1), any(), Some(CalloutId::new(WarningId(1), 1)), 2).await, ["w1-2", "w1-3"]);
    assert_eq!(room.listed(None, any(), Some(CalloutId::new(WarningId(1), 4)), 99).await, ["w1-5", "w2-0"]);
    assert_eq!(room.listed(Some(3), any(), None, 99).await, [""; 0]);
    let state = CalloutFilter { state: Some(CalloutState::Overdue), ..any() };
    assert_eq!(room.listed(Some(1), state, None, 99).await, ["w1-2"]);
    let open = CalloutFilter { open: true, ..any() };
    assert_eq!(room.listed(Some(1), open, None, 99).await, all[..5]);
    let tier = CalloutFilter { tier: Some(Tier::Township), ..any() };
    assert_eq!(room.listed(Some(1), tier, None, 99).await, ["w1-1", "w1-3", "w1-5"]);
    for (inside, found) in [("140521", &all[..4]), ("1405", &all[..]), ("140522", &all[4..]), ("140523", &all[..0])] {
        let division = CalloutFilter { division: Some(inside.parse().unwrap()), ..any() };
        assert_eq!(room.listed(Some(1), division, None, 99).await, found, "{inside}");
    }
    let both = CalloutFilter { tier: Some(Tier::Village), division: Some("140521".parse().unwrap()), open: true, ..any() };
    assert_eq!(room.listed(Some(1), both, None, 99).await, ["w1-0", "w1-2"]);
    let people = CalloutFilter { recipients: Some(vec![100, 103]), ..any() };
    assert_eq!(room.listed(None, people, None, 99).await, ["w1-0", "w1-3", "w2-0"]);
}

pub async fn a_persons_open_callouts_are_found_over_all_warnings(room: Room) {
    for w in 1..=4 {
        let state = if w == 2 { CalloutState::Answered } else { CalloutState::Calling };
        room.put(w, 7, face(state, 11)).await;
        room.put(w, 8, face(CalloutState::Calling, 12)).await;
    }
    let mut no_clock = change(&callout(5, 1), Head::NONE, "stuck");
    no_clock.due = None;
    no_clock.face = Some(face(CalloutState::Calling, 11));
    room.done(no_clock).await;
    let his = |recipients| CalloutFilter { open: true, recipients: Some(recipients), ..CalloutFilter::default() };
    assert_eq!(room.listed(None, his(vec![11]), None, 99).await, ["w1-7", "w3-7", "w4-7", "w5-1"]);
    assert_eq!(room.listed(None, his(vec![11]), Some(CalloutId::new(WarningId(1), 7)), 2).await, ["w3-7", "w4-7"]);
    assert_eq!(room.listed(Some(3), his(vec![11, 12]), None, 99).await, ["w3-7", "w3-8"]);
    assert_eq!(room.listed(Some(3), his(vec![11, 12]), None, 1).await, ["w3-7"]);
    assert_eq!(room.listed(None, his(vec![]), None, 99).await, [""; 0]);
    let overdue = CalloutFilter { state: Some(CalloutState::Overdue), ..his(vec![11]) };
    assert_eq!(room.listed(None, overdue, None, 99).await, [""; 0]);
}

pub async fn a_face_is_read_back_as_it_was_committed(room: Room) {
    let plain = face(CalloutState::Queued, 1);
    let full = Face {
        told_only: true,
        closed_reason: Some("covered".to_string()),
        place: "DZ-140521-0032".to_string(),
        places: vec!["DZ-140521-0032".to_string(), "140521101201".to_string()],
        tier: Tier::Point,
        answer_ms: Some(61_250),
        on_time: true,
        via: Some("link".to_string()),
        relation: Some("deputy".to_string()),
        feedback_owed: true,
        ..face(CalloutState::Closed, u32::MAX)
    };
    let nowhere = Face { places: Vec::new(), ..face(CalloutState::Reported, 3) };
    let faces = [plain, full, nowhere];
    for (n, f) in (0..).zip(&faces) {
        room.put(1, n, f.clone()).await;
    }
    let found = room.store.faces(WarningId(1)).await.unwrap();
    let expected: Vec<_> = (0..).zip(&faces).map(|(n, f)| (CalloutId::new(WarningId(1), n), f.clone())).collect();
    assert_eq!(found, expected);
    let listed = room.store.callouts(Some(WarningId(1)), &CalloutFilter::default(), None, 9).await.unwrap();
    for ((record, face), expected) in listed.into_iter().zip(faces) {
        assert_eq!(face, expected);
        assert_eq!(room.load(&record.key).await, Some(record));
    }
}

pub async fn a_commit_without_a_face_keeps_the_last(room: Room) {
    room.put(1, 1, face(CalloutState::Calling, 5)).await;
    let head = room.load(&callout(1, 1)).await.unwrap().head;
    room.done(change(&callout(1, 1), head, "only the body")).await;
    assert_eq!(room.store.faces(WarningId(1)).await.unwrap()[0].1, face(CalloutState::Calling, 5));
    room.agree(1).await;
    // One that never had a face is in no list and no count.
    room.done(change(&callout(1, 2), Head::NONE, "faceless")).await;
    assert_eq!(room.store.faces(WarningId(1)).await.unwrap().len(), 1);
    assert_eq!(room.listed(Some(1), CalloutFilter::default(), None, 9).await, ["w1-1"]);
    room.agree(1).await;
    room.put(1, 2, face(CalloutState::Queued, 6)).await;
    assert_eq!(room.store.faces(WarningId(1)).await.unwrap().len(), 2);
    room.agree(1).await;
}

pub async fn kept_counts_are_what_counting_anew_gives(room: Room) {
    // A fixed pseudo-random walk of 40 callouts of two warnings through all states.
    let mut seed = 7u32;
    let mut draw = |n: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % n
    };
    for _ in 0..300 {
        let (w, n) = (1 + draw(2), draw(20));
        let mut f = face(CalloutState::ALL[draw(8) as usize], n);
        f.told_only = draw(5) == 0;
        f.feedback_owed = draw(2) == 0;
        room.put(w, n, f).await;
        room.agree(w).await;
    }
    for w in [1, 2] {
        let counts = room.store.counts(WarningId(w)).await.unwrap();
        let faces = room.store.faces(WarningId(w)).await.unwrap();
        assert_eq!(counts.by_state.values().sum::<u64>() + counts.told, faces.len() as u64);
        assert!(counts.told > 0 && counts.feedback_owed > 0);
    }
    assert_eq!(room.store.counts(WarningId(3)).await.unwrap(), Default::default());
}

pub async fn a_journal_is_whole_and_its_chain_holds(room: Room) {
    for key in kinds() {
        let mut head = Head::NONE;
        for n in 0..5 {
            let mut c = change(&key, head, &format!("step {n}"));
            c.at = Time(START.0 + n);
            head = room.done(c).await;
            // Another's rows between.
            let other = room.load(&callout(9, 9)).await.map_or(Head::NONE, |r| r.head);
            room.done(change(&callout(9, 9), other, &format!("between {n} {key}"))).await;
        }
        let rows = room.store.journal(&key).await.unwrap();
        assert_eq!(rows.iter().map(|r| r.n).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let tip = rows.iter().fold(Head::NONE, |head, row| {
            assert_eq!((&row.key, row.head), (&key, head.after(&row.entries)));
            row.head
        });
        assert_eq!(Some(tip), room.load(&key).await.map(|r| r.head));
        assert_eq!(rows[3].at, Time(START.0 + 3));
    }
    assert_eq!(room.store.journal(&callout(8, 8)).await.unwrap(), []);
}

pub async fn the_feed_is_in_order_and_resumes_where_it_was_left(room: Room) {
    assert_eq!(room.store.feed_tip().await.unwrap(), 0);
    let item = |n: i64| FeedItem {
        kind: "callout.answered".to_string(),
        warning: (n % 2 == 0).then_some(WarningId(1)),
        callout: (n % 3 == 0).then_some(CalloutId::new(WarningId(1), 4)),
        at: Time(n),
        data: serde_json::json!({"n": n, "name": "张三"}),
    };
    let mut head = Head::NONE;
    for n in 0..5 {
        let mut c = change(&callout(1, 1), head, &format!("{n}"));
        c.feed = vec![item(2 * n), item(2 * n + 1)];
        head = room.done(c).await;
    }
    let all = room.store.feed_after(0, 99).await.unwrap();
    assert_eq!(all.iter().map(|(_, i)| i.clone()).collect::<Vec<_>>(), (0..10).map(item).collect::<Vec<_>>());
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(room.store.feed_tip().await.unwrap(), all[9].0);
    let (left_at, _) = all[3];
    assert_eq!(room.store.feed_after(left_at, 2).await.unwrap(), all[4..6]);
    assert_eq!(room.store.feed_after(all[9].0, 2).await.unwrap(), []);
    assert_eq!(room.store.feed_after(u64::MAX, 2).await.unwrap(), []);
}

pub async fn tasks_are_replaced_by_id_and_listed_by_when_they_are_due(room: Room) {
    let task = |id: &str, due: i64| TaskRow {
        id: id.to_string(),
        kind: "call".to_string(),
        title: "请电话联系".to_string(),
        warning: Some(WarningId(1)),
        callout: Some(CalloutId::new(WarningId(1), 1)),
        division: Some(Division(140_521_000_000)),
        opened_at: START,
        due_at: Time(START.0 + due),
        claimed_by: None,
        claimed_at: None,
        closed: None,
        note: None,
    };
    let mut first = change(&callout(1, 1), Head::NONE, "handed over");
    let elsewhere = TaskRow { warning: None, callout: None, division: None, kind: "read".to_string(), ..task("t-x", 2) };
    first.tasks = vec![task("t-b", 5), task("t-a", 5), task("t-c", 1), elsewhere.clone()];
    let head = room.done(first).await;
    let ids = |w: Option<u32>, open, limit| {
        let store = &room.store;
        async move { store.tasks(w.map(WarningId), open, limit).await.unwrap().into_iter().map(|t| t.id).collect::<Vec<_>>() }
    };
    assert_eq!(ids(None, true, 99).await, ["t-c", "t-x", "t-a", "t-b"]);
    assert_eq!(ids(Some(1), true, 2).await, ["t-c", "t-a"]);
    let mut done = task("t-c", 1);
    done.claimed_by = Some("officer".to_string());
    done.claimed_at = Some(START);
    done.closed = Some("reached".to_string());
    done.note = Some("已接通".to_string());
    let mut second = change(&callout(1, 1), head, "completed");
    second.tasks = vec![done.clone()];
    room.done(second).await;
    assert_eq!(room.store.task("t-c").await.unwrap(), Some(done));
    assert_eq!(room.store.task("t-x").await.unwrap(), Some(elsewhere));
    assert_eq!(room.store.task("t-nobody").await.unwrap(), None);
    assert_eq!(ids(Some(1), true, 99).await, ["t-a", "t-b"]);
    assert_eq!(ids(None, false, 99).await, ["t-x", "t-a", "t-b", "t-c"]);
    assert_eq!(ids(Some(2), false, 99).await, [""; 0]);
}

pub async fn an_open_callout_without_a_clock_is_shown(room: Room) {
    room.put(1, 1, face(CalloutState::Calling, 1)).await;
    room.put(1, 2, face(CalloutState::Closed, 2)).await;
    assert_eq!(room.store.without_clock().await.unwrap(), []);
    for n in [1, 3] {
        let head = room.load(&callout(1, n)).await.map_or(Head::NONE, |r| r.head);
        let mut c = change(&callout(1, n), head, "forgot its timer");
        c.due = None;
        c.face = (n == 3).then(|| face(CalloutState::HandedOver, n));
        room.done(c).await;
    }
    assert_eq!(room.store.without_clock().await.unwrap(), [callout(1, 1), callout(1, 3)]);
    room.put(1, 1, face(CalloutState::Overdue, 1)).await;
    room.put(1, 3, face(CalloutState::Answered, 3)).await;
    assert_eq!(room.store.without_clock().await.unwrap(), []);
}

pub async fn waiting_letters_are_counted_by_lane(room: Room) {
    assert_eq!(room.store.queue_depth().await.unwrap(), []);
    let mut c = change(&warning(1), Head::NONE, "posts");
    c.send = vec![letter(&line(1), 5, Time(0), "a"), letter(&line(2), 5, Time(i64::MAX), "b"), letter(&line(1), 0, Time(0), "c")];
    room.done(c).await;
    assert_eq!(room.store.queue_depth().await.unwrap(), [(Lane(0), 1), (Lane(5), 2)]);
}
