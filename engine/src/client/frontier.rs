//! The caller's thread, which makes transactions final.

use super::{
    board::{Board, Found, Outcome, Outlook},
    bulletin::{Bulletin, News, ScoutId},
    errands::{Inbox, errands},
    plan::BlockPlan,
    runtime::Ahead,
    scout::Scout,
    snapshots::Source,
    strategy::{PlanFactory, Strategy},
};
use crate::{config::Mode, idle::Idle, payoff::Payoff, telemetry, writes};
use alloy_evm::{Database, EvmEnv};
use alloy_primitives::U256;
use blockloom_scheduler::{Arrival, Lookahead, TxIdx};
use blockloom_state::{BlockState, Delta, Drift, ErasedReader, MemoryState};
use revm::{
    context_interface::{Block, result::ResultAndState},
    state::{AccountInfo, EvmState},
};
use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Planned transactions that a caller may leave out in a row, at most, to be
/// still found on its plan.
const MAX_SKIPPED: usize = 256;

/// Fewest transactions, beside plain transfers, among which there can be
/// something to overlap.
const MIN_OTHERS: u64 = 2;

/// Gas of a stretch of transactions that a scout takes in one go, by their
/// limits, and most transactions of one.
const STRETCH_GAS: u64 = 800_000;
const MAX_STRETCH: u64 = 64;

/// What came of running ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AheadStats {
    /// Transactions planned.
    pub planned: usize,
    /// Results made ahead that stood.
    pub stood: usize,
    /// Results, or attempts, that did not.
    pub in_vain: usize,
    /// Transactions run by the caller's own EVM while there was a plan.
    pub at_frontier: usize,
    /// Planned transactions that the caller left out, and others it ran
    /// instead.
    pub off_plan: usize,
    /// Times that the caller found a transaction still running.
    pub waits: usize,
}

/// The last transaction: run, but perhaps not committed.
#[derive(Debug, Default)]
struct Last {
    /// Its place in the plan, if it has one.
    tx: Option<TxIdx>,
    /// Whose result it was.
    by: Option<ScoutId>,
    /// What it did; `None` if it failed.
    delta: Option<Delta>,
    /// What a scout had made of it.
    wrong: Option<(ScoutId, Delta)>,
}

/// The scout that the caller is itself while it would have to wait.
enum Own<E: PlanFactory, S: Strategy<E>> {
    /// It did not have to wait yet.
    Unneeded(Box<dyn FnOnce() -> Option<Scout<E, S>> + Send>),
    Ready(Box<Scout<E, S>>),
    /// It runs errands instead, or something went wrong.
    Nobody,
}

impl<E: PlanFactory, S: Strategy<E>> Own<E, S> {
    fn get(&mut self) -> Option<&mut Scout<E, S>> {
        if let Self::Unneeded(_) = self
            && let Self::Unneeded(make) = mem::replace(self, Self::Nobody)
            && let Some(scout) = make()
        {
            *self = Self::Ready(Box::new(scout));
        }
        match self {
            Self::Ready(scout) => Some(scout),
            Self::Unneeded(_) | Self::Nobody => None,
        }
    }
}

/// One planned block, from its first transaction on.
///
/// Dropping it sends the scouts home.
pub(super) struct Frontier<E: PlanFactory, S: Strategy<E>> {
    board: Arc<Board<E::Tx, E::HaltReason>>,
    /// The first planned transaction that is not final.
    next: TxIdx,
    last: Option<Last>,
    /// What was written in this block so far. Its base is never asked.
    written: BlockState<ErasedReader<MemoryState>>,
    payoff: Payoff,
    may_give_up: bool,
    drifts: Vec<Drift>,
    own: Own<E, S>,
    own_id: ScoutId,
    inbox: Option<Inbox>,
    stats: AheadStats,
}

