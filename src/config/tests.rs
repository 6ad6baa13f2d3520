//! Configuration as operators meet it.

use super::*;
use std::collections::BTreeSet;

const DEFAULT: &str = include_str!("../../config/default.toml");

/// A certificate whose key nobody has.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBkTCCATagAwIBAgITffaHggfWzTqfhhsgqGQgVcAiojAKBggqhkjOPQQDAjAd\n\
MRswGQYDVQQDDBJvZmZpY2UuZXhhbXBsZS5vcmcwIBcNMjYxMTI0MDkzNzI5WhgP\n\
MjEyNjEwMzEwOTM3MjlaMB0xGzAZBgNVBAMMEm9mZmljZS5leGFtcGxlLm9yZzBZ\n\
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABEfXOSG8CTJDfu4zr/RHMWj+dahcThtS\n\
K16jCeO24uiXNvAuSzaLBr3ktq4agQClKv6Jk7UNzDEg6/U/QUl3PPyjUzBRMB0G\n\
A1UdDgQWBBQeaanBAyfUgg0lmv+7lI+QTrAvcjAfBgNVHSMEGDAWgBQeaanBAyfU\n\
gg0lmv+7lI+QTrAvcjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYC\n\
IQCPIvTtu7bjzMtIvz6x5AE2YCarWQgiiX/CPZw9lPaaVwIhAP7BQjFwylUv35wT\n\
Vw476YfdkpeuK5pXpNa6zbBb5/N0\n\
-----END CERTIFICATE-----";

fn env(vars: &[(&str, &str)]) -> Environment {
    Environment::new(vars.iter().map(|(k, v)| (k.to_string(), v.to_string())))
}

fn faults(text: &str, vars: &[(&str, &str)]) -> Vec<String> {
    match Config::from_text("c.toml", text, &env(vars)) {
        Ok(_) => Vec::new(),
        Err(ConfigFaults(faults)) => faults.iter().map(Fault::to_string).collect(),
    }
}

/// The file with its example lines (`#key = …`, `#[section]`) made real.
fn with_examples() -> String {
    let real = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_string(),
        _ => line.to_string(),
    };
    DEFAULT.lines().map(real).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_default_file_says_the_defaults() {
    let mut read = Config::from_text("config/default.toml", DEFAULT, &Environment::default()).unwrap();
    read.origins = Origins::default();
    assert_eq!(read, Config::default());
}

/// The example file read with the secrets it names.
fn examples() -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let text = with_examples().replace("secrets/", &format!("{}/", dir.path().display()));
    let secret = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    secret("qixiang.whsec", "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY");
    secret("duty-room.token", "0123456789abcdef0123456789\n");
    secret("aliyun-sms.callback", "abcdef0123456789abcdef0123");
    secret("aliyun-voice.callback", "0123456789abcdefabcdef0123");
    secret("qixiang.pem", include_str!("../../tests/it/ingest/signed/rsa.pem"));
    secret("mail.password", "pass-phrase");
    secret("mail-ca.pem", AUTHORITY);
    secret("redis.password", "redis-pass-phrase");
    let vars = [
        ("QIXIANG_KEY", "another-key-of-enough-length"),
        ("ALIYUN_SMS_SECRET", "sms-key-secret"),
        ("ALIYUN_VOICE_SECRET", "voice-key-secret"),
        ("ALIYUN_STS_TOKEN", "sts-token"),
        ("TENCENT_SECRET_KEY", "tencent-secret"),
        ("TENCENT_TOKEN", "tencent-token"),
        ("TENCENT_SMS_CALLBACK", "tencent0123456789abcdef"),
        ("TENCENT_VOICE_CALLBACK", "tencent0123456789fedcba"),
        ("HUAWEI_APP_SECRET", "huawei-secret"),
        ("HUAWEI_SMS_CALLBACK", "huawei0123456789abcdef0"),
        ("TWILIO_AUTH_TOKEN", "twilio-token"),
        ("TWILIO_API_SECRET", "twilio-secret"),
        ("TWILIO_SIGNING_KEY", "twilio-shared-key"),
        ("TWILIO_SMS_CALLBACK", "twilio0123456789abcdef0"),
        ("TWILIO_VOICE_CALLBACK", "twilio0123456789fedcba0"),
        ("SMPP_PASSWORD", "smpp-pw"),
        ("DINGTALK_TOKEN", "dingtalk-token"),
        ("DINGTALK_SECRET", "SECdingtalk"),
        ("WECOM_ROBOT_KEY", "wecom-key"),
        ("FEISHU_HOOK", "feishu-hook"),
        ("FEISHU_SECRET", "feishu-secret"),
        ("COUNTY_SMS_KEY", "county-key"),
        ("COUNTY_VOICE_KEY", "county-key"),
        ("COUNTY_SMS_CALLBACK", "county0123456789abcdef0"),
        ("COUNTY_VOICE_CALLBACK", "county0123456789fedcba0"),
    ];
    let config = Config::from_text("d", &text, &env(&vars)).unwrap_or_else(|e| panic!("{e}"));
    (dir, config)
}

