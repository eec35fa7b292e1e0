//! The command line, as clap reads it. The doc comments are the help texts.

use crate::{fetch::BlockRange, serve::ServeArgs};
use alloy_primitives::{Address, B256, U256};
use blockloom_state::Durability;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::{path::PathBuf, time::Duration};

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
    /// Run random blocks sequentially and in parallel under many schedules and compare everything.
    Fuzz(FuzzArgs),
    /// Fetch blocks and the state they run on from a node, as files for replay and verify.
    Fetch(FetchArgs),
    /// Measure parallel against sequential execution of the same blocks.
    Bench(BenchArgs),
    /// Tell what bounds the speedup of a block, and simulate more workers than there are cores.
    Inspect(InspectArgs),
    /// Serve a store's chain over JSON-RPC, and follow a consensus client over the Engine API.
    Serve(ServeArgs),
    /// Go back to an earlier block of a store, to replay another branch from there.
    Unwind(UnwindArgs),
    /// Look into a store, check it, or copy its state.
    #[command(subcommand)]
    Db(DbCommand),
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
    #[arg(required_unless_present = "rpc", conflicts_with = "rpc")]
    pub source: Option<PathBuf>,
    /// Replay blocks from a node, each on the state before it, instead of files.
    #[arg(long, value_name = "URL", requires = "blocks")]
    pub rpc: Option<String>,
    /// Blocks to get from the node, both ends included.
    #[arg(long, value_name = "A..B", requires = "rpc")]
    pub blocks: Option<BlockRange>,
    /// How to talk to the node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Execute block files on nothing but what a Merkle witness proves: `N.json[.gz]` in this
    /// folder, or this file [default: `witness` beside the blocks]. Block files without one are
    /// left out of a folder.
    #[arg(long, value_name = "FILE|DIR", num_args = 0..=1, require_equals = true,
          conflicts_with = "rpc")]
    pub witness: Option<Option<PathBuf>>,
    /// Genesis JSON of the chain [default: `genesis.json` beside the chain]. With --rpc only its
    /// `config` counts, and mainnet needs none.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// Store to continue, or to create from the genesis; without it, state is kept in memory.
    #[arg(long, value_name = "DIR")]
    pub db: Option<PathBuf>,
    /// Blocks that `blockloom unwind` can go back from the tip; older undo records are dropped.
    /// Proof-of-stake chains are final after 64.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub undo_depth: u64,
    /// What a loss of power may cost; a crash of the program never costs a committed block.
    /// `block`: nothing, a block counts as committed once it is synced to disk. A number N: fewer
    /// than N blocks, since one of N commits is synced, and the last. `none`: any number of blocks,
    /// for measurements. The store is at a block boundary in any case.
    #[arg(long, value_name = "block|N|none", default_value = "block", value_parser = durability)]
    pub durability: Durability,
    /// Worker threads; 0 uses every core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub workers: usize,
    /// Execute with stock sequential revm instead of in parallel.
    #[arg(long, conflicts_with = "compare")]
    pub sequential: bool,
    /// Run the sequential engine too, compare the results and list each block's times; implies
    /// `--no-pipeline`.
    #[arg(long)]
    pub compare: bool,
    /// Take each block through all stages before the next one begins, instead of executing it
    /// while later blocks are decoded and recovered and earlier ones hashed and written.
    #[arg(long)]
    pub no_pipeline: bool,
    /// Whether to look over the engine's shoulder.
    #[command(flatten)]
    pub shadow: ShadowArgs,
    /// Print JSON, one object per line: each block, then the totals.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
}

/// How `blockloom replay` checks itself in passing.
#[derive(Clone, Debug, Args)]
pub struct ShadowArgs {
    /// Run this share of the blocks, from 0 to 1, sequentially too, beside the parallel run, and
    /// compare everything. The blocks' hashes decide which.
    #[arg(long, value_name = "SHARE", value_parser = share,
          conflicts_with_all = ["sequential", "compare"])]
    pub shadow: Option<f64>,
    /// What to do when a shadowed block differs: stop, or say so on stderr and go on with the
    /// sequential result (the exit status is 1 all the same).
    #[arg(long, value_enum, default_value_t, requires = "shadow")]
    pub on_divergence: OnDivergence,
    /// Folder for blocks that differ, as files for `blockloom verify`.
    #[arg(long, value_name = "DIR", default_value = ".", requires = "shadow")]
    pub divergences: PathBuf,
}

/// What `blockloom replay` does when a shadowed block differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnDivergence {
    /// End the run with exit status 1.
    #[default]
    Stop,
    /// Say so on stderr and go on with the sequential result.
    Log,
}

/// Arguments of `blockloom fetch`.
#[derive(Clone, Debug, Args)]
pub struct FetchArgs {
    /// JSON-RPC endpoint of the node (http or https).
    #[arg(long, value_name = "URL")]
    pub rpc: String,
    /// Blocks to get, both ends included.
    #[arg(long, value_name = "A..B")]
    pub blocks: BlockRange,
    /// Folder to write to; blocks that are there already are kept.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// JSON with the `config` of the chain's genesis; mainnet needs none.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// How to talk to the node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Print JSON, one object per line: each block, then the totals.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
}

