//! `jiaoying export`: the directory as the sheets that `jiaoying import` reads.

use super::Failure;
use crate::{
    app,
    ingest::sheet::{self, Form},
};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Options {
    /// Where to: .xlsx (a sheet each for persons, points and rotas) or .csv (one of them).
    file: PathBuf,
    #[arg(long)]
    config: Option<PathBuf>,
    /// Which form a .csv is of.
    #[arg(long, value_enum, default_value = "people")]
    what: What,
    /// Telephone numbers in full; it is recorded. Without it they are masked, and the file cannot be imported.
    #[arg(long)]
    reveal: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    People,
    Points,
    Rotas,
}

pub(super) async fn run(o: Options) -> Result<(), Failure> {
    let config = app::load_config(o.config.as_deref())?;
    let stores = app::open_store(&config).await.map_err(|e| Failure::Failed(e.to_string()))?;
    let engine = app::engine(&config, stores).await?;
    if o.reveal {
        // Recorded before the numbers are given out.
        engine.audit("command line", "reveal", "the directory, exported").await.map_err(|e| Failure::Failed(e.to_string()))?;
    }
    let (directory, words) = (engine.directory(), engine.policy().role_words());
    let bytes = match o.file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("xlsx") => sheet::workbook(&directory, &Form::ALL, &words, o.reveal).map_err(|e| Failure::Failed(e.to_string()))?,
        Some("csv") => {
            let form = match o.what {
                What::People => Form::People,
                What::Points => Form::Points,
                What::Rotas => Form::Rotas,
            };
            sheet::form_csv(&directory, form, &words, o.reveal).into_bytes()
        }
        _ => return Err(Failure::Usage(format!("{}: the file must end in .xlsx or .csv", o.file.display()))),
    };
    std::fs::write(&o.file, bytes).map_err(|e| Failure::Failed(format!("{}: {e}", o.file.display())))?;
    println!("已导出 {} 人、{} 个点位到 {}", directory.recipients.len(), directory.points.len(), o.file.display());
    Ok(())
}