#[test]
fn the_examples_in_the_default_file_work() {
    let (_dir, config) = examples();
    assert_eq!(config.issuers[0].key.as_ref().unwrap().reveal(), "another-key-of-enough-length");
    assert!(config.issuers[0].xmldsig.as_ref().unwrap().keys[0].text.contains("BEGIN PUBLIC KEY"));
    assert_eq!(config.tokens[0].secret.reveal(), "0123456789abcdef0123456789", "the file's line end is not part of it");
    assert_eq!(config.tokens[0].roles, [Role::Viewer, Role::Operator]);
    assert_eq!(config.providers["aliyun-sms"].callback_secret(), Some("abcdef0123456789abcdef0123"));
    assert_eq!(config.store.redis.password.as_ref().unwrap().reveal(), "redis-pass-phrase");
    let shown = format!("{config:?}");
    for secret in ["abcdef0123", "pass-phrase", "sms-key-secret", "another-key"] {
        assert!(!shown.contains(secret), "secrets are never printed");
    }
}

#[test]
fn the_example_accounts_are_read_by_their_adapters_and_show_every_key() {
    use crate::channel::settings::{KINDS, ProviderSettings};
    let (_dir, config) = examples();
    let mut kinds = BTreeSet::new();
    for (account, table) in &config.providers {
        kinds.insert(table.kind().unwrap().to_string());
        ProviderSettings::from_table(account, table.0.clone()).unwrap_or_else(|e| panic!("{account}: {e:#?}"));
        // serde itself lists the keys an adapter has when it meets one it has not.
        let mut odd = table.0.clone();
        odd.insert("bogus_key".into(), 1.into());
        let fault = ProviderSettings::from_table(account, odd).unwrap_err().join(" ");
        for known in fault.split("expected").nth(1).unwrap().split('`').skip(1).step_by(2) {
            // `account` is the table's name; `limits` are described for all of them together.
            // The two senders of Twilio exclude each other; the second is named in the first one's line.
            let told = ["account", "limits", "messaging_service_sid"].contains(&known);
            // Both kinds of generic account read one table; a call bears no signature.
            let of_sms =
                table.kind() == Some("generic_voice") && (known == "long_sms" || known.starts_with("sign_") || known.starts_with("link_"));
            let shown = told || of_sms || table.0.contains_key(known);
            assert!(shown, "{account}: `{known}` is missing in config/default.toml");
        }
    }
    assert_eq!(kinds, KINDS.iter().map(|k| k.to_string()).collect());
}

#[test]
fn every_key_stands_in_the_default_file() {
    let table: toml::Table = with_examples().parse().unwrap();
    for (section, value) in &table {
        let given: BTreeSet<String> = match value {
            toml::Value::Table(t) if section != "provider" => t.keys().cloned().collect(),
            toml::Value::Array(items) => items[0].as_table().unwrap().keys().cloned().collect(),
            _ => continue,
        };
        // serde itself lists the keys a struct has when it meets one it has not.
        let text = if value.is_array() { format!("[[{section}]]\nbogus_key = 1") } else { format!("[{section}]\nbogus_key = 1") };
        let fault = faults(&text, &[]).into_iter().find(|f| f.contains("bogus_key")).unwrap();
        let known = fault.split("expected").nth(1).unwrap().split('`').skip(1).step_by(2);
        assert_eq!(given, known.map(str::to_string).collect::<BTreeSet<_>>(), "[{section}]");
    }
    let given: BTreeSet<String> = table["store"]["redis"].as_table().unwrap().keys().cloned().collect();
    let fault = faults("[store.redis]\nbogus_key = 1", &[]).remove(0);
    let known = fault.split("expected").nth(1).unwrap().split('`').skip(1).step_by(2);
    assert_eq!(given, known.map(str::to_string).collect::<BTreeSet<_>>(), "[store.redis]");
    for part in ["folder", "pull"] {
        let given: BTreeSet<String> = table["source"][part][0].as_table().unwrap().keys().cloned().collect();
        let found = faults(&format!("[[source.{part}]]\nbogus_key = 1"), &[]);
        let fault = found.iter().find(|f| f.contains("bogus_key")).unwrap();
        let known = fault.split("expected").nth(1).unwrap().split('`').skip(1).step_by(2);
        assert_eq!(given, known.map(str::to_string).collect::<BTreeSet<_>>(), "[[source.{part}]]");
    }
    let sections = faults("bogus = 1", &[]).remove(0);
    for known in sections.split("expected").nth(1).unwrap().split('`').skip(1).step_by(2) {
        assert!(table.contains_key(known), "[{known}] is missing in config/default.toml");
    }
}

