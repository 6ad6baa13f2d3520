//! What is fuzzed, from which seeds, and what must hold of an input that was read. One entry a parser: a new
//! one is a new entry.

use jiaoying::{
    core::{
        directory::Directory,
        outline::Outlines,
        outline_file::parse_outlines,
        planner::{Lookup, resolve},
        warning::MessageType,
    },
    ingest::{Pinned, SourceFormat, adapt, digest, read, read_proved, sheet, write_cap},
    sample,
};
use std::{
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Answers whether the input was read as something; panics where something does not hold.
pub type Check = Box<dyn FnMut(&[u8]) -> bool>;

pub struct Target {
    pub name: &'static str,
    pub seeds: fn(&[PathBuf]) -> Vec<Vec<u8>>,
    pub check: fn() -> Check,
}

pub const TARGETS: &[Target; 10] = &[
    Target { name: "cap", seeds: |dirs| cap_seeds(dirs), check: || warning(SourceFormat::Xml) },
    Target { name: "national", seeds: |dirs| with_files(vec![NATIONAL.into()], dirs, &["xml"]), check: || warning(SourceFormat::Xml) },
    Target { name: "xmldsig", seeds: |dirs| with_files(signed_seeds(), dirs, &["xml"]), check: signed },
    Target { name: "json", seeds: |dirs| with_files(vec![JSON.into()], dirs, &["json"]), check: || warning(SourceFormat::Json) },
    Target { name: "adapters", seeds: |dirs| body_seeds(dirs), check: bodies },
    Target { name: "mapping", seeds: |dirs| with_files(mapping_seeds(), dirs, &["toml"]), check: mapping },
    Target { name: "csv", seeds: |dirs| with_files(vec![people_csv().into()], dirs, &["csv"]), check: || people("people.csv") },
    Target { name: "xlsx", seeds: |dirs| with_files(vec![people_xlsx()], dirs, &["xlsx"]), check: || people("people.xlsx") },
    Target { name: "xlsx-parts", seeds: |_| vec![part(&people_xlsx(), SHEET), part(&people_xlsx(), STRINGS)], check: people_parts },
    Target { name: "outlines", seeds: |dirs| with_files(vec![OUTLINE.into()], dirs, &["geojson"]), check: outlines },
];

const CAP: &str = "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'><identifier>A1</identifier><sender>met@example.org</sender><sent>2024-07-08T16:15:00+08:00</sent>\
<status>Actual</status><msgType>Update</msgType><scope>Public</scope><references>s,A0,2024-07-08T10:15:00+08:00</references><info><language>zh-CN</language><category>Met</category>\
<event>暴雨</event><urgency>Expected</urgency><severity>Extreme</severity><certainty>Likely</certainty><eventCode><valueName>x</valueName><value>11B03</value></eventCode>\
<expires>2024-07-09T16:15:00+08:00</expires><headline>沁水县气象台继续发布暴雨红色预警[I级/特别重大]</headline><description>龙港镇、中村镇有大暴雨。</description>\
<parameter><valueName>level</valueName><value>red</value></parameter><area><areaDesc>沁水县龙港镇</areaDesc><polygon>35.6,112.1 35.6,112.3 35.8,112.3 35.6,112.1</polygon>\
<circle>35.7,112.2 5</circle><geocode><valueName>x</valueName><value>140521，140522101, 140581101000</value></geocode></area></info></alert>";
const NATIONAL: &str = "<alert xmlns='http://com.icss.amp'><identifier>14050041600000_20240708161500_1</identifier><sender>晋城市气象局</sender><senderCode>14050041600000</senderCode>\
<sendTime>2024-07-08 16:15:00+08:00</sendTime><status>Actual</status><msgType>Cancle</msgType><scope>Public</scope><code><method><methodName>SMS</methodName><message>短信</message></method></code>\
<secClassification>Inner</secClassification><references>14050041600000_20240708090000</references><info><eventType>11B03</eventType><severity>Red</severity>\
<effective>2024-07-08 16:15:00+08:00</effective><senderName>某人</senderName><headline>晋城市气象局解除暴雨红色预警[I级/特别重大]</headline><description>大雨</description>\
<area><areaDesc>沁水县，阳城县</areaDesc><geocode>140521000000，140522000000</geocode><polygon>35.6,112.1 35.6,112.3 35.8,112.3</polygon><circle>35.7,112.2 5000</circle></area></info></alert>";
const JSON: &str = r#"{"identifier":"14050041600000_20240708161500_1","sent":"2024-07-08T16:15:00+08:00","status":"actual","message_type":"alert","references":["A0"],"hazard":"11B03","level":"red",
"headline":"暴雨红色预警","description":"x","instruction":"y","effective":"2024-07-08T16:15:00+08:00","onset":"2024-07-08T17:15:00+08:00","expires":"2024-07-09T16:15:00+08:00",
"areas":[{"name":"沁水县","division":"140521000000"},{"polygon":[[112.1,35.6],[112.3,35.6],[112.3,35.8],[112.1,35.6]]},{"circle":{"center":[112.2,35.7],"radius_km":5}},
{"point":"DZ-140521-0032","level":"orange"}],"event":"e","stage":"T-2h","sender_name":"台","parameters":{"a":"b","n":1.5}}"#;
const OUTLINE: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"division":"140521"},"geometry":{"type":"MultiPolygon","coordinates":
[[[[112.0,35.4],[112.6,35.4],[112.6,36.0],[112.0,36.0],[112.0,35.4]],[[112.2,35.6],[112.3,35.6],[112.3,35.7],[112.2,35.6]]]]}},
{"type":"Feature","properties":{"adcode":140522},"geometry":{"type":"Polygon","coordinates":[[[112.1,35.2],[112.6,35.2],[112.6,35.4],[112.1,35.2]]]}}]}"#;

