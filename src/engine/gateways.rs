//! Who else works on this store: every gateway says so every two seconds, and who has been silent for
//! ten is gone. For sharing what is counted per account, and for whoever needs a second witness; no
//! decision about a person rests on it.

use super::part::Part;
use crate::{
    core::time::{Span, Time},
    store::{Doc, Store, StoreError, transfer::GATEWAYS},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// How often a gateway says that it lives.
pub const BEAT: Span = Span::secs(2);
/// A gateway that has not said so for this long is gone.
pub const LAPSE: Span = Span::secs(10);
/// What a gateway has heard of the others holds for so long: two beats. Only for so long does it take its part of
/// what a provider grants an account, and for so long a new gateway waits before it takes any, so that the parts of all
/// are never more than the whole, whoever comes, goes, stands still or is cut off.
pub const QUIET: Span = Span::secs(4);
/// Others may say so at the same moment; each takes its turn.
const TRIES: usize = 10;

/// The name of one run of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GatewayId(pub String);
impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Serialize, Deserialize)]
struct Seen {
    at: Time,
}

/// The gateways of a store, as one of them sees it.
pub struct Gateways {
    store: Arc<dyn Store>,
    me: GatewayId,
    /// When this one last said that it lives, and from when on it takes its part.
    said: Mutex<Option<(Time, Time)>>,
}

impl Gateways {
    pub fn new(store: Arc<dyn Store>, me: GatewayId) -> Gateways {
        Gateways { store, me, said: Mutex::new(None) }
    }

    pub fn me(&self) -> &GatewayId {
        &self.me
    }

    /// Says that this one lives, and strikes out who is long gone.
    ///
    /// # Errors
    /// `Unavailable` when it could not be said.
    pub async fn beat(&self) -> Result<(), StoreError> {
        let body = |at| serde_json::to_vec(&Seen { at }).map_err(|e| StoreError::Corrupt(e.to_string()));
        self.change(|now| Ok(vec![Doc { id: self.me.0.clone(), body: body(now)? }])).await
    }

    /// Says that this one lives, and answers its part of what is shared among all: from two beats after it came (or
    /// came back), until two beats from now.
    ///
    /// # Errors
    /// `Unavailable` when it could not be said, or the store cannot be read.
    pub async fn take_part(&self) -> Result<Part, StoreError> {
        // What is heard now was so when it was asked for, not when the answer came.
        let asked = self.store.now();
        self.beat().await?;
        let from = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            // One that comes back after so long is new to the others: they may have struck it out.
            let from = said.filter(|(at, _)| asked + BEAT < *at + LAPSE).map_or(asked + QUIET, |(_, from)| from);
            *said = Some((asked, from));
            from
        };
        let live = self.live().await?;
        let rank = live.iter().position(|g| *g == self.me);
        // One that is not among them makes them one more.
        let gateways = live.len() + usize::from(rank.is_none());
        let few = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Part { gateways: few(gateways), rank: few(rank.unwrap_or(live.len())), from, until: asked + QUIET })
    }

    /// Says that this one ends.
    ///
    /// # Errors
    /// `Unavailable` when it could not be said; then it is gone after [`LAPSE`].
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.change(|_| Ok(Vec::new())).await
    }

    async fn change(&self, mine: impl Fn(Time) -> Result<Vec<Doc>, StoreError>) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let (version, docs) = self.store.docs(GATEWAYS).await?;
            let now = self.store.now();
            let upsert = mine(now)?;
            let ends = |d: &Doc| if d.id == self.me.0 { upsert.is_empty() } else { !lives(d, now) };
            let delete: Vec<String> = docs.iter().filter(|d| ends(d)).map(|d| d.id.clone()).collect();
            if upsert.is_empty() && delete.is_empty() || self.store.docs_apply(GATEWAYS, version, upsert, delete).await?.is_some() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("too many gateways spoke at once".to_string()))
    }

    /// All that live, by name. This one is among them once it has said so.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot be read.
    pub async fn live(&self) -> Result<Vec<GatewayId>, StoreError> {
        let (_, docs) = self.store.docs(GATEWAYS).await?;
        let now = self.store.now();
        Ok(docs.into_iter().filter(|d| lives(d, now)).map(|d| GatewayId(d.id)).collect())
    }
}

