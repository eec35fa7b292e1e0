//! One worker of the parallel path.

use crate::{
    block::RecoveredBlock,
    committed::{Committed, FrontierEvm},
    error::{BlockError, InvalidBlock, from_evm},
    idle::Idle,
    output::ExecutionStats,
    pace::{Mistake, Pace, Point},
    plan::Plan,
    speculative::{Run, Speculator},
    transactions::Transactions,
    view::View,
    writes,
};
use alloy_primitives::{Address, U256};
use blockloom_scheduler::{Blocked, Frontier, Incarnation, Scheduler, Step, Task, TxIdx, Version};
use blockloom_state::{
    AccountRead, Agreement, BaseStateError, Drift, MultiVersionMemory, Observed, ReadSet, Reader,
    WriteSet,
};
use parking_lot::Mutex;
use revm::{
    context_interface::result::{ExecutionResult, HaltReason, ResultAndState},
    state::EvmState,
};

/// What one speculative execution leaves for the frontier.
pub(crate) struct Outcome {
    version: Version,
    reads: ReadSet,
    /// The read of the beneficiary's account, if there was one.
    beneficiary: Option<AccountRead>,
    /// `None` if it failed: then only the frontier can tell what is true.
    speculated: Option<Speculated>,
}

/// The result of a speculation that stands if its reads do.
pub(crate) struct Speculated {
    result: ExecutionResult<HaltReason>,
    reward: Option<U256>,
    /// Where somebody wants to see it: what it did, as far as it knew.
    state: Option<EvmState>,
}

/// What the workers of one block share.
pub(crate) struct Shared<'a> {
    pub(crate) block: &'a RecoveredBlock,
    pub(crate) transactions: &'a Transactions<'a>,
    pub(crate) scheduler: &'a Scheduler,
    pub(crate) plan: &'a Plan,
    pub(crate) memory: &'a MultiVersionMemory,
    /// One per transaction. Locked by whoever runs, validates or commits it.
    pub(crate) outcomes: Vec<Mutex<Option<Outcome>>>,
    /// Belongs to the holder of the frontier, so it is never waited for.
    pub(crate) committed: Mutex<Committed<'a>>,
    /// The first error; it ends the block.
    pub(crate) error: Mutex<Option<BlockError>>,
    /// Whether results must be complete, account by account.
    pub(crate) wants_states: bool,
    /// Whether some transaction may take long.
    pub(crate) has_long: bool,
    /// Whether the parallel part may end before the block does.
    pub(crate) may_give_up: bool,
}

impl Shared<'_> {
    fn beneficiary(&self) -> Address {
        self.block.header().beneficiary
    }

    /// Ends the block with `error`, unless another one was first.
    pub(crate) fn fail(&self, error: BlockError) {
        self.error.lock().get_or_insert(error);
        self.scheduler.cancel();
    }
}

/// One thread's share of a block.
pub(crate) struct Worker<'s, 'a, P: Pace> {
    shared: &'s Shared<'a>,
    speculator: Speculator<View<'a, P>>,
    frontier_evm: FrontierEvm<'a>,
    /// Empty read sets that keep their memory.
    spare: Vec<ReadSet>,
    writes: WriteSet,
    overtaken: Vec<TxIdx>,
    drifts: Vec<Drift>,
    stats: ExecutionStats,
    pace: P,
    /// Whether the others can do without it once there is nothing to start.
    may_leave: bool,
}

impl<'s, 'a, P: Pace> Worker<'s, 'a, P> {
    pub(crate) fn new(
        shared: &'s Shared<'a>,
        speculator: Speculator<View<'a, P>>,
        frontier_evm: FrontierEvm<'a>,
        pace: P,
        may_leave: bool,
    ) -> Self {
        Self {
            shared,
            speculator,
            frontier_evm,
            spare: Vec::new(),
            writes: WriteSet::default(),
            overtaken: Vec::new(),
            drifts: Vec::new(),
            stats: ExecutionStats::default(),
            pace,
            may_leave,
        }
    }

