//! The read side. Lists of callouts go over the ordinals of a warning window by window, so that no
//! call holds a server up for long.

use super::{
    Core, RedisStore,
    codec::{self, corrupt},
    link::{Again, Via},
    names::{self, Part},
    reply,
};
use crate::{
    core::ids::{CalloutId, MAX_ORDINAL, WarningId},
    store::{
        CalloutFilter, CalloutState, Durability, Face, FaceCounts, FeedItem, JournalRow, Key, Lane, Record, Reports, StoreError, TaskRow,
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use redis::{Value, cmd};
use std::collections::{BTreeMap, BTreeSet};

/// Callouts looked at in one call: a few milliseconds of a server.
const WINDOW: u32 = 2_000;
/// Windows asked for at the same time where all will be needed.
const AHEAD: usize = 4;
/// No list is longer.
const MOST: usize = 1_000_000;

/// What a window's rows carry.
#[derive(Clone, Copy)]
enum What {
    Count,
    Face,
    All,
}
impl What {
    fn word(self) -> &'static str {
        match self {
            What::Count => "count",
            What::Face => "face",
            What::All => "all",
        }
    }
}

/// What one window gave.
struct Window {
    /// Ordinal (or what is counted) and value.
    rows: Vec<(String, Vec<u8>)>,
    /// The last ordinal looked at.
    looked: u32,
    /// No callout is beyond it.
    most: i64,
}

fn names_of(parts: &[Part]) -> String {
    parts.iter().map(Part::to_string).collect::<Vec<_>>().join(" ")
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

impl Core {
    /// A read function of every partition, one answer a call.
    async fn everywhere(&self, name: &str, args: &[String]) -> Result<Vec<Value>, StoreError> {
        try_join_all(self.groups().into_iter().map(|parts| async move {
            let at = parts.last().copied().unwrap_or(Part::CONTROL);
            let mut call = self.link.function(name, at);
            call.arg(names_of(&parts)).arg(args);
            self.link.call(at, Via::Read, &call, Again::Safe).await
        }))
        .await
    }

    /// Ordinals `from` to `from + width - 1` of a warning, over all partitions, in order.
    async fn window(
        &self,
        warning: WarningId,
        (from, width): (u32, u32),
        limit: usize,
        what: What,
        filter: &CalloutFilter,
    ) -> Result<Window, StoreError> {
        let to = from.saturating_add(width - 1);
        let division = filter.division.map(|d| d.range());
        let people = filter.recipients.as_ref().map(|all| all.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
        let args = [
            self.partitions.to_string(),
            warning.0.to_string(),
            from.to_string(),
            to.to_string(),
            limit.min(MOST).to_string(),
            what.word().to_string(),
            optional(filter.state.map(codec::state_code)),
            optional(filter.tier.map(codec::tier_code)),
            optional(division.map(|d| d.0)),
            optional(division.map(|d| d.1)),
            u8::from(filter.open).to_string(),
            people.map(|p| format!("|{p}")).unwrap_or_default(),
        ];
        let mut all = Window { rows: Vec::new(), looked: to, most: -1 };
        for answer in self.everywhere("scan", &args).await? {
            let [rows, looked, most] = reply::parts(answer)?;
            for (name, value) in reply::pairs(rows)? {
                all.rows.push((reply::text(name)?, reply::bytes(value)?));
            }
            all.looked = all.looked.min(reply::number(looked)?);
            all.most = all.most.max(reply::number(most)?);
        }
        Ok(all)
    }

    /// The callouts of a window by ordinal; only as far as every partition has looked.
    fn read_rows(warning: WarningId, window: Window) -> Result<Vec<(Record, Face)>, StoreError> {
        let mut out = Vec::with_capacity(window.rows.len());
        for (ordinal, value) in window.rows {
            let ordinal: u32 = ordinal.parse().map_err(|_| corrupt(format!("`{ordinal}` is not an ordinal")))?;
            if ordinal > window.looked {
                continue;
            }
            if let (record, Some(face)) = codec::decode(Key::Callout(CalloutId::new(warning, ordinal)), &value)? {
                out.push((ordinal, record, face));
            }
        }
        out.sort_by_key(|(ordinal, ..)| *ordinal);
        Ok(out.into_iter().map(|(_, record, face)| (record, face)).collect())
    }

    /// Every window of a warning, several at a time.
    async fn all_windows(&self, warning: WarningId, what: What) -> Result<Vec<Window>, StoreError> {
        let any = CalloutFilter::default();
        let width = self.width();
        let first = self.window(warning, (0, width), MOST, what, &any).await?;
        let last = u32::try_from(first.most).unwrap_or(0).min(MAX_ORDINAL);
        let rest = (1..).map(|n| width.saturating_mul(n)).take_while(|from| *from <= last && *from < u32::MAX);
        let any = &any;
        let rest = stream::iter(rest.map(|from| async move { self.window(warning, (from, width), MOST, what, any).await }));
        let rest: Vec<Window> = rest.buffered(AHEAD).try_collect().await?;
        Ok([first].into_iter().chain(rest).collect())
    }

    /// How many ordinals make a window: each partition has its share of them.
    fn width(&self) -> u32 {
        if self.together { WINDOW } else { WINDOW * u32::from(self.partitions.clamp(1, 64)) }
    }

    /// Warnings that have callouts the filter may want.
    async fn warnings_for(&self, warning: Option<WarningId>, filter: &CalloutFilter) -> Result<BTreeSet<WarningId>, StoreError> {
        if let Some(w) = warning {
            return Ok([w].into());
        }
        let codes: Vec<String> = if filter.open {
            let open = CalloutState::ALL.into_iter().filter(|s| s.is_open()).map(|s| codec::state_code(s).to_string());
            open.chain(["told".to_string()]).collect()
        } else {
            Vec::new()
        };
        let mut all = BTreeSet::new();
        for answer in self.everywhere("called", &[codes.join(" ")]).await? {
            for w in reply::array(answer)? {
                all.insert(WarningId(reply::number(w)?));
            }
        }
        Ok(all)
    }
}

fn add_counts(counts: &mut FaceCounts, what: &str, n: u64) -> Result<(), StoreError> {
    match what {
        _ if n == 0 => {}
        "told" => counts.told += n,
        "owed" => counts.feedback_owed += n,
        code => {
            let state = code.parse().ok().and_then(codec::state_of).ok_or_else(|| corrupt(format!("`{code}` is counted, but no state")))?;
            *counts.by_state.entry(state).or_default() += n;
        }
    }
    Ok(())
}

#[async_trait]
impl Reports for RedisStore {
    fn durability(&self) -> Durability {
        self.in_force()
    }

    async fn warnings(&self, cursor: Option<WarningId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut call = self.core.link.function("warnings", Part::CONTROL);
        call.arg(cursor.map_or_else(|| "+inf".to_string(), |w| format!("({}", w.0))).arg(limit.min(MOST));
        let mut out = Vec::new();
        for (id, value) in reply::pairs(self.core.link.call(Part::CONTROL, Via::Read, &call, Again::Safe).await?)? {
            let key = Key::Warning(WarningId(reply::number(id)?));
            if let Some(value) = reply::maybe_bytes(value)? {
                out.push(codec::decode(key, &value)?.0);
            }
        }
        Ok(out)
    }

    async fn callouts(
        &self,
        warning: Option<WarningId>,
        filter: &CalloutFilter,
        cursor: Option<CalloutId>,
        limit: usize,
    ) -> Result<Vec<(Record, Face)>, StoreError> {
        let mut out = Vec::new();
        if limit == 0 {
            return Ok(out);
        }
        for warning in self.core.warnings_for(warning, filter).await? {
            let mut from = match cursor {
                Some(c) if warning < c.warning => continue,
                Some(c) if warning == c.warning => match c.ordinal.checked_add(1) {
                    Some(next) => next,
                    None => continue,
                },
                _ => 0,
            };
            // A page is mostly found in the first few rows; a filter that finds little looks further each time.
            let mut width = u32::try_from(limit).unwrap_or(WINDOW).saturating_mul(2).clamp(16, self.core.width());
            loop {
                let window = self.core.window(warning, (from, width), limit - out.len(), What::All, filter).await?;
                let (looked, most) = (window.looked, window.most);
                out.extend(Core::read_rows(warning, window)?);
                if out.len() >= limit {
                    out.truncate(limit);
                    return Ok(out);
                }
                match looked.checked_add(1) {
                    Some(next) if i64::from(next) <= most => from = next,
                    _ => break,
                }
                width = width.saturating_mul(4).min(self.core.width());
            }
        }
        Ok(out)
    }

    async fn faces(&self, warning: WarningId) -> Result<Vec<(CalloutId, Face)>, StoreError> {
        let mut out = Vec::new();
        for window in self.core.all_windows(warning, What::Face).await? {
            let rows = Core::read_rows(warning, window)?;
            out.extend(rows.into_iter().filter_map(|(record, face)| match record.key {
                Key::Callout(id) => Some((id, face)),
                _ => None,
            }));
        }
        Ok(out)
    }

    async fn counts(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        let mut counts = FaceCounts::default();
        for answer in self.core.everywhere("counts", &[warning.0.to_string()]).await? {
            for part in reply::array(answer)? {
                for (what, n) in reply::pairs(part)? {
                    add_counts(&mut counts, &reply::text(what)?, reply::number(n)?)?;
                }
            }
        }
        Ok(counts)
    }

    async fn recount(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        let mut counts = FaceCounts::default();
        for window in self.core.all_windows(warning, What::Count).await? {
            for (what, n) in window.rows {
                let n = std::str::from_utf8(&n).ok().and_then(|n| n.parse().ok()).ok_or_else(|| corrupt("a count is no number"))?;
                add_counts(&mut counts, &what, n)?;
            }
        }
        Ok(counts)
    }

    async fn journal(&self, key: &Key) -> Result<Vec<JournalRow>, StoreError> {
        let mut get = cmd("LRANGE");
        get.arg(self.core.record_key(key, 'j')).arg(0).arg(-1);
        codec::decode_rows(key, reply::array(self.core.link.call(self.core.part(key), Via::Read, &get, Again::Safe).await?)?)
    }

    async fn tasks(&self, warning: Option<WarningId>, open_only: bool, limit: usize) -> Result<Vec<TaskRow>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut call = self.core.link.function("tasks", Part::CONTROL);
        call.arg(optional(warning.map(|w| w.0))).arg(u8::from(open_only)).arg(limit.min(MOST));
        let rows = reply::array(self.core.link.call(Part::CONTROL, Via::Read, &call, Again::Safe).await?)?;
        rows.into_iter().map(|row| codec::decode_task(&reply::bytes(row)?)).collect()
    }

    async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError> {
        let mut get = cmd("HGET");
        get.arg(format!("{}t", Part::CONTROL.base(self.core.prefix()))).arg(id);
        let kept = reply::maybe_bytes(self.core.link.call(Part::CONTROL, Via::Read, &get, Again::Safe).await?)?;
        kept.map(|k| codec::decode_task(&k)).transpose()
    }

    async fn feed_after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, FeedItem)>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut get = cmd("XRANGE");
        get.arg(format!("{}f", Part::CONTROL.base(self.core.prefix()))).arg(format!("({seq}-0")).arg("+").arg("COUNT").arg(limit.min(MOST));
        let mut out = Vec::new();
        for entry in reply::array(self.core.link.call(Part::CONTROL, Via::Read, &get, Again::Safe).await?)? {
            let [id, fields] = reply::parts(entry)?;
            let id = reply::text(id)?;
            let n = id.split('-').next().and_then(|n| n.parse().ok()).ok_or_else(|| corrupt(format!("`{id}` is no feed number")))?;
            let [_, item] = reply::parts(fields)?;
            out.push((n, serde_json::from_slice(&reply::bytes(item)?).map_err(corrupt)?));
        }
        Ok(out)
    }

    async fn feed_tip(&self) -> Result<u64, StoreError> {
        let mut get = cmd("GET");
        get.arg(format!("{}fs", Part::CONTROL.base(self.core.prefix())));
        match self.core.link.call(Part::CONTROL, Via::Read, &get, Again::Safe).await? {
            Value::Nil => Ok(0),
            tip => reply::number(tip),
        }
    }

    async fn without_clock(&self) -> Result<Vec<Key>, StoreError> {
        let mut all = Vec::new();
        for answer in self.core.everywhere("depth", &[]).await? {
            let [_, clockless] = reply::parts(answer)?;
            for name in reply::array(clockless)? {
                let name = reply::text(name)?;
                all.push(names::parse(&name).ok_or_else(|| corrupt(format!("`{name}` is not a record's name")))?);
            }
        }
        all.sort();
        Ok(all)
    }

    async fn queue_depth(&self) -> Result<Vec<(Lane, u64)>, StoreError> {
        let mut depth: BTreeMap<Lane, u64> = BTreeMap::new();
        for answer in self.core.everywhere("depth", &[]).await? {
            let [letters, _] = reply::parts(answer)?;
            for part in reply::array(letters)? {
                for (lane, n) in reply::pairs(part)? {
                    *depth.entry(Lane(reply::number(lane)?)).or_default() += reply::number::<u64>(n)?;
                }
            }
        }
        Ok(depth.into_iter().collect())
    }
}
