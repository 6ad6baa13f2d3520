//! What becomes of a message or call that one of the vendors took: recorded, told to who listens, and the
//! dice thrown for its fate and for the person. The vendor's own file says it in the vendor's words.

use super::{
    SentMessage, Shared, chance,
    ledger::{Sent, Wall},
    people::{self, CallPlan, Reply},
    sms::{fate, fill, names_in, walls},
    voice::plan,
};
use crate::core::{phone::Phone, send::Channel, time::Span};
use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

/// One message or call as it was asked for.
pub(super) struct Asked<'a> {
    pub vendor: &'static str,
    /// In our normal form.
    pub phone: &'a str,
    pub out_id: &'a str,
    pub template: &'a str,
    pub variables: BTreeMap<String, String>,
    pub text: Option<String>,
    pub id: u64,
    pub message_id: &'a str,
    pub walls: &'a [Wall],
}

/// How a message fares.
pub(super) struct Message {
    /// `DELIVERED`, `INVALID_NUMBER`, `MOBILE_NOT_ON_SERVICE`.
    pub code: &'static str,
    /// Milliseconds since 1970.
    pub at: i64,
    pub report_after: Duration,
    /// How often the receipt is pushed: lost, once, or doubled.
    pub receipts: u8,
    pub reply: Option<Reply>,
}

/// How a call goes.
pub(super) struct Call {
    pub at: i64,
    pub plan: CallPlan,
    pub ends: Duration,
    /// How much later its report is.
    pub late: Duration,
    pub reports: u8,
}

/// Takes a message. The wall's message is the error.
pub(super) fn message(s: &Shared, a: &Asked<'_>) -> Result<Message, &'static str> {
    let b = &s.settings.behaviour;
    let at = (s.now)();
    let (code, report_after, n) = fate(s, b, a.phone);
    record(s, a, Channel::Sms, at, report_after, code)?;
    let receipts = pushes(s, a.phone, n, "receipt");
    let reply = (code == "DELIVERED").then(|| people::on_sms(&s.settings.people, b.seed, a.phone, n, &a.variables)).flatten();
    if reply.is_some() {
        Shared::count(&s.tallies.replies);
    }
    Ok(Message { code, at, report_after, receipts, reply })
}

/// Places a call; `keys` are those of the menu.
pub(super) fn call(s: &Shared, a: &Asked<'_>, keys: &[String]) -> Result<Call, &'static str> {
    let b = &s.settings.behaviour;
    let at = (s.now)();
    let n = s.ledger.request(a.phone);
    let plan = plan(s, a.phone, n, at, &a.variables, keys);
    let ends = s.scaled(plan.ends);
    record(s, a, Channel::Voice, at, ends, plan.status_code)?;
    if plan.key.is_some() {
        Shared::count(&s.tallies.keys);
    }
    let late = if chance::happens(b.receipts.late_share, b.seed, a.phone, n, "report-late") {
        s.scaled(Span((60_000.0 * chance::roll(b.seed, a.phone, n, "report-how-late")) as i64))
    } else {
        Duration::ZERO
    };
    Ok(Call { at, plan, ends, late, reports: pushes(s, a.phone, n, "report") })
}

fn record(s: &Shared, a: &Asked<'_>, channel: Channel, at: i64, done: Duration, code: &'static str) -> Result<(), &'static str> {
    let sent = Sent {
        vendor: a.vendor,
        channel,
        phone: a.phone.into(),
        out_id: a.out_id.into(),
        template: a.template.into(),
        says: s.ledger.says(a.template, &a.variables, a.text.as_deref()),
        id: a.id,
        at,
        done_at: at + done.as_millis() as i64,
        code,
    };
    if let Err(wall) = s.ledger.accept(sent, a.walls) {
        Shared::count(&s.tallies.limited);
        return Err(wall);
    }
    if s.watched.load(Ordering::Relaxed) {
        s.tell(SentMessage {
            channel,
            phone: a.phone.to_string(),
            out_id: a.out_id.to_string(),
            template: a.template.to_string(),
            variables: a.variables.clone(),
            text: a.text.clone(),
            provider_message_id: a.message_id.to_string(),
            at,
        });
    }
    Ok(())
}

fn pushes(s: &Shared, phone: &str, n: u32, what: &str) -> u8 {
    let (b, r) = (&s.settings.behaviour, &s.settings.behaviour.receipts);
    let happens = |share: f64, which: &str| chance::happens(share, b.seed, phone, n, &format!("{what}-{which}"));
    match (r.send, happens(r.lost_share, "lost"), happens(r.duplicate_share, "again")) {
        (false, ..) | (_, true, _) => 0,
        (_, _, false) => 1,
        (_, _, true) => 2,
    }
}

/// The walls of one number, scaled; none unless they are to be enforced.
pub(super) fn scaled<const N: usize>(s: &Shared, all: [Wall; N]) -> Vec<Wall> {
    walls(s, all)
}

/// A mainland mobile (`+86…`, bare or not) in our normal form.
pub(super) fn mobile(text: &str) -> Option<String> {
    let phone = Phone::parse(text)?;
    (phone.is_mobile() && !phone.reveal().starts_with('+')).then(|| phone.reveal().to_string())
}

/// Any number in our normal form; an E.164 landline gets its zero back.
pub(super) fn any_number(text: &str) -> Option<String> {
    let phone = Phone::parse(text).or_else(|| Phone::parse(&format!("0{}", text.strip_prefix("+86")?)))?;
    Some(phone.reveal().to_string())
}

/// Values in the order of a template: named as its text names them, else by number. `Err` when there are
/// more or fewer than the text wants.
pub(super) fn positional(text: Option<&str>, values: &[String]) -> Result<(BTreeMap<String, String>, Option<String>), ()> {
    let mut names: Vec<&str> = Vec::new();
    for name in text.into_iter().flat_map(names_in) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if text.is_some() && names.len() != values.len() {
        return Err(());
    }
    let named = |i: usize| names.get(i).map_or_else(|| (i + 1).to_string(), |n| n.to_string());
    let mut variables: BTreeMap<String, String> = values.iter().enumerate().map(|(i, v)| (named(i), v.clone())).collect();
    let whole = text.map(|t| fill(t, &variables));
    if !variables.contains_key("digit") {
        // Nobody told us which one it is: the last short number is what a person would reply with.
        let short = |v: &&String| (1..=2).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_digit());
        if let Some(digit) = values.iter().rev().find(short) {
            variables.insert("digit".into(), digit.clone());
        }
    }
    Ok((variables, whole))
}

