//! `replay` and `fetch`: chains, and where they come from.

use super::values::{at_least_one, durability, positive, seconds, share};
use crate::fetch::BlockRange;
use blockloom_state::Durability;
use clap::{Args, ValueEnum};
use std::{path::PathBuf, time::Duration};

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
