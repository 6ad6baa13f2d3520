//! Killed at every step, and raced by those who come late.

use super::*;
use crate::conformance::{callout, change, letter, line, warning};
use jiaoying::store::{Commit, Committed, Face, Head, Reports, WriteLane};

/// A commit after the end: nothing is due because of it.
fn late(key: &jiaoying::store::Key, head: Head, what: &str, at: Time) -> Commit {
    Commit { due: None, at, ..change(key, head, what) }
}

async fn whole(archive: &Archived, w: u32, stood: &Census, when: &str) {
    let faces = archive.faces(WarningId(w)).await.unwrap();
    assert_eq!(faces.len() as u32, made::CALLOUTS, "{when}");
    let keys: Vec<_> = [warning(w)].into_iter().chain(faces.iter().map(|(id, _)| jiaoying::store::Key::Callout(*id))).collect();
    assert!(archive.load(&keys).await.unwrap().iter().all(Option::is_some), "{when}");
    assert_eq!(archive.counts(WarningId(w)).await.unwrap(), archive.recount(WarningId(w)).await.unwrap(), "{when}");
    assert_eq!(archive.warnings(None, 9).await.unwrap().len(), 1, "{when}");
    assert_eq!(archive.blob(&warning(w), "raw").await.unwrap().unwrap(), b"<alert/>", "{when}");
    assert_eq!(archive.tasks(None, false, 9).await.unwrap().len(), 1, "{when}");
    assert!(stood.faults().is_empty());
}

pub async fn killed_at_any_step_the_next_one_finishes_and_every_reader_sees_the_whole(room: Room) {
    let mut now = 0;
    for carried_out in [false, true] {
        let mut steps = 0;
        loop {
            now += 1;
            // Each attempt on a warning of its own: what earlier ones left is in the archive.
            let w = now;
            let shelf = Room::memory();
            made::closed_warning(&*room.store, w, &closed_at(room.store.now())).await;
            room.clock.advance(Span::hours(8 * 24));
            let stood = census(&room.store, w).await;
            let fuse = Arc::new(Fuse::default());
            let first = cut_gateway(&room.store, &shelf, &fuse).await;
            fuse.light(steps, carried_out);
            let turned = first.turn("a", &[]).await;
            let burnt = fuse.burnt();
            drop(first);
            // Its successor, under another name, with the same file.
            let next = gateway(&room.store, &shelf).await;
            let when = format!("killed after {steps} steps, {carried_out}");
            let faces = next.faces(WarningId(w)).await.unwrap();
            assert_eq!(faces.len() as u32, made::CALLOUTS, "{when}");
            for _ in 0..3 {
                next.turn("b", &["b".to_string()]).await.unwrap();
            }
            assert!(!is_live(&*room.store, w).await, "{when}");
            assert_eq!(census(&room.store, w).await.rows(), 0, "{when}");
            assert_eq!(census(&shelf.store, w).await, stood, "{when}");
            assert!(next.load(&[callout(w, 3), warning(w)]).await.unwrap().iter().all(Option::is_some), "{when}");

            // And back, killed as often.
            let fuse = Arc::new(Fuse::default());
            let first = cut_gateway(&room.store, &shelf, &fuse).await;
            fuse.light(steps, carried_out);
            let back = first.bring_back(WarningId(w)).await;
            let burnt_too = fuse.burnt();
            let next = gateway(&room.store, &shelf).await;
            assert_eq!(next.faces(WarningId(w)).await.unwrap().len() as u32, made::CALLOUTS, "{when}, on the way back");
            let head = next.load(&[callout(w, 3)]).await.unwrap().remove(0).unwrap().head;
            let answer = late(&callout(w, 3), head, "late", room.store.now());
            assert_eq!(next.commit(WriteLane::Urgent, vec![answer]).await.unwrap(), [Committed::Done], "{when}");
            let is = census(&room.store, w).await;
            assert_eq!(is.faults(), Vec::<String>::new(), "{when}");
            assert_eq!(is.rows(), stood.rows() + 1, "{when}");
            next.turn("b", &["b".to_string()]).await.unwrap();
            assert!(is_live(&*room.store, w).await, "{when}: what changed lately stays");
            // It stays for good, so that the next fuse burns for the next warning alone.
            let head = next.load(&[warning(w)]).await.unwrap().remove(0).unwrap().head;
            assert_eq!(
                next.commit(WriteLane::Rest, vec![late(&warning(w), head, "goes on", room.store.now())]).await.unwrap(),
                [Committed::Done]
            );
            if !burnt && !burnt_too {
                assert_eq!(turned.unwrap().archived, [WarningId(w)]);
                back.unwrap();
                assert!(steps > 5, "a fuse that burns nothing shows nothing");
                break;
            }
            steps += 1;
        }
    }
    // One more that nobody kills, looked at closely.
    let room = Room::memory();
    eight_days_later(&room, [7]).await;
    let (stood, shelf) = (census(&room.store, 7).await, Room::memory());
    let archive = gateway(&room.store, &shelf).await;
    whole(&archive, 7, &stood, "live").await;
    archive.turn("a", &[]).await.unwrap();
    whole(&archive, 7, &stood, "archived").await;
    archive.bring_back(WarningId(7)).await.unwrap();
    whole(&archive, 7, &stood, "back").await;
}

