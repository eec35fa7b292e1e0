//! What the workers of one block share.

use super::{
    bulletin::{Bulletin, ScoutId},
    reads::Reads,
    runtime::AheadConfig,
    strategy::Speculation,
};
use crate::{
    config::Mode,
    transfer::{TRANSFER_GAS, Transfer, TransferRules},
};
use alloy_primitives::map::AddressMap;
use blockloom_scheduler::{Hint, Known, Lookahead, TxIdx};
use blockloom_state::Delta;
use parking_lot::Mutex;
use revm::context_interface::Transaction;
use std::sync::Arc;

/// A transaction whose limit is so many times that of an average one may be what
/// the block ends up waiting for. Limits are about twice what is used.
const LONG: u64 = 6;

/// Fewest transactions, beside plain transfers, among which there can be
/// something to overlap.
const MIN_OTHERS: u64 = 2;

/// Gas of a stretch of transactions that a scout takes in one go, by their
/// limits, which are about twice what they use.
const STRETCH_GAS: u64 = 800_000;

/// Gas below which an average transaction counts as quick, by limits.
const QUICK_GAS: u64 = 160_000;

/// Most transactions in a stretch.
const MAX_STRETCH: u64 = 64;

/// What a run ahead of its turn left.
#[derive(Debug)]
pub(super) struct Outcome<H> {
    pub(super) by: ScoutId,
    /// `None` if it failed: then only the frontier can tell what is true.
    pub(super) found: Option<Found<H>>,
}

/// The result of a run ahead.
#[derive(Debug)]
pub(super) struct Found<H> {
    pub(super) speculation: Speculation<H>,
    pub(super) reads: Reads,
    /// What it did, as far as it knew.
    pub(super) delta: Delta,
}

/// Where one outcome waits for the frontier.
type Pigeonhole<H> = Mutex<Option<Box<Outcome<H>>>>;

/// A planned block.
#[derive(Debug)]
pub(super) struct Board<Tx, H> {
    pub(super) bulletin: Arc<Bulletin>,
    pub(super) transactions: Vec<Tx>,
    outcomes: Vec<Pigeonhole<H>>,
    /// Whether each is a plain transfer, which is the caller's.
    transfers: Vec<bool>,
    /// Gas limit from which on a transaction may take long.
    long: u64,
    /// Whether some transaction may.
    pub(super) has_long: bool,
}

impl<Tx: Transaction, H> Board<Tx, H> {
    pub(super) fn new(bulletin: Arc<Bulletin>, transactions: Vec<Tx>, outlook: Outlook) -> Self {
        let outcomes = transactions.iter().map(|_| Mutex::new(None)).collect();
        let long = outlook.long();
        let has_long = transactions.iter().any(|tx| tx.gas_limit() >= long);
        let transfers = outlook.transfers;
        Self { bulletin, transactions, outcomes, transfers, long, has_long }
    }

    /// Whether `tx` is left to the caller because it is a plain transfer.
    pub(super) fn is_transfer(&self, tx: TxIdx) -> bool {
        self.transfers[tx.position()]
    }

    /// Whether `tx` may be what the block ends up waiting for.
    pub(super) fn is_long(&self, tx: TxIdx) -> bool {
        self.transactions[tx.position()].gas_limit() >= self.long
    }

    /// Leaves the outcome of `tx` to the frontier.
    pub(super) fn leave(&self, tx: TxIdx, outcome: Outcome<H>) {
        *self.outcomes[tx.position()].lock() = Some(Box::new(outcome));
        self.bulletin.lookahead.finish(tx);
    }

    /// The outcome that was left of `tx`, once.
    pub(super) fn take(&self, tx: TxIdx) -> Option<Box<Outcome<H>>> {
        self.outcomes[tx.position()].lock().take()
    }
}

/// What a look at the transactions tells.
#[derive(Debug)]
pub(super) struct Outlook {
    /// For each transaction whether it is a plain transfer: by the rules that
    /// transfers are computed by, which do not know every fork, or by its gas.
    transfers: Vec<bool>,
    /// Gas that may be used, transfers left out, and by how many.
    gas: u64,
    n_others: u64,
}

