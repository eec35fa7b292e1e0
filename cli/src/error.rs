//! Why a command ended without its result.

use crate::{RpcError, ServeError};
use alloy_primitives::B256;
use blockloom_benches::{MeasureError, WorkloadError, figure};
use blockloom_engine::{ChainSpecError, EngineError};
use blockloom_fixtures::FixtureError;
use blockloom_state::StoreError;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a command ended without its result.
///
/// [`CliError::exit_code`] tells a mismatch from everything else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// A file or folder cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Results cannot be written.
    #[error("writing results")]
    Write(#[from] io::Error),
    /// A file cannot be written.
    #[error("writing {}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no recorded case.
    #[error("{}: no recorded case: {reason}", path.display())]
    BadCase {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A fixture, chain export or genesis file is not what it should be.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// The genesis file schedules forks that make no chain.
    #[error("{}", path.display())]
    ChainSpec {
        /// The genesis file.
        path: PathBuf,
        /// What is wrong with it.
        source: ChainSpecError,
    },
    /// A test is for a network whose rules are not known.
    #[error("{}: case {case}", path.display())]
    Network {
        /// The test's file.
        path: PathBuf,
        /// The test.
        case: String,
        /// What is unknown about the network.
        source: ChainSpecError,
    },
    /// A chain needs its genesis file, and there is none.
    #[error("this chain's genesis is needed: give it with --genesis FILE")]
    GenesisNeeded,
    /// There are no cases or blocks at this path.
    #[error("{}: nothing to run here", path.display())]
    NothingToRun {
        /// The path.
        path: PathBuf,
    },
    /// The filter excludes every case.
    #[error("no case matches the filter {filter:?}")]
    NothingMatches {
        /// The filter.
        filter: String,
    },
    /// A store was given for blocks that bring their own state.
    #[error("--db is for chains: block files run on the state they hold")]
    StoreForBlockFiles,
    /// There is neither a file nor a node to replay from.
    #[error("nothing to replay: give a file, a folder, or --rpc URL with --blocks A..B")]
    SourceNeeded,
    /// A witness was asked for where the state is at hand.
    #[error("--witness is for block files: a chain runs on its own state")]
    WitnessForChain,
    /// A store was given for blocks from a node.
    #[error("--db is for chains: blocks from a node run on the state fetched for them")]
    StoreForNode,
    /// A node gives no answer that is of use.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The servers cannot start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The secret shared with the consensus client is none.
    #[error("{}: not 32 bytes in hex", path.display())]
    JwtSecret {
        /// The file.
        path: PathBuf,
    },
    /// The node's chain is none whose rules are known.
    #[error(
        "the node is on chain {chain_id}: give the `config` of its genesis with --genesis FILE"
    )]
    ChainConfigNeeded {
        /// The node's chain.
        chain_id: u64,
    },
    /// The genesis file is of another chain than the node's.
    #[error("the node is on chain {chain_id}, the genesis file is of chain {expected}")]
    OtherNode {
        /// The node's chain.
        chain_id: u64,
        /// The file's chain.
        expected: u64,
    },
    /// A receipt of the node is not what execution gives.
    #[error("block {number} ({hash}): receipt {transaction} differs from the node's")]
    OtherReceipt {
        /// The block.
        number: u64,
        /// Its hash.
        hash: B256,
        /// Position of the transaction in the block, from 0.
        transaction: usize,
    },
    /// A block's witness was asked for, and there is none.
    #[error("block {number}: there is no witness at {}", path.display())]
    NoWitness {
        /// The block.
        number: u64,
        /// Where one was looked for.
        path: PathBuf,
    },
    /// A witness does not prove what its block needs.
    #[error("block {number}: the witness is not enough")]
    Witness {
        /// The block.
        number: u64,
        /// What is missing or damaged.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine cannot start.
    #[error("starting the engine")]
    Engine(#[from] EngineError),
    /// The store cannot be opened, read or written.
    #[error("store {}", path.display())]
    Store {
        /// The store's folder.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// The store's entries contradict each other.
    #[error("store {} is damaged", path.display())]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// The first contradiction.
        source: StoreError,
    },
    /// There is no such entry in the store.
    #[error("store {} has no {what}", path.display())]
    NotInStore {
        /// The store's folder.
        path: PathBuf,
        /// What was looked for.
        what: String,
    },
    /// A file that is to be written cannot be.
    #[error("writing {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of a state dump is not what it should be.
    #[error("{}, line {line}", path.display())]
    DumpLine {
        /// The dump.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A state dump makes no store.
    #[error("importing {}", path.display())]
    Import {
        /// The dump.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store belongs to another chain.
    #[error(
        "store {} is of another chain: it has chain id {stored_id} and genesis {stored_genesis}, \
         the genesis file chain id {chain_id} and genesis {genesis}", path.display()
    )]
    OtherChain {
        /// The store's folder.
        path: PathBuf,
        /// Chain id in the store.
        stored_id: u64,
        /// Genesis hash in the store.
        stored_genesis: B256,
        /// Chain id of the genesis file.
        chain_id: u64,
        /// Hash of the genesis block the file describes.
        genesis: B256,
    },
    /// The store has no header for its own tip.
    #[error("store {} has no header of block {number}", path.display())]
    NoHeader {
        /// The store's folder.
        path: PathBuf,
        /// The block.
        number: u64,
    },
    /// The chain's block is not the one the store holds at that height.
    #[error("block {number} of the chain is {got}, the store holds {stored} there")]
    OtherBlock {
        /// The height.
        number: u64,
        /// Hash of the chain's block.
        got: B256,
        /// Hash of the store's block.
        stored: B256,
    },
    /// The chain leaves out blocks.
    #[error("block {expected} is next, but the chain goes on with block {got}")]
    Gap {
        /// The height that should follow.
        expected: u64,
        /// The height that does.
        got: u64,
    },
    /// The user asked for the end.
    #[error("interrupted: the state is that of block {tip}")]
    Interrupted {
        /// The last block that was verified and kept.
        tip: u64,
    },
    /// The threads that hash blocks cannot start.
    #[error("starting {threads} threads to hash blocks")]
    HashThreads {
        /// How many.
        threads: usize,
        /// The thread pool's reason.
        source: rayon::ThreadPoolBuildError,
    },
    /// The engine failed for a reason that is not the block's.
    #[error("block {number}: internal error")]
    Internal {
        /// The block.
        number: u64,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A block does not verify.
    #[error("block {number} ({hash}) is invalid")]
    InvalidBlock {
        /// The block.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The rule it breaks, or the value that differs.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Parallel and sequential execution disagree.
    #[error("block {number} ({hash}): parallel and sequential execution differ: {difference}")]
    Disagreement {
        /// The block.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The first difference.
        difference: String,
    },
    /// Memory in use cannot be told.
    #[error("reading how much memory is in use")]
    Memory {
        /// What the system said.
        source: io::Error,
    },
    /// Memory grew over a run that should leave nothing behind.
    #[error("memory grew from {settled} bytes to {most} over the run")]
    Grew {
        /// Most bytes in use after the warm-up.
        settled: u64,
        /// Most bytes in use since.
        most: u64,
    },
    /// A simulated speedup is too far from the measured one.
    #[error(
        "{block}, {workers} workers: the simulation is off by {:+.1} %, more than {percent} %",
        difference * 100.0
    )]
    Uncalibrated {
        /// The block.
        block: String,
        /// How many workers.
        workers: usize,
        /// Simulated by measured, less one.
        difference: f64,
        /// Most percent that were asked for.
        percent: f64,
    },
    /// There is no such workload, and no such file.
    #[error(
        "{name}: no such workload or file; {}`blockloom bench --list` lists the workloads",
        suggestion.map(|close| format!("did you mean {close}? ")).unwrap_or_default()
    )]
    UnknownWorkload {
        /// What was asked for.
        name: String,
        /// The workload whose name is closest, if one is close.
        suggestion: Option<&'static str>,
    },
    /// A workload cannot be made.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A block cannot be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// A run of a workload did not give what the sequential one gave.
    #[error(
        "workload {workload}, {}: parallel and sequential execution differ: {difference}",
        figure::workers(*workers)
    )]
    Unequal {
        /// The workload.
        workload: String,
        /// Workers of the run that differs; 0 for a sequential one.
        workers: usize,
        /// The first difference.
        difference: String,
    },
}

impl CliError {
    /// An error of reading `path`.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    /// An error of writing `path`.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::WriteFile { path: path.to_owned(), source }
    }

    /// Process exit status: 1 for a block or result that is wrong, 2 for bad
    /// usage, I/O and everything else that kept the answer from being found.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InvalidBlock { .. }
            | Self::Disagreement { .. }
            | Self::Grew { .. }
            | Self::Uncalibrated { .. }
            | Self::OtherReceipt { .. }
            | Self::Unequal { .. }
            | Self::Damaged { .. }
            | Self::Measure(MeasureError::WrongAnswer { .. }) => 1,
            Self::Workload(WorkloadError::Refused { source, .. })
            | Self::Measure(MeasureError::Refused { source, .. })
                if source.as_invalid().is_some() =>
            {
                1
            }
            _ => 2,
        }
    }
}

/// `error` and what caused it, outermost first, joined by colons.
///
/// A cause that the text before it already ends with is left out: transparent
/// errors repeat their source.
#[must_use]
pub fn chain_of_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // Ends because errors own their sources, so a chain has no cycle.
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
