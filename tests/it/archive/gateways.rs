//! Several gateways, each with an archive of its own.

use super::*;
use crate::conformance::{callout, warning};
use jiaoying::store::{Reports, StoreError, transfer::Piece};

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|n| n.to_string()).collect()
}

pub async fn nothing_is_forgotten_before_every_live_gateway_has_its_copy(room: Room) {
    eight_days_later(&room, [7]).await;
    let stood = census(&room.store, 7).await;
    let shelves = [Room::memory(), Room::memory(), Room::memory()];
    let live = names(&["a", "b", "c"]);
    let [a, b, c] =
        [gateway(&room.store, &shelves[0]).await, gateway(&room.store, &shelves[1]).await, gateway(&room.store, &shelves[2]).await];
    // Whoever is not first begins nothing.
    b.turn("b", &live).await.unwrap();
    assert_eq!(b.copies(), 0);
    assert_eq!(a.turn("a", &live).await.unwrap().waiting, 1);
    b.turn("b", &live).await.unwrap();
    assert_eq!(a.turn("a", &live).await.unwrap().waiting, 1);
    assert!(is_live(&*room.store, 7).await, "the third has no copy");
    c.turn("c", &live).await.unwrap();
    c.turn("c", &live).await.unwrap();
    assert!(is_live(&*room.store, 7).await, "one alone forgets");
    assert_eq!(a.turn("a", &live).await.unwrap().archived, [WarningId(7)]);
    for (shelf, gateway) in shelves.iter().zip([&a, &b, &c]) {
        assert_eq!(census(&shelf.store, 7).await, stood);
        assert_eq!(gateway.warnings(None, 9).await.unwrap()[0].key, warning(7));
        assert_eq!(gateway.journal(&callout(7, 1)).await.unwrap().len(), 2);
    }
    // Brought back by one, it is live for all; and unchanged it leaves as soon as it may.
    c.bring_back(WarningId(7)).await.unwrap();
    assert!(is_live(&*room.store, 7).await);
    a.turn("a", &live).await.unwrap();
    b.turn("b", &live).await.unwrap();
    c.turn("c", &live).await.unwrap();
    assert_eq!(a.turn("a", &live).await.unwrap().archived, [WarningId(7)]);
}

pub async fn what_a_failover_left_of_a_warning_never_takes_the_place_of_its_whole_copy(room: Room) {
    eight_days_later(&room, [7]).await;
    let stood = census(&room.store, 7).await;
    let shelf = Room::memory();
    let live = names(&["a"]);
    let a = gateway(&room.store, &shelf).await;
    assert_eq!(a.turn("a", &live).await.unwrap().archived, [WarningId(7)]);
    // The primary of the warning's own record comes back without its last step; the others have forgotten.
    let own = |p: &Piece| match p {
        Piece::Entity(e) => e.key == warning(7),
        Piece::Blob { key, .. } => *key == warning(7),
        _ => false,
    };
    let pieces = made::pieces(&*shelf.store, 7).await.into_iter().filter(own).collect();
    room.store.take_in(WarningId(7), pieces).await.unwrap();
    assert!(is_live(&*room.store, 7).await && room.store.faces(WarningId(7)).await.unwrap().is_empty());
    for _ in 0..3 {
        a.turn("a", &live).await.unwrap();
    }
    assert_eq!(a.faces(WarningId(7)).await.unwrap().len() as u32, made::CALLOUTS, "who answered is known as before");
    room.clock.advance(Span::hours(1));
    for _ in 0..3 {
        a.turn("a", &live).await.unwrap();
    }
    assert!(!is_live(&*room.store, 7).await, "and whole again it leaves again");
    assert_eq!(census(&shelf.store, 7).await, stood);
}

pub async fn who_was_not_there_is_told_to_wait_and_gets_its_copy(room: Room) {
    eight_days_later(&room, [7, 8]).await;
    let (here, there) = (Room::memory(), Room::memory());
    let a = gateway(&room.store, &here).await;
    assert_eq!(a.turn("a", &names(&["a"])).await.unwrap().archived.len(), 2);
    let live = names(&["a", "b"]);
    let b = gateway(&room.store, &there).await;
    // Nobody may think that it never was: not now, ask again.
    let told = b.load(&[callout(7, 1)]).await.unwrap_err();
    assert!(matches!(&told, StoreError::Unavailable(why) if why.contains("archive of another gateway")), "{told}");
    assert_eq!(b.turn("b", &live).await.unwrap().missing, 2);
    for _ in 0..4 {
        a.turn("a", &live).await.unwrap();
        b.turn("b", &live).await.unwrap();
    }
    assert!(!is_live(&*room.store, 7).await && !is_live(&*room.store, 8).await);
    assert_eq!(b.turn("b", &live).await.unwrap().missing, 0);
    assert_eq!(census(&there.store, 7).await, census(&here.store, 7).await);
    assert_eq!(b.faces(WarningId(8)).await.unwrap().len() as u32, made::CALLOUTS);
    // A copy of an older state, found by who was away while it changed, is not the truth.
    drop(b);
    let head = a.load(&[callout(7, 1)]).await.unwrap().remove(0).unwrap().head;
    let mut late = crate::conformance::change(&callout(7, 1), head, "late");
    (late.due, late.at) = (None, room.store.now());
    a.commit(jiaoying::store::WriteLane::Urgent, vec![late]).await.unwrap();
    room.clock.advance(Span::hours(8 * 24));
    assert_eq!(a.turn("a", &names(&["a"])).await.unwrap().archived, [WarningId(7)]);
    let b = gateway(&room.store, &there).await;
    assert!(b.journal(&callout(7, 1)).await.is_err(), "its own copy lacks the late answer");
    for _ in 0..4 {
        a.turn("a", &live).await.unwrap();
        b.turn("b", &live).await.unwrap();
    }
    assert_eq!(b.journal(&callout(7, 1)).await.unwrap().len(), 3);
}

pub async fn a_file_of_another_installation_says_nothing_here(room: Room) {
    let (elsewhere, shelf) = (Room::memory(), Room::memory());
    eight_days_later(&elsewhere, [7]).await;
    gateway(&elsewhere.store, &shelf).await.turn("x", &[]).await.unwrap();
    let here = gateway(&room.store, &shelf).await;
    assert_eq!(here.copies(), 1);
    assert_eq!(here.load(&[warning(7), callout(7, 1)]).await.unwrap(), [None, None]);
    assert!(here.warnings(None, 9).await.unwrap().is_empty());
    assert!(here.faces(WarningId(7)).await.unwrap().is_empty());
    // The number is given anew here, to something else.
    made::closed_warning(&here, 7, "{}").await;
    assert_eq!(here.warnings(None, 9).await.unwrap().len(), 1);
    assert!(is_live(&*room.store, 7).await);
}
