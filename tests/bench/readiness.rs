//! How long it takes to rehearse a red rainstorm for all Jincheng, and to compute its coverage:
//! `cargo bench --bench readiness`. Bounds: 10,000 persons rehearsed in under 1 s, coverage in under 2 s.

use criterion::{Criterion, criterion_group, criterion_main};
use jiaoying::{
    core::{
        callout::Channels,
        coverage::{CoverageInput, Filings, coverage},
        drill,
        forecast::{Assumptions, Capacity},
        hazard::{HazardCode, Level},
        planner::{Lookup, PlanInput, make_plan},
        policy::{SHIPPED, parse_policy},
        rehearsal::{Prices, RehearsalInput, rehearse},
        time::{Span, Time},
    },
    sample,
};
use std::hint::black_box;

fn benches(c: &mut Criterion) {
    // So that about ten thousand of them are called.
    let directory = sample::directory(12_100, 1);
    let lookup = Lookup::new(&directory);
    let policy = parse_policy(SHIPPED).unwrap_or_else(|f| panic!("{f:?}"));
    let channels = Channels { sms: true, voice: true, email: false };
    let now = Time::parse_rfc3339("2026-07-08T16:15:00+08:00").unwrap();
    let mut content = drill::roll_call_content("bench".into(), lookup.tops().iter().copied().map(drill::whole).collect(), now);
    (content.hazard, content.level) = (HazardCode("11B03".into()), Level::Red);
    let mut group = c.benchmark_group("jincheng");
    group.sample_size(10);
    group.bench_function("rehearse_red_rainstorm_10000", |b| {
        b.iter(|| {
            let plan = make_plan(PlanInput {
                content: &content,
                policy: &policy,
                directory: &directory,
                lookup: &lookup,
                now,
                issuer_divisions: &[],
                drill: false,
                only: None,
            });
            let r = rehearse(&RehearsalInput {
                plan: &plan,
                start: now,
                channels,
                capacity: Capacity { sms_per_second: 300, lines: 100, calls_per_second: 50 },
                assumptions: Assumptions::default(),
                prices: Prices::default(),
                sending_timeout: Span::secs(15),
            });
            assert!(r.persons.len() > 10_000, "{}", r.persons.len());
            black_box(r)
        });
    });
    let filings = Filings::default();
    group.bench_function("coverage_all_hazards_all_levels", |b| {
        b.iter(|| {
            black_box(coverage(&CoverageInput {
                policy: &policy,
                directory: &directory,
                lookup: &lookup,
                channels,
                now,
                filing: None,
                filings: &filings,
                within: None,
                hazard: None,
                level: None,
            }))
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
