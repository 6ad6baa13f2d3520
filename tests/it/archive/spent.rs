//! Raw callbacks and the journals of people's numbers: over the years they are in the archive, not in memory.

use super::*;
use crate::conformance::{
    line,
    spent::{minutes, rows},
};
use jiaoying::store::{Head, Key, Reports, Store, transfer::Scope};

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|n| n.to_string()).collect()
}

/// The heads follow from the first row on.
fn holds(rows: &[jiaoying::store::JournalRow]) {
    let mut head = Head::NONE;
    for (n, row) in (1..).zip(rows) {
        head = head.after(&row.entries);
        assert_eq!((row.n, row.head), (n, head));
    }
}

pub async fn callbacks_and_older_rows_leave_when_every_gateway_has_them_and_are_read_as_before(room: Room) {
    let sent = Key::Named("sent/tencent/7".into());
    for n in 1..=30 {
        minutes(&*room.store, &Key::Callback(n), 2, None).await;
    }
    minutes(&*room.store, &sent, 1, None).await;
    minutes(&*room.store, &line(1), 12, Some(START)).await;
    let [callback, number] = [&Key::Callback(9), &line(1)].map(|k| k.clone());
    let stood = [room.store.journal(&callback).await.unwrap(), room.store.journal(&number).await.unwrap()];
    let body = room.load(&callback).await;
    room.clock.advance(Span::hours(8 * 24));
    let shelves = [Room::memory(), Room::sqlite_file()];
    let [a, b] = [gateway(&room.store, &shelves[0]).await, gateway(&room.store, &shelves[1]).await];
    let live = names(&["a", "b"]);
    assert_eq!(a.turn("a", &live).await.unwrap().cleared, 0);
    assert_eq!(a.turn("a", &live).await.unwrap().cleared, 0, "the other has no copy");
    assert!(room.load(&callback).await.is_some());
    b.turn("b", &live).await.unwrap();
    assert_eq!(a.turn("a", &live).await.unwrap().cleared, 32);
    assert_eq!(a.turn("a", &live).await.unwrap().cleared, 0);
    assert!(room.load(&callback).await.is_none() && room.load(&sent).await.is_none());
    assert_eq!(rows(&*room.store, &number).await, [12]);
    for g in [&a, &b] {
        assert_eq!(g.load(&[callback.clone(), number.clone()]).await.unwrap(), [body.clone(), room.load(&number).await]);
        assert_eq!([g.journal(&callback).await.unwrap(), g.journal(&number).await.unwrap()], stood);
        assert!(g.load(std::slice::from_ref(&sent)).await.unwrap()[0].is_some(), "a receipt that comes weeks late is still understood");
    }
    // The number goes on, over years; what is live stays small, and the whole chain is found in pieces that join.
    for year in 1..=3 {
        let (mut head, at) = (room.load(&number).await.unwrap().head, room.store.now());
        for n in 0..10 {
            let c = jiaoying::store::Commit { at, ..crate::conformance::change(&number, head, &format!("{year} {n}")) };
            head = room.done(c).await;
        }
        room.clock.advance(Span::hours(365 * 24));
        for _ in 0..2 {
            a.turn("a", &live).await.unwrap();
            b.turn("b", &live).await.unwrap();
        }
        assert_eq!(a.turn("a", &live).await.unwrap().cleared, 0);
        assert_eq!(rows(&*room.store, &number).await.len(), 1);
        for g in [&a, &b] {
            let all = g.journal(&number).await.unwrap();
            assert_eq!(all.len(), 12 + 10 * year);
            holds(&all);
        }
    }
    // Who was not there in between shows what it has without a gap, and never what does not join.
    let newcomer = gateway(&room.store, &Room::memory()).await;
    assert_eq!(newcomer.journal(&number).await.unwrap().len(), 1);
    let whole = jiaoying::store::transfer::mover::survey(&*room.store, Scope::Everything).await.unwrap();
    assert_eq!(whole.faults(), Vec::<String>::new());
}

pub async fn killed_at_any_step_nothing_is_lost_of_what_was_leaving(room: Room) {
    let mut key = 0;
    for carried_out in [false, true] {
        for steps in 0.. {
            key += 1;
            let number = line(key);
            let callback = Key::Callback(u64::from(key));
            minutes(&*room.store, &callback, 2, None).await;
            minutes(&*room.store, &number, 9, Some(START)).await;
            let stood = [room.store.journal(&callback).await.unwrap(), room.store.journal(&number).await.unwrap()];
            room.clock.advance(Span::hours(8 * 24));
            let shelf = Room::memory();
            let fuse = Arc::new(Fuse::default());
            let first = cut_gateway(&room.store, &shelf, &fuse).await;
            fuse.light(steps, carried_out);
            let turned = first.turn("a", &[]).await;
            let burnt = fuse.burnt();
            let next = gateway(&room.store, &shelf).await;
            let when = format!("killed after {steps} steps, {carried_out}");
            assert_eq!([next.journal(&callback).await.unwrap(), next.journal(&number).await.unwrap()], stood, "{when}");
            for _ in 0..2 {
                next.turn("b", &names(&["b"])).await.unwrap();
            }
            assert!(room.load(&callback).await.is_none(), "{when}");
            assert_eq!(rows(&*room.store, &number).await, [9], "{when}");
            assert_eq!([next.journal(&callback).await.unwrap(), next.journal(&number).await.unwrap()], stood, "{when}");
            if !burnt {
                assert!(turned.unwrap().cleared >= 2 && steps > 2, "{when}");
                break;
            }
        }
    }
}