    /// Works until the block is at its end. Ends because the scheduler's
    /// essay proves that workers that keep asking reach `Done`.
    pub(crate) fn work(mut self) -> ExecutionStats {
        let mut idle = Idle::default();
        loop {
            match self.shared.scheduler.next_task() {
                Task::Done => return self.stats,
                Task::Idle if self.may_leave && idle.naps() => return self.stats,
                Task::Idle => {
                    self.pace.wait(&mut idle);
                    continue;
                }
                Task::Execute(version) => self.execute(version),
                Task::Validate(version) => self.validate(version),
                Task::Frontier(mut frontier) => self.advance(&mut frontier),
            }
            idle.reset();
        }
    }

    /// Runs `version` speculatively, again at once while the writers it waits
    /// for have finished meanwhile. Ends because attempts are bounded.
    fn execute(&mut self, mut version: Version) {
        let scheduler = self.shared.scheduler;
        let (transactions, position) = (self.shared.transactions, version.tx.position());
        if transactions.sender(position) == self.shared.beneficiary() {
            // Its balance holds the rewards of all lower transactions.
            scheduler.hold(version);
            return;
        }
        // One that does not wait for the frontier to come near hears of every
        // write below it.
        let is_early = self.shared.plan.is_long(transactions, position);
        let reader = Reader { tx: version.tx, is_early };
        loop {
            self.stats.executions += 1;
            self.pace.at(Point::Run, version.tx);
            assert!(!self.pace.makes(Mistake::Panic), "a test has this worker panic");
            let env = transactions.env(position);
            self.speculator.view().begin(reader, env.caller);
            match self.speculator.run(env) {
                Run::Done { result, reward } => {
                    self.record(version, Some(result), reward);
                    return;
                }
                Run::Failed => {
                    self.record(version, None, None);
                    return;
                }
                Run::Stale => {
                    self.stats.aborts += 1;
                    scheduler.give_up(version);
                    return;
                }
                Run::Blocked(writer) => {
                    self.stats.blocked += 1;
                    match scheduler.block(version, writer) {
                        Blocked::Parked => return,
                        Blocked::Retry(next) => version = next,
                    }
                }
            }
        }
    }

    /// Publishes what `version` wrote and leaves its outcome to the frontier.
    fn record(
        &mut self,
        version: Version,
        result: Option<ResultAndState<HaltReason>>,
        reward: Option<U256>,
    ) {
        let trace = &mut self.speculator.view().trace;
        let reads = std::mem::replace(&mut trace.reads, self.spare.pop().unwrap_or_default());
        let beneficiary = trace.beneficiary.take();
        let guess = beneficiary.as_ref().is_some_and(|read| read.observed == Observed::Whole);
        self.writes.clear();
        if let Some(result) = &result {
            let accounts = reads.accounts.iter().chain(&beneficiary);
            writes::of_speculation(&result.state, accounts, self.shared.memory, &mut self.writes);
        }
        self.pace.at(Point::Publish, version.tx);
        let reports_early = self.pace.makes(Mistake::ReportEarly);
        if !reports_early {
            self.publish(version.tx);
        }
        if guess {
            // It looked at the beneficiary's balance, which nobody can know
            // before the frontier. What it wrote stays as a good guess.
            self.shared.scheduler.hold(version);
            return;
        }
        let speculated = result.map(|ResultAndState { result, state }| Speculated {
            result,
            reward,
            state: self.shared.wants_states.then_some(state),
        });
        let outcome = Outcome { version, reads, beneficiary, speculated };
        *self.shared.outcomes[version.tx.position()].lock() = Some(outcome);
        self.pace.at(Point::Report, version.tx);
        let is_doubted = self.shared.scheduler.finish(version);
        if reports_early {
            self.pace.at(Point::Publish, version.tx);
            self.publish(version.tx);
        }
        if is_doubted {
            self.validate(version);
        }
    }

