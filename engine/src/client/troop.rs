//! What it takes to make the scouts of one block.

use super::{
    board::Board,
    bulletin::ScoutId,
    runtime::Ahead,
    scout::Scout,
    snapshots::Source,
    strategy::{PlanFactory, Strategy},
};
use crate::base::Codes;
use alloy_evm::EvmEnv;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Everything a thread needs to become a scout: an EVM stays on the thread that
/// made it.
#[derive(Clone)]
pub(super) struct Troop<E: PlanFactory, S: Strategy<E>> {
    source: Source,
    codes: Arc<Codes>,
    board: Arc<Board<E::Tx, E::HaltReason>>,
    factory: E,
    strategy: S,
    env: EvmEnv<E::Spec, E::BlockEnv>,
}

impl<E: PlanFactory, S: Strategy<E>> fmt::Debug for Troop<E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Troop").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<E: PlanFactory, S: Strategy<E>> Troop<E, S> {
    pub(super) fn new(
        ahead: &Ahead,
        source: Source,
        board: &Arc<Board<E::Tx, E::HaltReason>>,
        (factory, strategy): (&E, &S),
        env: &EvmEnv<E::Spec, E::BlockEnv>,
    ) -> Self {
        Self {
            source,
            codes: Arc::clone(&ahead.codes),
            board: Arc::clone(board),
            factory: factory.clone(),
            strategy: strategy.clone(),
            env: env.clone(),
        }
    }

    /// A scout; `None` if there is nothing for it to read.
    pub(super) fn scout(&self, id: ScoutId) -> Option<Scout<E, S>> {
        let code = self.codes.of_scout(id.0);
        let base = self.source.open(code).inspect_err(|error| {
            tracing::debug!(%error, "no reader for a worker");
        });
        let evms = (&self.factory, &self.strategy);
        Some(Scout::new(id, Arc::clone(&self.board), base.ok()?, evms, self.env.clone()))
    }

    /// One scout's life, on a thread of the pool.
    pub(super) fn run(&self, id: ScoutId) {
        let work = || self.scout(id).map(Scout::work);
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::debug!("a worker panicked outside of a transaction");
        }
    }
}

/// The scout that the caller is itself while it would have to wait.
pub(super) enum Own<E: PlanFactory, S: Strategy<E>> {
    /// It did not have to wait yet.
    Unneeded(Troop<E, S>, ScoutId),
    Ready(Box<Scout<E, S>>),
    /// It runs errands instead, or something went wrong.
    Nobody,
}

impl<E: PlanFactory, S: Strategy<E>> Own<E, S> {
    /// The scout, who is made when it is needed first.
    pub(super) fn get(&mut self) -> Option<&mut Scout<E, S>> {
        if let Self::Unneeded(troop, id) = self {
            *self = match troop.scout(*id) {
                Some(scout) => Self::Ready(Box::new(scout)),
                None => Self::Nobody,
            };
        }
        match self {
            Self::Ready(scout) => Some(scout),
            Self::Unneeded(..) | Self::Nobody => None,
        }
    }
}