pub async fn a_late_answer_is_never_lost_to_whoever_forgets_at_the_same_moment(room: Room) {
    let shelf = Room::memory();
    eight_days_later(&room, 1..=6).await;
    let archive = gateway(&room.store, &shelf).await;
    let other_shelf = Room::memory();
    let other = gateway(&room.store, &other_shelf).await;
    let both = ["a".to_string(), "b".to_string()];
    // The second gateway has its copies; the first forgets while people answer at the second.
    archive.turn("a", &both).await.unwrap();
    other.turn("b", &both).await.unwrap();
    let answer = async |w: u32, n: u32| {
        for _ in 0..50 {
            let key = callout(w, n);
            let record = match other.load(std::slice::from_ref(&key)).await {
                Ok(mut found) => found.remove(0).expect("it is always somewhere"),
                Err(e) => panic!("{e}"),
            };
            let c = Commit {
                face: Some(Face { relation: Some("late".into()), ..crate::conformance::face(jiaoying::store::CalloutState::Answered, n) }),
                ..late(&key, record.head, &format!("late {w} {n}"), room.store.now())
            };
            if other.commit(WriteLane::Urgent, vec![c]).await.unwrap() == [Committed::Done] {
                return;
            }
        }
        panic!("the answer was never taken");
    };
    let answers = futures_util::future::join_all((1..=6).flat_map(|w| (0..3).map(move |n| (w, n * 11))).map(|(w, n)| answer(w, n)));
    let (turned, _) = tokio::join!(archive.turn("a", &both), answers);
    turned.unwrap();
    for _ in 0..3 {
        archive.turn("a", &both).await.unwrap();
        other.turn("b", &both).await.unwrap();
    }
    for w in 1..=6 {
        assert!(is_live(&*room.store, w).await, "w{w} changed lately");
        let c = census(&room.store, w).await;
        assert_eq!(c.faults(), Vec::<String>::new());
        for n in [0, 11, 22] {
            assert_eq!(archive.journal(&callout(w, n)).await.unwrap().len(), 3, "w{w}-{n}");
        }
        assert_eq!(archive.faces(WarningId(w)).await.unwrap().len() as u32, made::CALLOUTS);
    }
    room.clock.advance(Span::hours(9 * 24));
    archive.turn("a", &both).await.unwrap();
    other.turn("b", &both).await.unwrap();
    assert_eq!(archive.turn("a", &both).await.unwrap().archived.len(), 6);
    for w in 1..=6 {
        assert_eq!(other.journal(&callout(w, 11)).await.unwrap().len(), 3);
        let faces = other.faces(WarningId(w)).await.unwrap();
        assert_eq!(faces.iter().filter(|(_, f)| f.relation.as_deref() == Some("late")).count(), 3);
    }
}

pub async fn a_letter_to_what_is_archived_finds_its_record(room: Room) {
    let shelf = Room::memory();
    eight_days_later(&room, [7]).await;
    let archive = gateway(&room.store, &shelf).await;
    archive.turn("a", &[]).await.unwrap();
    assert!(!is_live(&*room.store, 7).await);
    let sender =
        Commit { send: vec![letter(&callout(7, 4), 2, Time(0), "a receipt, weeks late")], ..late(&line(1), Head::NONE, "sends", START) };
    assert_eq!(archive.commit(WriteLane::Rest, vec![sender]).await.unwrap(), [Committed::Done]);
    let claim = archive.claim(9, Span::secs(30)).await.unwrap().remove(0);
    assert_eq!(claim.key, callout(7, 4));
    assert_eq!(claim.inbox.len(), 1);
    let record = claim.record.expect("it came back with its warning");
    let mut read = late(&claim.key, record.head, "read", room.store.now());
    read.consumed = claim.inbox.iter().map(|l| l.seq).collect();
    assert_eq!(archive.commit(WriteLane::Rest, vec![read]).await.unwrap(), [Committed::Done]);
    assert!(archive.claim(9, Span::secs(30)).await.unwrap().is_empty());
    assert_eq!(census(&room.store, 7).await.faults(), Vec::<String>::new());
    room.clock.advance(Span::hours(8 * 24));
    assert_eq!(archive.turn("a", &[]).await.unwrap().archived, [WarningId(7)]);
}

/// A gateway that slept in the middle of forgetting wakes when another has brought the warning back.
#[tokio::test]
async fn on_redis_what_was_brought_back_is_not_taken_by_the_attempt_of_before() {
    use crate::conformance::{one_server, servers};
    use jiaoying::store::archive::Forgot;
    let settings = one_server(4);
    let room = Room::on_redis(settings.clone()).await;
    made::closed_warning(&*room.store, 7, "{}").await;
    let all = made::pieces(&*room.store, 7).await;
    let what = made::forget(7, &all, "one");
    assert_eq!(room.store.forget(&what).await.unwrap(), Forgot::Done);
    // As if it had been stopped before it was through: its marks stand in every partition.
    for p in 0..4 {
        servers::shared().ask(&["SET", &format!("{}:{{p:{p}}}x7", settings.prefix), "one"]);
    }
    // Only callouts are back yet: the warning's own record says nothing.
    let callouts = all
        .iter()
        .filter(|p| matches!(p, jiaoying::store::transfer::Piece::Entity(e) if matches!(e.key, jiaoying::store::Key::Callout(_))));
    room.store.take_in(WarningId(7), callouts.cloned().collect()).await.unwrap();
    let late = room.store.forget(&what).await.unwrap();
    assert!(matches!(&late, Forgot::Changed(why) if why.contains("brought back")), "{late:?}");
    assert_eq!(room.store.faces(WarningId(7)).await.unwrap().len() as u32, made::CALLOUTS);
    made::take_in(&*room.store, 7, all.clone()).await;
    assert_eq!(census(&room.store, 7).await, made::census(&all));
}
