//! Lists over both places, and what may not leave.

use super::*;
use crate::conformance::{callout, change, warning};
use jiaoying::store::{CalloutFilter, CalloutState, Commit, Reports, WriteLane};

pub async fn lists_over_both_places_are_one_list_with_one_order(room: Room) {
    let shelf = Room::memory();
    eight_days_later(&room, [1, 3, 4, 8]).await;
    for w in [2, 5, 9] {
        made::closed_warning(&*room.store, w, &closed_at(room.store.now())).await;
    }
    let archive = gateway(&room.store, &shelf).await;
    let closed = CalloutFilter { state: Some(CalloutState::Closed), ..CalloutFilter::default() };
    let people = CalloutFilter { recipients: Some(vec![4, 30]), ..CalloutFilter::default() };
    let lists = async || {
        let mut out = Vec::new();
        for limit in [1, 3, 100] {
            let mut cursor = None;
            loop {
                let page = archive.warnings(cursor, limit).await.unwrap();
                let Some(jiaoying::store::Key::Warning(last)) = page.last().map(|r| r.key.clone()) else { break };
                cursor = Some(last);
                out.extend(page.into_iter().map(|r| format!("{} {:?}", r.key, r.head)));
            }
        }
        for (filter, limit) in [(&closed, 7), (&closed, 500), (&people, 3), (&CalloutFilter::default(), 50)] {
            let mut cursor = None;
            loop {
                let page = archive.callouts(None, filter, cursor, limit).await.unwrap();
                let Some(jiaoying::store::Key::Callout(last)) = page.last().map(|(r, _)| r.key.clone()) else { break };
                cursor = Some(last);
                out.extend(page.into_iter().map(|(r, f)| format!("{} {:?} {f:?}", r.key, r.head)));
            }
        }
        for limit in [2, 5, 100] {
            out.extend(archive.tasks(None, false, limit).await.unwrap().into_iter().map(|t| t.id));
        }
        out.push(format!("{:?}", archive.task("t-w3-1").await.unwrap()));
        out
    };
    let before = lists().await;
    assert_eq!(archive.turn("a", &[]).await.unwrap().archived, [1, 3, 4, 8].map(WarningId));
    assert!(lists().await == before);
    archive.bring_back(WarningId(4)).await.unwrap();
    let late = change(&callout(4, 4), archive.load(&[callout(4, 4)]).await.unwrap().remove(0).unwrap().head, "late");
    let late = Commit { due: None, face: Some(crate::conformance::face(CalloutState::Answered, 4)), ..late };
    archive.commit(WriteLane::Urgent, vec![late]).await.unwrap();
    let after = lists().await;
    assert!(after != before);
    let rows = |of: &Vec<String>| of.iter().filter(|l| !l.starts_with("w4-4 ")).cloned().collect::<Vec<_>>();
    // Closed became answered: it is only not in the list of closed ones any more.
    let (was, is) = (rows(&before), rows(&after));
    assert!(was == is, "{} {}", was.len(), is.len());
    assert!(archive.callouts(None, &CalloutFilter { open: true, ..CalloutFilter::default() }, None, 9).await.unwrap().is_empty());
}

pub async fn what_is_not_quiet_stays(room: Room) {
    let shelf = Room::memory();
    let store = &*room.store;
    // Closed too lately; one without its end; one that is due; one with a callout that is due; one whose callout changed.
    eight_days_later(&room, [2, 3, 4, 5, 6]).await;
    let archive = gateway(&room.store, &shelf).await;
    made::closed_warning(store, 1, &closed_at(room.store.now())).await;
    let touch = async |key, due, body: Option<&str>, at| {
        let head = room.load(&key).await.unwrap().head;
        let mut c = Commit { due, at, ..change(&key, head, "touched") };
        if let Some(body) = body {
            c.body = body.as_bytes().to_vec();
        }
        room.done(c).await;
    };
    touch(warning(2), None, Some(r#"{"phase": "active"}"#), START).await;
    touch(warning(3), Some(room.store.now() + Span::hours(99)), Some(&closed_at(START)), START).await;
    touch(callout(4, 17), Some(room.store.now() + Span::hours(99)), None, START).await;
    touch(callout(5, 17), None, None, room.store.now()).await;
    assert_eq!(archive.turn("a", &[]).await.unwrap().archived, [WarningId(6)]);
    assert_eq!(archive.copies(), 1, "nobody copies what stays");
    room.clock.advance(Span::hours(8 * 24));
    let mut archived = archive.turn("a", &[]).await.unwrap().archived;
    archived.sort();
    assert_eq!(archived, [WarningId(1), WarningId(5)]);
}