#[test]
fn all_faults_are_told_at_once_with_file_line_and_key() {
    let text = "[server]\nlistn = \"1\"\nlisten = \"nowhere\"\n\n[store]\nkind = \"oracle\"\n\n[[issuer]]\nid = \"a\"\nname = \"甲\"\ndivisions = [\"99\", \"x\"]\nkey = \"short\"\n\n[engine]\nin_flight = 9999\n[typo]\n";
    let found = faults(text, &[]);
    let expect = |start: &str| assert!(found.iter().any(|f| f.starts_with(start)), "{start} not in {found:#?}");
    expect("c.toml:2: `server.listn`: unknown key `listn`, expected one of `listen`");
    expect("c.toml:3: `server.listen`: invalid socket address");
    expect("c.toml:6: `store.kind`: unknown variant `oracle`");
    expect("c.toml:11: `issuer[a].divisions`: `x` is not a division code");
    expect("c.toml:12: `issuer[a].key`: is shorter");
    expect("c.toml:15: `engine.in_flight`: 9999 is outside 1 to 512");
    expect("c.toml:16: `typo`: unknown key");
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn what_redis_is_told_must_make_sense_where_it_is_used() {
    let odd = "[store.redis]\nmode = \"sentinel\"\naddresses = [\"nowhere\"]\npartitions = 0\nwait_timeout = \"20s\"\nca = \"x\"\nprefix = \"{a}\"\n";
    assert_eq!(faults(odd, &[]), [""; 0], "not used");
    let found = faults(&format!("store.kind = \"redis\"\n{odd}"), &[]);
    for key in ["addresses", "master_name", "partitions", "wait_timeout", "ca", "prefix"] {
        assert!(found.iter().any(|f| f.contains(&format!("`store.redis.{key}`"))), "{key} not in {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
    let several = "store.kind = \"redis\"\n[store.redis]\naddresses = [\"a:1\", \"b:2\"]\n";
    assert!(faults(several, &[])[0].contains("names several servers"));
}

#[test]
fn a_missing_key_is_named_and_its_neighbours_are_still_checked() {
    let found =
        faults("[[token]]\nroles = [\"viewer\"]\n[[token]]\nname = \"b\"\nsecret = \"0123456789abcdef0123456789\"\nroles = []\n", &[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("c.toml:1: `token[0].name`: missing key `name`"), "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("c.toml:6: `token[b].roles`: is empty")), "{found:#?}");
}

#[test]
fn text_that_is_not_toml_is_told_by_line() {
    let found = faults("[server]\nlisten = \n", &[]);
    assert!(found[0].starts_with("c.toml:2: not TOML"), "{found:#?}");
}

#[test]
fn any_key_can_be_overridden_from_the_environment() {
    let text = "[[issuer]]\nid = \"jincheng-qixiang\"\nname = \"台\"\nkey = \"0123456789abcdef0123456789\"\ndivisions = [\"1405\"]\n[provider.aliyun-sms]\nkind = \"aliyun_sms\"\n";
    let vars = [
        ("JIAOYING__SERVER__LISTEN", "0.0.0.0:9000"),
        ("JIAOYING__SERVER__SHUTDOWN_GRACE", "2s"),
        ("JIAOYING__LOG__JSON", "true"),
        ("JIAOYING__LOG__LEVEL", "debug"),
        ("JIAOYING__CLOCK__SPEED", "60.0"),
        ("JIAOYING__ISSUER__JINCHENG_QIXIANG__KEY", "12345678901234567890123456"),
        ("JIAOYING__ISSUER__0__HAZARDS", "[\"11B03\"]"),
        ("JIAOYING__PROVIDER__ALIYUN_SMS__CALLBACK_SECRET", "{ env = \"CB\" }"),
        ("CB", "abcdef0123456789abcdef0123"),
    ];
    let config = Config::from_text("c.toml", text, &env(&vars)).unwrap();
    assert_eq!(config.server.listen.port(), 9000);
    assert_eq!(config.server.shutdown_grace.to_string(), "2s");
    assert!(config.log.json && config.log.level == "debug" && config.clock.speed == 60.0);
    assert_eq!(config.issuers[0].key.as_ref().unwrap().reveal(), "12345678901234567890123456");
    assert_eq!(config.issuers[0].hazards, [HazardRight::Prefix("11B03".into())]);
    assert_eq!(config.providers["aliyun-sms"].callback_secret(), Some("abcdef0123456789abcdef0123"));
}

#[test]
fn a_fault_in_a_variable_names_the_variable() {
    let found = faults("", &[("JIAOYING__SERVER__PORT", "1"), ("JIAOYING__STORE__KIND", "oracle"), ("JIAOYING__LOG", "loud")]);
    assert!(found.iter().any(|f| f.starts_with("environment variable JIAOYING__SERVER__PORT: `server.port`: unknown key")), "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("environment variable JIAOYING__STORE__KIND: `store.kind`")), "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("environment variable JIAOYING__LOG: `log`")), "{found:#?}");
}

#[test]
fn a_right_to_a_hazard_is_a_class_a_code_or_its_beginning() {
    let text = "[[issuer]]\nid = \"a\"\nname = \"甲\"\nkey = \"0123456789abcdef0123456789\"\ndivisions = [\"140521\"]\nhazards = [\"flood\", \"11B03\", \"11D\"]\n";
    let config = Config::from_text("c", text, &Environment::default()).unwrap();
    let may = |code: &str| config.issuers[0].hazards.iter().any(|h| h.covers(&crate::core::hazard::HazardCode(code.into())));
    assert!(may("11A51") && may("11B03") && may("11D02"));
    assert!(!may("11B04") && !may("11G01"));
    assert!(faults(&text.replace("11D", "rain"), &[]).iter().any(|f| f.contains("`issuer[a].hazards`") && f.contains("rain")));
}

#[test]
fn an_archive_that_could_not_work_is_told() {
    let told = faults("[store]\nkind = \"memory\"\n[archive]\npath = \"data/archive.sqlite\"\nafter = \"59m\"\n", &[]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|f| f.contains("archive.after") && f.contains("1h")), "{told:?}");
    assert!(told.iter().any(|f| f.contains("archive.path") && f.contains("memory")), "{told:?}");
    let redis = "[store]\nkind = \"redis\"\nredis.addresses = [\"127.0.0.1:6379\"]\nredis.journal_window = \"3h\"\n";
    let told = faults(&format!("{redis}[archive]\npath = \"data/archive.sqlite\"\nafter = \"2h\"\n"), &[]);
    assert!(told.iter().any(|f| f.contains("archive.after") && f.contains("journal_window")), "{told:?}");
    let told = faults("[store]\npath = \"a.db\"\n[archive]\npath = \"a.db\"\n", &[]);
    assert!(told.len() == 1 && told[0].contains("the store's own file"), "{told:?}");
    assert_eq!(faults("[archive]\npath = \"data/archive.sqlite\"\nafter = \"1h\"\n", &[]), Vec::<String>::new());
}

#[test]
fn sources_name_an_issuer_an_address_and_a_folder_that_can_work() {
    let text = "[[source.folder]]\nissuer = \"nobody\"\npath = \"in\"\nevery = \"1ms\"\n[[source.pull]]\nissuer = \"nobody\"\nurl = \"file:///etc/passwd\"\nfailures = 0\n";
    let found = faults(text, &[]);
    for part in
        ["source.folder[0].issuer", "source.folder[0].every", "source.pull[0].issuer", "source.pull[0].url", "source.pull[0].failures"]
    {
        assert!(found.iter().any(|f| f.contains(part)), "{part} not in {found:#?}");
    }
    let issuer =
        "[[issuer]]\nid = \"a\"\nname = \"甲\"\nkey = \"0123456789abcdef0123456789\"\ndivisions = [\"14\"]\nmapping = \"nowhere/x.toml\"\n";
    assert!(
        faults(issuer, &[])[0].starts_with("c.toml:6: `issuer[a].mapping`: nowhere/x.toml cannot be read"),
        "{:?}",
        faults(issuer, &[])
    );
}

#[test]
fn the_keys_of_xml_signatures_are_files_or_pem_and_stand_beside_no_mapping_that_could_not_check_them() {
    let issuer =
        |more: &str| format!("[[issuer]]\nid = \"a\"\nname = \"甲\"\nkey = \"0123456789abcdef0123456789\"\ndivisions = [\"14\"]\n{more}\n");
    let pem = "-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----";
    let config = Config::from_text("c.toml", &issuer(&format!("xmldsig = {{ keys = [\"{pem}\"] }}")), &Environment::default()).unwrap();
    let set = config.issuers[0].xmldsig.as_ref().unwrap();
    assert!(set.keys[0].text.starts_with("-----BEGIN PUBLIC KEY-----\n") && !set.required);
    let told = |more: &str| faults(&issuer(more), &[]).join("\n");
    assert!(told("xmldsig = { keys = [\"nowhere/a.pem\"] }").contains("`issuer[a].xmldsig.keys`: nowhere/a.pem cannot be read"));
    let both = format!("mapping = \"flash-flood\"\nxmldsig = {{ keys = [\"{pem}\"], required = true }}");
    assert!(told(&both).contains("`issuer[a].xmldsig.required`: cannot be with `mapping`"), "{}", told(&both));
    assert!(told("xmldsig = { key = [] }").contains("xmldsig"));
}
