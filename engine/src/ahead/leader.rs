//! The worker at the frontier.

use super::{
    board::{Board, Found, News, Outcome, Parcel, ScoutId},
    sight::{Borrowed, Sight},
};
use crate::{
    due::Due,
    error::{BlockError, InvalidBlock, from_evm},
    gain::Gain,
    output::ExecutionStats,
    pace::{Mistake, Pace, Point},
    payoff::Payoff,
    speculative::Speculator,
    sprint,
    tally::Tally,
    transfer::Transfer,
    writes,
};
use alloy_evm::{Evm, EvmEnv, eth::EthEvm, precompiles::PrecompilesMap};
use alloy_primitives::Address;
use blockloom_scheduler::{Arrival, TxIdx};
use blockloom_state::{BaseStateError, BlockState, Delta, Drift, Observed};
use revm::{
    DatabaseCommit, DatabaseRef, context_interface::result::ResultAndState,
    inspector::NoOpInspector,
};
use std::{cell::RefCell, mem};

/// Outcomes that go back to their scout together.
const HANDFUL: usize = 16;

/// Makes the transactions of a block final, one after another: takes the
/// results of scouts that stand, and runs everything else by itself, as if
/// there were no scouts.
pub(crate) struct Leader<'m, 'a, B: DatabaseRef<Error = BaseStateError>, P: Pace> {
    board: &'m Board<'a>,
    /// The state after everything that is final, but for what is due.
    state: &'m RefCell<BlockState<B>>,
    evm: EthEvm<Borrowed<'m, B>, NoOpInspector, PrecompilesMap>,
    /// For what it runs ahead while it has to wait.
    speculator: Speculator<Sight<'m, 'a, B, P>>,
    due: Due,
    tally: Tally,
    payoff: Payoff,
    gain: Gain,
    /// Whether a scout's result has stood.
    has_taken: bool,
    drifts: Vec<Drift>,
    /// Outcomes to be filled.
    spare: Vec<Parcel>,
    /// Such that are done with, by scout.
    spent: Vec<Vec<Parcel>>,
    stats: ExecutionStats,
    pace: P,
}

impl<'m, 'a, B: DatabaseRef<Error = BaseStateError>, P: Pace> Leader<'m, 'a, B, P> {
    pub(crate) fn new(
        board: &'m Board<'a>,
        state: &'m RefCell<BlockState<B>>,
        tally: Tally,
        env: EvmEnv,
        gain: Gain,
        pace: P,
    ) -> Self {
        let speculator = Speculator::new(Sight::new(state, &board.lookahead, pace), &env);
        Self {
            board,
            state,
            due: Due::to(env.block_env.beneficiary),
            tally,
            evm: sprint::evm(Borrowed(state), env),
            speculator,
            payoff: Payoff::new(board.transactions.len(), board.n_scouts + 1),
            gain,
            has_taken: false,
            drifts: Vec::new(),
            spare: Vec::new(),
            spent: (0..board.n_scouts).map(|_| Vec::new()).collect(),
            stats: ExecutionStats::default(),
            pace,
        }
    }

    /// Runs the rest of the block to its end.
    ///
    /// # Errors
    ///
    /// Those of the sequential path, at the same transaction; or the first of a
    /// scout's that is not about a transaction.
    pub(crate) fn work(mut self) -> Result<(Tally, ExecutionStats), BlockError> {
        for position in self.tally.receipts.len()..self.board.transactions.len() {
            let tx = TxIdx::new(position);
            match self.arrive(tx)? {
                Some(outcome) => self.judge(tx, outcome)?,
                None => self.run(tx, None)?,
            }
            self.pace.at(Point::Commit, tx);
            self.board.lookahead.commit(tx);
            if self.board.may_give_up && (self.payoff.is_poor() || self.gains_nothing()) {
                self.board.lookahead.stop();
            }
        }
        self.settle()?;
        Ok((self.tally, self.stats))
    }

    /// Whether the block gets on no faster than it did before there were scouts.
    /// Counts from the first result of one that stood.
    fn gains_nothing(&mut self) -> bool {
        self.has_taken && self.gain.is_none(self.tally.gas_used)
    }

