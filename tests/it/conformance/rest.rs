//! Numbers, documents, time.

use super::*;
use jiaoying::{core::time::Span, store::Doc};

pub async fn numbers_are_given_once_and_by_sequence(room: Room) {
    for n in 1..=3 {
        assert_eq!(room.store.next_number("warning").await.unwrap(), n);
    }
    assert_eq!(room.store.next_number("callback").await.unwrap(), 1);
    let many = futures_util::future::join_all((0..1000).map(|_| room.store.next_number("callback"))).await;
    let mut many: Vec<u64> = many.into_iter().map(Result::unwrap).collect();
    many.sort_unstable();
    assert_eq!(many, (2..=1001).collect::<Vec<_>>());
    assert_eq!(room.store.next_number("warning").await.unwrap(), 4);
}

fn doc(id: &str, body: &str) -> Doc {
    Doc { id: id.to_string(), body: body.as_bytes().to_vec() }
}

pub async fn documents_are_replaced_whole_at_the_version_that_was_read(room: Room) {
    let store = &room.store;
    assert_eq!(store.docs("recipient").await.unwrap(), (0, Vec::new()));
    let first = vec![doc("p2", "{}"), doc("p1", "{}")];
    let version = store.docs_apply("recipient", 0, first, Vec::new()).await.unwrap().expect("nothing stood there");
    assert_eq!(store.docs("recipient").await.unwrap(), (version, vec![doc("p1", "{}"), doc("p2", "{}")]));
    assert_eq!(store.docs_version("recipient").await.unwrap(), version);
    assert_eq!(store.docs_version("post").await.unwrap(), 0);
    assert_eq!(store.docs("post").await.unwrap().0, 0, "another kind has a version of its own");
    // Decided on an old version: nothing of it stands.
    assert_eq!(store.docs_apply("recipient", version + 1, vec![doc("p9", "{}")], vec!["p1".into()]).await.unwrap(), None);
    assert_eq!(store.docs_apply("recipient", 0, vec![doc("p9", "{}")], vec!["p1".into()]).await.unwrap(), None);
    let next = store
        .docs_apply(
            "recipient",
            version,
            vec![doc("p2", "{\"name\":\"乙\"}"), doc("p3", "{}")],
            vec!["p1".into(), "p2".into(), "p7".into()],
        )
        .await
        .unwrap()
        .expect("the version that was read");
    assert!(next > version);
    assert_eq!(store.docs("recipient").await.unwrap(), (next, vec![doc("p2", "{\"name\":\"乙\"}"), doc("p3", "{}")]));
    // A change of nothing is a change of version.
    let last = store.docs_apply("recipient", next, Vec::new(), vec!["p2".into(), "p3".into()]).await.unwrap();
    assert_eq!(store.docs("recipient").await.unwrap(), (last.expect("a version"), Vec::new()));
}

pub async fn time_does_not_go_back(room: Room) {
    assert_eq!(room.store.now(), START);
    room.clock.advance(Span::secs(5));
    room.clock.advance(Span::secs(-3));
    room.clock.advance_to(START);
    assert_eq!(room.store.now(), START + Span::secs(5));
}
