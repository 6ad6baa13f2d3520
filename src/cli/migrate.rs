//! `jiaoying migrate`: everything from the store of one configuration into that of another, verified.

use super::Failure;
use crate::{
    app,
    config::{Config, StoreKind},
    store::{
        clock::{Clock, SystemClock},
        transfer::{
            Census, Kind,
            mover::{self, MoveError, Moved},
        },
    },
};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Options {
    /// The configuration of the store that is moved. Its gateways are stopped; it stays as it is.
    #[arg(long, value_name = "CONFIG")]
    from: PathBuf,
    /// The configuration of the store that takes it. It must be empty.
    #[arg(long, value_name = "CONFIG")]
    to: PathBuf,
    /// Say what would be moved and whether it can be; move nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(o: Options) -> Result<(), Failure> {
    let (from, to) = (app::load_config(Some(&o.from))?, app::load_config(Some(&o.to))?);
    let source = app::open_source(&from, o.dry_run).await.map_err(|e| Failure::Failed(format!("{}: {e}", o.from.display())))?;
    let target = app::open_target(&to).await.map_err(|e| Failure::Failed(format!("{}: {e}", o.to.display())))?;
    let clock = SystemClock::new();
    let started = clock.now();
    let moved = if o.dry_run {
        mover::look(&*source, &*target).await.map(|source| Moved { source, target: None })
    } else {
        mover::carry(&*source, &*target).await
    };
    let moved = moved.map_err(|e: MoveError| Failure::Failed(e.to_string()))?;
    let seconds = (clock.now() - started).seconds_f64();
    if o.json {
        println!("{}", as_json(&moved, seconds));
    } else {
        print!("{}", as_text(&moved, seconds));
        print!("{}", if o.dry_run { String::new() } else { about_journal(&from) });
        print!("{}", about_archives(&from, &to));
    }
    Ok(())
}

fn as_json(moved: &Moved, seconds: f64) -> Value {
    let counts = |c: &Census| -> Value {
        Kind::ALL
            .into_iter()
            .map(|k| (serde_json::to_value(k).unwrap_or_default(), c.tally(k).count))
            .map(pair)
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    json!({
        "moved": moved.target.is_some(),
        "source": counts(&moved.source),
        "target": moved.target.as_ref().map(counts),
        "verified": moved.target.is_some(),
        "seconds": seconds,
    })
}

fn pair((kind, n): (Value, u64)) -> (String, Value) {
    (kind.as_str().unwrap_or_default().to_string(), n.into())
}

/// A line a kind: how many there were and how many have arrived, the same by content.
fn as_text(moved: &Moved, seconds: f64) -> String {
    let mut out = String::new();
    let mut line = |a: &str, b: &str, c: &str, d: &str| out.push_str(&format!("{}{b:>12}{c:>12}  {d}\n", padded(a, 20)));
    line("类别", "源库", "目标库", "");
    for kind in Kind::ALL {
        let (from, to) = (moved.source.tally(kind), moved.target.as_ref().map(|t| t.tally(kind)));
        let same = match to {
            Some(to) if to == from => "一致",
            // Fewer feed items are kept there: said here, and nothing else may differ.
            Some(_) => "只保留最新部分",
            None => "",
        };
        line(kind.zh(), &from.count.to_string(), &to.map_or_else(|| "-".into(), |t| t.count.to_string()), same);
    }
    let rows = moved.source.rows();
    out.push_str(&match &moved.target {
        Some(_) => format!(
            "已迁移 {rows} 行，用时 {seconds:.1} 秒（每秒 {:.0} 行），各类数量、内容与每条记录的哈希链均已核对。\n\
             源库留在原处；请改用新配置启动网关，不要再用旧配置启动，否则会重复叫应。\n",
            rows as f64 / seconds.max(0.001)
        ),
        None => format!("可以迁移：{rows} 行，每条记录的哈希链完好，目标库为空（只查看，未作改动）。\n"),
    });
    out
}

/// Whether anything was put back into the source before it was read.
fn about_journal(from: &Config) -> String {
    let journal = &from.store.redis.journal;
    if from.store.kind != StoreKind::Redis || journal.as_os_str().is_empty() {
        return "源库未作任何改动。\n".to_string();
    }
    match journal.exists() {
        true => format!("已先用本机日志 {} 补回源库在主备切换中丢失的内容，此外源库未作改动。\n", journal.display()),
        false => format!("本机没有网关日志 {}，源库未作任何改动。\n", journal.display()),
    }
}

/// What a move leaves alone: the register of what is archived goes along, the files themselves stay.
fn about_archives(from: &Config, to: &Config) -> String {
    match (&from.archive.path, &to.archive.path) {
        (None, _) => String::new(),
        (Some(file), Some(same)) if file == same => format!("归档文件 {} 不迁移，留在原处，新配置继续使用。\n", file.display()),
        (Some(file), _) => {
            format!(
                "注意：归档文件 {} 不迁移，留在原处；请在新配置的 archive.path 中指向它（或它的副本），否则已归档的预警将无法查看。\n",
                file.display()
            )
        }
    }
}

/// Chinese characters take two columns.
fn padded(text: &str, width: usize) -> String {
    let columns: usize = text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    format!("{text}{}", " ".repeat(width.saturating_sub(columns)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::transfer::Piece;

    #[test]
    fn an_archive_stays_where_it_is_and_the_operator_is_told() {
        let with = |path: Option<&str>| {
            let mut config = Config::default();
            config.archive.path = path.map(PathBuf::from);
            config
        };
        assert_eq!(about_archives(&with(None), &with(Some("a.db"))), "");
        assert!(about_archives(&with(Some("a.db")), &with(Some("a.db"))).contains("继续使用"));
        for other in [None, Some("b.db")] {
            assert!(about_archives(&with(Some("a.db")), &with(other)).contains("请在新配置的 archive.path 中指向它"));
        }
    }

    #[test]
    fn the_operator_is_told_whether_the_source_was_repaired_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        assert_eq!(about_journal(&config), "源库未作任何改动。\n");
        config.store.kind = StoreKind::Redis;
        config.store.redis.journal = dir.path().join("j.sqlite");
        assert!(about_journal(&config).contains("本机没有网关日志"));
        std::fs::write(&config.store.redis.journal, "").unwrap();
        assert!(about_journal(&config).contains("补回"));
        config.store.redis.journal = PathBuf::new();
        assert_eq!(about_journal(&config), "源库未作任何改动。\n");
    }

    #[test]
    fn the_table_has_a_line_for_every_kind_and_says_what_was_done() {
        let mut source = Census::default();
        source.add(&Piece::Sequence("warning".into(), 3));
        let looked = as_text(&Moved { source: source.clone(), target: None }, 1.0);
        assert!(looked.contains("可以迁移：1 行") && looked.lines().count() == Kind::ALL.len() + 2);
        let moved = Moved { target: Some(source.clone()), source };
        let text = as_text(&moved, 2.0);
        assert!(text.contains("编号序列                       1           1  一致"), "{text}");
        assert_eq!(as_json(&moved, 2.0)["target"]["sequence"], 1);
    }
}
