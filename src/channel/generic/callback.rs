//! Pushes → items, by the file's mappings; and the check that a push is the provider's, where it signs.

use super::{
    file::{TimeFormat, Told},
    fill::Values,
    plan::{Callback, Check, Plan, Take},
    tree::{self, Path},
};
use crate::channel::{CallbackItem, CallbackRequest, Rang, ReceiptResult, sign::hex};
use crate::core::time::Time;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use subtle::ConstantTimeEq;

/// Everything the mappings find; each element is read by the first mapping that fits it.
pub(super) fn read(plan: &Plan, query: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
    let (mut why, mut items) = (Vec::new(), Vec::new());
    let mut whole = false;
    // Receipts and replies may stand in one list.
    let mut taken = HashSet::new();
    for c in &plan.callbacks {
        let tree = match tree::read(c.format, c.pattern.as_ref(), c.charset, query, body) {
            Ok(tree) => tree,
            Err(e) => {
                why.push(e);
                continue;
            }
        };
        let Some(elements) = elements(c.each.as_ref(), &tree) else { continue };
        if elements.is_empty() {
            whole = true;
            continue;
        }
        for (n, e) in elements.into_iter().enumerate() {
            let place = (format!("{:?} {:?} {:?}", c.format, c.pattern.as_ref().map(|p| p.as_str()), c.each), n);
            if !fits(c, e) || taken.contains(&place) {
                continue;
            }
            if let Some(item) = item(c, e) {
                items.push(item);
                taken.insert(place);
            }
        }
    }
    if whole || !items.is_empty() {
        return Ok(items);
    }
    why.dedup();
    let read = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    Err(format!("none of the file's callbacks fits this body{read}"))
}

/// The list at `each`, or what is there as a list of one; `None` when there is nothing.
fn elements<'a>(each: Option<&Path>, tree: &'a Value) -> Option<Vec<&'a Value>> {
    let at = match each {
        Some(path) => path.find(tree)?,
        None => tree,
    };
    match at {
        Value::Array(list) => Some(list.iter().collect()),
        Value::Null => None,
        one => Some(vec![one]),
    }
}

fn fits(c: &Callback, element: &Value) -> bool {
    let Some(path) = &c.when else { return true };
    path.text(element).is_some_and(|t| c.is.is_empty() || c.is.contains(&t))
}

fn text(path: &Option<Path>, element: &Value) -> Option<String> {
    path.as_ref().and_then(|p| p.text(element))
}

fn item(c: &Callback, e: &Value) -> Option<CallbackItem> {
    let t = &c.take;
    let (reference, id) = (text(&t.reference, e), text(&t.id, e));
    let at = text(&t.time, e).and_then(|raw| time(t.time_format, &raw));
    let keys = text(&t.keys, e);
    if c.told != Told::Reply && reference.is_none() && id.is_none() {
        return None;
    }
    Some(match c.told {
        Told::Receipt => {
            text(&t.status, e)?;
            CallbackItem::Receipt { reference, provider_message_id: id, at, result: receipt(t, e), keys: None }
        }
        Told::Call => {
            let code = text(&t.status, e)?;
            let result = ReceiptResult::CallEnded {
                heard: t.heard.contains(&code),
                number_dead: t.dead.contains(&code),
                config: t.config.contains(&code),
                rang: Rang::unless(t.failed.contains(&code)),
                detail: detail(t, e),
                code,
            };
            CallbackItem::Receipt { reference, provider_message_id: id, at, result, keys }
        }
        Told::Key => CallbackItem::Key { reference, provider_message_id: id, at, keys: keys? },
        Told::Reply => {
            let phone = text(&t.phone, e)?;
            let said = text(&t.text, e).unwrap_or_default();
            let dedupe = match &id {
                Some(id) => format!("id:{id}"),
                None => {
                    let when = text(&t.time, e).unwrap_or_default();
                    hex(&Sha256::digest(format!("{phone}|{when}|{said}").as_bytes()))
                }
            };
            CallbackItem::Reply { phone, text: said, at, extend: text(&t.extend, e), dedupe }
        }
    })
}

fn detail(t: &Take, e: &Value) -> String {
    text(&t.detail, e).unwrap_or_default().chars().take(160).collect()
}

/// What a state means: what is in no list is a failure that proves nothing of the number.
pub(super) fn receipt(t: &Take, e: &Value) -> ReceiptResult {
    let code = text(&t.status, e).unwrap_or_default();
    if t.delivered.contains(&code) {
        return ReceiptResult::Delivered;
    }
    if code.is_empty() || t.waiting.contains(&code) {
        return ReceiptResult::Waiting;
    }
    ReceiptResult::Failed {
        number_dead: t.dead.contains(&code),
        config: t.config.contains(&code),
        elsewhere: t.failed.contains(&code),
        detail: detail(t, e),
        code,
    }
}

