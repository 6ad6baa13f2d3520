//! A callout's journal told line by line, for people: what happened, when, by whom. In Chinese,
//! without numbers or message texts.

use super::{at, callout::channel_zh, callout::relation_zh};
use crate::{
    core::{
        callout::{
            entry::{Entry, HedgeWay},
            state::{AskKind, AttemptState},
        },
        send::Channel,
    },
    engine::CalloutParts,
    store::JournalRow,
};
use serde::Serialize;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    pub at: String,
    pub what: String,
    /// An officer, a person, `null` for the gateway itself.
    pub by: Option<String>,
}

/// All lines, oldest first. A journal entry that this version cannot read is shown as such, never left out.
pub fn lines(parts: &CalloutParts, journal: &[JournalRow]) -> Vec<Line> {
    let mut out = Vec::new();
    for row in journal {
        let entries: Vec<serde_json::Value> = serde_json::from_slice(&row.entries).unwrap_or_default();
        for value in entries {
            let (what, by) = match serde_json::from_value::<Entry>(value) {
                Ok(entry) => match tell(parts, &entry) {
                    Some(told) => told,
                    None => continue,
                },
                Err(_) => ("（本版本无法识别的记录）".to_string(), None),
            };
            out.push(Line { at: at(row.at), what, by });
        }
    }
    out
}

fn name_of(parts: &CalloutParts, contact: u8) -> String {
    let contact = parts.callout.contacts.get(usize::from(contact));
    let name = contact.and_then(|k| parts.person(k.person)).map_or("", |p| p.name.as_str());
    match contact {
        Some(k) => format!("{}{name}", relation_zh(k.relation.as_str())),
        None => name.to_string(),
    }
}

/// `：到岗`, where the schedule says what is asked.
fn asked(parts: &CalloutParts, ask: u8) -> String {
    let schedule = parts.entry().and_then(|e| e.feedback).and_then(|f| parts.warning.policy.feedback.get(usize::from(f)));
    let asks = schedule.and_then(|s| s.get(ask)).map(|r| r.ask.join("、")).unwrap_or_default();
    if asks.is_empty() { asks } else { format!("：{asks}") }
}

fn kind_zh(kind: AskKind) -> &'static str {
    match kind {
        AskKind::Callout => "叫应",
        AskKind::Chase => "催办",
        AskKind::Deputy => "请代理人应答",
        AskKind::Takeover => "请求接办",
        AskKind::Renewed => "预警更新",
        AskKind::Feedback => "反馈提醒",
        AskKind::End => "结束通知",
        AskKind::Info => "告知",
        AskKind::Which => "询问是哪一条",
        AskKind::Ended => "告知已结束",
        AskKind::Decide => "请处理任务",
        AskKind::Return => "准许返回通知",
    }
}

fn state_zh(state: AttemptState) -> &'static str {
    match state {
        AttemptState::Queued => "排队",
        AttemptState::Sending => "发送中",
        AttemptState::Accepted => "运营商已接收",
        AttemptState::Delivered => "已送达",
        AttemptState::Failed => "失败",
        AttemptState::Unknown => "结果未知",
        AttemptState::Withdrawn => "已撤回",
    }
}

