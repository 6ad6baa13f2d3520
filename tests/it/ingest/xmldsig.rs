//! XML signatures: messages signed by another program (`signed/make.py`), what is changed, wrapped, weak or a stranger's, and
//! real ones of other countries.

use super::{corpus::shared, *};
use jiaoying::ingest::{Pinned, digest, read_proved};
use std::path::{Path, PathBuf};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ingest/signed").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn keys(names: &[&str], required: bool) -> Pinned {
    Pinned::parse(&names.iter().map(|n| file(n)).collect::<Vec<_>>(), required).unwrap()
}
fn all() -> Pinned {
    keys(&["rsa.pem", "p256.pem", "p384.pem"], true)
}

fn proved(body: &[u8], pinned: &Pinned) -> Result<Parsed, Refusal> {
    read_proved(SourceFormat::Xml, None, body, ISSUER, Some(pinned))
}

/// Why a message is not proved.
fn unproven(body: &str, pinned: &Pinned) -> String {
    match proved(body.as_bytes(), pinned) {
        Err(Refusal::Unproven(why)) => why,
        other => panic!("not refused as unproven: {other:?}"),
    }
}

const GOOD: &[&str] = &[
    "exclusive",
    "exclusive-prefixes",
    "inclusive",
    "inclusive-512",
    "inclusive-comments",
    "inclusive-1.1",
    "exclusive-p384",
    "no-transform",
    "national",
];

