//! What every store promises, as one set of tests run against each of them.
//!
//! A new engine needs a `Room` of its own and one line at the end of this file. `model` holds the
//! engines against each other; `sqlite` holds what only a file can show.

pub mod archive;
mod claims;
mod commits;
mod failover;
mod figures;
mod late;
mod model;
mod redis;
mod rest;
pub mod servers;
pub mod spent;
mod sqlite;
mod views;

use jiaoying::{
    core::{
        directory::Tier,
        division::Division,
        ids::{CalloutId, WarningId},
        phone::Phone,
        time::Time,
    },
    store::{
        CalloutState, Commit, Committed, Envelope, Face, Head, Key, Lane, Record, Reports, Store, WriteLane,
        archive::Forgetful,
        clock::ManualClock,
        memory::MemoryStore,
        redis::{Mode, RedisStore, Settings, Timing},
        sqlite::SqliteStore,
    },
};
use std::{path::PathBuf, sync::Arc};
use tempfile::TempDir;

/// 2024-07-08T16:15:00+08:00.
pub const START: Time = Time(1_720_426_500_000);

pub trait Both: Store + Reports + Forgetful {}
impl<T: Store + Reports + Forgetful> Both for T {}

/// A store with the clock it was given.
pub struct Room {
    pub store: Arc<dyn Both>,
    pub clock: Arc<ManualClock>,
    dir: Option<TempDir>,
    memory: Option<Arc<MemoryStore>>,
}
impl Room {
    pub fn memory() -> Room {
        let clock = Arc::new(ManualClock::new(START));
        let memory = Arc::new(MemoryStore::new(clock.clone()));
        Room { store: memory.clone(), clock, dir: None, memory: Some(memory) }
    }

    pub fn sqlite_file() -> Room {
        let clock = Arc::new(ManualClock::new(START));
        let dir = tempfile::tempdir().expect("a temporary directory");
        Room::at(dir, clock)
    }

    /// A Redis store of its own on the given servers.
    pub async fn on_redis(settings: Settings) -> Room {
        let clock = Arc::new(ManualClock::new(START));
        let store = RedisStore::open(settings, Timing::Given(clock.clone())).await.expect("the servers are fit");
        Room { store: Arc::new(store), clock, dir: None, memory: None }
    }

    /// A SQLite store in a directory of its own.
    pub fn at(dir: TempDir, clock: Arc<ManualClock>) -> Room {
        // A process that another test starts holds a copy of our closed lock until it has become its
        // own program: a moment, in which the file seems to be in use.
        let open = || SqliteStore::open(path(&dir), clock.clone());
        let store =
            (0..100).find_map(|_| open().inspect_err(|_| servers::wait()).ok()).unwrap_or_else(|| open().expect("the database opens"));
        Room { store: Arc::new(store), clock, dir: Some(dir), memory: None }
    }

    /// The path of a SQLite room's database.
    pub fn path(&self) -> PathBuf {
        path(self.dir.as_ref().expect("a room with a file"))
    }

    /// What a restart does to a store.
    pub fn reopen(self) -> Room {
        if let Some(memory) = &self.memory {
            memory.forget_leases();
            return self;
        }
        let clock = self.clock.clone();
        self.reopen_at(clock)
    }

    pub fn reopen_at(self, clock: Arc<ManualClock>) -> Room {
        let Room { store, dir, .. } = self;
        drop(store);
        Room::at(dir.expect("a room with a file"), clock)
    }

    pub async fn commit(&self, c: Commit) -> Committed {
        let mut done = self.store.commit(WriteLane::Rest, vec![c]).await.expect("the store works");
        assert_eq!(done.len(), 1);
        done.remove(0)
    }

    /// Commits what must succeed and gives back the new head.
    pub async fn done(&self, c: Commit) -> Head {
        let (head, key) = (c.head, c.key.clone());
        assert_eq!(self.commit(c).await, Committed::Done, "{key}");
        head
    }

    pub async fn load(&self, key: &Key) -> Option<Record> {
        self.store.load(std::slice::from_ref(key)).await.expect("the store works").remove(0)
    }
}

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("jiaoying.db")
}

pub fn warning(n: u32) -> Key {
    Key::Warning(WarningId(n))
}
pub fn callout(w: u32, n: u32) -> Key {
    Key::Callout(CalloutId::new(WarningId(w), n))
}
pub fn line(n: u32) -> Key {
    Key::Line(Phone::parse(&format!("154{n:08}")).expect("a number"))
}
/// One key of each kind.
pub fn kinds() -> Vec<Key> {
    vec![
        warning(7),
        callout(7, 3),
        line(21),
        Key::Line(Phone::parse("+14158675309").expect("a number")),
        Key::Place(WarningId(7), "DZ-140521/0032".to_string()),
        Key::Callback(5),
        Key::Named("subscriber/省平台".to_string()),
    ]
}

/// A commit that says `what`, due at once in lane 2.
pub fn change(key: &Key, expect: Head, what: &str) -> Commit {
    let body = format!("{{\"is\":\"{what}\"}}").into_bytes();
    let journal = format!("[{{\"what\":\"{what}\"}}]").into_bytes();
    Commit::new(key.clone(), expect, body, journal, Some(START), Lane(2), START)
}

pub fn letter(to: &Key, lane: u8, not_before: Time, text: &str) -> Envelope {
    Envelope { to: to.clone(), lane: Lane(lane), not_before, body: format!("\"{text}\"").into_bytes() }
}

