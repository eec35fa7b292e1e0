//! The `blockloom` program as a library, so that tests call what users run.
//!
//! - [`replay`](replay()) executes a chain block after block, verifies each
//!   and commits it to a store.
//! - [`verify`](verify()) runs blocks with known answers, sequentially and in
//!   parallel, and compares everything.
//! - [`fuzz`](fuzz()) runs random blocks, sequentially and in parallel, and
//!   compares everything.
//! - [`fetch`](fetch()) gets blocks and the state they run on from a node.
//! - [`bench`](bench()) measures parallel against sequential execution.
//! - [`inspect`](inspect()) tells what bounds a block's speedup.
//! - [`unwind`](unwind()) goes back to an earlier block of a store.
//! - [`serve`](serve()) serves a store's chain over JSON-RPC, and moves it as the
//!   Engine API says.
//! - [`db`](db()) looks into a store, checks it and copies its state.
//! - [`run`] does what a command line asks for.
//!
//! Results go to the writer the caller gives, as text or as JSON, one object
//! per line; progress and messages go to stderr. Exit statuses are 0 for
//! agreement, 1 for a mismatch or an invalid block, 2 for bad usage or I/O
//! ([`CliError::exit_code`]).

mod args;
mod batch;
mod bench;
mod client;
mod console;
mod db;
mod error;
mod fetch;
mod fuzz;
mod inspect;
mod recorded;
mod rejection;
mod replay;
mod rpc;
mod serve;
mod unwind;
mod verify;

pub use args::{
    BenchArgs, BenchMode, Cli, CodeOf, Command, DbCommand, ExportArgs, FetchArgs, FuzzArgs,
    GetCommand, ImportArgs, InspectArgs, NodeArgs, OnDivergence, ReplayArgs, ShadowArgs, StoreArgs,
    UnwindArgs, VerifyArgs,
};
pub use bench::bench;
pub use console::Console;
pub use db::db;
pub use error::{CliError, chain_of_causes};
pub use fetch::{BlockRange, FetchTotals, fetch};
pub use fuzz::{FuzzTotals, fuzz};
pub use inspect::{Inspection, Speedup, inspect};
pub use replay::{ReplayTotals, Stages, replay};
pub use rpc::RpcError;
pub use serve::{ServeArgs, ServeError, serve};
pub use unwind::unwind;
pub use verify::{VerifyTotals, verify};

use clap::CommandFactory;
use std::io::Write;

/// The README's example, compiled and run with the doctests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Does what `cli` asks for and writes results to `results`; gives the exit
/// status.
///
/// # Errors
///
/// [`CliError`], whose [`exit_code`](CliError::exit_code) is the exit status.
pub fn run(cli: Cli, results: &mut dyn Write) -> Result<u8, CliError> {
    match cli.command {
        Command::Replay(args) => {
            let mut console = Console::new(results, args.json, args.quiet);
            let totals = replay(&args, &mut console)?;
            Ok(u8::from(totals.divergences > 0))
        }
        Command::Verify(args) => {
            let mut console = Console::new(results, args.json, args.quiet);
            let totals = verify(&args, &mut console)?;
            Ok(u8::from(totals.failed > 0))
        }
        Command::Fuzz(args) => {
            let mut console = Console::new(results, args.json, args.quiet);
            let totals = fuzz(&args, &mut console)?;
            Ok(u8::from(totals.divergences > 0))
        }
        Command::Fetch(args) => {
            let mut console = Console::new(results, args.json, args.quiet);
            fetch(&args, &mut console).map(|_| 0)
        }
        Command::Bench(args) => {
            let mut console = Console::new(results, args.json, args.quiet);
            bench(&args, &mut console).map(|_| 0)
        }
        Command::Inspect(args) => {
            let mut console = Console::new(results, args.json, true);
            inspect(&args, &mut console).map(|_| 0)
        }
        Command::Serve(args) => {
            let mut console = Console::new(results, args.json, true);
            serve(&args, &mut console).map(|()| 0)
        }
        Command::Unwind(args) => unwind(&args, results).map(|()| 0),
        Command::Db(command) => db(&command, results).map(|()| 0),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "blockloom", &mut script);
            results.write_all(&script)?;
            Ok(0)
        }
    }
}