impl<E: PlanFactory, S: Strategy<E>> fmt::Debug for Frontier<E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frontier")
            .field("next", &self.next)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl<E: PlanFactory, S: Strategy<E>> Drop for Frontier<E, S> {
    fn drop(&mut self) {
        self.board.bulletin.lookahead.stop();
        tracing::debug!(stats = ?self.stats, "ran ahead");
        telemetry::ran_ahead(&self.stats);
    }
}

impl<E: PlanFactory, S: Strategy<E>> Frontier<E, S> {
    /// Sends scouts ahead, who know of `prelude` what was done to the state
    /// already; `None` if that does not look as if it paid.
    pub(super) fn start(
        ahead: &Ahead,
        (factory, strategy): (&E, &S),
        env: &EvmEnv<E::Spec, E::BlockEnv>,
        plan: BlockPlan<E::Tx>,
        prelude: Vec<Delta>,
    ) -> Option<Self> {
        let BlockPlan { parent, transactions } = plan;
        let pool = ahead.pool.as_ref()?;
        let outlook = Outlook::of(&transactions);
        let worth = ahead.config.worth;
        let pays = match ahead.config.mode {
            Mode::Sequential => false,
            Mode::Parallel => !transactions.is_empty(),
            Mode::Adaptive => {
                outlook.n_others >= MIN_OTHERS
                    && outlook.gas >= worth.gas
                    && outlook.gas_per_transaction() >= worth.gas_per_transaction
            }
        };
        if !pays {
            return None;
        }
        let may_give_up = ahead.config.mode == Mode::Adaptive;
        // Where scouts are forced to run, they are to meet others.
        let stretch = if may_give_up {
            (STRETCH_GAS / outlook.gas_per_transaction().max(1)).clamp(1, MAX_STRETCH)
        } else {
            1
        };
        let lookahead = Lookahead::new(
            transactions.len(),
            u32::try_from(stretch).unwrap_or(1),
            outlook.known(&transactions),
        );
        let bulletin = Arc::new(Bulletin::new(lookahead, env.block_env.beneficiary()));
        let n_scouts = ahead.n_scouts();
        let stats = AheadStats { planned: transactions.len(), ..AheadStats::default() };
        let payoff = Payoff::new(transactions.len(), n_scouts + 1);
        let board = Arc::new(Board::new(bulletin, transactions));
        let (source, inbox) = match (&ahead.snapshots, parent) {
            (Some(snapshots), Some(parent)) => {
                (Source::Snapshots(Arc::clone(snapshots), parent), None)
            }
            _ => {
                let (questions, inbox) = errands();
                (Source::Errands(questions), Some(inbox))
            }
        };
        let mut written = BlockState::new(ErasedReader(MemoryState::new()));
        for delta in prelude {
            written.follow(&delta);
            let (by, correction) = (None, None);
            let done = TxIdx::default();
            board.bulletin.tell(News { done, by, delta: Some(delta), correction });
        }
        let new_scout = {
            let (board, code, env) = (Arc::clone(&board), Arc::clone(&ahead.code), env.clone());
            let parts = (factory.clone(), strategy.clone());
            move |id| {
                let (factory, strategy) = &parts;
                let base = source.open(Arc::clone(&code)).inspect_err(|error| {
                    tracing::debug!(%error, "no reader for a worker");
                });
                let board = Arc::clone(&board);
                Some(Scout::new(id, board, base.ok()?, (factory, strategy), env.clone()))
            }
        };
        for id in 0..n_scouts {
            let new_scout = new_scout.clone();
            pool.spawn(move || scout_on_thread(|| new_scout(ScoutId(id))));
        }
        let own_id = ScoutId(n_scouts);
        let own = match inbox {
            None => Own::Unneeded(Box::new(move || new_scout(own_id))),
            Some(_) => Own::Nobody,
        };
        Some(Self {
            board,
            next: TxIdx::default(),
            last: None,
            written,
            payoff,
            may_give_up,
            drifts: Vec::new(),
            own,
            own_id,
            inbox,
            stats,
        })
    }

    pub(super) const fn stats(&self) -> AheadStats {
        self.stats
    }

    fn lookahead(&self) -> &Lookahead {
        &self.board.bulletin.lookahead
    }

