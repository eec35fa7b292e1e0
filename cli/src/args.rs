//! The command line, as clap reads it. The doc comments are the help texts.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// Executes Ethereum blocks in parallel and verifies every result.
///
/// Results go to stdout, everything else to stderr.
/// Exit status: 0 everything agrees, 1 a mismatch or an invalid block, 2 bad usage or I/O.
#[derive(Debug, Parser)]
#[command(name = "blockloom", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Execute a chain block after block, verify each and commit it to a RocksDB store.
    Replay(ReplayArgs),
    /// Run blocks with known answers sequentially and in parallel and compare everything.
    Verify(VerifyArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Arguments of `blockloom replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Chain export (RLP, plain or gzip; `-` reads it from stdin), mainnet block file, or a folder
    /// with `chain.rlp` or block files.
    pub source: PathBuf,
    /// Genesis JSON of the chain [default: `genesis.json` beside the chain].
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// Store to continue, or to create from the genesis; without it, state is kept in memory.
    #[arg(long, value_name = "DIR")]
    pub db: Option<PathBuf>,
    /// Worker threads; 0 uses every core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub workers: usize,
    /// Execute with stock sequential revm instead of in parallel.
    #[arg(long, conflicts_with = "compare")]
    pub sequential: bool,
    /// Run the sequential engine too, compare the results and list each block's times.
    #[arg(long)]
    pub compare: bool,
    /// Print JSON, one object per line: each block, then the totals.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
}

/// Arguments of `blockloom verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Mainnet block files, official blockchain tests, or folders of them.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Worker counts of the parallel runs, comma-separated.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,4,8",
          value_parser = worker_count)]
    pub workers: Vec<usize>,
    /// Run only cases whose file or name contains this text.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Print JSON, one object per line: each failure and skip, then the totals.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
}

/// A worker count of `verify`. Zero would mean "every core" and make a run's
/// meaning depend on the machine.
fn worker_count(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("a worker count is at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}
