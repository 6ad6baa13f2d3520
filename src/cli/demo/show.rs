//! What the demo prints: the address and the commands to try, a line per event worth seeing, the
//! tally as it moves, and the final one.

use super::{
    setup::Secrets,
    world::{World, worth_seeing},
};
use crate::{
    cli::Failure,
    core::division::Division,
    standin::{GroupMessage, StandinHandle},
    store::FeedItem,
};
use serde_json::Value;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Lines of one kind shown in full; of the rest every twentieth.
const SHOWN: usize = 12;

/// The stand-in's groups, as people call the programs.
const GROUPS: [(&str, &str); 3] = [("dingtalk", "钉钉"), ("feishu", "飞书"), ("wecom", "企业微信")];

/// Waits a moment for the groups to be told the end, too.
pub(super) async fn last_words(standin: &StandinHandle, stop: &CancellationToken) {
    let ended = |robot: &str| {
        let is_end = |m: &GroupMessage| m.robot == robot && (m.text.contains("叫应结束") || m.text.contains("叫应完成"));
        standin.groups().iter().any(is_end)
    };
    for _ in 0..100 {
        if stop.is_cancelled() || GROUPS.iter().all(|(robot, _)| ended(robot)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Where lines go: with `--json` standard output is kept for the result.
pub(super) struct Voice {
    json: bool,
}
impl Voice {
    pub fn new(json: bool) -> Voice {
        Voice { json }
    }
    pub fn line(&self, text: &str) {
        if self.json { eprintln!("{text}") } else { println!("{text}") }
    }

    pub fn greeting(&self, base: &str, people: usize, s: &Secrets, speed: f64, county: Division) {
        self.line(&format!("叫应网关 {base}，示例名册 {people} 人，策略时间加快 {speed} 倍"));
        self.line(&format!("值班页面 {base}/status （用户名任意，密码 {}）", s.token));
        self.line("在另一个终端再发一条预警：");
        let body = format!(
            r#"{{"identifier":"'demo-$(date +%s)'","sent":"'$(date -Iseconds)'","status":"actual","message_type":"alert","hazard":"11A51","level":"red","headline":"山洪灾害红色预警","description":"预计未来1小时山洪灾害可能性大","areas":[{{"division":"{county}"}}]}}"#
        );
        self.line(&format!(
            "  curl -sS {base}/api/v1/warnings -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' -d '{body}'",
            s.issuer
        ));
    }

    /// What the three groups were told: how much, and the last of it.
    pub fn groups(&self, told: &[GroupMessage]) {
        self.line("── 群播报 ──");
        for (robot, name) in GROUPS {
            let all: Vec<&GroupMessage> = told.iter().filter(|m| m.robot == robot).collect();
            let last = all.last().map_or("—", |m| m.text.lines().next().unwrap_or_default()).replace("**", "");
            self.line(&format!("  {name} {} 条，最后一条：{}", all.len(), last.trim()));
        }
    }

    fn tally(&self, t: &Value) {
        let n = |k: &str| t[k].as_u64().unwrap_or(0);
        self.line(&format!(
            "  应叫应 {}｜待叫应 {} 叫应中 {} 超时 {} 转人工 {} 无联系方式 {}｜已叫应 {}（已反馈 {}）终止 {}",
            n("expected"),
            n("queued"),
            n("calling"),
            n("overdue"),
            n("handed_over"),
            n("unreachable"),
            n("answered"),
            n("reported"),
            n("closed")
        ));
    }

    fn last(&self, t: &Value) {
        let n = |k: &str| t[k].as_u64().unwrap_or(0);
        let rate = |k: &str| t[k].as_f64().map_or("—".to_string(), |r| format!("{:.1}%", r * 100.0));
        let secs = |k: &str| t[k].as_f64().map_or("—".to_string(), |s| format!("{s:.1} 秒"));
        self.line("── 结果 ──");
        self.tally(t);
        self.line(&format!("  叫应率 {}，按时叫应率 {}，反馈率 {}", rate("answer_rate"), rate("on_time_rate"), rate("feedback_rate")));
        self.line(&format!("  应答时长 中位 {}，P90 {}（演示时间）", secs("median_answer_s"), secs("p90_answer_s")));
        self.line(&format!("  应答方式 {}；应答人 {}", t["by_via"], t["by_relation"]));
        self.line(&format!("  地点 {}，有人应答 {}，无人应答 {}", n("places"), n("places") - n("places_silent"), n("places_silent")));
        let sum = n("queued") + n("calling") + n("overdue") + n("handed_over") + n("answered") + n("closed") + n("unreachable");
        self.line(&format!("  守恒：{} = {}", n("expected"), sum));
    }
}

#[derive(Default)]
struct Counter(std::collections::BTreeMap<String, usize>);
impl Counter {
    fn show(&mut self, say: &Voice, item: &FeedItem) {
        if let Some(line) = worth_seeing(item) {
            let n = self.0.entry(item.kind.clone()).or_default();
            *n += 1;
            if *n <= SHOWN || n.is_multiple_of(20) {
                let at = item.at.beijing().strftime("%H:%M:%S");
                let more = if *n > SHOWN { format!("（第 {n} 条）") } else { String::new() };
                say.line(&format!("{at} {line}{more}"));
            }
        }
    }
}

/// Shows events until the warning is closed; the final tally, or `None` when stopped before.
pub(super) async fn until_closed(world: &World, id: &str, say: &Voice, stop: &CancellationToken) -> Result<Option<Value>, Failure> {
    let mut counter = Counter::default();
    let mut seq = 0;
    let mut ticks = 0u32;
    while !stop.is_cancelled() {
        for (n, item) in world.engine.reports().feed_after(seq, 500).await.map_err(|e| Failure::Failed(e.to_string()))? {
            seq = n;
            counter.show(say, &item);
        }
        if ticks.is_multiple_of(10) {
            let warning = world.get(&format!("/api/v1/warnings/{id}")).await?;
            let tally = &warning["tally"];
            if warning["state"] == "closed" {
                say.last(tally);
                return Ok(Some(tally.clone()));
            }
            say.tally(tally);
        }
        ticks += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(None)
}

/// Goes on showing events until stopped.
pub(super) async fn follow(world: &World, say: &Voice, stop: &CancellationToken) -> Result<(), Failure> {
    let mut counter = Counter::default();
    let mut seq = world.engine.reports().feed_tip().await.map_err(|e| Failure::Failed(e.to_string()))?;
    while !stop.is_cancelled() {
        for (n, item) in world.engine.reports().feed_after(seq, 500).await.map_err(|e| Failure::Failed(e.to_string()))? {
            seq = n;
            counter.show(say, &item);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
    Ok(())
}