    /// Whether nothing that ran ahead is of use any more.
    pub(super) fn is_over(&self) -> bool {
        self.lookahead().is_over()
    }

    /// Comes to `tx`, which is to run on `database`; gives its result if that
    /// was made ahead and stands. Otherwise the caller's EVM is to run it, and
    /// [`ran`](Self::ran) is to be told what came of it.
    pub(super) fn arrive<D: Database>(
        &mut self,
        tx: &E::Tx,
        database: &mut D,
    ) -> Option<ResultAndState<E::HaltReason>> {
        self.settle(true);
        if self.is_over() {
            return None;
        }
        self.serve(database);
        let Some(tx) = self.locate(tx) else {
            self.last = Some(Last::default());
            self.stats.off_plan += 1;
            return None;
        };
        let outcome = self.wait_for(tx, database);
        let Some(outcome) = outcome else {
            self.last = Some(Last { tx: Some(tx), ..Last::default() });
            if self.board.bulletin.is_attended() {
                self.payoff.untried();
            }
            self.stats.at_frontier += 1;
            self.give_up_if_poor();
            return None;
        };
        self.judge(tx, *outcome, database)
    }

    /// The caller's EVM has run the transaction it came to last.
    pub(super) fn ran(&mut self, result: Option<&ResultAndState<E::HaltReason>>) {
        if let Some(last) = &mut self.last {
            last.delta = result.map(|result| Delta::of(&result.state, |_| false));
        }
    }

    /// Something else than a transaction changed the state.
    pub(super) fn changed(&mut self, state: &EvmState) {
        self.settle(true);
        let delta = Some(Delta::of(state, |_| false));
        self.last = Some(Last { delta, ..Last::default() });
        self.settle(true);
    }

    /// The last transaction was committed, or is not going to be. Without
    /// anybody saying so, coming to the next one means that it was.
    pub(super) fn settle(&mut self, is_committed: bool) {
        let Some(Last { tx, by, delta, wrong }) = self.last.take() else { return };
        if self.is_over() {
            return;
        }
        let (by, delta, wrong) = if is_committed {
            (by, delta, wrong)
        } else {
            (None, None, wrong.or_else(|| by.zip(delta)))
        };
        if let Some(delta) = &delta {
            self.written.follow(delta);
        }
        let correction = wrong.map(|(by, wrong)| (by, self.written.correct(&wrong)));
        let done = tx.map_or(self.next, TxIdx::next);
        self.board.bulletin.tell(News { done, by, delta, correction });
        while self.next < done {
            self.lookahead().commit(self.next);
            self.next = self.next.next();
        }
    }

    /// Where `tx` is in the plan, from the first on that is not final. Those
    /// in between are taken from the scouts: the caller leaves them out.
    fn locate(&mut self, tx: &E::Tx) -> Option<TxIdx> {
        let from = self.next.position();
        let rest = self.board.transactions[from..].iter().take(MAX_SKIPPED);
        let skipped = rest.into_iter().position(|planned| planned == tx)?;
        for position in from..from + skipped {
            self.skip(TxIdx::new(position));
        }
        Some(TxIdx::new(from + skipped))
    }

    fn skip(&mut self, tx: TxIdx) {
        self.stats.off_plan += 1;
        let found = match self.lookahead().arrive(tx) {
            Arrival::Ran => self.board.take(tx),
            Arrival::Untried | Arrival::Running => None,
        };
        let wrong = found.and_then(|outcome| Some((outcome.by, outcome.found?.delta)));
        self.last = Some(Last { tx: Some(tx), wrong, ..Last::default() });
        self.settle(false);
    }