fn swap(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn what_a_pinned_key_signed_is_read_as_it_would_be_unsigned() {
    for name in GOOD {
        let text = file(&format!("{name}.xml"));
        let read = proved(text.as_bytes(), &all()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read.content, xml(&text).unwrap().content, "{name}");
        assert!(!codes(&read).contains(&"signature_unchecked"), "{name}");
    }
}

#[test]
fn every_change_of_what_was_signed_is_seen() {
    for name in GOOD {
        let text = file(&format!("{name}.xml"));
        for (from, to) in [("140521", "140522"), ("红色", "蓝色"), ("Actual", "Test"), ("scope>Public", "scope> Public")] {
            let outcome = proved(swap(&text, from, to).as_bytes(), &all());
            assert!(matches!(outcome, Err(Refusal::Unproven(ref why)) if why.contains("digest differs")), "{name} {from}: {outcome:?}");
        }
    }
}

#[test]
fn other_bytes_of_the_same_document_are_the_same_document() {
    let text = file("exclusive.xml");
    let other = swap(&text, "雨 &lt; 100 &amp; 风 &gt; 8", "<![CDATA[雨 < 100 & 风 > 8]]>");
    let other = swap(&other, "xs:b=\"2\" xs:a=\"1 &quot;&#9;\"", "xs:a='1 \"&#x9;'  xs:b='2'");
    let other = swap(&other, "<polygon/>", "<polygon ></polygon >");
    let other = swap(&other, "<!-- inside -->", "<!-- another --><!-- word -->");
    assert_eq!(proved(other.replace('\n', "\r\n").as_bytes(), &all()).unwrap().content, xml(&text).unwrap().content);
    // In another encoding too.
    let gbk = encoding_rs::GB18030.encode(&swap(&text, "UTF-8", "GBK")).0.into_owned();
    assert_eq!(digest(&proved(&gbk, &all()).unwrap().content), digest(&xml(&text).unwrap().content));
}

#[test]
fn only_the_pinned_key_counts_whatever_certificate_a_message_brings() {
    assert!(unproven(&file("stranger.xml"), &all()).contains("fits none of the keys pinned"));
    assert!(unproven(&file("exclusive.xml"), &keys(&["p256.pem"], false)).contains("fits none of the keys pinned"));
    assert!(unproven(&file("inclusive-1.1.xml"), &keys(&["rsa.pem", "p384.pem"], false)).contains("fits none of the keys pinned"));
    // A pinned certificate is its key: its dates are over, and the operator named it all the same.
    assert!(proved(file("exclusive.xml").as_bytes(), &keys(&["rsa-certificate.pem"], true)).is_ok());
    let text = file("exclusive.xml");
    let start = text.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
    let (other, first) = (if &text[start..=start] == "A" { "B" } else { "A" }, &text[start..start + 8]);
    assert!(unproven(&swap(&text, first, &format!("{other}{}", &first[1..])), &all()).contains("fits none of the keys pinned"));
    // Broken into lines, as many write it.
    assert!(proved(swap(&text, first, &format!("\n{}\n {}", &first[..3], &first[3..])).as_bytes(), &all()).is_ok());
}

#[test]
fn weak_and_unknown_algorithms_prove_nothing() {
    assert!(unproven(&file("sha1.xml"), &all()).contains("rsa-sha1` is not believed"));
    assert!(unproven(&file("sha1-digest.xml"), &all()).contains("sha1` is not believed"));
    let text = file("exclusive.xml");
    for (from, to, says) in [
        ("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256", "hmac-sha256` is not believed"),
        ("xmldsig-more#rsa-sha256", "xmldsig-more#ecdsa-sha256", "fits none of the keys"),
        ("xmlenc#sha256", "xmlenc#ripemd160", "is not believed"),
        (
            "CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#",
            "CanonicalizationMethod Algorithm=\"urn:own",
            "no canonicalisation",
        ),
        ("xmldsig#enveloped-signature", "xmldsig#base64", "enveloped-signature, followed by"),
        (
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
            "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/>",
            "no canonicalisation",
        ),
        (
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
            "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>0</ds:XPath></ds:Transform>",
            "must be enveloped-signature",
        ),
        ("Reference URI=\"\"", "Reference URI=\"http://example.org/other.xml\"", "only the whole document"),
        ("Reference URI=\"\"", "Reference", "only the whole document"),
        ("</ds:Reference>", "</ds:Reference><ds:Reference URI=\"\"/>", "SignedInfo must hold"),
        ("<ds:SignedInfo>", "<ds:SignedInfo/><ds:SignedInfo>", "one SignedInfo"),
        ("rsa-sha256\"/>", "rsa-sha256\"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>", "parameters"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>%", "not base64"),
    ] {
        let why = unproven(&swap(&text, from, to), &all());
        assert!(why.contains(says), "{to}: {why}");
    }
    let long = "x".repeat(20_000);
    assert!(unproven(&swap(&text, "Reference URI=\"\"", &format!("Reference URI=\"{long}\"")), &all()).contains("at most 16384"));
}

#[test]
fn a_signed_message_inside_another_proves_nothing_of_the_other() {
    let signed = file("exclusive.xml");
    let alert = &signed[signed.find("<alert").unwrap()..];
    let evil = swap(&swap(alert, "140521", "140522"), "SIGNED-1", "EVIL");
    let cut = |text: &str| text[..text.find("<ds:Signature ").unwrap()].to_string();
    let signature = alert[alert.find("<ds:Signature ").unwrap()..].strip_suffix("</alert>").unwrap();
    let bare = cut(&evil);
    for (name, body) in [
        (
            "the original inside the signature",
            format!("{bare}{}</alert>", swap(signature, "</ds:Signature>", &format!("<ds:Object>{alert}</ds:Object></ds:Signature>"))),
        ),
        ("the original beside the signature", format!("{bare}{alert}{signature}</alert>")),
        (
            "the original as the first child",
            format!(
                "{}{alert}{}{signature}</alert>",
                &bare[..bare.find("<identifier>").unwrap()],
                &bare[bare.find("<identifier>").unwrap()..]
            ),
        ),
        ("the signature deep inside", format!("{bare}<info>{signature}</info></alert>")),
        ("the original in a stranger's element", format!("{bare}<x:keep xmlns:x='urn:x'>{alert}</x:keep></alert>")),
        ("two signatures, one of them old", format!("{bare}{signature}{signature}</alert>")),
        ("more signatures than are tried", format!("{bare}{}</alert>", signature.repeat(5))),
    ] {
        let outcome = proved(body.as_bytes(), &all());
        assert!(matches!(outcome, Err(Refusal::Unproven(_))), "{name}: {outcome:?}");
    }
    // A field inside the signature is never read: it is not part of what was signed.
    let object =
        "<ds:Object><info xmlns='urn:oasis:names:tc:emergency:cap:1.2'><severity>Minor</severity></info></ds:Object></ds:Signature>";
    let read = proved(swap(&signed, "</ds:Signature>", object).as_bytes(), &all()).unwrap();
    assert_eq!(read.content, xml(&signed).unwrap().content);
}

#[test]
fn a_part_that_was_signed_by_its_id_does_not_speak_for_the_whole() {
    assert!(unproven(&file("by-id.xml"), &all()).contains("reference is `#part`"));
}

#[test]
fn no_signature_is_refused_where_one_is_required_and_a_finding_where_it_is_not() {
    let text = file("exclusive.xml");
    let start = text.find("<ds:Signature ").unwrap();
    let bare = format!("{}</alert>", &text[..start]);
    assert!(unproven(&bare, &all()).contains("must bear an XML signature"));
    let optional = keys(&["rsa.pem"], false);
    let read = proved(bare.as_bytes(), &optional).unwrap();
    assert!(codes(&read).contains(&"unsigned"), "{:?}", read.findings);
    let json = br#"{"identifier":"J","sent":"2024-07-08T18:00:00+08:00","status":"actual","message_type":"cancel","references":["A1"]}"#;
    let of = |pinned: &Pinned| read_proved(SourceFormat::Json, None, json, ISSUER, Some(pinned));
    assert!(matches!(of(&all()), Err(Refusal::Unproven(_))));
    assert!(of(&optional).is_ok());
    // Nobody's key is pinned: taken, and said.
    assert!(codes(&xml(&text).unwrap()).contains(&"signature_unchecked"));
}

#[test]
fn keys_that_cannot_be_pinned_are_told_by_their_number() {
    let of = |texts: &[String]| Pinned::parse(texts, false).unwrap_err();
    assert!(of(&[]).contains("1 to 8"));
    assert!(of(&[file("rsa.pem"), "nothing".into()]).starts_with("key 2: holds neither"));
    assert!(of(&[file("rsa-1024.pem")]).starts_with("key 1: is neither RSA of 2048"));
    assert!(of(&[file("rsa.pem").replace("MII", "AAA")]).starts_with("key 1: is neither"));
    assert!(of(&[file("rsa-certificate.pem").replace("MIIC", "AAAA")]).contains("certificate cannot be read"));
    assert!(of(&vec![file("rsa.pem"); 9]).contains("1 to 8"));
}

/// The certificate a message brings: pinned here as an operator would who was given it.
fn brought(text: &str) -> Vec<String> {
    let parts = text.split("X509Certificate>").skip(1).step_by(2);
    parts.map(|p| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", p.split('<').next().unwrap().trim())).collect()
}

#[test]
fn real_signatures_of_other_countries_are_right_by_their_own_keys_and_wrong_when_a_byte_is_changed() {
    let Some(dir) = shared("cap-samples") else { return };
    let all = std::fs::read_dir(dir.join("willglynn+oasiscap/fixtures")).unwrap().map(|f| f.unwrap().path());
    let files: Vec<PathBuf> = all.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("ipaws-")).collect();
    assert_eq!(files.len(), 4);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let pinned = Pinned::parse(&brought(&text), true).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let read = proved(text.as_bytes(), &pinned).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(read.content, xml(&text).unwrap().content, "{}", path.display());
        assert!(proved(swap(&text, "<status>Actual", "<status>Test").as_bytes(), &pinned).is_err(), "{}", path.display());
    }
}
