//! Claims, leases and letters: what is due is handed out once, in order, and nothing is lost.

use super::*;
use futures_util::FutureExt;
use jiaoying::{
    core::time::Span,
    store::{Claim, MAX_LETTERS},
};
use std::collections::BTreeSet;

const LEASE: Span = Span::secs(30);

impl Room {
    async fn claim(&self, limit: usize) -> Vec<Claim> {
        self.store.claim(limit, LEASE).await.unwrap()
    }
    async fn claimed(&self) -> Vec<Key> {
        self.claim(100).await.into_iter().map(|c| c.key).collect()
    }
    /// A record due at `START` plus so many seconds.
    async fn due(&self, key: &Key, lane: u8, seconds: i64) -> Head {
        let mut c = change(key, Head::NONE, "due");
        c.lane = Lane(lane);
        c.due = Some(START + Span::secs(seconds));
        self.done(c).await
    }
    /// A finished record that sends letters, as many a commit as given.
    async fn post(&self, from: &Key, letters: Vec<Envelope>) {
        let head = self.load(from).await.map_or(Head::NONE, |r| r.head);
        let mut c = change(from, head, &format!("posts after {head:?}"));
        c.due = None;
        c.send = letters;
        self.done(c).await;
    }
    async fn next(&self) -> Option<i64> {
        self.store.next_due().await.unwrap().map(|t| (t - START).0 / 1000)
    }
}

fn texts(claim: &Claim) -> Vec<String> {
    claim.inbox.iter().map(|l| serde_json::from_slice(&l.body).unwrap()).collect()
}

fn consume(claim: &Claim, what: &str) -> Commit {
    let head = claim.record.as_ref().map_or(Head::NONE, |r| r.head);
    let mut c = change(&claim.key, head, what);
    c.due = None;
    c.consumed = claim.inbox.iter().map(|l| l.seq).collect();
    c
}

pub async fn claims_come_by_lane_and_then_by_due(room: Room) {
    room.due(&callout(1, 1), 3, -50).await;
    room.due(&callout(1, 2), 1, -10).await;
    room.due(&callout(1, 3), 1, -20).await;
    room.due(&line(4), 6, -90).await;
    room.due(&warning(5), 2, -5).await;
    room.due(&callout(1, 6), 0, 1).await;
    let order = [callout(1, 3), callout(1, 2), warning(5), callout(1, 1), line(4)];
    assert_eq!(room.claimed().await, order);
    room.clock.advance(Span::secs(1));
    assert_eq!(room.claimed().await, [callout(1, 6)]);
}

pub async fn a_leased_record_is_not_handed_out_again_before_its_lease_ends(room: Room) {
    room.due(&callout(1, 1), 1, 0).await;
    let first = room.claim(9).await.remove(0);
    assert!(room.claim(9).await.is_empty());
    room.clock.advance(Span(LEASE.0 - 1));
    assert!(room.claim(9).await.is_empty());
    room.clock.advance(Span(1));
    let again = room.claim(9).await.remove(0);
    assert_eq!((&again.key, &again.record), (&first.key, &first.record));
    assert_ne!(again.nonce, first.nonce);
}

pub async fn a_commit_ends_the_lease(room: Room) {
    let head = room.due(&callout(1, 1), 1, 0).await;
    assert_eq!(room.claimed().await, [callout(1, 1)]);
    let mut next = change(&callout(1, 1), head, "called");
    next.due = Some(START + Span::secs(5));
    room.done(next).await;
    assert!(room.claim(9).await.is_empty());
    room.clock.advance(Span::secs(5));
    assert_eq!(room.claimed().await, [callout(1, 1)]);
}

pub async fn a_conflict_does_not_end_the_lease(room: Room) {
    room.due(&callout(1, 1), 1, 0).await;
    room.claim(9).await;
    assert_eq!(room.commit(change(&callout(1, 1), Head::NONE, "late")).await, Committed::Conflict);
    assert!(room.claim(9).await.is_empty());
}

