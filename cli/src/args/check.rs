//! `verify` and `fuzz`: blocks against what they must come to.

use super::values::{at_least_one, seconds};
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// Arguments of `blockloom verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Mainnet block files, official blockchain and state tests, recorded divergences
    /// (`*.case.json`), or folders of them.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Worker counts of the parallel runs, comma-separated.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,4,8",
          value_parser = at_least_one)]
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

/// Arguments of `blockloom fuzz`.
///
/// The same seed and index give the same block and the same schedules; how threads meet within one
/// is up to the machine.
#[derive(Clone, Debug, Args)]
pub struct FuzzArgs {
    /// Seed of the blocks.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Index of the first block.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u64,
    /// Blocks to run.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub blocks: u64,
    /// Transactions in each block [default: 5 to 39, at random].
    #[arg(long, value_name = "N")]
    pub txs: Option<usize>,
    /// Worker counts of the parallel runs, comma-separated.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,4,8",
          value_parser = at_least_one)]
    pub workers: Vec<usize>,
    /// Parallel runs of each block: worker count, mode, sharing, limits and disturbances of the
    /// base state are chosen for each.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub schedules: u64,
    /// Seconds after which no further block is begun.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub time: Option<Duration>,
    /// Look at memory twenty times over the run, and fail if it grows after the first quarter.
    #[arg(long)]
    pub soak: bool,
    /// Folder for blocks that ran differently, as files for `blockloom verify`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Print JSON, one object per line: each divergence, then the totals.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
}