    /// Comes to `tx`; gives what running ahead left of it. Runs something else
    /// ahead while somebody is at it.
    fn arrive(&mut self, tx: TxIdx) -> Result<Option<Parcel>, BlockError> {
        let lookahead = &self.board.lookahead;
        let mut tried = tx;
        // Ends: who runs it finishes, or reports an error.
        loop {
            match lookahead.arrive(tx) {
                Arrival::Untried => return Ok(None),
                Arrival::Ran => return Ok(self.board.outcomes[tx.position()].lock().take()),
                Arrival::Running => {}
            }
            if lookahead.is_stopped() {
                let error = self.board.error.lock().take();
                error.map_or(Ok(()), Err)?;
            }
            let foresight = &mut self.speculator.view().foresight;
            let sees = |lower| lower < tx || foresight.sees(lower);
            match lookahead.claim_after(&mut tried, sees) {
                Some(other) => {
                    foresight.wait_for(tx, self.board);
                    self.run_ahead(other);
                }
                None => self.pace.spin(),
            }
        }
    }

    fn run_ahead(&mut self, tx: TxIdx) {
        self.stats.executions += 1;
        self.pace.at(Point::Run, tx);
        self.speculator.view().begin(tx);
        let run = self.speculator.run(self.board.transactions.env(tx.position()));
        let mut outcome = self.spare.pop().unwrap_or_default();
        mem::swap(&mut outcome.seen, &mut self.speculator.view().seen);
        outcome.fill(None, run, self.board.wants_states);
        self.speculator.view().foresight.ran(tx, &outcome);
        self.pace.at(Point::Report, tx);
        self.board.leave(tx, outcome);
    }

    /// Makes `outcome` final if it is what revm would give now, and runs `tx`
    /// anew otherwise.
    fn judge(&mut self, tx: TxIdx, mut outcome: Parcel) -> Result<(), BlockError> {
        self.pace.at(Point::Judge, tx);
        let Outcome { by, seen, delta, found } = &mut *outcome;
        let by = *by;
        if let Some(found) = found.take_if(|found| self.stands(tx, seen, found)) {
            if by.is_some() {
                self.payoff.stood();
                self.has_taken = true;
            }
            self.take(tx, by, found, delta);
            self.put_away(outcome);
            return Ok(());
        }
        self.stats.aborts += 1;
        // What ran while there was nothing else to do has cost nothing.
        if by.is_some() {
            self.payoff.in_vain();
            self.board.lookahead.note_conflict(tx);
        }
        self.run(tx, by.zip(outcome.delta()))?;
        self.put_away(outcome);
        Ok(())
    }

    /// Keeps what is done with for whoever can use it again.
    fn put_away(&mut self, outcome: Parcel) {
        match outcome.by {
            None => self.spare.push(outcome),
            Some(by) => {
                let spent = &mut self.spent[by.0];
                spent.push(outcome);
                if spent.len() >= HANDFUL {
                    self.board.spent[by.0].give_back(spent);
                }
            }
        }
    }

    /// Whether `found`, to which the state was as `seen`, is what revm would
    /// give now. Nothing is changed but what `found` says of accounts it did
    /// not look at closely.
    fn stands(&mut self, tx: TxIdx, seen: &blockloom_state::Seen, found: &mut Found) -> bool {
        let beneficiary = self.beneficiary();
        let at_beneficiary = seen.accounts.iter().find(|read| read.address == beneficiary);
        if let Some(read) = at_beneficiary
            && (read.observed == Observed::Whole
                || self.due.settle(&mut self.state.borrow_mut()).is_err())
        {
            // Every transaction changes its balance.
            return false;
        }
        self.drifts.clear();
        let mut state = self.state.borrow_mut();
        let holds = |drifts| seen.holds(&state, drifts) || self.pace.makes(Mistake::JudgeNothing);
        if self.missing_gas(tx).is_some() || !holds(&mut self.drifts) {
            return false;
        }
        if found.reward.is_some_and(|reward| !self.due.can_take(reward, &mut state)) {
            return false;
        }
        let Some(accounts) = &mut found.state else { return true };
        writes::apply_drifts(accounts, &self.drifts)
            && found.reward.is_none_or(|reward| {
                let Ok((now, _)) = state.read_account(beneficiary) else { return false };
                writes::reward(accounts, beneficiary, now, reward)
            })
    }