    fn publish(&mut self, writer: TxIdx) {
        self.overtaken.clear();
        let committed = TxIdx::new(self.shared.scheduler.committed());
        self.shared.memory.publish(writer, &mut self.writes, committed, &mut self.overtaken);
        for reader in &self.overtaken {
            self.shared.scheduler.suspect(*reader);
        }
    }

    /// Checks the reads of `version` ahead of the frontier, and aborts it if
    /// one is stale.
    fn validate(&mut self, version: Version) {
        self.stats.validations += 1;
        self.pace.at(Point::Check, version.tx);
        let scheduler = self.shared.scheduler;
        let outcome = self.shared.outcomes[version.tx.position()].lock();
        let holds = match outcome.as_ref() {
            Some(outcome) if outcome.version == version => {
                self.drifts.clear();
                outcome.reads.holds(self.shared.memory, version.tx, &mut self.drifts)
            }
            // It was committed or aborted meanwhile.
            _ => true,
        };
        drop(outcome);
        if !holds && scheduler.abort(version) {
            self.stats.aborts += 1;
            self.pace.at(Point::Abort, version.tx);
            if !self.pace.makes(Mistake::KeepStaleWrites) {
                self.shared.memory.mark_estimates(version.tx);
            }
            scheduler.reopen(version);
        }
    }

    /// Commits as many transactions as are ready, in block order.
    fn advance(&mut self, frontier: &mut Frontier<'_>) {
        let shared = self.shared;
        let mut committed = shared.committed.lock();
        loop {
            let step = match frontier.step() {
                Step::Validate(version) => self.judge(version, frontier, &mut committed),
                Step::Execute(version) => self.run_here(version, frontier, &mut committed),
                Step::Busy | Step::Done => return,
            };
            if let Err(error) = step {
                shared.fail(error);
                return;
            }
            if shared.may_give_up && committed.payoff().is_poor() {
                shared.scheduler.cancel();
                return;
            }
        }
    }

    /// Commits the speculative result of `version`, or runs it anew.
    fn judge(
        &mut self,
        version: Version,
        frontier: &mut Frontier<'_>,
        committed: &mut Committed<'a>,
    ) -> Result<(), BlockError> {
        self.pace.at(Point::Judge, version.tx);
        if self.commit_speculation(version, committed)? {
            self.pace.at(Point::Commit, version.tx);
            frontier.commit(version, true);
            return Ok(());
        }
        self.stats.aborts += 1;
        let version = frontier.reject(version);
        self.run_here(version, frontier, committed)
    }

    /// Runs `version` on committed state and commits it.
    fn run_here(
        &mut self,
        version: Version,
        frontier: &mut Frontier<'_>,
        committed: &mut Committed<'a>,
    ) -> Result<(), BlockError> {
        self.pace.at(Point::RunHere, version.tx);
        let position = version.tx.position();
        let transactions = self.shared.transactions;
        if let Some(available) = committed.missing_gas(transactions.gas_limit(position)) {
            return Err(self.block_gas_exhausted(position, available));
        }
        if !self.shared.wants_states && self.transfer(position, committed) {
            self.publish(version.tx);
            self.stats.executions += 1;
            self.stats.transfers += 1;
            frontier.commit(version, false);
            return Ok(());
        }
        self.stats.executions += 1;
        self.stats.at_frontier += 1;
        if version.incarnation != Incarnation::FIRST {
            committed.payoff().in_vain();
        } else if !self.shared.has_long {
            // Otherwise another worker may be busy with what takes long.
            committed.payoff().untried();
        }
        let env = transactions.env(position);
        let result = match self.frontier_evm.run(version.tx, committed.rewards(), env) {
            Ok(result) => result,
            Err(error) => {
                let number = self.shared.block.header().number;
                let failure = self.frontier_evm.failure();
                return Err(from_evm(
                    number,
                    position,
                    transactions.hash(position),
                    error,
                    failure,
                ));
            }
        };
        let ResultAndState { result, state } = result;
        writes::of_committed(&state, self.shared.memory, &mut self.writes);
        let beneficiary = self.shared.memory.account(self.shared.beneficiary());
        if self.writes.accounts.iter().any(|(account, _)| *account == beneficiary) {
            committed.rewards_are_written();
        }
        self.pace.at(Point::Publish, version.tx);
        self.publish(version.tx);
        let seen = self.shared.wants_states.then_some(&state);
        committed.commit(position, transactions, result, seen);
        self.pace.at(Point::Commit, version.tx);
        frontier.commit(version, false);
        Ok(())
    }

