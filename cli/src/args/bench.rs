//! `bench` and `inspect`: how fast blocks run.

use super::values::{at_least_one, gas, percent};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Arguments of `blockloom bench`.
///
/// Both engines run each block in turns, in one process, and every result is compared.
/// Ratios are sequential time by parallel time of one round; given are their median and the range
/// from the 10th to the 90th percentile.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Generated workloads by name (see `--list`), mainnet block files, or folders of them
    /// [default: every generated workload]; or `replay`, alone or with `mixed` or `one_chain`, which
    /// replays whole chains into stores, pipelined against strictly one stage after another.
    #[arg(value_name = "WORKLOAD|FILE")]
    pub workloads: Vec<PathBuf>,
    /// Worker counts of the parallel runs, comma-separated.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2",
          value_parser = at_least_one)]
    pub workers: Vec<usize>,
    /// Rounds that count; in each, every engine gives one sample.
    #[arg(long, value_name = "N", default_value = "21", value_parser = at_least_one)]
    pub samples: usize,
    /// How the parallel engine chooses its path.
    #[arg(long, value_enum, default_value_t)]
    pub mode: BenchMode,
    /// Gas that generated blocks use, with an optional k, M or G.
    #[arg(long, value_name = "GAS", default_value = "30M", value_parser = gas)]
    pub gas: u64,
    /// Transactions in generated blocks, instead of a gas target.
    #[arg(long, value_name = "N")]
    pub txs: Option<usize>,
    /// Blocks of the chains of `bench replay`.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub blocks: u64,
    /// Accounts that send in generated blocks.
    #[arg(long, value_name = "N")]
    pub accounts: Option<usize>,
    /// Share of transactions that go for the hot spot, from 0 to 1, where a workload has one.
    #[arg(long, value_name = "SHARE")]
    pub hot_ratio: Option<f64>,
    /// Exponent of zipf distributions, where a workload has one.
    #[arg(long, value_name = "EXPONENT")]
    pub zipf: Option<f64>,
    /// Seed of generated workloads.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Microseconds that each read of an account, slot or code from the base state waits.
    #[arg(long, value_name = "N")]
    pub latency_us: Option<u64>,
    /// Also measure this workload at hot ratios from 0 to 1.
    #[arg(long, value_name = "WORKLOAD")]
    pub sweep: Option<String>,
    /// Measure everything the table of targets is about, and say what is met.
    #[arg(long, conflicts_with_all = ["workers", "mode", "gas", "txs", "latency_us", "sweep"])]
    pub targets: bool,
    /// Write the results as Markdown: between the lines `<!-- targets -->` and
    /// `<!-- end of targets -->` of a file that has them, else as the whole file.
    #[arg(long, value_name = "FILE")]
    pub results: Vec<PathBuf>,
    /// Write a page with plots to this folder.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Let each run be the first of a new engine, on a new thread: to it all code is
    /// new.
    #[arg(long)]
    pub cold: bool,
    /// Do not measure memory, which runs each block in processes of their own.
    #[arg(long)]
    pub no_memory: bool,
    /// List the generated workloads and stop.
    #[arg(long, conflicts_with = "targets")]
    pub list: bool,
    /// Print JSON, one object per line: each workload at each worker count.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
    /// Print only the peak memory of one run at so many workers, 0 for sequentially.
    #[arg(long, hide = true, value_name = "N")]
    pub peak_of: Option<usize>,
    /// Of the chain in this folder instead of a workload's.
    #[arg(long, hide = true, value_name = "DIR", requires = "peak_of")]
    pub peak_chain: Option<PathBuf>,
}

/// Arguments of `blockloom inspect`.
///
/// Simulated speedups are those of the engine's own workers under a virtual clock, which moves by
/// what transactions and the steps between them take on this machine; they are no measurements.
/// Beside them stands what real workers come to, where there are as many cores: medians of ratios,
/// sequential by parallel, of runs that take turns.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// Generated workloads by name (see `blockloom bench --list`), mainnet block files, or folders
    /// of them.
    #[arg(required = true, value_name = "WORKLOAD|FILE")]
    pub blocks: Vec<PathBuf>,
    /// Worker counts to simulate, comma-separated.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,4,8,16,32,64",
          value_parser = at_least_one)]
    pub simulate: Vec<usize>,
    /// Rounds of measuring.
    #[arg(long, value_name = "N", default_value = "11", value_parser = at_least_one)]
    pub samples: usize,
    /// Do not measure beside the simulation what this machine's cores come to.
    #[arg(long)]
    pub no_measure: bool,
    /// Fail with exit status 1 if a simulated speedup is not within so many percent of the one
    /// measured beside it.
    #[arg(long, value_name = "PERCENT", conflicts_with = "no_measure", value_parser = percent)]
    pub within: Option<f64>,
    /// Gas that generated blocks use, with an optional k, M or G.
    #[arg(long, value_name = "GAS", default_value = "30M", value_parser = gas)]
    pub gas: u64,
    /// Print JSON, one object per line: each block.
    #[arg(long)]
    pub json: bool,
}

/// How the parallel engine of `blockloom bench` chooses its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchMode {
    /// By itself, as users get it: blocks with little to overlap run sequentially.
    #[default]
    Adaptive,
    /// In parallel whatever the block.
    Parallel,
}
