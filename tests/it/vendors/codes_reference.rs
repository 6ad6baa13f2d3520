//! No code that the reference names for a provider is missing from its table, and each is of the class the reference
//! puts it in. Skipped, and said so, where the reference is not beside this checkout.

use super::{
    code_lists::{self, Codes},
    codes::class_of,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

pub(super) fn reference() -> Option<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let candidates = match std::env::var_os("JIAOYING_SHARED") {
        Some(dir) => vec![PathBuf::from(dir)],
        None => vec![manifest.join("../shared"), manifest.join("../../shared")],
    };
    let found = candidates.into_iter().find_map(|d| std::fs::read_to_string(d.join("reference/providers.md")).ok());
    if found.is_none() {
        println!("skipped: the reference is not beside this checkout");
    }
    found
}

/// The text after `from` up to `to`.
pub(super) fn section<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = after(text, from);
    rest.split_once(to).unwrap_or_else(|| panic!("the reference has no {to}")).0
}
pub(super) fn after<'a>(text: &'a str, from: &str) -> &'a str {
    text.split_once(from).unwrap_or_else(|| panic!("the reference has no {from}")).1
}

/// `Family.{A, B…}` as `Family.A`, `Family.B`; other names as they stand.
fn names(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(".{") {
        let family = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let (inside, tail) = after.split_once('}').unwrap();
        out.extend(plain(before.trim_end_matches(family)));
        for one in inside.split(',') {
            let name: String = one.trim().chars().take_while(char::is_ascii_alphanumeric).collect();
            out.push(format!("{family}.{name}"));
        }
        rest = tail;
    }
    out.extend(plain(rest));
    out
}
fn plain(text: &str) -> Vec<String> {
    let is_code = |w: &&str| {
        let dotted = w.split_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        let known = matches!(
            *w,
            "ServiceUnavailable"
                | "InternalError"
                | "Throttling"
                | "SignatureDoesNotMatch"
                | "InvalidVersion"
                | "SignatureNonceUsed"
                | "ComplaintReject"
                | "RequestLimitExceeded"
        );
        known || (dotted && w.chars().next().is_some_and(char::is_alphabetic))
    };
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
        .map(|w| w.trim_end_matches('.'))
        .filter(is_code)
        .map(str::to_string)
        .collect()
}

/// The class names of the reference and ours.
const CLASSES: [(&str, &str); 9] = [
    ("retryable", "retryable"),
    ("throttled", "throttled"),
    ("permanent number", "permanent_number"),
    ("permanent content", "permanent_content"),
    ("number", "permanent_number"),
    ("content", "permanent_content"),
    ("config", "config"),
    ("balance", "balance"),
    ("unknown", "unknown"),
];

/// Where we differ from the reference's heading on purpose, and why.
const ON_PURPOSE: &[(&str, &str, &str, &str)] = &[
    ("aliyun_sms", "isv.DAY_LIMIT_CONTROL", "config", "a cap of one's own: waiting does not help, an operator must raise it"),
    ("aliyun_sms", "isv.MONTH_LIMIT_CONTROL", "config", "the same"),
    ("aliyun_sms", "SignatureNonceUsed", "unknown", "we never use one twice, so a first copy got there (as the reference says)"),
    ("tencent_sms", "InternalError.SendAndRecvFail", "unknown", "the message may have left"),
    ("tencent_sms", "InternalError.Timeout", "unknown", "it may have been sent (as the reference says)"),
    ("tencent_voice", "FailedOperation.AccessUpstreamTimeout", "unknown", "it may have dialled (as the reference says)"),
    ("tencent_voice", "InternalError.AccessUpstreamTimeout", "unknown", "the same"),
    ("tencent_voice", "InternalError.SsoSendRecvFail", "unknown", "the same"),
    ("tencent_voice", "InternalError.UpstreamError", "unknown", "the same"),
];

/// Each code with the class of the clause it stands in. A clause begins with a class's name, after `- ` or `; ` or `Errors: `.
fn classed(text: &str) -> Vec<(String, &'static str)> {
    let mut out = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches("- ").trim_start_matches("Errors: ");
        let mut class = None;
        for clause in line.split(';') {
            let clause = clause.trim();
            if let Some((_, ours)) = CLASSES.iter().find(|(name, _)| clause.strip_prefix(name).is_some_and(|r| r.starts_with([' ', ':']))) {
                class = Some(*ours);
            }
            if let Some(class) = class {
                // What stands in the balance clause of a line of prose ends with its sentence.
                out.extend(names(clause).into_iter().map(|n| (n, class)));
            }
        }
    }
    out
}

fn in_table(codes: &Codes) -> BTreeSet<&'static str> {
    codes.replies.iter().map(|(_, c)| c.split(' ').next().unwrap_or_default()).collect()
}

