//! Reading pushes leniently: arrays (or one object), forms, numbers or text, Beijing time without a
//! zone. One odd element never spoils the others.

use crate::core::time::Time;
use serde_json::{Map, Value};

/// One pushed element.
pub struct Item(Map<String, Value>);

/// The elements of a push; `Err` in plain words when it is no JSON array of objects at all.
pub fn items(body: &[u8]) -> Result<Vec<Item>, String> {
    match json(body)? {
        Value::Object(map) => Ok(vec![Item(map)]),
        Value::Array(list) => {
            let count = list.len();
            let items: Vec<Item> = list
                .into_iter()
                .filter_map(|v| match v {
                    Value::Object(map) => Some(Item(map)),
                    _ => None,
                })
                .collect();
            if items.is_empty() && count > 0 { Err("an array without a single object".into()) } else { Ok(items) }
        }
        _ => Err("neither a JSON array nor an object".into()),
    }
}

/// The body as JSON, though one text in it is broken: old gateways push GBK, and a reply cut in the middle of an emoji leaves
/// half of a pair, for which the whole push would be refused.
fn json(body: &[u8]) -> Result<Value, String> {
    let why = match serde_json::from_slice(body) {
        Ok(value) => return Ok(value),
        Err(e) => format!("not JSON: {e}"),
    };
    let text = String::from_utf8_lossy(body);
    // Of GBK hardly a character is UTF-8 by chance; of UTF-8 with one that is cut nearly all are.
    let (bad, good) = text.chars().filter(|c| !c.is_ascii()).fold((0, 0), |(bad, good), c| match c {
        char::REPLACEMENT_CHARACTER => (bad + 1, good),
        _ => (bad, good + 1),
    });
    let text = if bad > good { encoding_rs::GB18030.decode(body).0 } else { text };
    serde_json::from_str(&without_half_pairs(&text)).map_err(|_| why)
}

/// `\uD83D` without its other half becomes the sign for what cannot be read.
fn without_half_pairs(text: &str) -> String {
    let half = |at: usize| -> Option<u32> {
        let hex = text.get(at..).filter(|t| t.starts_with("\\u")).and_then(|t| t.get(2..6))?;
        u32::from_str_radix(hex, 16).ok().filter(|u| (0xd800..0xe000).contains(u))
    };
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(next) = text[at..].find('\\').map(|n| at + n) {
        out.push_str(&text[at..next]);
        let low = half(next + 6);
        let (piece, end) = match half(next) {
            Some(high) if high < 0xdc00 && low.is_some_and(|l| l >= 0xdc00) => (&text[next..next + 12], next + 12),
            Some(_) => ("\\ufffd", next + 6),
            // A backslash and what it escapes belong together.
            None => {
                let end = text[next + 1..].chars().next().map_or(next + 1, |c| next + 1 + c.len_utf8());
                (&text[next..end], end)
            }
        };
        out.push_str(piece);
        at = end;
    }
    out.push_str(&text[at..]);
    out
}

impl Item {
    /// The fields of an HTML form; of a name given twice the last value.
    pub fn of_form(body: &[u8]) -> Item {
        let pairs = url::form_urlencoded::parse(body);
        Item(pairs.map(|(k, v)| (k.into_owned(), Value::String(v.into_owned()))).collect())
    }
    /// The object inside this one under `key`.
    pub fn inner(&self, key: &str) -> Option<Item> {
        match self.0.get(key)? {
            Value::Object(map) => Some(Item(map.clone())),
            _ => None,
        }
    }
    /// The objects of the array under `key`.
    pub fn list(&self, key: &str) -> Option<Vec<Item>> {
        match self.0.get(key)? {
            Value::Array(list) => Some(list.iter().filter_map(|v| v.as_object().cloned().map(Item)).collect()),
            _ => None,
        }
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }
    /// The field as text, whatever JSON type it came as; empty and null are none.
    pub fn text(&self, key: &str) -> Option<String> {
        let text = match self.0.get(key)? {
            Value::String(s) => s.trim().to_string(),
            Value::Number(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }
    /// `true`, `"true"`, `1`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.text(key)?.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
    /// A Beijing time such as `2017-01-01 00:00:00`; milliseconds since 1970 are taken too.
    pub fn time(&self, key: &str) -> Option<Time> {
        let text = self.text(key)?;
        if let Ok(ms) = text.parse::<i64>() {
            return (ms > 1_000_000_000_000).then_some(Time(ms));
        }
        text.replace('/', "-").parse::<jiff::civil::DateTime>().ok().and_then(Time::from_beijing)
    }
    /// Seconds since 1970, as text or number.
    pub fn unix(&self, key: &str) -> Option<Time> {
        let seconds = self.text(key)?.parse::<i64>().ok().filter(|s| *s > 1_000_000_000)?;
        seconds.checked_mul(1000).map(Time)
    }
    /// RFC 3339, such as `2018-10-31T08:43:41Z`.
    pub fn rfc3339(&self, key: &str) -> Option<Time> {
        Time::parse_rfc3339(&self.text(key)?).ok()
    }
    /// Seconds, as text or number.
    pub fn seconds(&self, key: &str) -> Option<f64> {
        self.text(key)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_whatever_json_type_they_come_as() {
        let items = items(r#"[{"a":1,"b":"2","c":true,"d":null,"e":"","t":"2017-01-01 00:00:00"}, 7]"#.as_bytes()).unwrap();
        let i = &items[0];
        assert_eq!(items.len(), 1);
        assert_eq!((i.text("a").unwrap(), i.text("b").unwrap()), ("1".into(), "2".into()));
        assert_eq!((i.flag("c"), i.text("d"), i.text("e"), i.text("f")), (Some(true), None, None, None));
        assert_eq!(i.time("t").unwrap().rfc3339(), "2017-01-01T00:00:00+08:00");
        assert_eq!(i.time("b"), None);
    }

    #[test]
    fn one_broken_text_spoils_neither_the_others_nor_itself() {
        let half = r#"[{"content":"1 \ud83d"},{"content":"\\ud83d 收到"},{"content":"\ud83d\ude00"},{"content":"\ude00\n2"}]"#;
        let said: Vec<_> = items(half.as_bytes()).unwrap().iter().map(|i| i.text("content").unwrap()).collect();
        assert_eq!(said, ["1 \u{fffd}", r"\ud83d 收到", "😀", "\u{fffd}\n2"]);
        let cut = [r#"[{"content":"收到"},{"content":"已转"#.as_bytes(), &[0xe7, 0xa7], br#""}]"#].concat();
        assert_eq!(items(&cut).unwrap()[0].text("content").unwrap(), "收到");
        let gbk = encoding_rs::GB18030.encode(r#"[{"content":"收到"},{"content":"已转移"}]"#).0;
        assert_eq!(items(&gbk).unwrap().iter().map(|i| i.text("content").unwrap()).collect::<Vec<_>>(), ["收到", "已转移"]);
    }

    #[test]
    fn what_is_no_push_is_told_in_plain_words() {
        for bad in ["", "x", "3", "[1,2]", "\"a\""] {
            assert!(items(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(items(b"[]").unwrap().is_empty());
        assert_eq!(items(b"{}").unwrap().len(), 1);
    }
}