impl Outlook {
    pub(super) fn of<Tx: Transaction>(transactions: &[Tx], rules: Option<&TransferRules>) -> Self {
        let is_computed =
            |tx: &Tx| rules.is_some_and(|rules| Transfer::of_env(tx, rules).is_some());
        let transfers: Vec<_> =
            transactions.iter().map(|tx| is_transfer(tx) || is_computed(tx)).collect();
        let others = transactions.iter().zip(&transfers).filter(|(_, is_transfer)| !*is_transfer);
        let (gas, n_others) =
            others.fold((0u64, 0), |(gas, n), (tx, _)| (gas.saturating_add(tx.gas_limit()), n + 1));
        Self { transfers, gas, n_others }
    }

    const fn gas_per_transaction(&self) -> u64 {
        match self.gas.checked_div(self.n_others) {
            Some(average) => average,
            None => 0,
        }
    }

    /// Whether transactions are so quick that scouts may cost more than they
    /// bring.
    pub(super) const fn is_quick(&self) -> bool {
        self.gas_per_transaction() < QUICK_GAS
    }

    /// Gas limit from which on a transaction may take long.
    fn long(&self) -> u64 {
        LONG.saturating_mul(self.gas_per_transaction().max(1))
    }

    /// Whether it looks as if running ahead paid.
    pub(super) fn pays(&self, config: &AheadConfig) -> bool {
        match config.mode {
            Mode::Sequential => false,
            Mode::Parallel => true,
            Mode::Adaptive => {
                self.n_others >= MIN_OTHERS
                    && self.gas >= config.worth.gas
                    && self.gas_per_transaction() >= config.worth.gas_per_transaction
            }
        }
    }

    /// How the transactions are shared out.
    pub(super) fn lookahead<Tx: Transaction>(
        &self,
        config: &AheadConfig,
        transactions: &[Tx],
    ) -> Lookahead {
        // Where scouts are forced to run, they are to meet others.
        let stretch = match config.mode {
            Mode::Adaptive => STRETCH_GAS / self.gas_per_transaction().max(1),
            Mode::Parallel | Mode::Sequential => 1,
        };
        let stretch = u32::try_from(stretch.clamp(1, MAX_STRETCH)).unwrap_or(1);
        Lookahead::new(transactions.len(), stretch, self.known(transactions))
    }

    /// For each transaction what the scheduler should know.
    fn known<Tx: Transaction>(&self, transactions: &[Tx]) -> impl Iterator<Item = Known> {
        let long = self.long();
        let mut by_sender = AddressMap::default();
        let mut by_callee = AddressMap::default();
        transactions.iter().enumerate().map(move |(position, transaction)| {
            let tx = TxIdx::new(position);
            let before = by_sender.insert(transaction.caller(), tx);
            if self.transfers[position] {
                return Known { hint: Hint::AtFrontier, like: None };
            }
            let callee = transaction.kind().to().copied();
            let like = callee.and_then(|callee| by_callee.insert(callee, tx));
            let hint = match before {
                Some(before) => Hint::After(before),
                None if transaction.gas_limit() >= long => Hint::Long,
                None => Hint::None,
            };
            Known { hint, like }
        })
    }
}

/// Whether the caller's own EVM runs `transaction` in less time than handing it
/// out takes.
fn is_transfer<Tx: Transaction>(transaction: &Tx) -> bool {
    transaction.gas_limit() == TRANSFER_GAS
        && transaction.input().is_empty()
        && transaction.kind().is_call()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_evm::EvmEnv;
    use alloy_primitives::{Address, TxKind, U256};
    use revm::{
        context::{BlockEnv, CfgEnv, TxEnv},
        primitives::hardfork::SpecId,
    };

    #[test]
    fn transfers_are_the_callers_by_rule_or_by_gas() {
        let send = |gas_limit| TxEnv {
            caller: Address::repeat_byte(1),
            kind: TxKind::Call(Address::repeat_byte(2)),
            value: U256::ONE,
            chain_id: Some(1),
            gas_limit,
            ..TxEnv::default()
        };
        let transactions = [send(21_000), send(90_000)];
        let is_known = |spec| {
            let block = BlockEnv { gas_limit: 1_000_000, ..BlockEnv::default() };
            let rules = TransferRules::new(&EvmEnv::new(CfgEnv::new_with_spec(spec), block));
            Outlook::of(&transactions, Some(&rules)).transfers
        };
        assert_eq!(is_known(SpecId::BERLIN), [true, true]);
        assert_eq!(is_known(SpecId::FRONTIER), [true, false]);
        assert_eq!(Outlook::of(&transactions, None).transfers, [true, false]);
    }
}