async fn judge(codes: &Codes, text: &str, least: usize) {
    let table = in_table(codes);
    // Written with its spellings folded together.
    let text = text.replace("isv.PRODUCT_UN(_)SUBSCRI*", "isv.PRODUCT_UN_SUBSCRIPT`, `isv.PRODUCT_UNSUBSCRIBE");
    let named: Vec<(String, &str)> = classed(&text).into_iter().filter(|(n, _)| !n.ends_with('_')).collect();
    let mut seen = BTreeSet::new();
    for (code, class) in &named {
        assert!(table.contains(code.as_str()), "{}: the reference names {code}, and no row of the table does", codes.kind);
        let ours = class_of(codes, code).await;
        let wanted = ON_PURPOSE.iter().find(|(k, c, ..)| *k == codes.kind && c == code).map_or(*class, |(_, _, ours, _)| ours);
        assert_eq!(ours, wanted, "{} {code}: the reference says {class}", codes.kind);
        seen.insert(code.as_str());
    }
    assert!(seen.len() >= least, "{}: only {} codes were found in the reference: {seen:?}", codes.kind, seen.len());
    println!("{}: {} codes of the reference, each in the table and of its class", codes.kind, seen.len());
}

#[tokio::test]
async fn no_code_of_the_reference_is_missing_or_of_another_class() {
    let Some(text) = reference() else { return };
    let aliyun = section(&text, "**Error codes (Code)**", "**Receipt err_code**");
    judge(&code_lists::ALIYUN_SMS, aliyun, 45).await;
    let voice = section(section(&text, "## 3. Aliyun Voice", "## 4. Tencent"), "- Errors: ", "**VoiceReport push**");
    judge(&code_lists::ALIYUN_VOICE, voice, 20).await;
    let tencent = section(&text, "## 5. Tencent SMS", "Limits: default same content");
    judge(&code_lists::TENCENT_SMS, after(tencent, "can be half accepted.\n"), 40).await;
    let voice = section(section(&text, "## 6. Tencent Voice", "## 7. Huawei SMS"), "Errors: ", "Callbacks, one URL");
    judge(&code_lists::TENCENT_VOICE, voice, 14).await;
}

#[test]
fn no_receipt_and_no_number_of_the_reference_is_missing() {
    let Some(text) = reference() else { return };
    let has = |codes: &Codes, code: &str| {
        let found = codes.receipts.iter().any(|r| r.split(' ').any(|w| w == code)) || in_table(codes).contains(code);
        assert!(found, "{}: the reference names {code}, and no row of the table does", codes.kind);
    };
    let quoted = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).filter(|w| w.chars().all(|c| c.is_ascii_uppercase() || c == '_')).map(str::to_string).collect()
    };
    let sms = quoted(section(&text, "**Receipt err_code**", "**SmsReport, HTTP push**"));
    assert!(sms.len() >= 14, "{sms:?}");
    sms.iter().for_each(|code| has(&code_lists::ALIYUN_SMS, code));

    let digits = |text: &str, len: std::ops::RangeInclusive<usize>| -> Vec<String> {
        let runs = text.split(|c: char| !c.is_ascii_digit()).filter(|w| len.contains(&w.len()));
        runs.map(str::to_string).collect()
    };
    let voice = section(&text, "| code | meaning | class |", "Aliyun does not redial");
    let first_column: Vec<String> =
        voice.lines().filter_map(|l| l.strip_prefix("| ")).flat_map(|l| digits(l.split(" | ").next().unwrap_or_default(), 3..=6)).collect();
    assert!(first_column.len() >= 18, "{first_column:?}");
    first_column.iter().for_each(|code| has(&code_lists::ALIYUN_VOICE, code));

    let failures = after(section(&text, "failure_code [doc", "Permanent: 7"), "]: ");
    let failures: Vec<String> = failures.split(',').filter_map(|f| digits(f, 1..=2).into_iter().next()).collect();
    assert!(failures.len() >= 18, "{failures:?}");
    failures.iter().for_each(|code| has(&code_lists::TENCENT_VOICE, code));

    let huawei = section(&text, "Codes: 000000 ok", "### 7.1 Huawei Voice");
    let codes: BTreeSet<&str> = huawei
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| w.len() == 7 && w.starts_with('E') && w[1..].bytes().all(|b| b.is_ascii_digit()))
        .collect();
    assert!(codes.len() >= 5, "{codes:?}");
    codes.iter().for_each(|code| has(&code_lists::HUAWEI_SMS, code));
    let states = section(huawei, "**always send extend**. status ", " Long SMS");
    let states: Vec<&str> =
        states.split('|').map(|w| w.trim_end_matches(['…', '.'])).filter(|w| w.bytes().all(|b| b.is_ascii_uppercase())).collect();
    assert!(states.len() >= 8, "{states:?}");
    states.iter().for_each(|code| has(&code_lists::HUAWEI_SMS, code));

    let twilio = section(&text, "SMS states accepted", "**Signature**");
    let numbers = digits(twilio, 5..=5);
    assert!(numbers.len() >= 7, "{numbers:?}");
    numbers.iter().for_each(|code| has(&code_lists::TWILIO_SMS, code));
    for state in ["queued", "ringing", "in-progress", "completed", "busy", "no-answer", "canceled", "failed"] {
        assert!(twilio.contains(state), "{state}");
        has(&code_lists::TWILIO_VOICE, state);
    }
}
