//! `blockloom replay`: blocks in, verified state out.
//!
//! A chain runs on one state, in a store if one is given: each block is
//! decoded, its senders recovered, header, body and ommers checked, executed,
//! its result and state root held against the header, and committed. The
//! store's tip moves one whole block at a time, so a run that was killed goes
//! on where it was. Mainnet block files, and blocks fetched from a node, run each on
//! their own pre-state, or on what their witness proves.

mod base;
mod block_file;
mod chain;
mod executor;
mod interrupt;
mod shadow;
mod source;
mod totals;
mod walk;

pub(crate) use base::Keep;
pub(crate) use chain::{ChainReplay, DecodedBlocks, Overlap};
pub(crate) use executor::{Executor, invalid, refused};
pub(crate) use interrupt::Interrupt;
pub use totals::{ReplayTotals, Stages};

use crate::{CliError, Console, ReplayArgs};
use source::Source;

/// Replays what `args` points at, reports each block and the totals to
/// `console`, and returns the totals.
///
/// # Errors
///
/// [`CliError`] at the first block that does not verify or cannot be read.
/// Blocks before it stay committed.
pub fn replay(args: &ReplayArgs, console: &mut Console<'_>) -> Result<ReplayTotals, CliError> {
    if let (Some(url), Some(blocks)) = (&args.rpc, args.blocks) {
        return block_file::replay_node(args, url, blocks, console);
    }
    let source = args.source.as_deref().ok_or(CliError::SourceNeeded)?;
    match Source::detect(source, args.genesis.as_deref())? {
        Source::Chain { .. } if args.witness.is_some() => Err(CliError::WitnessForChain),
        Source::Chain { blocks, genesis } => chain::replay(args, &blocks, &genesis, console),
        Source::BlockFiles(files) => block_file::replay(args, &files, console),
    }
}
