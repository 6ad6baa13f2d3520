//! IvrCall and SingleCallByTts: building the query in its canonical order.

use super::settings::Settings;
use crate::channel::{ProviderTemplate, SendRequest, sign::aliyun_acs3::encode_into, template::json_of_strings};
use std::collections::BTreeMap;

/// The query of IvrCall. Keys are gathered and sorted: a menu may have more than nine keys, and
/// calls are a hundred a second at most.
pub(super) fn ivr_call(r: &SendRequest, phone: &str, s: &Settings, template: &ProviderTemplate) -> String {
    let mut params: BTreeMap<String, String> = BTreeMap::new();
    let mut put = |key: &str, value: String| {
        params.insert(key.to_string(), value);
    };
    let announcement = json(r.message.variables.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    if let Some(code) = &s.bye_code {
        put("ByeCode", code.clone());
        if !s.bye_tts_params.is_empty() {
            put("ByeTtsParams", json(s.bye_tts_params.iter().map(|(n, v)| (n.as_str(), v.as_str()))));
        }
    }
    put("CalledNumber", phone.to_string());
    put("CalledShowNumber", show_number(&s.called_show_numbers, &r.reference));
    for (i, k) in s.menu_for(r.message.kind).iter().enumerate() {
        let n = i + 1;
        put(&format!("MenuKeyMap.{n}.Key"), k.key.clone());
        match &k.code {
            Some(code) => {
                put(&format!("MenuKeyMap.{n}.Code"), code.clone());
                if !k.tts_params.is_empty() {
                    put(&format!("MenuKeyMap.{n}.TtsParams"), json(k.tts_params.iter().map(|(n, v)| (n.as_str(), v.as_str()))));
                }
            }
            None => {
                put(&format!("MenuKeyMap.{n}.Code"), template.code.clone());
                if !r.message.variables.is_empty() {
                    put(&format!("MenuKeyMap.{n}.TtsParams"), announcement.clone());
                }
            }
        }
    }
    put("OutId", r.reference.clone());
    put("PlayTimes", s.play_times.to_string());
    put("StartCode", template.code.clone());
    if !r.message.variables.is_empty() {
        put("StartTtsParams", announcement);
    }
    put("Timeout", s.key_timeout.0.to_string());

    let mut query = String::with_capacity(1024);
    for (key, value) in &params {
        if !query.is_empty() {
            query.push('&');
        }
        encode_into(key, &mut query);
        query.push('=');
        encode_into(value, &mut query);
    }
    query
}

/// The query of SingleCallByTts, keys in canonical order. Volume and speed stay the provider's own.
pub(super) fn single_call(r: &SendRequest, phone: &str, s: &Settings, template: &ProviderTemplate) -> String {
    let mut pairs = vec![("CalledNumber", phone.to_string())];
    if !s.called_show_numbers.is_empty() {
        pairs.push(("CalledShowNumber", show_number(&s.called_show_numbers, &r.reference)));
    }
    pairs.push(("OutId", r.reference.clone()));
    pairs.push(("PlayTimes", s.play_times.to_string()));
    pairs.push(("TtsCode", template.code.clone()));
    if !r.message.variables.is_empty() {
        pairs.push(("TtsParam", json(r.message.variables.iter().map(|(n, v)| (n.as_str(), v.as_str())))));
    }
    let mut query = String::with_capacity(512);
    for (key, value) in &pairs {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(key);
        query.push('=');
        encode_into(value, &mut query);
    }
    query
}

fn json<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    json_of_strings(pairs, &mut out);
    out
}

