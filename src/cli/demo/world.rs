//! The people of the demo beyond what the stand-in plays: they open links in mails, report what they
//! did, and officers work through their tasks. Everything goes by HTTP, as it would in life.

#![expect(clippy::disallowed_methods, reason = "simulated people and officers come and go with the demo")]

use super::setup::Secrets;
use crate::{
    core::{callout::state::CalloutState, ids::CalloutId},
    engine::Engine,
    standin::{chance, mail::MailMessage},
    store::FeedItem,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{sync::broadcast, task::JoinHandle};
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub(super) struct World {
    pub engine: Arc<Engine>,
    pub http: reqwest::Client,
    pub base: String,
    pub secrets: Secrets,
    pub speed: f64,
    pub seed: u64,
}

/// Share of people who open the link in a mail and press the button.
const OPENS_LINK: f64 = 0.35;
/// Share of officers' calls that reach the person.
const REACHED: f64 = 0.8;

impl World {
    fn roll(&self, who: &str, what: &str) -> f64 {
        chance::roll(self.seed, who, 0, what)
    }
    /// Waits this long in the demo's time.
    async fn wait(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds / self.speed)).await;
    }
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let r = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.secrets.token).send().await?;
        Ok(r.error_for_status()?.json().await?)
    }
    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<reqwest::StatusCode> {
        let r = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.secrets.token).json(body).send().await?;
        Ok(r.status())
    }
}

pub(super) fn start(world: World, mails: broadcast::Receiver<MailMessage>, stop: CancellationToken) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(until(stop.clone(), readers(world.clone(), mails))),
        tokio::spawn(until(stop.clone(), reporters(world.clone()))),
        tokio::spawn(until(stop, officers(world))),
    ]
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Some who get a mail open the link and press the button.
async fn readers(world: World, mut mails: broadcast::Receiver<MailMessage>) {
    loop {
        let mail = match mails.recv().await {
            Ok(m) => m,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let to = mail.to.first().cloned().unwrap_or_default();
        let Some(token) = mail.text.split("/a/").nth(1).map(|r| r.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
        else {
            continue;
        };
        if world.roll(&to, "opens") >= OPENS_LINK {
            continue;
        }
        let world = world.clone();
        tokio::spawn(async move {
            world.wait(20.0 + 120.0 * world.roll(&to, "reads")).await;
            let url = format!("{}/a/{token}", world.base);
            // A preview fetches first, as mail programs do; that must not answer.
            let _ = world.http.get(&url).send().await;
            let _ = world.http.post(&url).form(&[("action", "answer")]).send().await;
        });
    }
}

/// Everybody who answered reports after a while, through the page behind the link.
async fn reporters(world: World) {
    let mut seq = world.engine.reports().feed_tip().await.unwrap_or(0).saturating_sub(1000);
    loop {
        let items = world.engine.reports().feed_after(seq, 500).await.unwrap_or_default();
        if items.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for (n, item) in items {
            seq = n;
            if let (true, Some(id)) = (item.kind == "callout.answered", item.callout) {
                tokio::spawn(report(world.clone(), id));
            }
        }
    }
}

async fn report(world: World, id: CalloutId) {
    let who = id.to_string();
    world.wait(180.0 + 600.0 * world.roll(&who, "works")).await;
    let Ok(Some(parts)) = world.engine.callout_parts(id).await else { return };
    if parts.callout.state != CalloutState::Answered {
        return;
    }
    let by = parts.callout.acknowledgement.as_ref().and_then(|a| a.by.id);
    let contact = parts.callout.contacts.iter().position(|k| Some(k.id) == by).unwrap_or(0) as u8;
    let Ok(shown) = world.get(&format!("/api/v1/callouts/{who}")).await else { return };
    // A report names a place; who answers for several reports each.
    let mut places: Vec<&str> = shown["posts"].as_array().into_iter().flatten().filter_map(|p| p["place"].as_str()).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        let to_move = (world.roll(&format!("{who} {place}"), "people") * 40.0) as u32;
        let moved = if world.roll(&who, "done") < 0.7 { to_move } else { to_move / 2 };
        let body = json!({"place": place, "on_post": true, "to_move": to_move, "moved": moved, "note": ""});
        let _ = world.http.post(format!("{}/feedback", world.engine.link(id, contact))).json(&body).send().await;
    }
}

/// Officers take tasks one after the other: claim, call, sign.
async fn officers(world: World) {
    let mut shift = Vec::new();
    for n in 0..12u32 {
        shift.push(tokio::spawn(officer(world.clone(), n)));
    }
    for s in shift {
        let _ = s.await;
    }
}

async fn officer(world: World, n: u32) {
    loop {
        let open = world.get("/api/v1/tasks?limit=200").await.unwrap_or_default();
        let tasks = open["items"].as_array().cloned().unwrap_or_default();
        let mine = tasks.iter().enumerate().find(|(i, t)| t["claimed_by"].is_null() && *i as u32 % 12 == n).map(|(_, t)| t.clone());
        let Some(task) = mine else {
            tokio::time::sleep(Duration::from_millis(150)).await;
            continue;
        };
        let id = task["id"].as_str().unwrap_or_default().to_string();
        if !world.post(&format!("/api/v1/tasks/{id}/claim"), &json!({})).await.is_ok_and(|s| s.is_success()) {
            continue;
        }
        world.wait(15.0 + 30.0 * world.roll(&id, "calls")).await;
        let reached = world.roll(&id, "reached") < REACHED;
        let body = match (task["kind"].as_str(), reached) {
            (Some("decide"), _) => json!({"outcome": "end", "note": "演示：到期结束"}),
            (Some("call"), true) => json!({"outcome": "reached", "reached": "holder", "note": "电话接通，已到岗"}),
            (Some("call"), false) => json!({"outcome": "not_reached", "note": "无人接听"}),
            _ => json!({"outcome": "read", "note": "已阅"}),
        };
        let _ = world.post(&format!("/api/v1/tasks/{id}/complete"), &body).await;
    }
}

/// What of the feed is worth a line.
pub(super) fn worth_seeing(item: &FeedItem) -> Option<String> {
    let d = &item.data;
    let text = |k: &str| d[k].as_str().unwrap_or_default().to_string();
    let who = format!("{} {}", text("place"), text("name"));
    Some(match item.kind.as_str() {
        "warning.planned" => format!("计划完成：应叫应 {} 人", d["expected"]),
        "callout.overdue" => format!("超时未叫应  {who}"),
        "callout.handed_over" => format!("转人工      {who}"),
        "callout.answered" if d["late"] == true => format!("迟到的应答  {who}（{}）", text("via")),
        "callout.answered" if text("by") == "deputy" => format!("代理人应答  {who}"),
        "task.closed" if d["callout_id"].is_string() => format!("任务完成    {}", text("title")),
        "provider.down" => format!("通道故障    {}", text("provider")),
        "provider.up" => format!("通道恢复    {}", text("provider")),
        "warning.refused" => format!("拒收        {}：{}", text("issuer"), text("reason")),
        "warning.accepted" => format!("预警受理    {} {}", text("id"), text("headline")),
        "warning.closed" => format!("预警结束    {}（{}）", text("id"), text("closed_reason")),
        _ => return None,
    })
}