const SHEET: &str = "xl/worksheets/sheet1.xml";
const STRINGS: &str = "xl/sharedStrings.xml";

fn shared(path: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = || [manifest.join("../shared"), manifest.join("../../shared")].into_iter().find(|p| p.exists());
    std::env::var_os("JIAOYING_SHARED").map(PathBuf::from).or_else(beside).unwrap_or_default().join("data").join(path)
}

fn walk(dir: &Path, endings: &[&str], out: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, endings, out);
        } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| endings.contains(&e))
            && let Ok(bytes) = std::fs::read(&path)
            && bytes.len() < 64 * 1024
        {
            out.push(bytes);
        }
    }
}

fn with_files(mut seeds: Vec<Vec<u8>>, dirs: &[PathBuf], endings: &[&str]) -> Vec<Vec<u8>> {
    dirs.iter().for_each(|d| walk(d, endings, &mut seeds));
    seeds
}

/// Every CAP sample with its name, of any size.
pub fn cap_files() -> Vec<(String, Vec<u8>)> {
    fn all(dir: &Path, out: &mut Vec<(String, Vec<u8>)>) {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                all(&path, out);
            } else if path.extension().is_some_and(|e| e == "xml" || e == "cap")
                && let Ok(bytes) = std::fs::read(&path)
            {
                out.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes));
            }
        }
    }
    let mut out = Vec::new();
    all(&shared("cap-samples"), &mut out);
    out
}

fn cap_seeds(dirs: &[PathBuf]) -> Vec<Vec<u8>> {
    let mut seeds = vec![CAP.into()];
    walk(&shared("cap-samples"), &["xml", "cap", "txt"], &mut seeds);
    with_files(seeds, dirs, &["xml", "cap"])
}

/// Read, written and read again, and its areas resolved over a real directory.
fn warning(format: SourceFormat) -> Check {
    let directory = sample::directory(500, 1);
    let outlines: Vec<_> = std::fs::read_dir(shared("jincheng-geo"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| parse_outlines(e.path().file_stem()?.to_str()?, &std::fs::read_to_string(e.path()).ok()?).ok())
        .flatten()
        .collect();
    let lookup = Lookup::new(&directory).with_outlines(Arc::new(Outlines::new(outlines)));
    Box::new(move |body| {
        let Ok(parsed) = read(format, None, body, "fuzz") else { return false };
        let c = parsed.content;
        let _ = resolve(&c, &directory, &lookup, &[]);
        let text = write_cap(&c);
        let again = read(SourceFormat::Xml, None, text.as_bytes(), "fuzz").unwrap_or_else(|e| panic!("written and refused: {e}\n{text}"));
        assert_eq!((&again.content.identifier, again.content.message_type), (&c.identifier, c.message_type), "\n{text}");
        // Once through the writer everything is in its normal form, and must stay the same.
        let third = read(SourceFormat::Xml, None, write_cap(&again.content).as_bytes(), "fuzz").expect("it was read before").content;
        assert_eq!(digest(&third), digest(&again.content), "\n{again:#?}\n{third:#?}");
        true
    })
}

/// Messages that another program signed, and the keys they fit.
const SIGNED: &[&str] = &[
    include_str!("../../tests/it/ingest/signed/exclusive.xml"),
    include_str!("../../tests/it/ingest/signed/exclusive-prefixes.xml"),
    include_str!("../../tests/it/ingest/signed/exclusive-p384.xml"),
    include_str!("../../tests/it/ingest/signed/inclusive.xml"),
    include_str!("../../tests/it/ingest/signed/inclusive-512.xml"),
    include_str!("../../tests/it/ingest/signed/inclusive-1.1.xml"),
    include_str!("../../tests/it/ingest/signed/inclusive-comments.xml"),
    include_str!("../../tests/it/ingest/signed/no-transform.xml"),
    include_str!("../../tests/it/ingest/signed/national.xml"),
];

/// The keys of [`SIGNED`].
pub fn pinned(required: bool) -> Pinned {
    let keys = [
        include_str!("../../tests/it/ingest/signed/rsa.pem"),
        include_str!("../../tests/it/ingest/signed/p256.pem"),
        include_str!("../../tests/it/ingest/signed/p384.pem"),
    ];
    Pinned::parse(&keys, required).expect("our own keys")
}

/// The proved ones, a stranger's, weak ones, and real ones of other countries.
fn signed_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = SIGNED.iter().map(|s| s.as_bytes().to_vec()).collect();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ingest/signed"), &["xml"], &mut seeds);
    let real = cap_files().into_iter().filter(|(_, body)| body.windows(8).any(|w| w == b"xmldsig#") && body.len() < 64 * 1024);
    seeds.extend(real.map(|(_, body)| body));
    seeds
}