pub async fn what_is_given_back_is_due_again_when_said(room: Room) {
    for n in 1..=2 {
        room.due(&callout(1, n), 1, 0).await;
    }
    let claims = room.claim(9).await;
    let until = START + Span::secs(3);
    room.store.release(&[(claims[0].key.clone(), claims[0].nonce)], until).await.unwrap();
    assert!(room.claim(9).await.is_empty());
    room.clock.advance(Span::secs(3));
    assert_eq!(room.claimed().await, [callout(1, 1)]);
    // Given back for a time that is past: at once.
    room.store.release(&[(claims[1].key.clone(), claims[1].nonce)], START).await.unwrap();
    assert_eq!(room.claimed().await, [callout(1, 2)]);
}

pub async fn giving_back_with_a_wrong_or_old_nonce_does_nothing(room: Room) {
    room.due(&callout(1, 1), 1, 0).await;
    let old = room.claim(9).await.remove(0);
    room.store.release(&[(old.key.clone(), old.nonce ^ 1)], START).await.unwrap();
    assert!(room.claim(9).await.is_empty());
    room.clock.advance(LEASE);
    let new = room.claim(9).await.remove(0);
    room.store.release(&[(old.key.clone(), old.nonce)], START).await.unwrap();
    assert!(room.claim(9).await.is_empty());
    room.store.release(&[(new.key, new.nonce)], START).await.unwrap();
    assert_eq!(room.claimed().await, [callout(1, 1)]);
}

pub async fn a_new_letter_ends_the_wait_of_what_was_given_back(room: Room) {
    room.due(&callout(1, 1), 3, 0).await;
    let claim = room.claim(9).await.remove(0);
    room.store.release(&[(claim.key, claim.nonce)], START + Span::hours(1)).await.unwrap();
    room.post(&line(1), vec![letter(&callout(1, 1), 0, Time(0), "回1")]).await;
    let claim = room.claim(9).await.remove(0);
    assert_eq!((claim.key.clone(), texts(&claim)), (callout(1, 1), vec!["回1".to_string()]));
}

pub async fn a_letter_that_came_during_a_lease_ends_the_wait_too(room: Room) {
    room.due(&callout(1, 1), 3, 0).await;
    room.post(&line(1), vec![letter(&callout(1, 1), 0, Time(0), "kept")]).await;
    let claim = room.claim(9).await.remove(0);
    room.post(&line(1), vec![letter(&callout(1, 1), 0, Time(0), "回1")]).await;
    room.store.release(&[(claim.key, claim.nonce)], START + Span::hours(1)).await.unwrap();
    let claim = room.claim(9).await.remove(0);
    assert_eq!(texts(&claim), ["kept", "回1"]);
    // Seen and left: it waits now.
    room.store.release(&[(claim.key, claim.nonce)], START + Span::hours(1)).await.unwrap();
    assert!(room.claim(9).await.is_empty());
}

pub async fn a_letter_makes_a_finished_record_claimable(room: Room) {
    let key = callout(1, 1);
    let mut finished = change(&key, Head::NONE, "closed");
    finished.due = None;
    let head = room.done(finished).await;
    assert!(room.claim(9).await.is_empty());
    room.post(&warning(1), vec![letter(&key, 0, Time(0), "late answer")]).await;
    let claim = room.claim(9).await.remove(0);
    assert_eq!((claim.record.as_ref().map(|r| r.head), texts(&claim)), (Some(head), vec!["late answer".to_string()]));
    room.done(consume(&claim, "kept as evidence")).await;
    assert!(room.claim(9).await.is_empty());
    assert_eq!(room.next().await, None);
}