/// One of the bought numbers, chosen by the reference: the next attempt has another reference.
fn show_number(numbers: &[String], reference: &str) -> String {
    let hash = reference.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    // References that differ in their last character only must still spread: fold all bits down.
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let at = (hash >> 32) as usize % numbers.len().max(1);
    numbers.get(at).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Address, Message, MessageKind, sign::aliyun_acs3::canonical_query};
    use crate::core::phone::Phone;

    fn settings() -> Settings {
        toml::from_str(
            r#"access_key_id = "ak"
            access_key_secret = "sk"
            called_show_numbers = ["03562000001", "03562000002"]
            callback_secret = "00112233445566778899aabbccddeeff"
            menu = [{ key = "1", code = "TTS_2", tts_params = { x = "谢谢" } }, { key = "2" }]
            bye_code = "TTS_9"
            menus.end = [{ key = "9", code = "TTS_3" }]
            [templates.callout]
            code = "TTS_1"
            variables.level = { max = 4 }"#,
        )
        .unwrap()
    }
    fn request(kind: MessageKind, reference: &str) -> SendRequest {
        SendRequest {
            reference: reference.into(),
            to: Address::Phone(Phone::parse("15400000001").unwrap()),
            message: Message {
                kind,
                variant: String::new(),
                drill: false,
                variables: vec![("level".into(), "红色".into())],
                text: String::new(),
                subject: None,
                html: None,
            },
        }
    }

    #[test]
    fn the_call_carries_the_menu_and_the_query_is_canonical() {
        let s = settings();
        let t = ProviderTemplate { code: "TTS_1".into(), ..ProviderTemplate::default() };
        let q = ivr_call(&request(MessageKind::Callout, "ref"), "15400000001", &s, &t);
        assert_eq!(canonical_query(&q), q);
        for part in [
            "MenuKeyMap.1.Key=1",
            "MenuKeyMap.1.Code=TTS_2",
            "MenuKeyMap.2.Key=2",
            "MenuKeyMap.2.Code=TTS_1",
            "MenuKeyMap.2.TtsParams=%7B%22level",
            "ByeCode=TTS_9",
            "Timeout=8000",
            "PlayTimes=2",
            "OutId=ref",
        ] {
            assert!(q.contains(part), "{part} in {q}");
        }
        let q = ivr_call(&request(MessageKind::End, "ref"), "15400000001", &s, &t);
        assert!(q.contains("MenuKeyMap.1.Key=9") && !q.contains("MenuKeyMap.2."));
    }

    #[test]
    fn a_notice_has_no_menu_and_its_query_is_canonical() {
        let mut s = settings();
        s.operation = crate::channel::voice::aliyun::Operation::SingleCallByTts;
        assert!(s.faults().join(" ").contains("takes no keys"));
        s.menu.clear();
        s.menus.clear();
        s.bye_code = None;
        assert_eq!(s.faults(), Vec::<String>::new());
        let t = ProviderTemplate { code: "TTS_1".into(), ..Default::default() };
        let q = single_call(&request(MessageKind::Callout, "ref"), "15400000001", &s, &t);
        assert_eq!(canonical_query(&q), q);
        assert!(q.contains("TtsCode=TTS_1") && q.contains("TtsParam=%7B") && q.contains("OutId=ref") && !q.contains("MenuKeyMap"), "{q}");
        s.called_show_numbers.clear();
        assert_eq!(s.faults(), Vec::<String>::new());
        assert!(!single_call(&request(MessageKind::Callout, "ref"), "15400000001", &s, &t).contains("CalledShowNumber"));
    }

    #[test]
    fn redials_come_from_different_bought_numbers() {
        let numbers = vec!["1".to_string(), "2".to_string()];
        let used: std::collections::BTreeSet<String> = (0..20).map(|i| show_number(&numbers, &format!("ref{i}"))).collect();
        assert_eq!(used.len(), 2);
        assert_eq!(show_number(&[], "x"), "");
    }

    #[test]
    fn every_fault_of_the_settings_is_named() {
        let mut s = settings();
        assert_eq!(s.faults(), Vec::<String>::new());
        s.play_times = 4;
        s.called_show_numbers = vec!["+86".into()];
        s.menu.push(s.menu[0].clone());
        s.callback_secret = crate::channel::Secret::new("x");
        let faults = s.faults().join("\n");
        for key in ["play_times", "called_show_numbers", "stands there twice", "callback_secret"] {
            assert!(faults.contains(key), "{key}: {faults}");
        }
    }
}
