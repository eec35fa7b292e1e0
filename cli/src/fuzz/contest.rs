//! One block after another, held in parallel against sequentially.

use super::schedule::{Disturbance, Schedule, configs};
use crate::{
    CliError, FuzzArgs,
    recorded::{AnyBase, RecordedCase, Settings, Told},
    verify::{Difference, between_results},
};
use alloy_primitives::B256;
use blockloom_engine::{
    BlockError, BlockOutput, ChainSpec, Config, Engine, InternalError, RecoveredBlock,
};
use blockloom_fixtures::{
    handmade::{CHAIN_ID, Faulty, Flaky, Jitter, Key, ON_FIRE, network},
    random::{Draft, Entropy, RandomBlock, shrink},
};
use blockloom_state::{ErasedReader, MemoryState};
use revm::DatabaseRef;
use std::collections::BTreeMap;

/// How often a block is tried, while it is shrunk, before it counts as one that
/// does not diverge: threads need not meet the same way each time.
const TRIES: usize = 12;

/// A result, or the error, of an execution.
type Answer = Result<BlockOutput, BlockError>;

/// What became of one block.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) txs: usize,
    pub(super) schedules: u64,
    pub(super) divergences: Vec<Divergence>,
}

/// A block that ran differently in parallel.
#[derive(Debug)]
pub(super) struct Divergence {
    /// Index of the block.
    pub(super) index: u64,
    /// The block, shrunk.
    pub(super) case: RecordedCase,
    /// Transactions left.
    pub(super) txs: usize,
    /// The schedule under which it happened, in words.
    pub(super) schedule: String,
    /// The first difference.
    pub(super) difference: Difference,
}

/// One thread's engines, and what they run.
#[derive(Debug)]
pub(super) struct Contest {
    seed: u64,
    txs: Option<usize>,
    n_schedules: u64,
    configs: Vec<Config>,
    /// By position in `configs`, started when first needed.
    engines: BTreeMap<usize, Engine>,
    /// What the base state tells the parallel runs only. Tests need a
    /// divergence; elsewhere there is no such lie.
    pub(super) lie: Option<fn(&mut MemoryState)>,
}

/// A block as the engine takes it.
struct Match {
    spec: ChainSpec,
    block: RecoveredBlock,
    state: MemoryState,
    /// The state as the parallel run is told, if that is not the same.
    told: Option<MemoryState>,
    broken: Vec<Key>,
}

impl Contest {
    pub(super) fn new(args: &FuzzArgs) -> Self {
        Self {
            seed: args.seed,
            txs: args.txs,
            n_schedules: args.schedules,
            configs: configs(&args.workers),
            engines: BTreeMap::new(),
            lie: None,
        }
    }

    /// Runs block `index` under every one of its schedules.
    pub(super) fn hold(&mut self, index: u64) -> Result<Held, CliError> {
        let draft = Draft::numbered(self.seed, index, self.txs);
        // Other choices than the draft's.
        let mut entropy = Entropy::from_seed(!self.seed ^ index.rotate_left(32));
        let schedules: Vec<_> =
            (0..self.n_schedules).map(|_| Schedule::any(&mut entropy, &self.configs)).collect();
        let found = self.divergences(&draft, &schedules)?;
        let mut divergences = Vec::new();
        for (schedule, difference) in found {
            divergences.push(self.pin_down(index, &draft, schedule, difference)?);
        }
        Ok(Held { txs: draft.len(), schedules: self.n_schedules, divergences })
    }

    /// The schedules under which `draft` runs differently, with the first
    /// difference.
    fn divergences(
        &mut self,
        draft: &Draft,
        schedules: &[Schedule],
    ) -> Result<Vec<(Schedule, Difference)>, CliError> {
        for schedule in schedules {
            self.start(schedule.engine)?;
        }
        let block = self.build(draft);
        // By what a result depends on: whether there is a list, and faults.
        let mut sequential = BTreeMap::new();
        let mut found = Vec::new();
        for (position, schedule) in schedules.iter().enumerate() {
            let engine = &self.engines[&schedule.engine];
            let is_broken = matches!(schedule.disturbance, Disturbance::Broken(_));
            let expected = sequential
                .entry((schedule.config.access_list, is_broken))
                .or_insert_with(|| block.run_sequentially(engine, is_broken));
            let got = block.run(engine, schedule.disturbance);
            if schedule.disturbance.is_told_by(&got) {
                continue;
            }
            let differences = between_results(&got, expected);
            if let Some(first) = differences.into_iter().next() {
                found.push((*schedule, first));
            } else if position == 0
                && let Some(difference) = block.compare_roots(&got, expected)
            {
                // Equal outputs lead to equal states; once a block is enough.
                found.push((*schedule, difference));
            }
        }
        Ok(found)
    }

    fn start(&mut self, engine: usize) -> Result<(), CliError> {
        if !self.engines.contains_key(&engine) {
            self.engines.insert(engine, Engine::new(self.configs[engine])?);
        }
        Ok(())
    }