    /// Makes a result final that stands.
    fn take(&mut self, tx: TxIdx, by: Option<ScoutId>, found: Found, delta: &mut Delta) {
        let Found { result, reward, state: accounts } = found;
        let mut state = self.state.borrow_mut();
        match accounts {
            Some(accounts) => {
                state.set_access_index(tx.position() as u64 + 1);
                state.commit(accounts);
            }
            None => {
                state.follow(delta);
                if let Some(reward) = reward {
                    self.due.take(reward);
                }
            }
        }
        drop(state);
        self.tally.add(tx.position(), self.board.transactions, result);
        // Who ran it knows already.
        if by.is_none() || self.board.n_scouts > 1 {
            self.tell(tx, News { by, delta: mem::take(delta), correction: None });
        }
    }

    /// Runs `tx` on the state as it is, and makes it final; `wrong` is what a
    /// scout had made of it.
    fn run(&mut self, tx: TxIdx, wrong: Option<(ScoutId, &Delta)>) -> Result<(), BlockError> {
        let position = tx.position();
        let transactions = self.board.transactions;
        if let Some(available) = self.missing_gas(tx) {
            let reason = InvalidBlock::BlockGasExhausted {
                index: position,
                hash: transactions.hash(position),
                gas_limit: transactions.gas_limit(position),
                available,
            };
            return Err(BlockError::invalid(self.number(), reason));
        }
        self.stats.executions += 1;
        if !self.board.wants_states && self.transfer(tx) {
            return Ok(());
        }
        self.settle()?;
        self.pace.at(Point::RunHere, tx);
        self.stats.at_frontier += 1;
        let result = self.evm.transact_raw(transactions.env(position)).map_err(|error| {
            let failure = self.state.borrow().failure().get().cloned();
            from_evm(self.number(), position, transactions.hash(position), error, failure)
        })?;
        if !self.board.has_long {
            // Otherwise the scouts may be busy with what takes long.
            self.payoff.untried();
        }
        let ResultAndState { result, state: accounts } = result;
        let mut state = self.state.borrow_mut();
        let delta = self.has_listeners().then(|| Delta::of(&accounts, |_| false));
        state.set_access_index(position as u64 + 1);
        state.commit(accounts);
        let correction = wrong.map(|(by, wrong)| (by, state.correct(wrong)));
        drop(state);
        self.tally.add(position, transactions, result);
        if let Some(delta) = delta {
            self.tell(tx, News { by: None, delta, correction });
        }
        Ok(())
    }

    /// Computes `tx`, if it is a plain transfer.
    fn transfer(&mut self, tx: TxIdx) -> bool {
        let Board { transactions, plan, .. } = self.board;
        let position = tx.position();
        let Some(transfer) = Transfer::of(transactions, position, &plan.rules) else {
            return false;
        };
        let done = self.due.transfer(&transfer, &mut self.state.borrow_mut());
        let Some(done) = done else { return false };
        self.stats.transfers += 1;
        self.tally.add_transfer(transactions.kind(position));
        if self.has_listeners() {
            self.tell(tx, News { by: None, delta: Delta::of_basics(done), correction: None });
        }
        true
    }

    fn has_listeners(&self) -> bool {
        self.board.n_scouts > 0 && !self.board.lookahead.is_stopped()
    }

    fn tell(&self, tx: TxIdx, news: News) {
        let told = self.board.news[tx.position()].set(Box::new(news));
        debug_assert!(told.is_ok(), "each transaction becomes final once");
    }

    fn missing_gas(&self, tx: TxIdx) -> Option<u64> {
        self.tally.missing_gas(self.board.transactions.gas_limit(tx.position()))
    }

    /// Pays the beneficiary what it is due.
    fn settle(&mut self) -> Result<(), BlockError> {
        self.due
            .settle(&mut self.state.borrow_mut())
            .map_err(|source| BlockError::base_state(self.number(), None, source))
    }

    fn number(&self) -> u64 {
        self.board.block.header().number
    }

    fn beneficiary(&self) -> Address {
        self.board.block.header().beneficiary
    }
}