/// What an entry says; `None` for bookkeeping that means nothing to a reader.
fn tell(parts: &CalloutParts, entry: &Entry) -> Option<(String, Option<String>)> {
    let attempt = |n: u16| {
        let Some(a) = parts.callout.attempt(n) else { return format!("第{n}条") };
        format!("第{n}条（{}，{}）", channel_zh(a.channel.as_str()), name_of(parts, a.contact))
    };
    let posts = |posts: &[u16]| {
        let entry = parts.entry();
        let name = |i: &u16| entry.and_then(|e| e.posts.get(usize::from(*i))).map(|p| format!("{}{}", p.place_name, p.title));
        posts.iter().filter_map(name).collect::<Vec<_>>().join("、")
    };
    let plain = |what: String| Some((what, None));
    match entry {
        Entry::Opened { told_only: true, .. } => plain("列入告知".into()),
        Entry::Opened { unreachable: true, .. } => plain("列入叫应，无有效联系方式".into()),
        Entry::Opened { .. } => plain("列入叫应".into()),
        Entry::Carried { from, .. } => plain(format!("承接 {from} 的叫应")),
        Entry::Climbed { rung, .. } => plain(format!("进入第{}级叫应", u16::from(*rung) + 1)),
        Entry::Hastened { why, .. } => plain(format!("提前升级：{why}")),
        Entry::ContactAdded { relation, person, .. } => {
            let name = parts.person(*person).map_or("", |p| p.name.as_str());
            plain(format!("加叫{}{name}", relation_zh(relation.as_str())))
        }
        Entry::CallsSet { .. } | Entry::LookedUp { .. } | Entry::EndTold { .. } | Entry::Recalled { .. } => None,
        Entry::GivenUp { n, why } => plain(format!("{}结果不明，不再等待：{why}", attempt(*n))),
        Entry::Queued { contact, channel, kind, hedges, .. } => {
            let beside = hedges.map(|n| format!("（补发第{n}条）")).unwrap_or_default();
            plain(format!("{}：向{}发{}{beside}", kind_zh(*kind), name_of(parts, *contact), channel_zh(channel.as_str())))
        }
        Entry::Hedged { n, way } => {
            let what = match way {
                HedgeWay::Provider => "经另一通道补发",
                HedgeWay::Voice => "立即改打电话",
                HedgeWay::None => "没有其他通道",
            };
            plain(format!("{}迟迟没有回执，{what}", attempt(*n)))
        }
        Entry::Sending { n, provider, .. } => plain(format!("{}经 {provider} 发出", attempt(*n))),
        Entry::Deferred { n, until, why } => plain(format!("{}推迟到 {}：{why}", attempt(*n), super::zh(*until))),
        Entry::AttemptIs { n, state, outcome, .. } => {
            let outcome = outcome.as_deref().map(|o| format!("：{o}")).unwrap_or_default();
            plain(format!("{}{}{outcome}", attempt(*n), state_zh(*state)))
        }
        Entry::NumberDead { contact, number, why, only } => {
            let way = match only {
                Some(Channel::Sms) => "收不到短信",
                Some(Channel::Voice) => "打不了电话",
                _ => "不可用",
            };
            plain(format!("{}的号码{}{way}：{why}", name_of(parts, *contact), u16::from(*number) + 1))
        }
        Entry::Declined { contact, not_me, via } => {
            let what = if *not_me { "回答不是本人" } else { "请由代理人接办" };
            Some((format!("{what}（{}）", via.name_zh()), Some(name_of(parts, *contact))))
        }
        Entry::WrongKey { n, keys } => plain(format!("{}按了“{keys}”，不算应答", attempt(*n))),
        Entry::PostsAnswered { posts: which, by, via } => {
            Some((format!("应答：{}（{}）", posts(which), via.name_zh()), Some(by.name.clone())))
        }
        Entry::Answered { via, by, late, entered_by, note, .. } => {
            let late = if *late { "，超时应答" } else { "" };
            let note = note.as_deref().map(|n| format!("：{n}")).unwrap_or_default();
            let entered = entered_by.as_deref().map(|o| format!("，由{o}录入")).unwrap_or_default();
            Some((format!("已叫应（{}{late}{entered}）{note}", via.name_zh()), Some(by.name.clone())))
        }
        Entry::Passed { .. } => None,
        Entry::Evidence { by, via, .. } => Some((format!("再次应答，留存（{}）", via.name_zh()), Some(by.name.clone()))),
        Entry::PostsStruck { posts: which } => plain(format!("地点已有人应答，不再要求：{}", posts(which))),
        Entry::CoveredByOthers => plain("各地点均已有人应答，终止叫应".into()),
        Entry::Overdue => plain("超过应答时限".into()),
        Entry::Unreachable { why } => plain(format!("无有效联系方式：{why}")),
        Entry::TaskOpened { title, .. } => plain(format!("转人工：{title}")),
        Entry::TaskClaimed { by, .. } => Some(("认领任务".into(), Some(by.clone()))),
        Entry::TaskLapsed { .. } => plain("认领超时，任务退回".into()),
        Entry::TaskReminded { .. } => plain("任务无人认领，呼叫带班领导".into()),
        Entry::TaskClosed { outcome, by, note, .. } => {
            let note = note.as_deref().map(|n| format!("：{n}")).unwrap_or_default();
            Some((format!("任务完成（{outcome}）{note}"), by.clone()))
        }
        Entry::Report { by, report, .. } => Some((format!("反馈：{}", report.place), Some(by.name.clone()))),
        Entry::FeedbackDue { due: Some(due), ask } => plain(format!("应于 {} 前反馈{}", super::zh(*due), asked(parts, *ask))),
        Entry::FeedbackDue { due: None, .. } => None,
        Entry::FeedbackReminded { ask, .. } => plain(format!("反馈超时，已提醒{}", asked(parts, *ask))),
        Entry::Forwarded { .. } => plain("上一级已应答并转发，开始叫应".into()),
        Entry::ReturnPermitted { places, by, note } => {
            let note = if note.is_empty() { String::new() } else { format!("（{note}）") };
            Some((format!("准许返回：{}{note}", places.join("、")), Some(by.clone())))
        }
        Entry::Ended { reason, .. } => plain(format!("叫应结束：{}", reason.name_zh())),
        Entry::Succeeded { successor } => plain(format!("由 {} 继续", successor.id)),
    }
}
