//! The command line: one file per subcommand, each thin. Exit codes: 0 done, 1 the thing asked for
//! failed, 2 wrong usage or configuration. Logs go to standard error.

mod adapt;
mod check;
mod coverage;
mod demo;
mod drill;
mod explain;
mod export;
mod import;
mod left_out;
mod migrate;
mod ready;
mod rehearse;
mod remote;
mod serve;
mod simulate_providers;

use crate::app::AppError;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// 叫应: the warning gateway that does not stop calling until a human answers.
#[derive(Parser)]
#[command(name = "jiaoying", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The gateway.
    Serve {
        /// Default: config/jiaoying.toml, else the built-in defaults.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Print one line of JSON with the address once it listens.
        #[arg(long)]
        print_addr: bool,
    },
    /// Gateway + simulated providers + the sample directory; plays a warning.
    Demo(demo::Options),
    /// Every fault in config, policy, templates and directory, in one run.
    Check {
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// What the policy does with such a warning, in plain Chinese: who is called, by what, by when.
    Explain(explain::Options),
    /// The versions of the policy that gateways of this store were started with.
    #[command(subcommand)]
    Policy(explain::Versions),
    /// Takes sheets of responsible persons, points and duty rotas (CSV or XLSX) into the directory.
    Import(import::Options),
    /// What is missing in the directory: places with nobody to call, dead numbers, no deputy, stale filing …
    Coverage(coverage::Options),
    /// What a warning would do if it came now: who is called when by what, the cost, who is missed. Sends nothing.
    Rehearse(rehearse::Options),
    /// Drills of a running gateway: start, call the roll, list, report, stop.
    Drill(drill::Options),
    /// Writes the directory as the sheets that `import` reads.
    Export(export::Options),
    /// What a mapping makes of a bureau's own JSON or XML, and why: the body comes by standard input.
    Adapt(adapt::Options),
    /// Moves everything from one store to another (SQLite to Redis or back), with the gateways stopped.
    Migrate(migrate::Options),
    /// Stand-ins that speak each provider's own API and check its signatures.
    SimulateProviders(simulate_providers::Options),
}

/// Why a command ends with another code than 0.
pub(crate) enum Failure {
    /// Exit 1.
    Failed(String),
    /// Exit 2.
    Usage(String),
}
impl From<AppError> for Failure {
    fn from(e: AppError) -> Failure {
        match e {
            AppError::Faults(_) => Failure::Usage(e.to_string()),
            _ => Failure::Failed(e.to_string()),
        }
    }
}
impl From<anyhow::Error> for Failure {
    fn from(e: anyhow::Error) -> Failure {
        Failure::Failed(format!("{e:#}"))
    }
}

/// Reads the command line and runs what it asks for.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One TLS provider for everything, before anything opens a connection.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(r) => r,
        Err(e) => {
            eprintln!("jiaoying: the runtime cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Serve { config, print_addr } => serve::run(config.as_deref(), print_addr).await,
            Command::Demo(options) => demo::run(options).await,
            Command::Check { config } => check::run(config.as_deref()).await,
            Command::Explain(options) => explain::run(options).await,
            Command::Policy(what) => explain::versions(what).await,
            Command::Adapt(options) => adapt::run(&options),
            Command::Import(options) => import::run(options).await,
            Command::Coverage(options) => coverage::run(options).await,
            Command::Rehearse(options) => rehearse::run(options).await,
            Command::Drill(options) => drill::run(options).await,
            Command::Export(options) => export::run(options).await,
            Command::Migrate(options) => migrate::run(options).await,
            Command::SimulateProviders(options) => simulate_providers::run(options).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(why)) => {
            eprintln!("jiaoying: {why}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(why)) => {
            eprintln!("jiaoying: {why}");
            ExitCode::from(2)
        }
    }
}

/// Resolves when the process is asked to stop (SIGINT, SIGTERM); a second signal ends it at once.
#[expect(clippy::disallowed_methods, reason = "ends with the process")]
pub(crate) fn stop_on_signal() -> tokio_util::sync::CancellationToken {
    let stop = tokio_util::sync::CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
        let mut asked = false;
        loop {
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
            if asked {
                std::process::exit(130);
            }
            asked = true;
            token.cancel();
        }
    });
    stop
}
