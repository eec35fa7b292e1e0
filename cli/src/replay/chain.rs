//! Replays a chain, block after block, on one state.

use super::{
    base::{Base, Keep},
    executor::{Executor, invalid},
    interrupt::Interrupt,
    source::ChainInput,
    totals::{BlockRecord, ReplayTotals, Stages, Tally, timed},
    walk::{ExecutedBlock, ReadyBlock, Step, Walk},
};
use crate::{CliError, Console, ReplayArgs, console::Unit, rejection::check_root};
use alloy_consensus::Transaction as _;
use blockloom_engine::{
    Block, ChainSpec, Ended, Load, PipelineConfig, PipelineStages, RecoveredBlock, pipeline,
    recover,
};
use blockloom_fixtures::{ChainReader, GenesisBlock};
use blockloom_state::{CacheSize, Durability, Overlay, Tip};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{
    io::{BufRead, BufReader, stdin},
    path::Path,
    time::Instant,
};

/// Replays the chain in `input` from where the state stands to its end.
pub(super) fn replay(
    args: &ReplayArgs,
    input: &ChainInput,
    genesis_path: &Path,
    console: &mut Console<'_>,
) -> Result<ReplayTotals, CliError> {
    let genesis = GenesisBlock::load(genesis_path)?;
    let spec = ChainSpec::from_genesis(&genesis.config)
        .map_err(|source| CliError::ChainSpec { path: genesis_path.to_owned(), source })?;
    let executor = Executor::new(args)?;
    let overlap =
        if args.no_pipeline || args.compare { Overlap::InTurn } else { Overlap::Pipelined };
    let mut tally = Tally::start();
    let ReplayArgs { undo_depth, durability, .. } = *args;
    let keep = Keep { db: args.db.as_deref(), undo_depth, durability };
    let mut chain = ChainReplay::open(spec, executor, keep, overlap, genesis)?;
    let (blocks, length) = open(input)?;
    let bar = console.bar(length, Unit::Bytes);
    let interrupt =
        Interrupt::listen().map_err(|source| CliError::read(Path::new("signals"), source))?;
    let ended = chain.run(DecodedBlocks(blocks), &|| interrupt.is_requested(), |report| {
        bar.set_position(report.offset);
        tally.stages += report.stages;
        tally.wrote(report.bytes_written);
        if let Some(record) = report.record {
            bar.set_message(format!("block {}", record.block));
            tally.add(record, console)?;
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    let tip = chain.tip();
    if ended == Ended::Stopped {
        return Err(CliError::Interrupted { tip: tip.number });
    }
    tally.end((tip.number, tip.hash, tip.root), console)
}

/// Reads the blocks of a chain, wherever they come from.
type BlockReader = ChainReader<Box<dyn BufRead + Send>>;

/// Opens the chain; its length in bytes goes with the offsets of its reader,
/// so it is known for plain files only.
fn open(input: &ChainInput) -> Result<(BlockReader, Option<u64>), CliError> {
    match input {
        ChainInput::Stdin => {
            let stdin: Box<dyn BufRead + Send> = Box::new(BufReader::new(stdin()));
            Ok((ChainReader::new(stdin), None))
        }
        ChainInput::File(path) => {
            let reader = ChainReader::open(path)?;
            let is_packed = path.extension().is_some_and(|extension| extension == "gz");
            let metadata = path.metadata().map_err(|source| CliError::read(path, source))?;
            Ok((reader, (!is_packed).then_some(metadata.len())))
        }
    }
}

/// A block, where the chain goes on after it, and what decoding took.
pub(crate) type Decoded = (Block, (u64, Stages));

/// Blocks with what they took.
#[derive(Debug)]
pub(crate) struct DecodedBlocks<R>(pub(crate) ChainReader<R>);

impl<R: BufRead> Iterator for DecodedBlocks<R> {
    type Item = Result<Decoded, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut stages = Stages::default();
        let block = timed(&mut stages.decode, || self.0.next())?;
        Some(block.map(|block| (block, (self.0.offset(), stages))).map_err(CliError::from))
    }
}

/// Whether the stages of neighbouring blocks overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// Each block goes through all stages before the next one begins.
    InTurn,
    /// While a block is executed, later ones are decoded and recovered, and
    /// earlier ones hashed and written.
    Pipelined,
}

/// What is known of a block once it is part of the state.
#[derive(Debug)]
pub(crate) struct Report {
    /// Where the chain goes on, in bytes.
    pub(crate) offset: u64,
    /// The block's record; `None` if the state had it before.
    pub(crate) record: Option<BlockRecord>,
    pub(crate) stages: Stages,
    pub(crate) bytes_written: u64,
}

/// A chain being replayed.
#[derive(Debug)]
pub(crate) struct ChainReplay {
    executor: Executor,
    overlap: Overlap,
    /// The state, and blocks on their way there.
    state: Overlay<Base>,
    walk: Walk,
    /// Computes state roots.
    hashing: ThreadPool,
    durability: Durability,
}

impl ChainReplay {
    /// Opens the state, which is kept as `keep` says.
    pub(crate) fn open(
        spec: ChainSpec,
        executor: Executor,
        keep: Keep<'_>,
        overlap: Overlap,
        genesis: GenesisBlock,
    ) -> Result<Self, CliError> {
        let first = (genesis.header.clone(), genesis.hash);
        let Keep { durability, .. } = keep;
        let of_commits = match (overlap, durability) {
            // Whole groups of blocks are synced before they are reported.
            (Overlap::Pipelined, Durability::Synced) => Durability::Unsynced,
            _ => durability,
        };
        let base = Base::open(Keep { durability: of_commits, ..keep }, genesis)?;
        let walk = Walk::new(spec, base.tip(), base.tip_header()?, first);
        let workers = executor.engine.workers();
        let threads = match overlap {
            Overlap::InTurn => workers,
            // The others are busy with other blocks.
            Overlap::Pipelined => (workers / 2).max(1),
        };
        let hashing = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("hashing-{index}"))
            .build()
            .map_err(|source| CliError::HashThreads { threads, source })?;
        let state = Overlay::new(base, CacheSize::default());
        Ok(Self { executor, overlap, state, walk, hashing, durability })
    }

    /// The last block that is part of the state.
    pub(crate) fn tip(&self) -> Tip {
        self.state.base().tip()
    }

    /// Replays `blocks`, until `stop` says to take no more, and hands each to
    /// `report` once it is part of the state, in order: where every block is
    /// to be synced, once it is.
    ///
    /// # Errors
    ///
    /// That of the first block that has one; those before it are part of the
    /// state and have been reported.
    pub(crate) fn run(
        &mut self,
        blocks: impl Iterator<Item = Result<Decoded, CliError>> + Send + 'static,
        stop: &(dyn Fn() -> bool + Sync),
        report: impl FnMut(Report) -> Result<(), CliError>,
    ) -> Result<Ended, CliError> {
        let ended = match self.overlap {
            Overlap::InTurn => self.run_in_turn(blocks, stop, report),
            Overlap::Pipelined => self.run_pipelined(blocks, stop, report),
        };
        // What the last full group left; the blocks before a failure are kept.
        let synced = match self.durability {
            Durability::Every(_) => self.state.base().sync(),
            Durability::Synced | Durability::Unsynced => Ok(()),
        };
        ended.and_then(|ended| synced.map(|()| ended))
    }

    fn run_in_turn(
        &mut self,
        blocks: impl Iterator<Item = Result<Decoded, CliError>>,
        stop: &(dyn Fn() -> bool + Sync),
        mut report: impl FnMut(Report) -> Result<(), CliError>,
    ) -> Result<Ended, CliError> {
        let Self { executor, state, walk, hashing, .. } = self;
        let base = state.base();
        // Nobody else is there to keep from working.
        let idle = Load { making_ready: 0, unsealed: 0 };
        for block in blocks {
            if stop() {
                return Ok(Ended::Stopped);
            }
            let (block, read) = block?;
            let recover = |block| match executor.engine.workers() {
                1 => recover(block),
                _ => executor.engine.recover(block),
            };
            let ready = ReadyBlock::new(block, read, walk.number(), recover);
            let step = walk.take(ready, (executor, idle), base, |number| base.hash_of(number))?;
            report(seal(step, base, hashing)?)?;
        }
        Ok(Ended::AtEnd)
    }

    fn run_pipelined(
        &mut self,
        blocks: impl Iterator<Item = Result<Decoded, CliError>> + Send + 'static,
        stop: &(dyn Fn() -> bool + Sync),
        report: impl FnMut(Report) -> Result<(), CliError>,
    ) -> Result<Ended, CliError> {
        let Self { executor, state, walk, hashing, durability, .. } = self;
        let (executor, state, hashing) = (&*executor, &*state, &*hashing);
        let syncs = *durability == Durability::Synced;
        let base = state.base();
        let tip = walk.number();
        let stages = PipelineStages {
            make_ready: |(block, read)| {
                ReadyBlock::new(block, read, tip, |block| {
                    let recovered = recover(block)?;
                    warm(state, &recovered);
                    Ok(recovered)
                })
            },
            execute: |ready, load| {
                let hash_of = |number| match state.pending_hash(number) {
                    Some(hash) => Ok(Some(hash)),
                    None => base.hash_of(number),
                };
                let step = walk.take(ready, (executor, load), state, hash_of)?;
                if let Step::Executed(executed) = &step {
                    let ExecutedBlock { block, changes, .. } = &**executed;
                    state.push(block.header().number, block.hash, changes.clone());
                }
                Ok(step)
            },
            seal: |step| {
                let number = match &step {
                    Step::Passed { .. } => None,
                    Step::Executed(executed) => Some(executed.block.header().number),
                };
                let report = seal(step, base, hashing)?;
                if let Some(number) = number {
                    state.pop(number);
                }
                Ok(report)
            },
            settle: |reports: &mut [Report]| {
                let start = Instant::now();
                if syncs && reports.iter().any(|report| report.record.is_some()) {
                    base.sync()?;
                }
                if let Some(first) = reports.first_mut() {
                    first.stages.commit += start.elapsed();
                }
                Ok(())
            },
            report,
            stop,
        };
        pipeline(&PipelineConfig::for_workers(executor.engine.workers()), blocks, stages)
    }
}