pub async fn a_letter_opens_a_record_that_does_not_exist(room: Room) {
    for key in kinds().into_iter().filter(|k| *k != warning(1)) {
        room.post(&warning(1), vec![letter(&key, 1, Time(0), "ask")]).await;
        assert_eq!(room.load(&key).await, None, "{key}");
        let claim = room.claim(9).await.remove(0);
        assert_eq!((&claim.key, &claim.record, texts(&claim)), (&key, &None, vec!["ask".to_string()]));
        let opened = consume(&claim, "opened");
        let head = opened.head;
        room.done(opened).await;
        assert_eq!(room.load(&key).await.map(|r| r.head), Some(head));
        assert_eq!(room.store.journal(&key).await.unwrap().len(), 1);
    }
    assert!(room.claim(9).await.is_empty());
}

pub async fn letters_are_handed_over_in_the_order_they_were_sent(room: Room) {
    let to = callout(1, 1);
    room.post(&warning(1), vec![letter(&to, 3, Time(0), "1"), letter(&to, 0, Time(0), "2")]).await;
    room.post(&warning(1), vec![letter(&to, 5, Time(0), "3")]).await;
    room.post(&line(2), vec![letter(&to, 1, Time(0), "4")]).await;
    let claim = room.claim(9).await.remove(0);
    assert_eq!(texts(&claim), ["1", "2", "3", "4"]);
    assert!(claim.inbox.is_sorted_by(|a, b| a.seq < b.seq));
}

pub async fn a_letter_is_not_handed_over_before_its_time(room: Room) {
    let to = line(1);
    let later = START + Span::secs(60);
    room.post(&warning(1), vec![letter(&to, 1, later, "gathered"), letter(&to, 1, Time(0), "now")]).await;
    let claim = room.claim(9).await.remove(0);
    assert_eq!(texts(&claim), ["now"]);
    room.done(consume(&claim, "first")).await;
    assert!(room.claim(9).await.is_empty());
    assert_eq!(room.next().await, Some(60));
    room.clock.advance(Span::secs(60));
    assert_eq!(texts(&room.claim(9).await.remove(0)), ["gathered"]);
}

pub async fn a_letter_is_consumed_exactly_when_the_commit_that_names_it_is(room: Room) {
    let to = callout(1, 1);
    let head = room.due(&to, 1, 0).await;
    room.post(&warning(1), vec![letter(&to, 0, Time(0), "a"), letter(&to, 0, Time(0), "b")]).await;
    let claim = room.claim(9).await.remove(0);
    assert_eq!(texts(&claim), ["a", "b"]);
    // Somebody else was first: the letters stay.
    let other = room.done(change(&to, head, "somebody else")).await;
    assert_eq!(room.commit(consume(&claim, "late")).await, Committed::Conflict);
    let again = room.claim(9).await.remove(0);
    assert_eq!((again.record.as_ref().map(|r| r.head), texts(&again)), (Some(other), vec!["a".to_string(), "b".to_string()]));
    // One of them only.
    let mut one = consume(&again, "read a");
    one.consumed.truncate(1);
    room.done(one).await;
    let rest = room.claim(9).await.remove(0);
    assert_eq!(texts(&rest), ["b"]);
    // Another record cannot take what is not its own.
    let mut thief = change(&callout(1, 2), Head::NONE, "takes");
    thief.due = None;
    thief.consumed = rest.inbox.iter().map(|l| l.seq).collect();
    room.done(thief).await;
    assert_eq!(room.store.queue_depth().await.unwrap(), [(Lane(0), 1)]);
    room.done(consume(&rest, "read b")).await;
    assert_eq!(room.store.queue_depth().await.unwrap(), []);
    assert!(room.claim(9).await.is_empty());
}

pub async fn a_letter_is_claimed_in_its_own_lane(room: Room) {
    room.due(&callout(1, 1), 4, -10).await;
    room.due(&callout(1, 2), 2, -10).await;
    room.post(&warning(1), vec![letter(&callout(1, 1), 0, Time(0), "answer")]).await;
    assert_eq!(room.claimed().await, [callout(1, 1), callout(1, 2)]);
}

