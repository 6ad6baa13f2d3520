//! Fuzzing of every parser that reads what strangers send, on stable Rust: real inputs, mutated by a seed, through the parser and, for
//! warnings, on through the planner's reading of areas and back through the writer. A panic, or an input that takes too long, is a
//! finding; it is written to a file with its seed.
//!
//!   cargo run --release --example fuzz -- TARGET [--seconds N | --count N] [--seed N] [--corpus DIR]...
//!   cargo run --release --example fuzz -- bombs
//!   cargo run --release --example fuzz -- slowest
//!
//! `slowest` reads each file of the CAP samples as it is and names the five that took longest; exit code 1 where one takes over 50 ms.
//! TARGET: cap, national, xmldsig, json, adapters, mapping, csv, xlsx, outlines, or all. A corpus is a folder that is walked for seeds; the CAP samples beside the
//! project (JIAOYING_SHARED, else ../shared) are taken where they are.

mod bombs;
mod mutate;
mod slowest;
mod targets;

use mutate::{Rng, mutate};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};
use targets::{TARGETS, Target};

/// The slowest an input may be: far over what an optimised build needs, so that only what grows shows.
const SLOW: Duration = Duration::from_millis(1000);
/// Longest mutated input.
const MOST: usize = 256 * 1024;

struct Options {
    targets: Vec<&'static Target>,
    seconds: u64,
    count: u64,
    seed: u64,
    corpus: Vec<PathBuf>,
}

fn options() -> Result<Options, String> {
    let mut o = Options { targets: Vec::new(), seconds: 10, count: u64::MAX, seed: 1, corpus: Vec::new() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = |what: &str| args.next().and_then(|n| n.parse().ok()).ok_or(format!("{what} needs a number"));
        match arg.as_str() {
            "--seconds" => o.seconds = number("--seconds")?,
            "--count" => (o.count, o.seconds) = (number("--count")?, u64::MAX / 2),
            "--seed" => o.seed = number("--seed")?,
            "--corpus" => o.corpus.push(args.next().ok_or("--corpus needs a folder")?.into()),
            "all" => o.targets.extend(TARGETS),
            name => o.targets.push(TARGETS.iter().find(|t| t.name == name).ok_or(format!("no target `{name}`"))?),
        }
    }
    if o.targets.is_empty() {
        Err(format!("name a target: {}, all, bombs or slowest", TARGETS.each_ref().map(|t| t.name).join(", ")))
    } else {
        Ok(o)
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == "bombs") {
        return if bombs::main(args.get(1).map(String::as_str)) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if args.first().is_some_and(|a| a == "slowest") {
        return if slowest::main() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let options = match options() {
        Ok(o) => o,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    // Every target runs, whatever an earlier one found.
    let clean = options.targets.iter().filter(|t| !fuzz(t, &options)).count() == 0;
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one target; answers whether nothing was found.
#[expect(clippy::disallowed_methods, reason = "a time limit and a measurement; every input is made of its seed alone")]
fn fuzz(target: &Target, options: &Options) -> bool {
    let seeds = (target.seeds)(&options.corpus);
    let mut check = (target.check)();
    let mut findings = 0;
    let (mut n, mut slowest, mut taken) = (0u64, Duration::ZERO, 0u64);
    let (start, end) = (Instant::now(), Duration::from_secs(options.seconds));
    while n < options.count && start.elapsed() < end {
        let mut rng = Rng(options.seed.wrapping_mul(0x0100_0000_01B3) ^ n);
        n += 1;
        let seed = &seeds[rng.below(seeds.len())];
        let other = &seeds[rng.below(seeds.len())];
        // The seeds themselves first, as they are.
        let input = match usize::try_from(n - 1).ok().and_then(|i| seeds.get(i)) {
            Some(whole) => whole.clone(),
            None => mutate(&mut rng, seed, other, MOST),
        };
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| check(&input)));
        let took = began.elapsed();
        slowest = slowest.max(took);
        let what = match result {
            Ok(read) => {
                taken += u64::from(read);
                if took < SLOW {
                    continue;
                }
                format!("slow: {took:?}")
            }
            Err(_) => "a panic, said above".to_string(),
        };
        findings += 1;
        let file = std::env::temp_dir().join(format!("jiaoying-fuzz-{}-{}-{n}", target.name, options.seed));
        let kept = std::fs::write(&file, &input).map_or_else(|e| format!("not kept: {e}"), |()| file.display().to_string());
        println!("{}: finding at input {n} of seed {}: {what}; {kept}", target.name, options.seed);
    }
    println!(
        "{}: {n} inputs from {} seeds in {:.0} s, {taken} read as something, slowest {:.1} ms, {findings} findings",
        target.name,
        seeds.len(),
        start.elapsed().as_secs_f64(),
        slowest.as_secs_f64() * 1000.0
    );
    findings == 0
}
