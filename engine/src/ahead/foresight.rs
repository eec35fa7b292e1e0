//! What the leader runs ahead while it has to wait.

use super::board::{Board, Outcome};
use alloy_primitives::{Address, B256, U256};
use blockloom_scheduler::TxIdx;
use blockloom_state::{BlockState, ErasedReader, MemoryState};
use revm::state::{AccountInfo, Bytecode};

/// What the leader itself ran ahead that is not final yet, over the state at the
/// frontier: while one transaction keeps it waiting it may run a hundred others,
/// of which the later ones rest on the earlier.
///
/// The state at the frontier changes with whatever becomes final. So what lies
/// over it is put together anew each time the leader has to wait.
#[derive(Debug)]
pub(crate) struct Foresight {
    /// What those transactions left. Its base is never asked.
    left: BlockState<ErasedReader<MemoryState>>,
    /// Which they are, in the order of running.
    ran: Vec<TxIdx>,
    /// The transaction at which it was put together.
    at: Option<TxIdx>,
}

impl Default for Foresight {
    fn default() -> Self {
        let left = BlockState::new(ErasedReader(MemoryState::new()));
        Self { left, ran: Vec::new(), at: None }
    }
}

impl Foresight {
    /// The leader is to run something while it waits for `at`.
    pub(crate) fn wait_for(&mut self, at: TxIdx, board: &Board<'_>) {
        if self.at == Some(at) {
            return;
        }
        let Self { left, ran, .. } = self;
        self.at = Some(at);
        ran.retain(|tx| *tx > at);
        left.forget();
        for tx in ran {
            let outcome = board.outcomes[tx.position()].lock();
            if let Some(delta) = outcome.as_deref().and_then(Outcome::delta) {
                left.follow(delta);
            }
        }
    }

    /// Whether what `tx` left is part of it.
    pub(crate) fn sees(&self, tx: TxIdx) -> bool {
        self.ran.contains(&tx)
    }

    /// `tx` ran on it, with this outcome.
    pub(crate) fn ran(&mut self, tx: TxIdx, outcome: &Outcome) {
        if let Some(delta) = outcome.delta() {
            self.left.follow(delta);
            self.ran.push(tx);
        }
    }

    /// The account, if one of them changed it.
    pub(crate) fn account(&self, address: &Address) -> Option<Option<AccountInfo>> {
        self.left.written_account(address)
    }

    /// The slot, if one of them changed it.
    pub(crate) fn slot(&self, address: &Address, slot: U256) -> Option<U256> {
        self.left.known_slot(address, slot)
    }

    /// The code, if one of them deployed it.
    pub(crate) fn code(&self, code_hash: &B256) -> Option<Bytecode> {
        self.left.written_code(code_hash)
    }
}
