//! Closed warnings leave for the archive and come back when something happens to them.

mod fuse;
mod gateways;
mod killed;
mod lists;
mod spent;
mod story;

use crate::conformance::{Both, Room, START, archive as made, fresh};
use fuse::Fuse;
use jiaoying::{
    core::{
        ids::WarningId,
        time::{Span, Time},
    },
    store::{
        Store,
        archive::{Archived, Live},
        transfer::Census,
    },
};
use serde_json::json;
use std::sync::Arc;

pub const AFTER: Span = Span::hours(7 * 24);

/// The state of a warning that was closed then, as far as the archive looks at it.
pub fn closed_at(at: Time) -> String {
    json!({"phase": "closed", "closed_at": at}).to_string()
}

/// A gateway over a live store, with a shelf.
pub async fn gateway(live: &Arc<dyn Both>, shelf: &Room) -> Archived {
    let live = Live { store: live.clone(), reports: live.clone(), forgetful: live.clone() };
    Archived::open(live, Arc::new(ShelfOf(shelf.store.clone())), AFTER).await.unwrap()
}

/// The same whose steps towards the live store can be cut off.
pub async fn cut_gateway(live: &Arc<dyn Both>, shelf: &Room, fuse: &Arc<Fuse>) -> Archived {
    let cut = |inner| Arc::new(fuse::Cut { inner, fuse: fuse.clone() });
    let side = cut(live.clone());
    let live = Live { store: side.clone(), reports: live.clone(), forgetful: side };
    Archived::open(live, cut(shelf.store.clone()), AFTER).await.unwrap()
}

pub use fuse::ShelfOf;

/// What stands of a warning in a store.
pub async fn census(store: &Arc<dyn Both>, w: u32) -> Census {
    made::census(&made::pieces(&**store, w).await)
}

/// A live store with closed warnings, eight days later.
pub async fn eight_days_later(room: &Room, warnings: impl IntoIterator<Item = u32>) {
    for w in warnings {
        made::closed_warning(&*room.store, w, &closed_at(START)).await;
    }
    room.clock.advance(Span::hours(8 * 24));
}

pub async fn is_live(store: &dyn Store, w: u32) -> bool {
    store.load(&[crate::conformance::warning(w)]).await.unwrap().remove(0).is_some()
}

macro_rules! over {
    ($engine:ident) => {
        every_test!($engine,
            story: [
                reports_are_the_same_before_and_after_and_a_late_answer_brings_the_warning_back,
            ],
            killed: [
                killed_at_any_step_the_next_one_finishes_and_every_reader_sees_the_whole,
                a_late_answer_is_never_lost_to_whoever_forgets_at_the_same_moment,
                a_letter_to_what_is_archived_finds_its_record,
            ],
            gateways: [
                nothing_is_forgotten_before_every_live_gateway_has_its_copy,
                what_a_failover_left_of_a_warning_never_takes_the_place_of_its_whole_copy,
                who_was_not_there_is_told_to_wait_and_gets_its_copy,
                a_file_of_another_installation_says_nothing_here,
            ],
            lists: [
                lists_over_both_places_are_one_list_with_one_order,
                what_is_not_quiet_stays,
            ],
            spent: [
                callbacks_and_older_rows_leave_when_every_gateway_has_them_and_are_read_as_before,
                killed_at_any_step_nothing_is_lost_of_what_was_leaving,
            ],
        );
    };
}
over!(memory);
over!(sqlite_file);
over!(redis_by_outbox);
over!(redis_on_one_server);
over!(redis_cluster);
