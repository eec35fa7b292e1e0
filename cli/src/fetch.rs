//! `blockloom fetch`: blocks from a node, each with the state it runs on.
//!
//! A block is executed sequentially on the node's state (`rpc::state`), which
//! tells exactly what it reads, and kept only if the result is what its header
//! and the node's receipts say. Tracers, where the node has them, save round
//! trips and decide nothing.

mod block;
mod blocks;
mod folder;

pub(crate) use block::{Fetched, Fetcher};
pub use blocks::BlockRange;

use crate::{CliError, Console, FetchArgs, console::Unit};
use folder::Folder;
use serde::Serialize;
use std::sync::{Mutex, PoisonError, mpsc};

/// What a finished fetch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FetchTotals {
    /// Blocks that were fetched.
    pub fetched: u64,
    /// Blocks that were there before.
    pub kept: u64,
    /// Fetched blocks whose state root was checked.
    pub roots_verified: u64,
}

/// What to report of one block.
#[derive(Debug, Serialize)]
struct BlockReport {
    block: u64,
    txs: usize,
    kept: bool,
    root_verified: bool,
}

/// Fetches what `args` asks for, several blocks at a time, reports each to
/// `console` as it is finished, and returns the totals.
///
/// # Errors
///
/// [`CliError`] at the first block that cannot be had or does not verify.
/// Blocks that were finished by then are kept, and a next run goes on from
/// there.
pub fn fetch(args: &FetchArgs, console: &mut Console<'_>) -> Result<FetchTotals, CliError> {
    let fetcher = Fetcher::connect(&args.rpc, args.genesis.as_deref(), &args.node)?;
    let folder = Folder::prepare(&args.out, fetcher.config())?;
    let bar = console.bar(Some(args.blocks.len()), Unit::Items);
    let numbers = Mutex::new(args.blocks.iter());
    let mut totals = FetchTotals::default();
    let (sender, reports) = mpsc::channel();
    let outcome = std::thread::scope(|scope| {
        for _ in 0..args.node.concurrency {
            let (sender, numbers) = (sender.clone(), &numbers);
            let (fetcher, folder) = (&fetcher, &folder);
            // Ends: the range does, or nobody listens after an error.
            scope.spawn(move || {
                while let Some(number) = next(numbers) {
                    if sender.send(one(fetcher, folder, number)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for report in &reports {
            let report = report?;
            totals.add(&report);
            console.record(&report)?;
            bar.inc(1);
            bar.set_message(format!("block {}", report.block));
        }
        drop(reports);
        Ok::<_, CliError>(())
    });
    bar.finish_and_clear();
    outcome?;
    folder.write_index()?;
    console.record(&totals)?;
    console.line(&format!(
        "{} blocks fetched, {} kept, {} state roots verified",
        totals.fetched, totals.kept, totals.roots_verified
    ))?;
    Ok(totals)
}

fn next(numbers: &Mutex<impl Iterator<Item = u64>>) -> Option<u64> {
    numbers.lock().unwrap_or_else(PoisonError::into_inner).next()
}

fn one(fetcher: &Fetcher, folder: &Folder, number: u64) -> Result<BlockReport, CliError> {
    if folder.has(number) {
        return Ok(BlockReport { block: number, txs: 0, kept: true, root_verified: false });
    }
    let fetched = fetcher.fetch(number)?;
    folder.write(&fetched)?;
    let txs = fetched.document.expected.receipts.len();
    let root_verified = fetched.document.expected.post_state.is_some();
    Ok(BlockReport { block: number, txs, kept: false, root_verified })
}

impl FetchTotals {
    fn add(&mut self, report: &BlockReport) {
        self.fetched += u64::from(!report.kept);
        self.kept += u64::from(report.kept);
        self.roots_verified += u64::from(report.root_verified);
    }
}
