//! How long an import takes from the bytes of the file to the directory that would be applied: `cargo bench --bench import`.
//! Bound: a sheet of 20,000 rows in under 3 s.

#[path = "../it/people/ugly_sheets.rs"]
mod ugly_sheets;

use criterion::{Criterion, criterion_group, criterion_main};
use jiaoying::{
    core::directory::Directory,
    ingest::sheet::{Form, ImportOptions, import, workbook},
    sample,
};
use std::hint::black_box;

fn benches(c: &mut Criterion) {
    let empty = Directory { divisions: sample::divisions(), ..Directory::default() };
    let full = sample::directory(sample::PERSONS, 1);
    let options = ImportOptions::default();
    let mut group = c.benchmark_group("import");
    group.sample_size(10);
    for sheet in [ugly_sheets::township(false), ugly_sheets::county(false), ugly_sheets::city(false), ugly_sheets::city(true)] {
        let kind = if sheet.planted.is_empty() { "as it is" } else { "with faults" };
        group.bench_function(format!("{} {kind}", sheet.name), |b| {
            b.iter(|| import(sheet.name, black_box(&sheet.bytes), &empty, &empty.divisions, &options));
        });
    }
    let same = workbook(&full, &Form::ALL, &options.roles, true).expect("it fits");
    group.bench_function(format!("{} persons exported and taken in again", full.recipients.len()), |b| {
        b.iter(|| import("again.xlsx", black_box(&same), &full, &full.divisions, &options));
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
