//! `jiaoying import`: sheets of responsible persons, points and duty rotas into the directory, whole or not at all.

use super::Failure;
use crate::{
    app,
    core::directory_diff::{DirectoryDiff, PersonChange, PointChange},
    engine::directory::Author,
    ingest::sheet::{self, ImportMode, ImportOptions},
    sample,
};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Options {
    /// The sheet: .csv (UTF-8 or GBK) or .xlsx. Persons, points and duty rotas are told apart by their header.
    file: PathBuf,
    #[arg(long)]
    config: Option<PathBuf>,
    /// Show what would change; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// The file is the whole truth: what it does not have is removed. Without this it is merged: nobody else is touched.
    #[arg(long)]
    replace: bool,
    /// Allow a place to lose its last person.
    #[arg(long)]
    allow_uncovered: bool,
    /// Allow more than a fifth of the people to be removed.
    #[arg(long)]
    allow_shrink: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(o: Options) -> Result<(), Failure> {
    let config = app::load_config(o.config.as_deref())?;
    let bytes = std::fs::read(&o.file).map_err(|e| Failure::Usage(format!("{}: {e}", o.file.display())))?;
    let stores = app::open_store(&config).await.map_err(|e| Failure::Failed(e.to_string()))?;
    let engine = app::engine(&config, stores).await?;
    let mut current = (*engine.directory()).clone();
    if current.divisions.is_empty() {
        // A fresh store knows the divisions that are shipped; others come with the province's list.
        current.divisions = sample::divisions();
    }
    let options = ImportOptions {
        mode: if o.replace { ImportMode::Replace } else { ImportMode::Upsert },
        within: None,
        allow_uncovered: o.allow_uncovered,
        allow_shrink: o.allow_shrink,
        roles: engine.policy().role_words(),
        calling: engine.calling(),
    };
    let name = o.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let divisions = current.divisions.clone();
    let result = sheet::import(&name, &bytes, &current, &divisions, &options);
    if o.json {
        let faults: Vec<String> = result.faults.iter().map(|f| f.to_string()).collect();
        println!("{}", serde_json::json!({"applied": result.directory.is_some() && !o.dry_run, "diff": result.diff, "faults": faults}));
    } else {
        for f in &result.faults {
            println!("{f}");
        }
        if o.dry_run {
            lines(&result.diff).iter().for_each(|l| println!("{l}"));
        }
        println!("{}", result.diff.summary_zh());
    }
    let Some(directory) = result.directory else {
        return Err(Failure::Failed("表中有错误，未作任何改动；请改正后重新导入".into()));
    };
    if o.dry_run {
        return Ok(());
    }
    let version = engine.directory().version;
    if result.diff.is_empty() {
        return Ok(());
    }
    let author = Author { by: "command line", how: "cli" };
    match engine.change_directory(version, directory, author, &format!("导入 {name}：{}", result.diff.summary_zh())).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Failed("名册刚被别人改动，请重新导入".into())),
        Err(e) => Err(Failure::Failed(e.to_string())),
    }
}

/// Changes of each kind that are shown; --json has all.
const SHOWN: usize = 200;

/// What would change, a line each: what an administrator looks through before he applies it.
fn lines(diff: &DirectoryDiff) -> Vec<String> {
    fn some(out: &mut Vec<String>, word: &str, all: impl ExactSizeIterator<Item = String>) {
        let more = all.len().saturating_sub(SHOWN);
        out.extend(all.take(SHOWN).map(|l| format!("{word} {l}")));
        if more > 0 {
            out.push(format!("{word} …… 另有 {more} 项，全部见 --json"));
        }
    }
    let mut out = Vec::new();
    for (word, people) in [("新增", &diff.added), ("变更", &diff.changed), ("移除", &diff.gone)] {
        some(&mut out, word, people.iter().map(PersonChange::told_zh));
    }
    some(&mut out, "新增点位", diff.points_added.iter().cloned());
    some(&mut out, "变更点位", diff.points_changed.iter().map(PointChange::told_zh));
    some(&mut out, "移除点位", diff.points_gone.iter().cloned());
    some(&mut out, "失去最后责任人", diff.uncovered.iter().map(|p| p.id()));
    out
}
