//! The caller's thread, which makes transactions final.

use super::{
    board::{Board, Found, Outcome},
    bulletin::{Bulletin, News, ScoutId},
    errands::Inbox,
    plan::BlockPlan,
    prospect::Departure,
    runtime::Ahead,
    snapshots::Source,
    stats::AheadStats,
    strategy::{PlanFactory, Strategy},
    troop::{Own, Troop},
};
use crate::{config::Mode, idle::Idle, payoff::Payoff, telemetry, writes};
use alloy_evm::{Database, EvmEnv};
use alloy_primitives::U256;
use blockloom_scheduler::{Arrival, Lookahead, TxIdx};
use blockloom_state::{BlockState, Delta, Drift, ErasedReader, MemoryState};
use revm::{
    context_interface::{Block, Transaction, result::ResultAndState},
    state::{AccountInfo, EvmState},
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Planned transactions that a caller may leave out in a row, at most, to be
/// still found on its plan.
const MAX_SKIPPED: usize = 256;

/// Time that a unit of gas may take without a read in between: few blocks run
/// at less than 250 Mgas/s.
const NANOS_PER_GAS: u64 = 4;

/// The least time to wait: long against what waking a thread takes.
const MIN_PATIENCE: Duration = Duration::from_micros(200);

/// What came of waiting for a transaction that ran ahead.
enum Waited<T> {
    /// Nobody has begun it: it is the caller's.
    Untried,
    Ran(T),
    /// Somebody is at it for too long: the caller does not wait for what comes
    /// of that.
    InVain,
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

/// One planned block, from its first transaction on.
///
/// Dropping it sends the scouts home.
pub(super) struct Frontier<E: PlanFactory, S: Strategy<E>> {
    board: Arc<Board<E::Tx, E::HaltReason>>,
    /// The first planned transaction that is not final.
    next: TxIdx,
    last: Option<Last>,
    /// What was written in this block, as far as it was needed yet. Its base is
    /// never asked.
    written: BlockState<ErasedReader<MemoryState>>,
    /// How much of the news that is.
    followed: usize,
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
    /// Sends scouts ahead, who know of the prelude what was done to the state
    /// already; `None` without any.
    pub(super) fn start(
        ahead: &Ahead,
        evms: (&E, &S),
        env: &EvmEnv<E::Spec, E::BlockEnv>,
        Departure { plan, outlook, prelude }: Departure<E::Tx>,
    ) -> Option<Self> {
        let pool = ahead.pool.as_ref()?;
        let BlockPlan { parent, transactions } = plan;
        let stats = AheadStats { planned: transactions.len(), ..AheadStats::default() };
        let payoff = Payoff::new(transactions.len(), ahead.n_scouts() + 1);
        let lookahead = outlook.lookahead(&ahead.config, &transactions);
        let beneficiary = env.block_env.beneficiary();
        let bulletin = Arc::new(Bulletin::new(lookahead, beneficiary, transactions.len()));
        let board = Arc::new(Board::new(bulletin, transactions, outlook));
        for delta in prelude {
            board.bulletin.tell(News { delta: Some(delta), ..News::default() });
        }
        let (source, inbox) = Source::choose(ahead, parent);
        let troop = Troop::new(ahead, source, &board, evms, env);
        for id in 0..ahead.n_scouts() {
            let troop = troop.clone();
            pool.spawn(move || troop.run(ScoutId(id)));
        }
        let own_id = ScoutId(ahead.n_scouts());
        let own = if inbox.is_none() { Own::Unneeded(troop, own_id) } else { Own::Nobody };
        Some(Self {
            board,
            next: TxIdx::default(),
            last: None,
            written: BlockState::new(ErasedReader(MemoryState::new())),
            followed: 0,
            payoff,
            may_give_up: ahead.config.mode == Mode::Adaptive,
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
        match self.wait_for(tx, database) {
            Waited::Ran(outcome) => return self.judge(tx, *outcome, database),
            Waited::Untried => {
                // Otherwise the scouts may be busy with what takes long.
                let is_anybodys = !self.board.has_long && !self.board.is_transfer(tx);
                if is_anybodys && self.board.bulletin.is_attended() {
                    self.payoff.untried();
                }
            }
            Waited::InVain => {
                self.stats.in_vain += 1;
                self.payoff.in_vain();
            }
        }
        self.last = Some(Last { tx: Some(tx), ..Last::default() });
        self.stats.at_frontier += 1;
        self.give_up_if_poor();
        None
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
        let correction = wrong.map(|(by, wrong)| {
            self.catch_up();
            if let Some(delta) = &delta {
                self.written.follow(delta);
            }
            self.followed += 1;
            (by, self.written.correct(&wrong))
        });
        let done = tx.map_or(self.next, TxIdx::next);
        self.board.bulletin.tell(News { done, by, delta, correction });
        while self.next < done {
            self.lookahead().commit(self.next);
            self.next = self.next.next();
        }
    }

    /// Follows what was told. Most blocks have few mistakes to correct, so
    /// nothing is followed before the first.
    fn catch_up(&mut self) {
        let news = self.board.bulletin.since(self.followed);
        self.followed += news.len();
        for delta in news.iter().filter_map(|news| news.delta.as_ref()) {
            self.written.follow(delta);
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

    /// Waits until nobody is at `tx`, as long as whoever is gets on: a scout
    /// whose thread the machine has put aside, or whose reader does not answer,
    /// may take longer than the transaction does.
    fn wait_for<D: Database>(
        &mut self,
        tx: TxIdx,
        database: &mut D,
    ) -> Waited<Box<Outcome<E::HaltReason>>> {
        let (mut tried, mut idle) = (tx, Idle::default());
        let mut last = None;
        loop {
            match self.lookahead().arrive(tx) {
                Arrival::Untried => return Waited::Untried,
                Arrival::Ran => return self.board.take(tx).map_or(Waited::InVain, Waited::Ran),
                Arrival::Running => {}
            }
            let progress = self.board.bulletin.progress(tx);
            match last {
                Some((before, since)) if before == progress => {
                    if Instant::elapsed(&since) > self.patience(tx) {
                        return Waited::InVain;
                    }
                }
                _ => {
                    self.stats.waits += usize::from(last.is_none());
                    last = Some((progress, Instant::now()));
                }
            }
            self.serve(database);
            if !self.run_other(&mut tried) {
                idle.wait();
            }
        }
    }

    /// How long to wait for `tx` while whoever runs it reads nothing: about as
    /// long as it may take, so that waiting in vain costs no more than that
    /// again.
    fn patience(&self, tx: TxIdx) -> Duration {
        let gas_limit = self.board.transactions[tx.position()].gas_limit();
        Duration::from_nanos(gas_limit.saturating_mul(NANOS_PER_GAS)).max(MIN_PATIENCE)
    }

    /// Runs something above `tried` ahead, which moves on; `false` if there is
    /// nothing, or nobody to do it.
    fn run_other(&mut self, tried: &mut TxIdx) -> bool {
        let Some(own) = self.own.get() else { return false };
        own.hear();
        let lookahead = &self.board.bulletin.lookahead;
        let Some(other) = lookahead.claim_after(tried, own.sees()) else { return false };
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
