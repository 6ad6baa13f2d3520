//! The simulation: the real engine on the memory store, under a clock that is moved by hand, with scripted
//! providers, people, bureaus, officers and accidents. A seed is a night, the same night every time; after
//! every step each law of the design is checked (`laws`), and a planted bug of each kind is caught (`bugs`).
//!
//! `JIAOYING_SEEDS=10000` plays so many nights; `JIAOYING_SEED=17` plays just that one,
//! and with `JIAOYING_ALOUD=1` tells every step of it.

mod acts;
mod bugs;
mod carrier;
mod fates;
mod laws;
pub mod people;
mod play;
pub mod poll;
pub mod rng;
pub mod scenes;
mod spy;
pub mod town;
pub mod world;

use bugs::Bug;
use play::{Counts, Night, play};
use std::{
    ops::Range,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Nights played when nobody says how many: a minute unoptimised. `tests/run` plays thousands, optimised.
const NIGHTS: u64 = 100;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

fn threads() -> usize {
    let asked = number("JIAOYING_THREADS").and_then(|n| usize::try_from(n).ok());
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

/// The nights of these seeds, on every core, in the order of the seeds; a few that break a law are enough.
fn played(seeds: Range<u64>) -> Vec<(u64, Night)> {
    let next = AtomicU64::new(seeds.start);
    let broken = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        while broken.load(Ordering::Relaxed) < 5 {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let night = play(seed, None);
            broken.fetch_add(usize::from(night.broken.is_some()), Ordering::Relaxed);
            mine.push((seed, Night { trace: String::new(), ..night }));
        }
        mine
    };
    let mut all: Vec<(u64, Night)> = std::thread::scope(|s| {
        let workers: Vec<_> = (0..threads()).map(|_| s.spawn(work)).collect();
        workers.into_iter().flat_map(|w| w.join().unwrap_or_else(|why| std::panic::resume_unwind(why))).collect()
    });
    all.sort_by_key(|(seed, _)| *seed);
    all
}

#[test]
fn every_law_holds_in_every_night() {
    let seeds = match number("JIAOYING_SEED") {
        Some(one) => one..one + 1,
        None => 1..number("JIAOYING_SEEDS").unwrap_or(NIGHTS) + 1,
    };
    let (mut all, mut broken, mut nights) = (Counts::default(), Vec::new(), 0_u64);
    for (seed, night) in played(seeds) {
        nights += 1;
        all.steps += night.counts.steps;
        all.requests += night.counts.requests;
        all.answered += night.counts.answered;
        all.crashes += night.counts.crashes;
        all.conflicts += night.counts.conflicts;
        if let Some(b) = night.broken {
            let what: String = b.what.chars().take(3_000).collect();
            broken.push(format!(
                "seed {seed} breaks {:?}: {what}\n  again: JIAOYING_SEED={seed} cargo test --test it every_law_holds",
                b.law
            ));
        }
    }
    println!("{nights} nights on {} threads: {all:?}", threads());
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    assert!(all.requests > 0 && all.answered > 0, "nights without calls prove nothing: {all:?}");
}

#[test]
fn the_same_seed_is_the_same_night() {
    for seed in 1..4 {
        let (a, b) = (play(seed, None), play(seed, None));
        let differs = a.trace.lines().zip(b.trace.lines()).position(|(x, y)| x != y);
        assert_eq!(differs, None, "seed {seed}: its second night differs from line {differs:?} on");
        assert!(a.trace == b.trace && !a.trace.is_empty(), "seed {seed}: one night is longer");
        assert_eq!(a.counts, b.counts, "seed {seed}");
    }
    assert_ne!(play(1, None).trace, play(2, None).trace);
}

/// Each planted bug is caught, by the checker meant for it, within so many nights.
#[test]
fn a_planted_bug_of_each_kind_is_caught_by_its_law() {
    let mut missed = Vec::new();
    for (bug, law) in Bug::ALL {
        let caught = (1..=300).find(|seed| play(*seed, Some((bug, law))).broken.is_some());
        match caught {
            Some(seed) => println!("{bug:?}: caught by {law:?} in night {seed}"),
            None => missed.push((bug, law)),
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