pub fn face(state: CalloutState, recipient: u32) -> Face {
    let place = format!("14052110{recipient:04}");
    Face {
        state,
        told_only: false,
        closed_reason: (state == CalloutState::Closed).then(|| "released".to_string()),
        division: Division(140_521_100_000 + u64::from(recipient)),
        places: vec![place.clone()],
        place,
        tier: Tier::Village,
        role: "flood_control".to_string(),
        recipient,
        answer_ms: None,
        on_time: false,
        via: None,
        relation: None,
        feedback_owed: false,
    }
}

/// A prefix of its own on the one server that all rooms share.
pub fn one_server(partitions: u16) -> Settings {
    Settings { prefix: servers::prefix(), partitions, ..Settings::single(servers::shared().address()) }
}
/// The same on the Cluster.
pub fn on_cluster(partitions: u16) -> Settings {
    let addresses = servers::cluster().iter().map(servers::Server::address).collect();
    Settings { mode: Mode::Cluster, addresses, ..one_server(partitions) }
}
/// A prefix of its own on whatever the sentinels say is primary.
pub fn by_sentinels(watched: &servers::Watched) -> Settings {
    let mode = Mode::Sentinel { master_name: "warnings".to_string() };
    Settings { mode, addresses: watched.addresses(), prefix: servers::prefix(), ..Settings::single("") }
}

/// A fresh room of each engine, under the name its tests go by.
pub mod fresh {
    use super::*;

    pub async fn memory() -> Room {
        Room::memory()
    }
    pub async fn sqlite_file() -> Room {
        Room::sqlite_file()
    }
    pub async fn redis_on_one_server() -> Room {
        Room::on_redis(one_server(16)).await
    }
    pub async fn redis_of_one_partition() -> Room {
        Room::on_redis(one_server(1)).await
    }
    /// Letters go by outbox, as in a Cluster.
    pub async fn redis_by_outbox() -> Room {
        Room::on_redis(Settings { always_outbox: true, ..one_server(4) }).await
    }
    pub async fn redis_cluster() -> Room {
        Room::on_redis(on_cluster(16)).await
    }
    pub async fn redis_sentinel() -> Room {
        Room::on_redis(by_sentinels(servers::watched())).await
    }
}

macro_rules! every_test {
    ($engine:ident, $($file:ident: [$($test:ident),* $(,)?]),* $(,)?) => {
        mod $engine {
            $($(
                #[tokio::test]
                async fn $test() {
                    super::$file::$test(super::fresh::$engine().await).await;
                }
            )*)*
        }
    };
}
macro_rules! keeps_the_promise {
    ($engine:ident) => {
        every_test!($engine,
            commits: [
                a_record_of_every_kind_is_read_back_as_it_was_committed,
                a_commit_on_an_old_head_conflicts_and_changes_nothing,
                the_same_commit_again_is_done_and_changes_nothing,
                a_batch_answers_in_order_and_one_conflict_hinders_no_other,
                a_batch_may_change_one_record_twice,
                an_identity_is_given_once,
                identities_are_found_whatever_the_issuer,
                blobs_are_written_once_and_kept_with_their_record,
                keys_that_are_no_ones_are_nowhere,
                of_many_that_decide_on_one_head_one_wins,
            ],
            claims: [
                claims_come_by_lane_and_then_by_due,
                a_leased_record_is_not_handed_out_again_before_its_lease_ends,
                a_commit_ends_the_lease,
                a_conflict_does_not_end_the_lease,
                what_is_given_back_is_due_again_when_said,
                giving_back_with_a_wrong_or_old_nonce_does_nothing,
                a_new_letter_ends_the_wait_of_what_was_given_back,
                a_letter_that_came_during_a_lease_ends_the_wait_too,
                a_letter_makes_a_finished_record_claimable,
                a_letter_opens_a_record_that_does_not_exist,
                letters_are_handed_over_in_the_order_they_were_sent,
                a_letter_is_not_handed_over_before_its_time,
                a_letter_is_consumed_exactly_when_the_commit_that_names_it_is,
                a_letter_is_claimed_in_its_own_lane,
                a_letter_that_comes_during_a_lease_is_not_lost,
                a_claim_carries_so_many_letters_and_the_rest_the_next_time,
                no_claim_is_larger_than_asked_for,
                next_due_says_when_to_look_again,
                the_timekeeper_is_woken_by_what_is_due_earlier,
                nonces_are_never_the_same,
            ],
            views: [
                warnings_are_listed_newest_first_by_pages,
                callouts_are_listed_by_every_filter_and_by_pages,
                a_persons_open_callouts_are_found_over_all_warnings,
                a_face_is_read_back_as_it_was_committed,
                a_commit_without_a_face_keeps_the_last,
                kept_counts_are_what_counting_anew_gives,
                a_journal_is_whole_and_its_chain_holds,
                the_feed_is_in_order_and_resumes_where_it_was_left,
                tasks_are_replaced_by_id_and_listed_by_when_they_are_due,
                an_open_callout_without_a_clock_is_shown,
                waiting_letters_are_counted_by_lane,
            ],
            archive: [
                a_warning_is_forgotten_whole_but_for_its_identity_and_taken_in_as_it_stood,
                nothing_is_forgotten_of_what_changed_or_waits,
                what_is_taken_in_leaves_alone_what_stands,
                forgetting_goes_on_where_it_was_broken_off,
            ],
            spent: [
                what_is_over_is_found_and_let_go_of_as_it_was_named,
            ],
            rest: [
                numbers_are_given_once_and_by_sequence,
                documents_are_replaced_whole_at_the_version_that_was_read,
                time_does_not_go_back,
            ],
        );
    };
}
keeps_the_promise!(memory);
keeps_the_promise!(sqlite_file);
keeps_the_promise!(redis_of_one_partition);
keeps_the_promise!(redis_by_outbox);
keeps_the_promise!(redis_cluster);
keeps_the_promise!(redis_on_one_server);
keeps_the_promise!(redis_sentinel);