/// Whatever is done to a signed message: it is refused, or it says what was signed.
fn signed() -> Check {
    let keys = pinned(true);
    let of = move |body: &[u8]| read_proved(SourceFormat::Xml, None, body, "fuzz", Some(&keys));
    let whole: Vec<String> = SIGNED.iter().map(|s| digest(&of(s.as_bytes()).expect("signed by these keys").content)).collect();
    Box::new(move |body| {
        let Ok(parsed) = of(body) else { return false };
        assert!(whole.contains(&digest(&parsed.content)), "taken as proved, and nobody signed it: {:#?}", parsed.content);
        true
    })
}

fn body_seeds(dirs: &[PathBuf]) -> Vec<Vec<u8>> {
    let endings = ["json", "xml", "js"];
    let mut seeds = vec![JSON.into(), NATIONAL.into()];
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ingest/adapters"), &endings, &mut seeds);
    walk(&shared("cn-alarm-samples"), &endings, &mut seeds);
    with_files(seeds, dirs, &endings)
}

fn mapping_seeds() -> Vec<Vec<u8>> {
    adapt::SHIPPED.iter().map(|(_, text)| text.as_bytes().to_vec()).collect()
}

/// A body through every shipped mapping; what is taken can be written and read again.
fn bodies() -> Check {
    let shipped: Vec<_> = adapt::SHIPPED.iter().map(|(name, text)| adapt::parse(name, text).expect("a shipped mapping")).collect();
    Box::new(move |body| {
        let items = shipped.iter().filter_map(|m| adapt::read(m, None, body, "fuzz").ok()).flat_map(|a| a.items);
        let mut taken = false;
        for item in items {
            if let adapt::Came::Taken(parsed) = item.came {
                taken = true;
                // An end that only the headline tells names nobody; CAP has no form for that.
                if parsed.content.message_type == MessageType::Cancel && parsed.content.references.is_empty() {
                    continue;
                }
                let text = write_cap(&parsed.content);
                read(SourceFormat::Xml, None, text.as_bytes(), "fuzz")
                    .unwrap_or_else(|e| panic!("adapted, written and refused: {e}\n{text}"));
            }
        }
        taken
    })
}

/// A mapping file; one that is taken reads every body of the samples.
fn mapping() -> Check {
    let bodies = body_seeds(&[]);
    Box::new(move |text| match adapt::parse("fuzz", &String::from_utf8_lossy(text)) {
        Ok(m) => {
            for body in &bodies {
                let _ = adapt::read(&m, None, body, "fuzz");
            }
            true
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a word");
            false
        }
    })
}

fn people(name: &'static str) -> Check {
    let divisions = sample::divisions();
    let current = Directory { divisions: divisions.clone(), ..Directory::default() };
    Box::new(move |bytes| {
        let result = sheet::import(name, bytes, &current, &divisions, &sheet::ImportOptions::default());
        result.directory.is_some()
    })
}

fn outlines() -> Check {
    Box::new(|bytes| parse_outlines("140521", &String::from_utf8_lossy(bytes)).is_ok())
}

fn people_csv() -> String {
    let whole = sheet::sheet_csv(&sample::directory(500, 1));
    whole.lines().take(20).collect::<Vec<_>>().join("\n")
}

fn people_xlsx() -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (r, line) in people_csv().lines().enumerate() {
        for (c, cell) in line.split(',').enumerate() {
            sheet.write(r as u32, c as u16, cell.trim_matches('"')).expect("a small sheet");
        }
    }
    book.save_to_buffer().expect("a small book")
}

/// One part of a book, unpacked.
fn part(book: &[u8], name: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(book)).expect("our own book");
    let mut out = Vec::new();
    zip.by_name(name).expect("a part of it").read_to_end(&mut out).expect("whole");
    out
}

/// Books whose sheet or strings are the input: so that mutations reach what lies behind the checksums.
fn people_parts() -> Check {
    let mut from = zip::ZipArchive::new(Cursor::new(people_xlsx())).expect("our own book");
    let names: Vec<String> = from.file_names().filter_map(|n| Some(n.ok()?.into_owned())).collect();
    let parts: Vec<(String, Vec<u8>)> = names
        .into_iter()
        .map(|name| {
            let mut whole = Vec::new();
            from.by_name(&name).expect("a part of it").read_to_end(&mut whole).expect("whole");
            (name, whole)
        })
        .collect();
    let mut check = people("people.xlsx");
    Box::new(move |input| {
        let changed = if input.windows(4).any(|w| w == b"<sst") { STRINGS } else { SHEET };
        let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, whole) in &parts {
            to.start_file(name, stored).expect("in memory");
            to.write_all(if name == changed { input } else { whole }).expect("in memory");
        }
        check(&to.finish().expect("in memory").into_inner())
    })
}