    fn build(&self, draft: &Draft) -> Match {
        let RandomBlock { fork, state, block, senders, broken } = draft.build();
        let told = self.lie.map(|lie| {
            let mut told = state.clone();
            lie(&mut told);
            told
        });
        let spec = ChainSpec::for_network(network(fork), CHAIN_ID, None);
        let spec = spec.expect("every fork that blocks are made for is a test network");
        let block = RecoveredBlock { hash: B256::repeat_byte(0xb1), block, senders };
        Match { spec, block, state, told, broken }
    }

    /// Shrinks a block that diverged under `schedule`, and records it.
    fn pin_down(
        &mut self,
        index: u64,
        draft: &Draft,
        schedule: Schedule,
        difference: Difference,
    ) -> Result<Divergence, CliError> {
        let mut last = difference;
        let again = [schedule; TRIES];
        let mut failed = None;
        let smallest = shrink(draft, |candidate| match self.divergences(candidate, &again) {
            Ok(found) => found.into_iter().next().is_some_and(|(_, difference)| {
                last = difference;
                true
            }),
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let Match { spec, block, state, told, broken } = self.build(&smallest);
        let broken = match schedule.disturbance {
            Disturbance::Broken(_) => broken,
            _ => Vec::new(),
        };
        let settings = Settings::of(schedule.config, schedule.config.workers, schedule.delays());
        let told = Told { sequential: &state, parallel: told.as_ref(), broken: &broken };
        let origin = self.command(index);
        let case = RecordedCase::new(origin, settings, &spec, &block, told, &last);
        Ok(Divergence {
            index,
            case,
            txs: smallest.len(),
            schedule: schedule.to_string(),
            difference: last,
        })
    }

    /// What runs block `index` again, under the same schedules.
    fn command(&self, index: u64) -> String {
        let mut workers: Vec<_> =
            self.configs.iter().map(|config| config.workers.to_string()).collect();
        workers.dedup();
        let txs = self.txs.map_or_else(String::new, |txs| format!(" --txs {txs}"));
        format!(
            "blockloom fuzz --seed {} --from {index} --blocks 1{txs} --workers {} --schedules {}",
            self.seed,
            workers.join(","),
            self.n_schedules
        )
    }
}

impl Match {
    fn run_sequentially(&self, engine: &Engine, is_broken: bool) -> Answer {
        let broken = if is_broken { self.broken.clone() } else { Vec::new() };
        let base = ErasedReader(Faulty::new(&self.state, broken));
        let base: AnyBase<'_> = &base;
        engine.execute_sequential(&self.spec, &self.block, &base).map(|executed| executed.output)
    }

    fn run(&self, engine: &Engine, disturbance: Disturbance) -> Answer {
        let state = self.told.as_ref().unwrap_or(&self.state);
        let first = self.block.senders.first().copied();
        match disturbance {
            Disturbance::None => self.run_on(engine, state),
            Disturbance::Delays(seed) => self.run_on(engine, Jitter::new(state, seed, first)),
            Disturbance::Broken(seed) => {
                let faulty = Faulty::new(state, self.broken.clone());
                self.run_on(engine, Jitter::new(&faulty, seed, first))
            }
            Disturbance::Flaky { one_in, start } => {
                self.run_on(engine, Flaky::new(state, one_in, start))
            }
            Disturbance::Panics { one_in, start } => {
                self.run_on(engine, Flaky::new(state, one_in, start).panicking())
            }
        }
    }

    fn run_on(&self, engine: &Engine, base: impl DatabaseRef + Sync) -> Answer {
        let base = ErasedReader(base);
        let base: AnyBase<'_> = &base;
        engine.execute(&self.spec, &self.block, &base).map(|executed| executed.output)
    }

    /// Compares the roots of the states that two equal outputs lead to.
    fn compare_roots(&self, got: &Answer, expected: &Answer) -> Option<Difference> {
        let (Ok(got), Ok(expected)) = (got, expected) else { return None };
        let root = |output: &BlockOutput| {
            let mut state = self.state.clone();
            state.apply(&output.changes);
            state.root()
        };
        let (got, expected) = (root(got), root(expected));
        (got != expected).then(|| Difference {
            transaction: None,
            location: "state root".to_owned(),
            got: got.to_string(),
            expected: expected.to_string(),
        })
    }
}

impl Disturbance {
    /// Whether `answer` tells of what the base state does now and then, so that
    /// there is nothing to compare.
    fn is_told_by(self, answer: &Answer) -> bool {
        let Err(BlockError::Internal { reason, .. }) = answer else { return false };
        match (self, reason) {
            (Self::Flaky { .. }, InternalError::BaseState { .. }) => true,
            (Self::Panics { .. }, InternalError::Panic { message }) => message == ON_FIRE,
            _ => false,
        }
    }
}
