//! What a `<Response>` of TwiML says and where its key goes, as far as our calls use it.

use quick_xml::{Reader, events::Event};

/// The first `<Gather>`, and all that is said.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Script {
    pub action: Option<String>,
    pub said: String,
}

/// `Err` when it is not well-formed XML with a `<Response>`.
pub(super) fn read(text: &str) -> Result<Script, String> {
    let mut script = Script::default();
    let mut reader = Reader::from_str(text);
    let (mut depth, mut is_response, mut saying) = (0u32, false, false);
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        if let Event::Start(e) | Event::Empty(e) = &event {
            let name = e.name();
            let name: &str = name.as_ref();
            is_response |= depth == 0 && name == "Response";
            saying = name == "Say" && matches!(event, Event::Start(_));
            if name == "Gather" && script.action.is_none() {
                for attribute in e.attributes() {
                    let attribute = attribute.map_err(|e| e.to_string())?;
                    let key: &str = attribute.key.as_ref();
                    if key == "action" {
                        script.action = Some(unescaped(&attribute.value));
                    }
                }
            }
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                saying = false;
            }
            Event::Text(t) if saying => script.said.push_str(&unescaped(&t)),
            Event::GeneralRef(r) if saying => script.said.push_str(&unescaped(&format!("&{};", &*r))),
            Event::Eof => break,
            _ => {}
        }
    }
    if is_response && depth == 0 { Ok(script) } else { Err("there is no whole <Response>".into()) }
}

fn unescaped(text: &str) -> String {
    quick_xml::escape::unescape(text).map(|t| t.into_owned()).unwrap_or_else(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_and_the_action_are_read() {
        let s = read(r#"<?xml version="1.0"?><Response><Gather numDigits="1" action="https://a.example/c?r=1&amp;k=2"><Say language="zh-CN">红色&lt;预警&gt;请按一</Say></Gather><Say>再见</Say></Response>"#).unwrap();
        assert_eq!(s.action.as_deref(), Some("https://a.example/c?r=1&k=2"));
        assert_eq!(s.said, "红色<预警>请按一再见");
        assert_eq!(read("<Response/>").unwrap(), Script::default());
        for bad in ["", "x", "<Response>", "<Say>a</Say>", "<Response><Say></Response>"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
