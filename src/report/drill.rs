//! A drill looked back upon: figures of its own, and one row a person and channel.

use super::table::Table;
use crate::core::{
    callout::state::Relation,
    drill::{
        outcome::Row,
        roll::{Due, Roll},
    },
    phone::Phone,
    send::Channel,
    time::Time,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a channel did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChannelFigures {
    pub channel: &'static str,
    pub persons: usize,
    pub attempts: u64,
    pub delivered: usize,
    pub not_delivered: usize,
}

/// A drill's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    pub persons: usize,
    pub answered: usize,
    pub channels: Vec<ChannelFigures>,
}

pub fn figures(rows: &[Row]) -> Figures {
    let mut persons = BTreeSet::new();
    let mut answered = BTreeSet::new();
    let mut channels: BTreeMap<Channel, ChannelFigures> = BTreeMap::new();
    for r in rows {
        persons.insert(r.recipient);
        if r.answered.is_some() {
            answered.insert(r.recipient);
        }
        let c = channels.entry(r.channel).or_insert_with(|| ChannelFigures { channel: r.channel.as_str(), ..ChannelFigures::default() });
        c.persons += 1;
        c.attempts += u64::from(r.attempts);
        if r.delivered {
            c.delivered += 1;
        } else {
            c.not_delivered += 1;
        }
    }
    Figures { persons: persons.len(), answered: answered.len(), channels: channels.into_values().collect() }
}

pub fn channel_zh(c: Channel) -> &'static str {
    match c {
        Channel::Sms => "短信",
        Channel::Voice => "电话",
        Channel::Email => "邮件",
        Channel::Im => "即时消息",
    }
}

fn relation_zh(r: Relation) -> &'static str {
    match r {
        Relation::Holder => "本人",
        Relation::Deputy => "代理人",
        Relation::Superior => "上级",
        Relation::DutyDesk => "值班室",
    }
}

fn when(t: Option<Time>) -> String {
    t.map(|t| t.beijing().strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

/// The rows as a sheet; numbers masked.
pub fn sheet(rows: &[Row]) -> Table {
    let columns = vec![
        ("责任人编号", 12),
        ("姓名", 12),
        ("身份", 8),
        ("地点", 20),
        ("层级", 10),
        ("渠道", 8),
        ("号码", 14),
        ("发出次数", 10),
        ("送达或接听", 10),
        ("最后结果", 24),
        ("最后时间", 20),
        ("应答", 20),
        ("应答方式", 10),
        ("演练", 8),
    ];
    let row = |r: &Row| {
        vec![
            r.recipient.to_string(),
            r.name.clone(),
            relation_zh(r.relation).to_string(),
            r.place.clone(),
            r.tier.to_string(),
            channel_zh(r.channel).to_string(),
            r.phone.as_ref().map(Phone::masked).unwrap_or_default(),
            r.attempts.to_string(),
            if r.delivered { "是" } else { "否" }.to_string(),
            r.outcome.clone(),
            when(r.last_at),
            when(r.answered.map(|(at, _)| at)),
            r.answered.map(|(_, via)| via.name_zh().to_string()).unwrap_or_default(),
            // Law: a drill is marked in every export.
            "演练".to_string(),
        ]
    };
    Table { title: "演练结果".into(), columns, rows: rows.iter().map(row).collect() }
}

/// One row as programs read it; numbers masked.
pub fn json(r: &Row) -> serde_json::Value {
    serde_json::json!({
        "recipient_id": r.recipient.to_string(), "name": r.name, "relation": r.relation.as_str(), "place": r.place,
        "division": r.division, "tier": r.tier, "channel": r.channel, "phone": r.phone.as_ref().map(Phone::masked),
        "attempts": r.attempts, "delivered": r.delivered, "outcome": r.outcome, "last_at": r.last_at.map(Time::rfc3339),
        "answered_at": r.answered.map(|(at, _)| at.rfc3339()), "via": r.answered.map(|(_, via)| via.as_str()),
        "state": r.state.as_str(), "drill": true,
    })
}

/// The quarter's roll call as programs read it; numbers masked.
#[derive(Clone, Debug, Serialize)]
pub struct RollView {
    pub from: String,
    pub to: String,
    pub numbers: usize,
    pub proved: usize,
    pub failed: usize,
    pub untried: usize,
    /// Whose turn it is this week.
    pub this_week: usize,
    /// What is not proved, what failed first.
    pub open: Vec<OpenNumber>,
}

#[derive(Clone, Debug, Serialize)]
pub struct OpenNumber {
    pub recipient_id: String,
    pub name: String,
    pub phone: String,
    pub state: &'static str,
    pub tried_at: Option<String>,
    pub outcome: Option<String>,
}

/// At most `limit` open numbers are named; the counts are whole.
pub fn roll(roll: &Roll, name: impl Fn(&Due) -> String, outcome: impl Fn(&Phone) -> Option<String>, now: Time, limit: usize) -> RollView {
    let open = |state: &'static str| {
        let (name, outcome) = (&name, &outcome);
        move |d: &Due| OpenNumber {
            recipient_id: d.recipient.to_string(),
            name: name(d),
            phone: d.phone.masked(),
            state,
            tried_at: d.tried.map(Time::rfc3339),
            outcome: outcome(&d.phone),
        }
    };
    RollView {
        from: roll.from.rfc3339(),
        to: roll.to.rfc3339(),
        numbers: roll.numbers,
        proved: roll.proved,
        failed: roll.failed.len(),
        untried: roll.untried.len(),
        this_week: roll.this_week(now).len(),
        open: roll.failed.iter().map(open("failed")).chain(roll.untried.iter().map(open("untried"))).take(limit).collect(),
    }
}