/// How to talk to a node.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    /// Also fetch a proof of everything read, so that state roots are checked where the node
    /// offers no `debug_executionWitness`; one more request per account.
    #[arg(long)]
    pub proofs: bool,
    /// Most requests per second [default: no limit].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub rate: Option<f64>,
    /// Blocks fetched at the same time.
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_least_one)]
    pub concurrency: usize,
    /// Further attempts at a request that failed in a way that may pass.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub retries: u32,
    /// Seconds before the first further attempt; doubles with each.
    #[arg(long, value_name = "SECONDS", default_value = "0.25", value_parser = seconds)]
    pub retry_pause: Duration,
    /// Seconds to wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
}

/// Arguments of `blockloom verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Mainnet block files, official blockchain and state tests, recorded divergences
    /// (`*.case.json`), or folders of them.
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
          value_parser = worker_count)]
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
          value_parser = worker_count)]
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
          value_parser = worker_count)]
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

/// A worker count of `verify` or `bench`. Zero would mean "every core" and make
/// a run's meaning depend on the machine.
/// Arguments of `blockloom unwind`.
#[derive(Clone, Debug, Args)]
pub struct UnwindArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Block to go back to; its state becomes the store's.
    #[arg(long, value_name = "N")]
    pub to: u64,
}

/// Which store, and how to print results.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    pub db: PathBuf,
    /// Print JSON, one object per line.
    #[arg(long)]
    pub json: bool,
}

/// What `blockloom db` does.
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Print tip, root, the size of each column family, and cache use since this command began.
    Stat(StoreArgs),
    /// Print one account, slot, code or proof.
    #[command(subcommand)]
    Get(GetCommand),
    /// Recompute every root and hash in the store and compare.
    Verify(StoreArgs),
    /// Write the tip's state as JSON lines: a header, then one account each, by hashed address.
    Export(ExportArgs),
    /// Create a store from the JSON lines that `export` wrote.
    Import(ImportArgs),
}

/// What `blockloom db get` looks for.
#[derive(Clone, Debug, Subcommand)]
pub enum GetCommand {
    /// Balance, nonce, code hash and storage root of an account.
    Account {
        /// The account's address.
        address: Address,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Value of one storage slot.
    Slot {
        /// The account's address.
        address: Address,
        /// Number of the slot, decimal or 0x hex.
        slot: U256,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Code by its hash, or of the account at an address.
    Code {
        /// keccak-256 of the code (32 bytes), or an address (20 bytes).
        #[arg(value_name = "HASH|ADDRESS", value_parser = code_of)]
        of: CodeOf,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Merkle proof of an account and slots, as `eth_getProof` gives it.
    Proof {
        /// The account's address.
        address: Address,
        /// Numbers of the slots, decimal or 0x hex.
        slots: Vec<U256>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Which code is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOf {
    /// The code with this hash.
    Hash(B256),
    /// That of the account here.
    Address(Address),
}

fn code_of(text: &str) -> Result<CodeOf, String> {
    if let Ok(hash) = text.parse() {
        return Ok(CodeOf::Hash(hash));
    }
    let address = text.parse().map(CodeOf::Address);
    address.map_err(|_| "neither a hash of 32 bytes nor an address of 20".to_owned())
}

/// Arguments of `blockloom db export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    pub db: PathBuf,
    /// File to write, which must not exist [default: stdout].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `blockloom db import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// JSON lines that `export` wrote; `-` reads them from stdin.
    pub source: PathBuf,
    /// The store to create, and how to print the result.
    #[command(flatten)]
    pub store: StoreArgs,
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

/// How often commits are synced.
fn durability(text: &str) -> Result<Durability, String> {
    match text.trim() {
        "block" => Ok(Durability::Synced),
        "none" => Ok(Durability::Unsynced),
        number => match number.parse() {
            Ok(n) => Ok(Durability::Every(n)),
            Err(_) => Err("neither `block` nor `none` nor a number of blocks above 0".to_owned()),
        },
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|error| format!("{error}"))?;
    if number >= 0.0 { Ok(number) } else { Err("a percentage from 0 on is needed".to_owned()) }
}

fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|error| format!("{error}"))?;
    (0.0..=1.0).contains(&number).then_some(number).ok_or_else(|| "from 0 to 1".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|error| format!("{error}"))?;
    // Beyond, a pause between requests would be no pause, or no end of one.
    let sensible = (1e-3..=1e6).contains(&number);
    sensible.then_some(number).ok_or_else(|| "from 0.001 to 1000000".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    positive(text).map(Duration::from_secs_f64)
}

/// A number of gas units, such as `30M`.
fn gas(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, factor) = match text.char_indices().last() {
        Some((end, 'k')) => (&text[..end], 1_000),
        Some((end, 'M')) => (&text[..end], 1_000_000),
        Some((end, 'G')) => (&text[..end], 1_000_000_000),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().map_err(|error| format!("{error}"))?;
    number.checked_mul(factor).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_a_word_or_a_number() {
        let every = |n| Ok(Durability::Every(n));
        assert_eq!(durability("block"), Ok(Durability::Synced));
        assert_eq!(durability(" none "), Ok(Durability::Unsynced));
        assert_eq!(durability("16"), every(16.try_into().unwrap()));
        for wrong in ["", "0", "-1", "all", "1.5", "99999999999999999999"] {
            assert!(durability(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn gas_may_have_a_unit() {
        assert_eq!(gas("21000"), Ok(21_000));
        assert_eq!(gas(" 30M "), Ok(30_000_000));
        assert_eq!((gas("50k"), gas("1G")), (Ok(50_000), Ok(1_000_000_000)));
        for wrong in ["", "M", "1.5G", "1T", "99999999999G"] {
            assert!(gas(wrong).is_err(), "{wrong:?}");
        }
    }
}