    /// Waits until nobody is at `tx`; gives what running ahead left of it.
    fn wait_for<D: Database>(
        &mut self,
        tx: TxIdx,
        database: &mut D,
    ) -> Option<Box<Outcome<E::HaltReason>>> {
        let mut tried = tx;
        let (mut idle, mut has_waited) = (Idle::default(), false);
        // Ends: who runs it leaves an outcome, whatever happens.
        loop {
            match self.lookahead().arrive(tx) {
                Arrival::Untried => return None,
                Arrival::Ran => return self.board.take(tx),
                Arrival::Running => {}
            }
            if !mem::replace(&mut has_waited, true) {
                self.stats.waits += 1;
            }
            self.serve(database);
            if !self.run_other(tx, &mut tried) {
                idle.wait();
            }
        }
    }

    /// Runs something else than `tx` ahead; `false` if there is nothing, or
    /// nobody to do it.
    fn run_other(&mut self, tx: TxIdx, tried: &mut TxIdx) -> bool {
        let Some(own) = self.own.get() else { return false };
        let Some(other) = self.board.bulletin.lookahead.claim_after(tx, tried) else {
            return false;
        };
        own.hear();
        if !own.run(other) {
            self.own = Own::Nobody;
        }
        true
    }

    fn serve<D: Database>(&self, database: &mut D) {
        if let Some(inbox) = &self.inbox {
            inbox.serve(database);
        }
    }

    /// Gives the result of `outcome` if it is what the caller's EVM would give
    /// now.
    fn judge<D: Database>(
        &mut self,
        tx: TxIdx,
        outcome: Outcome<E::HaltReason>,
        database: &mut D,
    ) -> Option<ResultAndState<E::HaltReason>> {
        let Outcome { by, mut found } = outcome;
        let tx = Some(tx);
        let is_own = by == self.own_id;
        if let Some(found) = found.take_if(|found| self.stands(found, database)) {
            self.stats.stood += 1;
            if !is_own {
                self.payoff.stood();
            }
            let Found { speculation, delta, .. } = found;
            self.last = Some(Last { tx, by: Some(by), delta: Some(delta), wrong: None });
            return Some(speculation.result);
        }
        self.stats.in_vain += 1;
        self.stats.at_frontier += 1;
        // What ran while there was nothing else to do has cost nothing.
        if !is_own {
            self.payoff.in_vain();
            if let Some(tx) = tx {
                self.lookahead().note_conflict(tx);
            }
        }
        let wrong = found.map(|found| (by, found.delta));
        self.last = Some(Last { tx, wrong, ..Last::default() });
        self.give_up_if_poor();
        None
    }

    /// Whether `found` is what the caller's EVM would give now. Completes what
    /// it says of accounts it did not look at closely.
    fn stands<D: Database>(&mut self, found: &mut Found<E::HaltReason>, database: &mut D) -> bool {
        self.drifts.clear();
        let Found { speculation, reads, .. } = found;
        reads.hold(database, &mut self.drifts)
            && writes::apply_drifts(&mut speculation.result.state, &self.drifts)
            && speculation
                .reward
                .is_none_or(|reward| self.pay(&mut speculation.result.state, reward, database))
    }

    /// Pays the beneficiary as the EVM's last step does, which reads it unless
    /// it was read already.
    fn pay<D: Database>(&self, state: &mut EvmState, reward: U256, database: &mut D) -> bool {
        let beneficiary = self.board.bulletin.beneficiary;
        let now = match state.get(&beneficiary) {
            Some(account) => Some(account.info.clone()),
            None => match database.basic(beneficiary) {
                Ok(now) => now,
                Err(_) => return false,
            },
        };
        // What touching an empty account does depends on the fork (EIP-161).
        if reward.is_zero() && now.as_ref().is_none_or(AccountInfo::is_empty) {
            return false;
        }
        writes::reward(state, beneficiary, now, reward)
    }

    fn give_up_if_poor(&self) {
        if self.may_give_up && self.payoff.is_poor() {
            self.lookahead().stop();
        }
    }
}

/// One scout, from its reader to the end of the block, on a thread of the pool.
fn scout_on_thread<E: PlanFactory, S: Strategy<E>>(scout: impl FnOnce() -> Option<Scout<E, S>>) {
    let work = || scout().map(Scout::work);
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::debug!("a worker panicked before its first transaction");
    }
}
