//! Bodies made to cost much: each must be refused clearly, in under 50 ms and 64 MiB. Time is taken here; memory is the peak of a
//! process of its own for each bomb, as Linux counts it.

use crate::targets::pinned;
use jiaoying::ingest::{MAX_BODY, SourceFormat, read_proved};
use std::time::Instant;

type Make = fn() -> Vec<u8>;

/// A signed message whose signature is right over another content: the costliest way to be refused.
fn signed_with(what: &str, root: &str) -> Vec<u8> {
    let text = include_str!("../../tests/it/ingest/signed/exclusive.xml");
    let text = text.replacen("<alert ", &format!("<alert {root} "), 1).replacen("<status>", &format!("{what}<status>"), 1);
    assert!(text.len() <= MAX_BODY, "{}", text.len());
    text.into_bytes()
}

const HEAD: &str = "<identifier>A</identifier><sent>2024-07-08T16:15:00+08:00</sent><status>Actual</status><msgType>Alert</msgType>";

/// Name, format, body.
const BOMBS: &[(&str, SourceFormat, Make)] = &[
    ("nothing, for comparison", SourceFormat::Xml, || b"<x/>".to_vec()),
    ("XXE", SourceFormat::Xml, || b"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><alert>&x;</alert>".to_vec()),
    ("a billion laughs", SourceFormat::Xml, || {
        let entities: String = (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
        format!("<!DOCTYPE a [<!ENTITY l0 \"lol\">{entities}]><alert>&l9;</alert>").into_bytes()
    }),
    ("an entity nobody declared", SourceFormat::Xml, || format!("<alert>{}</alert>", "&x;".repeat(1_000_000)).into_bytes()),
    ("a nest 1,000,000 deep", SourceFormat::Xml, || "<a>".repeat(1_000_000).into_bytes()),
    ("4,000 nested namespaces", SourceFormat::Xml, || {
        (0..4000).map(|n| format!("<a xmlns:p{n}='urn:{n}'>")).collect::<String>().into_bytes()
    }),
    ("namespaces of 4 MiB on one element", SourceFormat::Xml, || {
        let all: String = (0..150_000).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect();
        format!("<a{all}/>").into_bytes()
    }),
    ("attributes of 4 MiB on one element", SourceFormat::Xml, || {
        let all: String = (0..350_000).map(|n| format!(" a{n}=''")).collect();
        format!("<a{all}/>").into_bytes()
    }),
    ("a signed message with 4 MiB of another text", SourceFormat::Xml, || {
        signed_with(&format!("<note>{}</note>", ">".repeat(MAX_BODY - 4_000)), "")
    }),
    ("a signed message with 19,900 more elements under 24 namespaces", SourceFormat::Xml, || {
        let root: String = (0..24).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect();
        signed_with(&"<x xmlns='' a='1' b='2' c='3'/>".repeat(19_900), &root)
    }),
    ("a signed message with half a million comments", SourceFormat::Xml, || signed_with(&"<!---->".repeat(590_000), "")),
    ("a signed message with 800,000 instructions", SourceFormat::Xml, || signed_with(&"<?a?>".repeat(830_000), "")),
    ("a signed message with 19,000 comments, instructions and sections", SourceFormat::Xml, || {
        signed_with(&"<!----><?a?><![CDATA[>]]>".repeat(6_300), "")
    }),
    ("a million elements", SourceFormat::Xml, || format!("<alert>{}</alert>", "<a/>".repeat(1_000_000)).into_bytes()),
    ("over 4 MiB", SourceFormat::Xml, || vec![b'<'; MAX_BODY + 1]),
    ("over 4 MiB of JSON", SourceFormat::Json, || vec![b'['; MAX_BODY + 1]),
    ("4 MiB of opened lists", SourceFormat::Json, || vec![b'['; MAX_BODY]),
    ("4 MiB of one digit", SourceFormat::Json, || vec![b'9'; MAX_BODY]),
    ("4 MiB of geocodes", SourceFormat::Xml, || {
        let all: String = (0..320_000).map(|n| format!("14{n:010},")).collect();
        format!("<alert>{HEAD}<info><area><geocode><valueName>x</valueName><value>{all}</value></geocode></area></info></alert>")
            .into_bytes()
    }),
];

/// Runs one bomb; `None` where there is no such name.
#[expect(clippy::disallowed_methods, reason = "a measurement; nothing is decided by it")]
fn run(name: &str) -> Option<(f64, String)> {
    let (_, format, make) = BOMBS.iter().find(|(n, ..)| *n == name)?;
    let (body, keys) = (make(), pinned(false));
    let start = Instant::now();
    // Through pinned keys: what bears a signature is made canonical too.
    let result = read_proved(*format, None, &body, "fuzz", Some(&keys));
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    Some((ms, result.map_or_else(|e| format!("refused: {e}"), |p| format!("READ: {}", p.content.identifier))))
}

/// The peak of this process in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// `bombs` runs each in a process of its own; `bombs NAME` is such a process. Answers whether all held.
pub fn main(name: Option<&str>) -> bool {
    if let Some(name) = name {
        let Some((ms, what)) = run(name) else { return false };
        println!("{ms:.1}\t{}\t{}", peak(), what.chars().take(90).collect::<String>());
        return true;
    }
    let mut held = true;
    println!("{:>8} {:>9}  bomb: answer", "ms", "MiB");
    for (name, ..) in BOMBS {
        let program = std::env::current_exe().expect("this program has a name");
        let out = std::process::Command::new(program).args(["bombs", name]).output().expect("it can be started again");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let columns: Vec<&str> = text.trim_end().splitn(3, '\t').collect();
        let [ms, kib, what] = columns.as_slice() else {
            println!("{name}: it broke: {}", String::from_utf8_lossy(&out.stderr));
            held = false;
            continue;
        };
        let (ms, mib) = (ms.parse().unwrap_or(f64::MAX), kib.parse().unwrap_or(f64::MAX) / 1024.0);
        let fine = ms < 50.0 && mib < 64.0 && what.starts_with("refused");
        held &= fine;
        println!("{ms:8.1} {mib:9.1}  {name}: {what}{}", if fine { "" } else { "  <-- FAIL" });
    }
    held
}
