//! What is known of a block before it runs. A plan changes speed, never a
//! result.

use crate::{
    block::RecoveredBlock,
    config::Worth,
    probe::Seen,
    transactions::Transactions,
    transfer::{TRANSFER_GAS, Transfer, TransferRules},
};
use alloy_consensus::Transaction as _;
use alloy_evm::EvmEnv;
use alloy_primitives::{
    Address,
    map::{AddressMap, HashMap},
};
use blockloom_scheduler::{Hint, Known, TxIdx};
use std::time::Duration;

/// Fewest transactions, beside plain transfers, among which there can be
/// something to overlap.
const MIN_PARALLEL_TRANSACTIONS: u64 = 2;

/// A transaction that may use so many times the gas of an average one may be
/// what the block ends up waiting for.
const LONG: u64 = 16;

/// Gas below which an average transaction counts as quick: some twenty
/// microseconds.
const QUICK_GAS: u64 = 80_000;

/// The same in time: longer ones are not worth running alone while scouts wake
/// up, since one may keep all of them waiting.
const QUICK_TIME: Duration = Duration::from_micros(20);

/// Gas of a stretch of transactions that a scout takes in one go: some fifty
/// microseconds. Less, and workers would get in each other's way where
/// transactions are quick; more, and a scout would see less of what the
/// frontier does.
const STRETCH_GAS: u64 = 400_000;

/// Most transactions in a stretch.
const MAX_STRETCH: u32 = 64;

/// Transactions that tell what a block is about.
const SAMPLES: usize = 8;

/// What one look at a block's transactions tells.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rules: TransferRules,
    worth: Worth,
    /// For each transaction whether it looks like a plain transfer.
    transfers: Vec<bool>,
    /// How many others there are, and the gas they use, about.
    gas: u64,
    n_others: u64,
}

impl Plan {
    pub(crate) fn new(
        transactions: &Transactions<'_>,
        block: &RecoveredBlock,
        env: &EvmEnv,
        worth: Worth,
    ) -> Self {
        let rules = TransferRules::new(env);
        let transfers: Vec<_> = (0..transactions.len())
            .map(|position| Transfer::of(transactions, position, &rules).is_some())
            .collect();
        let n_transfers = transfers.iter().filter(|is_transfer| **is_transfer).count() as u64;
        let gas = expected_gas(block).saturating_sub(n_transfers * TRANSFER_GAS);
        let n_others = transfers.len() as u64 - n_transfers;
        Self { rules, worth, transfers, gas, n_others }
    }

    /// Whether it looks as if running the block in parallel paid.
    pub(crate) fn pays_in_parallel(&self) -> bool {
        self.n_others >= MIN_PARALLEL_TRANSACTIONS
            && self.gas >= self.worth.gas
            && self.gas / self.n_others >= self.worth.gas_per_transaction
    }

    /// Whether going on in parallel pays, after what the first transactions
    /// showed; where they showed nothing, it may.
    pub(crate) fn pays_after(&self, seen: &Seen) -> bool {
        let gas_left = self.gas.saturating_sub(seen.gas());
        let is_long_enough = |gas, least| seen.time_of(gas).is_none_or(|time| time >= least);
        !seen.looks_like_a_chain()
            && is_long_enough(gas_left, self.worth.time_left)
            && is_long_enough(self.gas_per_transaction(), self.worth.time_per_transaction)
    }

    /// Whether transactions are so quick that scouts may cost more than they
    /// bring: then it is worth looking at the first ones before they are sent
    /// out. Others would make them wait for long.
    pub(crate) fn is_quick(&self) -> bool {
        self.gas_per_transaction() < QUICK_GAS
    }

    /// Whether running alone for a while is better than waiting for the scouts,
    /// after what the first transactions showed.
    pub(crate) fn begins_alone(&self, seen: &Seen) -> bool {
        let time = seen.time_of(self.gas_per_transaction());
        self.is_quick() && time.is_none_or(|time| time < QUICK_TIME)
    }

