//! The command line, as clap reads it. The doc comments are the help texts.

mod bench;
mod check;
mod replay;
mod store;
mod values;

pub use bench::{BenchArgs, BenchMode, InspectArgs};
pub use check::{FuzzArgs, VerifyArgs};
pub use replay::{FetchArgs, NodeArgs, OnDivergence, ReplayArgs, ShadowArgs};
pub use store::{CodeOf, DbCommand, ExportArgs, GetCommand, ImportArgs, StoreArgs, UnwindArgs};

use crate::serve::ServeArgs;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

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
