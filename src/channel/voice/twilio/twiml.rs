//! TwiML: what a call says, where its key goes, and what is said after a key.

use super::settings::Settings;

/// The longest `Twiml` parameter, characters.
pub(super) const MAX: usize = 4000;

/// The announcement, played so often, each time waiting for one key that goes to `action`.
pub(super) fn announcement(s: &Settings, text: &str, action: &str) -> String {
    let gather = format!(
        r#"<Gather numDigits="1" timeout="{}" method="POST" action="{}">{}</Gather>"#,
        (s.key_timeout.0 + 999) / 1000,
        escaped(action),
        say(s, text),
    );
    format!("<Response>{}{}</Response>", gather.repeat(usize::from(s.play_times)), say(s, &s.bye))
}

/// What is said after `key`.
pub(super) fn after_key(s: &Settings, key: &str) -> String {
    let words = s.menu.iter().find(|k| key.starts_with(&k.key)).map_or(s.other_key.as_str(), |k| k.say.as_str());
    say(s, words)
}

fn say(s: &Settings, text: &str) -> String {
    let voice = s.voice.as_ref().map(|v| format!(r#" voice="{}""#, escaped(v))).unwrap_or_default();
    format!(r#"<Say language="{}"{voice}>{}</Say>"#, escaped(&s.language), escaped(text))
}

/// Text for XML; characters that XML cannot hold are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() && !matches!(c, '\n' | '\t') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        toml::from_str("account_sid = 'AC1'\nauth_token = 't'\nfrom = '+15005550006'\ncallback_secret = '00112233445566778899aabbccddeeff'")
            .unwrap()
    }

    #[test]
    fn the_announcement_is_well_formed_whatever_it_says() {
        let s = settings();
        let made = announcement(&s, "红色<预警>&\"请按1\"\u{1}", "https://w.example.org/c?r=a&x=1");
        assert_eq!(made.matches("<Gather ").count(), 2);
        let mut reader = quick_xml::Reader::from_str(&made);
        let mut texts = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Eof => break,
                quick_xml::events::Event::Start(e) => texts.push(e.name().as_ref().to_string()),
                _ => {}
            }
        }
        assert_eq!(texts, ["Response", "Gather", "Say", "Gather", "Say", "Say"]);
        assert!(made.contains(r#"action="https://w.example.org/c?r=a&amp;x=1""#) && made.contains("红色&lt;预警&gt;"), "{made}");
    }

    #[test]
    fn each_key_has_its_words_and_any_other_has_some() {
        let s = settings();
        assert!(after_key(&s, "1").contains("已记录"));
        assert!(after_key(&s, "9").contains("按键无效"));
    }
}