pub async fn a_letter_that_comes_during_a_lease_is_not_lost(room: Room) {
    let to = callout(1, 1);
    room.due(&to, 1, 0).await;
    let claim = room.claim(9).await.remove(0);
    room.post(&warning(1), vec![letter(&to, 0, Time(0), "cancel")]).await;
    assert!(room.claim(9).await.is_empty());
    room.done(consume(&claim, "knows nothing of it")).await;
    let claim = room.claim(9).await.remove(0);
    assert_eq!(texts(&claim), ["cancel"]);
}

pub async fn a_claim_carries_so_many_letters_and_the_rest_the_next_time(room: Room) {
    let to = line(9);
    let many = MAX_LETTERS + 7;
    room.post(&warning(1), (0..many).map(|n| letter(&to, 0, Time(0), &n.to_string())).collect()).await;
    let mut read = Vec::new();
    while let Some(claim) = room.claim(1).await.pop() {
        assert!(claim.inbox.len() <= MAX_LETTERS);
        read.extend(texts(&claim));
        room.done(consume(&claim, &format!("read {}", read.len()))).await;
    }
    assert_eq!(read, (0..many).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub async fn no_claim_is_larger_than_asked_for(room: Room) {
    for n in 0..10 {
        room.due(&callout(1, n), (n % 3) as u8, 0).await;
    }
    let mut seen = Vec::new();
    for (limit, got) in [(0, 0), (4, 4), (4, 4), (4, 2), (4, 0)] {
        let claims = room.claim(limit).await;
        assert_eq!(claims.len(), got);
        seen.extend(claims.into_iter().map(|c| c.record.unwrap().lane));
    }
    assert!(seen.is_sorted());
}

pub async fn next_due_says_when_to_look_again(room: Room) {
    assert_eq!(room.next().await, None);
    room.due(&callout(1, 1), 4, 100).await;
    assert_eq!(room.next().await, Some(100));
    room.due(&callout(1, 2), 6, 50).await;
    assert_eq!(room.next().await, Some(50));
    room.due(&callout(1, 3), 0, -20).await;
    assert_eq!(room.next().await, Some(-20));
    // A lease that ends unworked must be looked at, too.
    let claim = room.claim(9).await.remove(0);
    assert_eq!(room.next().await, Some(30));
    room.store.release(&[(claim.key, claim.nonce)], START + Span::secs(40)).await.unwrap();
    assert_eq!(room.next().await, Some(40));
}

pub async fn the_timekeeper_is_woken_by_what_is_due_earlier(room: Room) {
    room.due(&callout(1, 1), 1, 100).await;
    assert_eq!(room.next().await, Some(100));
    // Whatever came before the question was asked is told by the answer.
    let _ = room.store.changed().now_or_never();
    assert!(room.store.changed().now_or_never().is_none());
    room.due(&callout(1, 2), 1, 200).await;
    assert!(room.store.changed().now_or_never().is_none(), "later than what was said");
    room.due(&callout(1, 3), 1, 50).await;
    assert!(room.store.changed().now_or_never().is_some(), "between the question and the wait, earlier");
    assert_eq!(room.next().await, Some(50));
    room.post(&warning(1), vec![letter(&line(1), 0, Time(0), "at once")]).await;
    assert!(room.store.changed().now_or_never().is_some(), "a letter");
    let claim = room.claim(1).await.remove(0);
    assert_eq!(room.next().await, Some(30));
    let _ = room.store.changed().now_or_never();
    room.store.release(&[(claim.key, claim.nonce)], START + Span::secs(1)).await.unwrap();
    assert!(room.store.changed().now_or_never().is_some(), "given back");
}

pub async fn nonces_are_never_the_same(room: Room) {
    for n in 0..100 {
        room.due(&callout(1, n), 1, 0).await;
    }
    let mut nonces = BTreeSet::new();
    for _ in 0..3 {
        let claims = room.claim(100).await;
        assert_eq!(claims.len(), 100);
        nonces.extend(claims.into_iter().map(|c| c.nonce));
        room.clock.advance(LEASE);
    }
    assert_eq!(nonces.len(), 300);
}