fn lives(doc: &Doc, now: Time) -> bool {
    serde_json::from_slice::<Seen>(&doc.body).is_ok_and(|seen| now - seen.at < LAPSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::send::Channel,
        engine::limits::{Accounts, testing},
        store::{clock::ManualClock, memory::MemoryStore},
    };
    use futures_util::FutureExt;

    fn now<T>(f: impl Future<Output = Result<T, StoreError>>) -> T {
        f.now_or_never().expect("the memory store is ready at once").unwrap()
    }

    #[test]
    fn who_speaks_lives_who_is_silent_or_leaves_does_not() {
        let clock = Arc::new(ManualClock::new(Time(1_000)));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let [a, b] = ["a", "b"].map(|n| Gateways::new(store.clone(), GatewayId(n.into())));
        let names = |of: &Gateways| now(of.live()).into_iter().map(|g| g.0).collect::<Vec<_>>();
        assert!(names(&a).is_empty());
        now(a.beat());
        now(b.beat());
        assert_eq!(names(&a), ["a", "b"]);
        clock.advance(Span::secs(9));
        now(b.beat());
        clock.advance(Span::secs(1));
        assert_eq!(names(&b), ["b"], "a was silent for ten seconds");
        assert_eq!(now(store.docs(GATEWAYS)).1.len(), 2);
        now(b.beat());
        assert_eq!(now(store.docs(GATEWAYS)).1.len(), 1, "and is struck out");
        now(a.beat());
        now(b.leave());
        now(b.leave());
        assert_eq!(names(&b), ["a"]);
    }

    /// A gateway as far as it takes part: it beats every two seconds while it runs, and takes what it can.
    struct Taking {
        gateways: Gateways,
        accounts: Accounts,
        beats: Time,
        stopped: bool,
    }
    impl Taking {
        fn new(store: &Arc<MemoryStore>, name: &str, per_second: u32) -> Taking {
            let clock = store.clone();
            let gateways = Gateways::new(store.clone(), GatewayId(name.into()));
            let accounts = testing::with(Channel::Sms, per_second, 1_000, Arc::new(move || clock.now()));
            accounts.share_among(now(gateways.take_part()));
            let at = store.now();
            Taking { gateways, accounts, beats: at + BEAT, stopped: false }
        }

        /// How many requests leave at this moment.
        fn turn(&mut self, at: Time) -> usize {
            if self.stopped {
                return 0;
            }
            // What it was about to do when it was stopped comes first.
            let leave = testing::burst(&self.accounts.all()[0], at);
            if at >= self.beats {
                self.accounts.share_among(now(self.gateways.take_part()));
                self.beats = at + BEAT;
            }
            leave
        }
    }

    #[test]
    fn a_hard_rate_holds_over_all_gateways_whoever_comes_goes_stands_still_and_wakes() {
        const RATE: u32 = 900;
        let clock = Arc::new(ManualClock::new(Time(1_000_000)));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let mut all: Vec<Taking> = ["a", "b"].map(|n| Taking::new(&store, n, RATE)).into();
        let mut left = Vec::new();
        for ms in 0..90_000u32 {
            let at = store.now();
            match ms {
                8_000 => all.push(Taking::new(&store, "0", RATE)),
                // Stopped past its lapse, and awake again while the others have its part.
                15_500 => all[1].stopped = true,
                41_300 => all[1].stopped = false,
                // Killed, and another in its place at once.
                50_000 => {
                    all[0].stopped = true;
                    all.push(Taking::new(&store, "c", RATE));
                }
                // A soft stop.
                70_000 => {
                    all[2].stopped = true;
                    now(all[2].gateways.leave());
                }
                _ => {}
            }
            left.push(all.iter_mut().map(|g| g.turn(at)).sum::<usize>());
            clock.advance(Span::ms(1));
        }
        // A tenth of a second's worth may leave at once.
        let most = RATE as usize * 11 / 10;
        for (n, second) in left.windows(1_000).enumerate() {
            let sum: usize = second.iter().sum();
            assert!(sum <= most + 1, "{sum} in the second from {n} ms on");
        }
        let second = |from: usize| left[from..from + 1_000].iter().sum::<usize>();
        for at in [6_000, 13_000, 28_000, 47_000, 65_000, 80_000] {
            assert!(second(at) >= RATE as usize * 9 / 10, "nothing is left unused for long: {} in the second from {at} ms on", second(at));
        }
    }
}
