//! What is known of a block before it runs. A plan changes speed, never a
//! result.

use crate::{
    block::RecoveredBlock,
    transactions::Transactions,
    transfer::{TRANSFER_GAS, Transfer, TransferRules},
};
use alloy_consensus::Transaction as _;
use alloy_evm::EvmEnv;
use alloy_primitives::map::AddressMap;
use blockloom_scheduler::{Hint, TxIdx};

/// Least gas beside plain transfers for which waking the workers can pay:
/// less runs in about the time that takes (a tenth of a millisecond).
const MIN_PARALLEL_GAS: u64 = 1_000_000;

/// Least gas of such a transaction, on average. A cheaper one runs in about
/// the time that speculating on it and validating it take.
const MIN_PARALLEL_GAS_PER_TRANSACTION: u64 = 25_000;

/// Fewest such transactions among which there can be something to overlap.
const MIN_PARALLEL_TRANSACTIONS: usize = 2;

/// A transaction that may use up to this part of the gas of its block may be
/// what the block ends up waiting for.
const LONG_PART: u64 = 8;

/// What one look at a block's transactions tells.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rules: TransferRules,
    /// For each transaction whether it looks like a plain transfer.
    transfers: Vec<bool>,
    /// Gas that the other transactions use, about.
    gas: u64,
}

impl Plan {
    pub(crate) fn new(
        transactions: &Transactions<'_>,
        block: &RecoveredBlock,
        env: &EvmEnv,
    ) -> Self {
        let rules = TransferRules::new(env);
        let transfers: Vec<_> = (0..transactions.len())
            .map(|position| Transfer::of(transactions, position, &rules).is_some())
            .collect();
        let n_transfers = transfers.iter().filter(|is_transfer| **is_transfer).count() as u64;
        let gas = expected_gas(block).saturating_sub(n_transfers * TRANSFER_GAS);
        Self { rules, transfers, gas }
    }

    /// Whether it looks as if running the block in parallel paid.
    pub(crate) fn pays_in_parallel(&self) -> bool {
        let n_others = self.transfers.iter().filter(|is_transfer| !**is_transfer).count();
        n_others >= MIN_PARALLEL_TRANSACTIONS
            && self.gas >= MIN_PARALLEL_GAS
            && self.gas / n_others as u64 >= MIN_PARALLEL_GAS_PER_TRANSACTION
    }

    /// Whether the transaction at `position` may be what the block ends up
    /// waiting for.
    pub(crate) fn is_long(&self, transactions: &Transactions<'_>, position: usize) -> bool {
        transactions.gas_limit(position) >= self.gas / LONG_PART
    }

    /// For each transaction what the scheduler should know: plain transfers
    /// are computed at the frontier, in less time than handing them out takes;
    /// nonce and balance of a sender depend on its previous transaction; and
    /// one with a high gas limit may take long.
    pub(crate) fn hints(&self, transactions: &Transactions<'_>) -> impl Iterator<Item = Hint> {
        let n_transactions = transactions.len();
        let mut last = AddressMap::with_capacity_and_hasher(n_transactions, Default::default());
        (0..n_transactions).map(move |position| {
            let before = last.insert(transactions.sender(position), TxIdx::new(position));
            match before {
                _ if self.transfers[position] => Hint::AtFrontier,
                Some(before) => Hint::After(before),
                None if self.is_long(transactions, position) => Hint::Long,
                None => Hint::None,
            }
        })
    }
}

/// Gas that a block uses: what its header says, or, while it is being built
/// and does not say, what its transactions may use at most.
fn expected_gas(block: &RecoveredBlock) -> u64 {
    let header = block.header();
    if header.gas_used > 0 {
        return header.gas_used;
    }
    let limits = block.block.body.transactions.iter().map(|transaction| transaction.gas_limit());
    limits.fold(0, u64::saturating_add).min(header.gas_limit)
}
