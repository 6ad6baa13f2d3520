//! The choice among accounts: weights, who failed before, pins, and that nobody starves.

use super::*;
use crate::core::{
    ids::{CalloutId, WarningId},
    time::Span,
};
use proptest::prelude::*;

fn door(name: &str, weight: u32, used: Use) -> Door<'_> {
    Door { name, weight, used }
}
fn attempt(ordinal: u32) -> AttemptId {
    AttemptId { callout: CalloutId::new(WarningId(1), ordinal), n: 1 }
}
fn first(doors: &[Door<'_>], failed: &[String], ordinal: u32) -> String {
    doors[order(seed(attempt(ordinal)), doors, failed)[0].0].name.to_string()
}
fn shares(doors: &[Door<'_>], failed: &[String]) -> Vec<usize> {
    let got: Vec<String> = (0..10_000).map(|n| first(doors, failed, n)).collect();
    doors.iter().map(|d| got.iter().filter(|g| *g == d.name).count()).collect()
}

#[test]
fn each_account_gets_its_part_of_the_traffic_and_one_of_weight_nought_none() {
    let doors = [door("a", 6, Use::Open), door("b", 3, Use::Open), door("c", 1, Use::Open), door("d", 0, Use::Open)];
    let got = shares(&doors, &[]);
    for (got, want) in got.iter().zip([6000usize, 3000, 1000, 0]) {
        assert!(got.abs_diff(want) <= 150, "{got} of {want}");
    }
    assert_eq!(first(&doors, &[], 7), first(&doors, &[], 7), "the same attempt goes the same way");
}

#[test]
fn an_account_that_just_failed_the_attempt_comes_last_of_those_that_work() {
    let doors = [door("a", 100, Use::Open), door("b", 1, Use::Open), door("c", 0, Use::Open), door("d", 1, Use::Stopped)];
    let named = |failed: &[&str]| {
        let failed: Vec<String> = failed.iter().map(|f| f.to_string()).collect();
        order(3, &doors, &failed).into_iter().map(|(i, _)| doors[i].name).collect::<String>()
    };
    assert_eq!(named(&["a"]), "bcad");
    assert!(["cabd", "cbad"].contains(&named(&["a", "b"]).as_str()), "even the one kept for last resorts comes before them");
    assert_eq!(named(&["a", "b", "c", "d"]).chars().last(), Some('d'), "with all failed, the stopped one still comes last");
}

#[test]
fn a_pin_wins_over_weight_health_and_breaker_but_not_over_its_own_failure() {
    let doors = [door("a", 100, Use::Open), door("b", 0, Use::Pinned), door("c", 9, Use::Trial)];
    assert_eq!(shares(&doors, &[]), [0, 10_000, 0]);
    assert_eq!(shares(&doors, &["b".into()])[1], 0);
}

#[test]
fn with_all_stopped_one_is_still_tried_and_a_disabled_one_never() {
    let doors = [door("a", 1, Use::Stopped), door("b", 3, Use::Stopped), door("c", 9, Use::Disabled)];
    let got = shares(&doors, &[]);
    assert_eq!((got[0] + got[1], got[2]), (10_000, 0));
    assert!(order(1, &[door("c", 9, Use::Disabled)], &[]).is_empty());
}

#[test]
fn a_number_s_limit_is_waited_for_only_where_no_account_is_free_and_it_is_over_before_the_next_rung() {
    let t = |s: i64| Time(0) + Span::secs(s);
    let rung = Some(t(60));
    assert_eq!(by_quota([Ok(()), Err(t(5))], rung), Some(ByQuota::Go(0)));
    for after in [rung, None] {
        assert_eq!(by_quota([Err(t(30)), Ok(())], after), Some(ByQuota::Go(1)), "gone round");
        assert_eq!(by_quota([Err(t(90)), Ok(())], after), Some(ByQuota::Go(1)), "gone round");
    }
    assert_eq!(by_quota([Err(t(90)), Err(t(20))], rung), Some(ByQuota::Wait(t(20))));
    assert_eq!(by_quota([Err(t(90)), Err(t(80))], rung), Some(ByQuota::Outlasts(t(80))));
    assert_eq!(by_quota([Err(t(90))], None), Some(ByQuota::Wait(t(90))), "nothing comes after: it is waited for");
    assert_eq!(by_quota([], rung), None);
}

proptest! {
    #[test]
    fn every_account_but_the_disabled_stands_in_the_list_once_whatever_the_weights(
        of in proptest::collection::vec((0u32..1000, 0u8..5), 0..8), seed in any::<u64>(), failed in any::<u8>()
    ) {
        let uses = [Use::Pinned, Use::Trial, Use::Open, Use::Stopped, Use::Disabled];
        let names: Vec<String> = (0..of.len()).map(|i| format!("p{i}")).collect();
        let doors: Vec<Door<'_>> = of.iter().zip(&names).map(|((w, u), n)| door(n, *w, uses[usize::from(*u)])).collect();
        let failed: Vec<String> = names.iter().enumerate().filter(|(i, _)| failed & (1 << i) != 0).map(|(_, n)| n.clone()).collect();
        let got = order(seed, &doors, &failed);
        let mut all: Vec<usize> = got.iter().map(|(i, _)| *i).collect();
        all.sort_unstable();
        let want: Vec<usize> = (0..doors.len()).filter(|i| doors[*i].used != Use::Disabled).collect();
        prop_assert_eq!(all, want);
        prop_assert!(got.windows(2).all(|w| w[0].1 <= w[1].1), "better ones come first");
    }
}
