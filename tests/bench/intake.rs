//! How long it takes to read and validate a warning, and where it applies: `cargo bench --bench intake`.
//! Bound: a CAP message of 10 kB in under 1 ms.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiaoying::{
    core::planner::{Lookup, resolve},
    ingest::{SourceFormat, digest, read},
    sample,
};
use std::hint::black_box;

/// A message of about 10 kB as they come: two languages, codes, a polygon of two hundred corners.
fn cap() -> String {
    let ring: String = (0..200)
        .map(|n| {
            let angle = f64::from(n) / 199.0 * std::f64::consts::TAU;
            format!("{:.4},{:.4} ", 35.7 + 0.2 * angle.sin(), 112.2 + 0.2 * angle.cos())
        })
        .collect();
    let codes: String = ["140521", "140522", "140524000000", "140581101000"]
        .map(|c| format!("<geocode><valueName>GB/T 2260</valueName><value>{c}</value></geocode>"))
        .concat();
    let text = "未来3小时，沁水县龙港镇、中村镇等地降雨量将达100毫米以上，山洪、地质灾害气象风险高，请注意防范。".repeat(8);
    let info = |language: &str, headline: &str| {
        format!(
            "<info><language>{language}</language><category>Met</category><event>暴雨</event><urgency>Immediate</urgency><severity>Extreme</severity>\
             <certainty>Observed</certainty><eventCode><valueName>x</valueName><value>11B03</value></eventCode><expires>2024-07-09T16:15:00+08:00</expires>\
             <headline>{headline}</headline><description>{text}</description><area><areaDesc>沁水县等地</areaDesc><polygon>{ring}</polygon>{codes}</area></info>"
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"><identifier>14050041600000_20240708161500</identifier>\
         <sender>met@example.org</sender><sent>2024-07-08T16:15:00+08:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>{}{}</alert>",
        info("zh-CN", "晋城市气象台发布暴雨红色预警[I级/特别重大]"),
        info("en-US", "Rainstorm red warning")
    )
}

fn benches(c: &mut Criterion) {
    let body = cap();
    let mut group = c.benchmark_group("intake");
    group.throughput(Throughput::Bytes(body.len() as u64));
    let parse = || read(SourceFormat::Xml, None, black_box(body.as_bytes()), "bench").expect("it is valid");
    group.bench_function(format!("cap of {} bytes", body.len()), |b| b.iter(|| digest(&parse().content)));
    let directory = sample::directory(10_000, 1);
    let lookup = Lookup::new(&directory);
    let content = parse().content;
    group.bench_function("its areas among 10,000 people", |b| b.iter(|| resolve(black_box(&content), &directory, &lookup, &[])));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