/// Reads ahead what `block` is sure or likely to look at.
fn warm(state: &Overlay<Base>, block: &RecoveredBlock) {
    for sender in &block.senders {
        state.warm(*sender, []);
    }
    for transaction in &block.block.body.transactions {
        if let Some(to) = transaction.to() {
            state.warm(to, []);
        }
        for item in transaction.access_list().into_iter().flat_map(|list| list.iter()) {
            let slots = item.storage_keys.iter().map(|slot| (*slot).into());
            state.warm(item.address, slots);
        }
    }
}

/// Computes the root after an executed block, holds it against the header, and
/// makes the block the tip.
fn seal(step: Step, base: &Base, hashing: &ThreadPool) -> Result<Report, CliError> {
    let executed = match step {
        Step::Passed { offset } => {
            let stages = Stages::default();
            return Ok(Report { offset, record: None, stages, bytes_written: 0 });
        }
        Step::Executed(executed) => *executed,
    };
    let ExecutedBlock { offset, block, changes, record, mut stages } = executed;
    let next = timed(&mut stages.root, || hashing.install(|| base.prepare(&changes)))?;
    check_root(&block, next.root()).map_err(|error| invalid(&block, error))?;
    let bytes_written = timed(&mut stages.commit, || base.commit(&block, next))?;
    Ok(Report { offset, record: Some(record), stages, bytes_written })
}