    /// Computes a plain transfer and commits it, but for publishing it.
    fn transfer(&mut self, position: usize, committed: &mut Committed<'a>) -> bool {
        let Shared { transactions, plan, .. } = self.shared;
        committed.transfer(position, transactions, &plan.rules, &mut self.writes)
    }

    /// Commits the outcome of `version` if it is what revm would give now;
    /// `false` if that is not certain, and nothing is changed then.
    fn commit_speculation(
        &mut self,
        version: Version,
        committed: &mut Committed<'a>,
    ) -> Result<bool, BlockError> {
        let position = version.tx.position();
        let transactions = self.shared.transactions;
        let outcome = self.shared.outcomes[position].lock().take();
        let Some(mut outcome) = outcome else { return Ok(false) };
        debug_assert_eq!(outcome.version, version, "the frontier owns the newest incarnation");
        let Some(mut speculated) = outcome.speculated.take() else { return Ok(false) };
        if committed.missing_gas(transactions.gas_limit(position)).is_some() {
            return Ok(false);
        }
        let valid =
            self.is_valid(&outcome, version.tx, &mut speculated, committed).map_err(|source| {
                BlockError::base_state(self.shared.block.header().number, Some(position), source)
            })?;
        if valid {
            let Speculated { result, state, .. } = speculated;
            committed.commit(position, transactions, result, state.as_ref());
            // One that waited for its like stands, but saved nothing.
            if !self.shared.scheduler.was_chained(version.tx) {
                committed.payoff().stood();
            }
        }
        outcome.reads.clear();
        self.spare.push(outcome.reads);
        Ok(valid)
    }

    /// Checks every read, pays the reward, and where somebody wants to see
    /// what the transaction did, completes that with what speculation could
    /// not know.
    fn is_valid(
        &mut self,
        outcome: &Outcome,
        tx: TxIdx,
        speculated: &mut Speculated,
        committed: &mut Committed<'a>,
    ) -> Result<bool, BaseStateError> {
        self.drifts.clear();
        if !outcome.reads.holds(self.shared.memory, tx, &mut self.drifts)
            && !self.pace.makes(Mistake::JudgeNothing)
        {
            return Ok(false);
        }
        if let Some(read) = &outcome.beneficiary {
            let now = committed.beneficiary_before(tx)?;
            match (read.compare(now.as_ref()), now) {
                (Agreement::Same, _) => {}
                (Agreement::Drifted, Some(now)) => {
                    self.drifts.push(Drift { address: read.address, now });
                }
                _ => return Ok(false),
            }
        }
        let Speculated { reward, state, .. } = speculated;
        if let Some(state) = state
            && !committed.complete(tx, *reward, &self.drifts, state)?
        {
            return Ok(false);
        }
        reward.map_or(Ok(true), |reward| committed.pay(tx, reward))
    }

    fn block_gas_exhausted(&self, position: usize, available: u64) -> BlockError {
        let reason = InvalidBlock::BlockGasExhausted {
            index: position,
            hash: self.shared.transactions.hash(position),
            gas_limit: self.shared.transactions.gas_limit(position),
            available,
        };
        BlockError::invalid(self.shared.block.header().number, reason)
    }
}
