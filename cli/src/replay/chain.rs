//! Replays a chain, block after block, on one state.

use super::{
    base::Base,
    executor::{Executor, invalid, record, refused},
    source::ChainInput,
    totals::{BlockRecord, ReplayTotals, Tally, timed},
};
use crate::{
    CliError, Console, ReplayArgs,
    console::Unit,
    rejection::{Place, check_root},
    verify::OMMER_DEPTH,
};
use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use blockloom_engine::{Ancestor, Block, ChainSpec};
use blockloom_fixtures::{ChainReader, GenesisBlock};
use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, stdin},
    path::Path,
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
    let mut chain = ChainReplay::open(spec, executor, args, genesis)?;
    let (mut blocks, length) = open(input)?;
    let bar = console.bar(length, Unit::Bytes);
    // Ends with the chain, or at its first error.
    while let Some(block) = timed(&mut chain.tally.stages.decode, || blocks.next()) {
        let block = block?;
        let number = block.header.number;
        if let Some(record) = chain.take(block)? {
            chain.tally.add(record, console)?;
        }
        bar.set_position(blocks.offset());
        bar.set_message(format!("block {number}"));
    }
    bar.finish_and_clear();
    let tip = chain.base.tip();
    chain.tally.end((tip.number, tip.hash, tip.root), console)
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

/// A block of the recent past, as the rules about ommers need it.
struct Passed {
    header: Header,
    hash: B256,
    ommers: Vec<Header>,
}

/// A chain being replayed.
struct ChainReplay {
    spec: ChainSpec,
    executor: Executor,
    base: Base,
    tally: Tally,
    /// The tip's header.
    parent: Header,
    /// The tip and the blocks before it, nearest first.
    passed: VecDeque<Passed>,
    /// Difficulty up to and including the tip; `None` if the chain did not
    /// begin at genesis, and the merge is then where the spec declares it.
    total_difficulty: Option<U256>,
}

impl ChainReplay {
    fn open(
        spec: ChainSpec,
        executor: Executor,
        args: &ReplayArgs,
        genesis: GenesisBlock,
    ) -> Result<Self, CliError> {
        let tally = Tally::start();
        let first =
            Passed { header: genesis.header.clone(), hash: genesis.hash, ommers: Vec::new() };
        let base = Base::open(args.db.as_deref(), args.undo_depth, genesis)?;
        let parent = base.tip_header()?;
        let total_difficulty = Some(first.header.difficulty);
        let passed = VecDeque::from([first]);
        Ok(Self { spec, executor, base, tally, parent, passed, total_difficulty })
    }

    /// Takes the next block of the chain: skips it if the state holds it
    /// already, executes, verifies and commits it otherwise.
    fn take(&mut self, block: Block) -> Result<Option<BlockRecord>, CliError> {
        let tip = self.base.tip();
        let number = block.header.number;
        if number <= tip.number {
            let hash = block.header.hash_slow();
            return match self.base.hash_of(number)? {
                Some(stored) if stored != hash => {
                    Err(CliError::OtherBlock { number, got: hash, stored })
                }
                _ => {
                    self.remember(block.header, hash, block.body.ommers);
                    Ok(None)
                }
            };
        }
        if number != tip.number + 1 {
            return Err(CliError::Gap { expected: tip.number + 1, got: number });
        }
        self.execute(block, tip.hash).map(Some)
    }

    fn execute(&mut self, block: Block, parent_hash: B256) -> Result<BlockRecord, CliError> {
        if self.passed.front().is_none_or(|nearest| nearest.hash != parent_hash) {
            // The chain begins in the middle, at the store's tip.
            self.passed.clear();
            self.total_difficulty = None;
        }
        let (number, stages) = (block.header.number, &mut self.tally.stages);
        let header_hash = block.header.hash_slow();
        let recovered = timed(&mut stages.recover, || self.executor.engine.recover(block))
            .map_err(|error| refused(number, header_hash, error))?;
        let spec = match self.total_difficulty {
            Some(total) => self.spec.for_child_of(number - 1, total),
            None => self.spec.clone(),
        };
        let ancestors: Vec<_> = self
            .passed
            .iter()
            .map(|block| Ancestor {
                header: &block.header,
                hash: block.hash,
                ommers: &block.ommers,
            })
            .collect();
        let place = Place { spec: &spec, parent: &self.parent, parent_hash, ancestors: &ancestors };
        let invalid = |error| invalid(&recovered, error);

        timed(&mut stages.check, || place.check_before(&recovered.block)).map_err(invalid)?;
        let run = match &self.base {
            Base::Memory { state, .. } => self.executor.run(&spec, &recovered, &**state, stages),
            Base::Store { store, .. } => self.executor.run(&spec, &recovered, &**store, stages),
        }?;
        let output = &run.executed.output;
        timed(&mut stages.check, || place.check_after(&recovered, output)).map_err(invalid)?;
        let next = timed(&mut stages.root, || self.base.prepare(&output.changes))?;
        check_root(&recovered, next.root()).map_err(invalid)?;
        timed(&mut stages.commit, || self.base.commit(&recovered, next))?;

        let record = record(&recovered, &run, true);
        let Block { header, body } = recovered.block;
        self.parent = header.clone();
        self.remember(header, recovered.hash, body.ommers);
        Ok(record)
    }

    /// Notes a block the state now stands on.
    fn remember(&mut self, header: Header, hash: B256, ommers: Vec<Header>) {
        match self.passed.front().map(|nearest| nearest.header.number) {
            // The genesis block, noted when the chain was opened.
            Some(nearest) if header.number <= nearest => return,
            Some(nearest) if header.number == nearest + 1 => {
                self.total_difficulty =
                    self.total_difficulty.map(|total| total.saturating_add(header.difficulty));
            }
            // Nothing before this block is known.
            _ => {
                self.total_difficulty = None;
                self.passed.clear();
            }
        }
        self.passed.push_front(Passed { header, hash, ommers });
        self.passed.truncate(OMMER_DEPTH + 1);
    }
}
