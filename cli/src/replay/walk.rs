//! From block to block: what is checked and executed, in order.

use super::{
    executor::{Executor, invalid, record, refused},
    totals::{BlockRecord, Stages, timed},
};
use crate::{CliError, rejection::Place, verify::OMMER_DEPTH};
use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use blockloom_engine::{Ancestor, Block, BlockError, ChainSpec, Load, RecoveredBlock};
use blockloom_state::{BlockChanges, Tip};
use revm::DatabaseRef;
use std::{collections::VecDeque, sync::Arc};

/// A block of the chain, with what could be done for it without any other.
#[derive(Debug)]
pub(crate) struct ReadyBlock {
    /// Where the chain goes on after it, in bytes.
    pub(crate) offset: u64,
    pub(crate) header: Header,
    pub(crate) hash: B256,
    pub(crate) senders: Senders,
    pub(crate) stages: Stages,
}

/// What recovery gave. A failure counts only if the block's turn comes.
#[derive(Debug)]
pub(crate) enum Senders {
    /// The block was in the state from the start; these are its ommers.
    NotNeeded(Vec<Header>),
    /// The block as it can be executed.
    Recovered(Box<Result<RecoveredBlock, BlockError>>),
}

impl ReadyBlock {
    /// Hashes `block`, and recovers its senders with `recover` if it is above
    /// `tip`.
    pub(crate) fn new(
        block: Block,
        (offset, mut stages): (u64, Stages),
        tip: u64,
        recover: impl FnOnce(Block) -> Result<RecoveredBlock, BlockError>,
    ) -> Self {
        let header = block.header.clone();
        if header.number <= tip {
            let hash = header.hash_slow();
            let senders = Senders::NotNeeded(block.body.ommers);
            return Self { offset, header, hash, senders, stages };
        }
        let recovered = timed(&mut stages.recover, || recover(block));
        let hash = recovered.as_ref().map_or_else(|_| header.hash_slow(), |block| block.hash);
        Self { offset, header, hash, senders: Senders::Recovered(Box::new(recovered)), stages }
    }
}

/// A block after its turn.
#[derive(Debug)]
pub(crate) enum Step {
    /// The state held it already.
    Passed {
        /// Where the chain goes on.
        offset: u64,
    },
    /// It was executed, and all of it is right but, perhaps, its state root.
    Executed(Box<ExecutedBlock>),
}

/// A block whose result is known, but not yet its state root.
#[derive(Debug)]
pub(crate) struct ExecutedBlock {
    pub(crate) offset: u64,
    pub(crate) block: RecoveredBlock,
    pub(crate) changes: Arc<BlockChanges>,
    /// What is reported once the root is right.
    pub(crate) record: BlockRecord,
    pub(crate) stages: Stages,
}

/// A block of the recent past, as the rules about ommers need it.
#[derive(Debug)]
struct Passed {
    header: Header,
    hash: B256,
    ommers: Vec<Header>,
}

/// Where execution stands in the chain.
#[derive(Debug)]
pub(crate) struct Walk {
    spec: ChainSpec,
    /// The last executed block.
    tip: Tip,
    /// Its header.
    parent: Header,
    /// The tip and the blocks before it, nearest first.
    passed: VecDeque<Passed>,
    /// Difficulty up to and including the tip; `None` if the chain did not
    /// begin at genesis, and the merge is then where the spec declares it.
    total_difficulty: Option<U256>,
}

impl Walk {
    /// At `tip`, whose header is `parent`, of a chain that begins at `genesis`.
    pub(crate) fn new(spec: ChainSpec, tip: Tip, parent: Header, genesis: (Header, B256)) -> Self {
        let (header, hash) = genesis;
        let total_difficulty = Some(header.difficulty);
        let passed = VecDeque::from([Passed { header, hash, ommers: Vec::new() }]);
        Self { spec, tip, parent, passed, total_difficulty }
    }

    /// Number of the last executed block.
    pub(crate) const fn number(&self) -> u64 {
        self.tip.number
    }

    /// Takes the next block of the chain: passes it if the state holds it
    /// already, which `hash_of` tells, else checks and executes it on `state`.
    pub(crate) fn take(
        &mut self,
        ready: ReadyBlock,
        (executor, load): (&Executor, Load),
        state: &(impl DatabaseRef + Sync),
        hash_of: impl FnOnce(u64) -> Result<Option<B256>, CliError>,
    ) -> Result<Step, CliError> {
        let ReadyBlock { offset, header, hash, senders, mut stages } = ready;
        let number = header.number;
        if number <= self.tip.number {
            return match hash_of(number)? {
                Some(stored) if stored != hash => {
                    Err(CliError::OtherBlock { number, got: hash, stored })
                }
                _ => {
                    let ommers = match senders {
                        Senders::NotNeeded(ommers) => ommers,
                        // Executed before, so it is remembered already.
                        Senders::Recovered(_) => Vec::new(),
                    };
                    self.remember(header, hash, ommers);
                    Ok(Step::Passed { offset })
                }
            };
        }
        if number != self.tip.number + 1 {
            return Err(CliError::Gap { expected: self.tip.number + 1, got: number });
        }
        let Senders::Recovered(recovered) = senders else {
            unreachable!("what is above the tip now was above it before")
        };
        let block = (*recovered).map_err(|error| refused(number, hash, error))?;
        let (record, changes) = self.execute(&block, (executor, load), state, &mut stages)?;
        self.tip = Tip { number, hash, root: header.state_root };
        self.parent = header.clone();
        self.remember(header, hash, block.block.body.ommers.clone());
        let changes = Arc::new(changes);
        let executed = ExecutedBlock { offset, block, changes, record, stages };
        Ok(Step::Executed(Box::new(executed)))
    }

    /// Checks `block`, executes it, and checks its result, all but the root.
    fn execute(
        &mut self,
        block: &RecoveredBlock,
        (executor, load): (&Executor, Load),
        state: &(impl DatabaseRef + Sync),
        stages: &mut Stages,
    ) -> Result<(BlockRecord, BlockChanges), CliError> {
        let parent_hash = self.tip.hash;
        if self.passed.front().is_none_or(|nearest| nearest.hash != parent_hash) {
            // The chain begins in the middle, at the store's tip.
            self.passed.clear();
            self.total_difficulty = None;
        }
        let spec = match self.total_difficulty {
            Some(total) => self.spec.for_child_of(self.tip.number, total),
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
        let invalid = |error| invalid(block, error);
        timed(&mut stages.check, || place.check_before(&block.block)).map_err(invalid)?;
        let run = executor.run_beside(load, &spec, block, state, stages)?;
        let output = &run.executed.output;
        timed(&mut stages.check, || place.check_after(block, output)).map_err(invalid)?;
        Ok((record(block, &run, true), run.executed.output.changes))
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