    /// The contract that the block is about, if most of a few of its
    /// transactions call the same.
    pub(crate) fn subject(&self, transactions: &Transactions<'_>) -> Option<Address> {
        let apart = (transactions.len() / SAMPLES).max(1);
        let sampled = (0..transactions.len()).step_by(apart).take(SAMPLES);
        let callees: Vec<_> = sampled
            .filter(|position| !self.transfers[*position])
            .filter_map(|position| transactions.signed(position).to())
            .collect();
        let is_common = |callee: &&Address| {
            callees.iter().filter(|other| other == callee).count() * 2 > SAMPLES
        };
        callees.iter().find(is_common).copied()
    }

    /// Whether scouts are likely to help, after what the first transactions
    /// showed; where they showed nothing, they may.
    pub(crate) fn pays_with_scouts(&self, seen: &Seen) -> bool {
        let gas_left = self.gas.saturating_sub(seen.gas());
        !seen.looks_like_a_chain()
            && seen.time_of(gas_left).is_none_or(|time| time >= self.worth.time_left)
    }

    /// Whether the transaction at `position` may be what the block ends up
    /// waiting for.
    pub(crate) fn is_long(&self, transactions: &Transactions<'_>, position: usize) -> bool {
        let average = self.gas_per_transaction();
        average > 0 && transactions.gas_limit(position) >= LONG.saturating_mul(average)
    }

    /// Transactions that a scout takes in one go, and begins ahead of the
    /// frontier: about as many as take [`STRETCH_GAS`].
    pub(crate) fn stretch(&self) -> u32 {
        let transactions = STRETCH_GAS / self.gas_per_transaction().max(1);
        u32::try_from(transactions).unwrap_or(u32::MAX).clamp(1, MAX_STRETCH)
    }

    /// Gas that the block uses, about, plain transfers left out.
    pub(crate) const fn gas(&self) -> u64 {
        self.gas
    }

    /// Gas that a transaction uses on average, plain transfers left out.
    pub(crate) const fn gas_per_transaction(&self) -> u64 {
        match self.gas.checked_div(self.n_others) {
            Some(average) => average,
            None => 0,
        }
    }

    /// Whether some transaction may take long.
    pub(crate) fn has_long(&self, transactions: &Transactions<'_>) -> bool {
        (0..transactions.len()).any(|position| self.is_long(transactions, position))
    }

    /// For each transaction what the scheduler should know: plain transfers
    /// are computed at the frontier, in less time than handing them out takes;
    /// nonce and balance of a sender depend on its previous transaction, and
    /// the token balances that one moves on who moved them before; and one with
    /// a high gas limit may take long.
    ///
    /// Where reads are slow, only what could not read anything waits: a sender's
    /// next transaction, which is invalid before the one before has run.
    pub(crate) fn known(
        &self,
        transactions: &Transactions<'_>,
        is_slow: bool,
    ) -> impl Iterator<Item = Known> {
        let n_transactions = transactions.len();
        let mut by_sender =
            AddressMap::with_capacity_and_hasher(n_transactions, Default::default());
        let mut by_callee = AddressMap::default();
        let mut by_holder: HashMap<_, TxIdx> = HashMap::default();
        (0..n_transactions).map(move |position| {
            let tx = TxIdx::new(position);
            let before = by_sender.insert(transactions.sender(position), tx);
            if is_slow {
                return Known { hint: before.map_or(Hint::None, Hint::After), like: None };
            }
            if self.transfers[position] {
                return Known { hint: Hint::AtFrontier, like: None };
            }
            let callee = transactions.signed(position).to();
            let like = callee.and_then(|callee| by_callee.insert(callee, tx));
            let holders = transactions.token_holders(position).into_iter().flatten();
            let moved = holders.filter_map(|holder| by_holder.insert((callee, holder), tx));
            let moved = moved.filter(|lower| *lower != tx).max();
            let hint = match before.max(moved) {
                Some(before) => Hint::After(before),
                None if self.is_long(transactions, position) => Hint::Long,
                None => Hint::None,
            };
            Known { hint, like }
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