/// What a free text asks to be answered or pressed: the number after its last 回 or 按.
pub(super) fn asked_digit(text: &str) -> Option<String> {
    let after = text.rsplit(['回', '按']).next().filter(|rest| rest.len() < text.len())?;
    let rest = after.trim_start_matches(['复', '：', ' ', '「', '数', '字', '键']);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).take(2).collect();
    match rest.chars().next() {
        _ if !digits.is_empty() => Some(digits),
        Some(c) if "零一二三四五六七八九幺".contains(c) => Some(c.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_names_of_the_text_or_numbers() {
        let values = |v: &[&str]| v.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let (named, text) = positional(Some("${level}预警，${level}回${digit}"), &values(&["红色", "2"])).unwrap();
        assert_eq!((named["level"].as_str(), named["digit"].as_str(), text.as_deref()), ("红色", "2", Some("红色预警，红色回2")));
        assert!(positional(Some("${level}"), &values(&["红色", "2"])).is_err());
        let (numbered, _) = positional(None, &values(&["红色", "30", "暴雨", "2"])).unwrap();
        assert_eq!((numbered["1"].as_str(), numbered["digit"].as_str()), ("红色", "2"));
    }

    #[test]
    fn what_a_text_asks_for_is_found() {
        assert_eq!(asked_digit("沁水县红色预警，30分钟内回2确认").as_deref(), Some("2"));
        assert_eq!(asked_digit("确认收到并到岗，请按一。").as_deref(), Some("一"));
        assert_eq!(asked_digit("请回复：3"), Some("3".into()));
        assert_eq!((asked_digit("预警解除"), asked_digit("请回家")), (None, None));
    }

    #[test]
    fn numbers_are_read_back_from_e164() {
        assert_eq!(mobile("+8615400000001").as_deref(), Some("15400000001"));
        assert_eq!((mobile("+863562111111"), mobile("12345")), (None, None));
        assert_eq!(any_number("+863562111111").as_deref(), Some("03562111111"));
        assert_eq!(any_number("+15005550006").as_deref(), Some("+15005550006"));
    }
}
