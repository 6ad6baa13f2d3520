//! What is in force now of what is promised when a commit is answered: asked of the primaries again and again, because
//! a failover or an operator may change it while gateways run.

use super::{
    Core, RedisStore,
    checks::{self, Standing},
    link::Confirm,
    time::ALARMING_MS,
};
use crate::store::Durability;
use std::sync::{PoisonError, atomic::Ordering};

impl RedisStore {
    /// Asks the primaries now what they are otherwise asked every few seconds.
    pub async fn ask_what_is_in_force(&self) {
        self.core.look_at_standing().await;
    }

    /// How an urgent commit is confirmed before it is answered, for `/readyz` and the console.
    pub fn durability(&self) -> String {
        self.core.confirmed_by().0
    }

    /// The same with what else is in force: the local journal, replicas that are late, what is not as it must be.
    pub(super) fn in_force(&self) -> Durability {
        let core = &self.core;
        let (by, by_zh) = core.confirmed_by();
        let (journal, journal_zh) = match &core.journal {
            Some(_) => ("also synced in this gateway's own journal, for after a failover", "并写入本机日志，主备切换后据以补回"),
            None => ("no local journal: a failover can lose what was acknowledged last", "未设本机日志，主备切换可能丢失最后确认的内容"),
        };
        let mut more = Vec::new();
        if core.late.load(Ordering::Relaxed) {
            more.push(("the replicas do not keep up".to_string(), "副本目前跟不上".to_string()));
        }
        let mut lacking = false;
        if let Some(why) = core.journal.as_ref().and_then(|j| j.cannot()) {
            lacking = true;
            more.push((
                format!("NOT IN FORCE: nothing is taken, called or answered: {why}"),
                "未达到要求：本机日志无法写入，本网关暂停受理、叫应和应答".to_string(),
            ));
        }
        if let Some(window) = core.journal.as_ref().and_then(|j| j.crowded(core.lived())) {
            // Said, no more: in the largest event of all nobody must be sent away for it.
            let s = window.0 / 1000;
            more.push((
                format!("the local journal is over its size and went back {s} s only: raise store.redis.journal_size"),
                format!("本机日志超出容量，只保留了最近 {s} 秒，请调大 store.redis.journal_size"),
            ));
        }
        for lost in core.unrepaired().iter() {
            more.push(("LOST in a failover and not done again: see the log".to_string(), lost.clone()));
        }
        if core.held.load(Ordering::Relaxed) {
            lacking = true;
            more.push((
                "NOT IN FORCE: a new primary is held for a moment, until every gateway has repaired what a failover lost".to_string(),
                "未达到要求：主备刚切换，各网关补回数据之前暂停叫应".to_string(),
            ));
        }
        if let Some(standing) = core.stands() {
            lacking |= standing.replicas < core.link.settings.replicas || !standing.faults.is_empty();
            let wanted = core.link.settings.replicas;
            if standing.replicas < wanted {
                let n = standing.replicas;
                more.push((
                    format!("NOT IN FORCE: {n} of {wanted} replicas are connected, and posts and answers get 503 meanwhile"),
                    format!("未达到要求：应有 {wanted} 个副本，目前只连上 {n} 个，期间受理和应答返回 503"),
                ));
            }
            more.extend(standing.faults.iter().map(|f| (format!("NOT IN FORCE: {f}"), format!("未达到要求：{f}"))));
        }
        let skew = self.clock_skew().0;
        if skew.abs() >= ALARMING_MS {
            more.push((
                format!("this machine's clock is {skew} ms from the servers', which is in force"),
                format!("本机时钟与服务器相差 {skew} 毫秒，以服务器为准"),
            ));
        }
        let (more, more_zh): (Vec<String>, Vec<String>) = more.into_iter().map(|(en, zh)| (format!("; {en}"), format!("；{zh}"))).unzip();
        let said = format!("redis: {by}; {journal}{}", more.concat());
        Durability { lacking, ..Durability::new(said, format!("Redis：{by_zh}；{journal_zh}{}", more_zh.concat())) }
    }
}

impl Core {
    fn stands(&self) -> Option<Standing> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What an urgent commit waits for, in English and Chinese.
    fn confirmed_by(&self) -> (String, String) {
        let n = self.link.settings.replicas;
        let fsync = self.stands().and_then(|s| if s.aof_off { Some("no".to_string()) } else { s.fsync });
        let (disk, disk_zh) = match fsync.as_deref() {
            Some("always") => {
                ("synced to the primary's disk before it is answered (appendfsync always)", "主节点落盘后再答复（appendfsync always）")
            }
            Some("everysec") => {
                ("on the primary's disk within a second (appendfsync everysec)", "主节点一秒内落盘（appendfsync everysec）")
            }
            Some(_) => ("on the primary, which syncs its disk at no set time", "主节点何时落盘没有保证"),
            None => ("on the primary, synced by an appendfsync that may not be asked for", "主节点落盘方式不可查询"),
        };
        match self.confirm {
            Confirm::No => (disk.to_string(), disk_zh.to_string()),
            Confirm::Replicas | Confirm::One => (
                format!("received by {n} replicas before it is answered (WAIT), {disk}"),
                format!("{n} 个副本收到后再答复（WAIT），{disk_zh}"),
            ),
            Confirm::Disks => (
                format!("on the disk of the primary and of {n} replicas before it is answered (WAITAOF)"),
                format!("主节点和 {n} 个副本落盘后再答复（WAITAOF）"),
            ),
        }
    }

    /// Asks the primaries how they stand; says so once where something is not, or is again, as it must be.
    pub(super) async fn look_at_standing(&self) {
        let now = match checks::standing(&self.link).await {
            Ok(now) => now,
            Err(e) => return tracing::debug!(error = %e, "how the primaries stand could not be asked"),
        };
        let before = self.standing.write().unwrap_or_else(PoisonError::into_inner).replace(now.clone());
        let faults = before.map(|s| s.faults).unwrap_or_default();
        for fault in now.faults.iter().filter(|f| !faults.contains(f)) {
            tracing::error!(%fault, "a Redis primary is not fit to keep warnings any more");
        }
        if !faults.is_empty() && now.faults.is_empty() {
            tracing::info!("the Redis primaries are fit again");
        }
    }
}