/// What a look-up's answer says of the message with our reference, or with an id.
pub(super) fn find(each: Option<&Path>, take: &Take, tree: &Value, reference: &str) -> Option<(Option<String>, ReceiptResult)> {
    let all = elements(each, tree).unwrap_or_default();
    // Where the answer names no reference, the question did; then only a single element can be meant.
    let mine = |e: &&&Value| match &take.reference {
        Some(path) => path.text(e).as_deref() == Some(reference),
        None => all.len() == 1,
    };
    let e = all.iter().find(mine)?;
    if text(&take.id, e).is_none() && text(&take.status, e).is_none() {
        return None;
    }
    Some((text(&take.id, e), receipt(take, e)))
}

fn time(format: TimeFormat, raw: &str) -> Option<Time> {
    let beijing = |text: &str| text.parse::<jiff::civil::DateTime>().ok().and_then(Time::from_beijing);
    match format {
        TimeFormat::Datetime => {
            let text = raw.replace('/', "-");
            beijing(&text).or_else(|| beijing(&format!("{text}:00"))).or_else(|| Time::parse_rfc3339(raw).ok())
        }
        TimeFormat::Compact => {
            let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
            // 20260721061000, 202607210610, 2607210610, 260721061000: a full year begins with 20.
            let full = match digits.len() {
                14 => digits,
                12 if digits.starts_with("20") && digits.get(4..6).is_some_and(|m| ("01"..="12").contains(&m)) => format!("{digits}00"),
                12 => format!("20{digits}"),
                10 => format!("20{digits}00"),
                _ => return None,
            };
            let part = |a: usize, b: usize| full.get(a..b).unwrap_or("00");
            beijing(&format!("{}-{}-{}T{}:{}:{}", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14)))
        }
        TimeFormat::Seconds => raw.parse::<i64>().ok().filter(|s| *s > 1_000_000_000).and_then(|s| s.checked_mul(1000)).map(Time),
        TimeFormat::Milliseconds => raw.parse::<i64>().ok().filter(|s| *s > 1_000_000_000_000).map(Time),
        TimeFormat::Rfc3339 => Time::parse_rfc3339(raw).ok(),
    }
}

/// What a callback check may look at.
struct Pushed<'a> {
    account: &'a dyn Values,
    request: &'a CallbackRequest<'a>,
    tree: Option<Value>,
    query: Value,
    body: String,
}
impl Values for Pushed<'_> {
    fn value(&self, name: &str) -> Option<String> {
        if let Some(header) = name.strip_prefix("header.") {
            return self.request.header(&header.to_ascii_lowercase()).map(str::to_string);
        }
        if let Some(path) = name.strip_prefix("field.") {
            return Path::parse(path).ok()?.text(self.tree.as_ref()?);
        }
        if let Some(key) = name.strip_prefix("query.") {
            return tree::leaf(self.query.get(key)?);
        }
        match name {
            "body" => Some(self.body.clone()),
            "url" => Some(self.request.path_and_query.to_string()),
            _ => self.account.value(name),
        }
    }
}

pub(super) fn check(c: &Check, account: &dyn Values, request: &CallbackRequest<'_>) -> Result<(), String> {
    let query = tree::read(tree::Format::Query, None, c.charset, request.query(), b"").unwrap_or_default();
    let pushed = Pushed {
        account,
        request,
        tree: tree::read(c.format, None, c.charset, request.query(), request.body).ok(),
        query,
        body: c.charset.decode(request.body),
    };
    let given = c.given.plain(&pushed, c.charset).map_err(|e| format!("the callback is not signed: {e}"))?;
    let expected = c.scheme.sign(&pushed, &[], c.charset).map_err(|e| format!("the callback cannot be checked: {e}"))?;
    if bool::from(given.trim().as_bytes().ct_eq(expected.as_bytes())) {
        Ok(())
    } else {
        Err("the callback's signature does not fit".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_carriers_write_them() {
        let read = |f, s| time(f, s).map(Time::rfc3339);
        let same = Some("2026-07-21T06:10:00+08:00".to_string());
        for (format, text) in [
            (TimeFormat::Datetime, "2026-07-21 06:10:00"),
            (TimeFormat::Datetime, "2026/07/21 06:10"),
            (TimeFormat::Compact, "20260721061000"),
            (TimeFormat::Compact, "202607210610"),
            (TimeFormat::Compact, "2607210610"),
            (TimeFormat::Compact, "260721061000"),
            (TimeFormat::Seconds, "1784585400"),
            (TimeFormat::Milliseconds, "1784585400000"),
            (TimeFormat::Rfc3339, "2026-07-20T22:10:00Z"),
        ] {
            assert_eq!(read(format, text), same, "{text}");
        }
        assert_eq!((read(TimeFormat::Compact, "0"), read(TimeFormat::Seconds, "soon")), (None, None));
    }
}
