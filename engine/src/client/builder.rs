//! Packing a block.

use super::{evm::RunsAhead, executor::ParallelBlockExecutor, plan::BlockPlan};
use alloy_consensus::{Transaction, transaction::Recovered};
use alloy_evm::{
    Evm, FromRecoveredTx,
    block::{BlockExecutionError, BlockExecutionResult, BlockExecutor, BlockValidationError},
};
use revm::context_interface::Block;
use std::{fmt, time::Instant};

/// Candidates that are run ahead together. More give workers more to choose
/// from; fewer are wasted when the block is full.
const WINDOW: usize = 128;

/// The least gas a transaction takes: with less left, a block is full.
const MIN_TRANSACTION_GAS: u64 = 21_000;

/// When a block is full, beside its gas limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackLimits {
    /// Blob gas at most; `None` for no limit, as before Cancun.
    pub blob_gas: Option<u64>,
    /// No transaction is started after this.
    pub deadline: Option<Instant>,
    /// Transactions at most.
    pub transactions: Option<usize>,
}

/// Why a candidate was left out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Skipped {
    /// The gas left in the block is less than it may use.
    #[error("may use {limit} gas, {available} are left")]
    Gas {
        /// What it may use.
        limit: u64,
        /// What is left.
        available: u64,
    },
    /// The blob gas left is less than it uses.
    #[error("uses {blob_gas} blob gas, {available} are left")]
    BlobGas {
        /// What it uses.
        blob_gas: u64,
        /// What is left.
        available: u64,
    },
    /// The protocol forbids it here.
    #[error(transparent)]
    Invalid(BlockValidationError),
}

/// Why packing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackEnd {
    /// There were no more candidates.
    OutOfCandidates,
    /// Nothing more fits.
    Full,
    /// The deadline has passed.
    Deadline,
}

/// A packed block: what executing its transactions in this order gives.
pub struct Packed<X: BlockExecutor> {
    /// Its transactions.
    pub transactions: Vec<Recovered<X::Transaction>>,
    /// Candidates that were left out, in the order they were looked at.
    pub skipped: Vec<(Recovered<X::Transaction>, Skipped)>,
    /// Why no more were looked at.
    pub end: PackEnd,
    /// Receipts, requests and gas.
    pub result: BlockExecutionResult<X::Receipt>,
    /// The EVM, with the state after the block in its database.
    pub evm: X::Evm,
}

impl<X: BlockExecutor> fmt::Debug for Packed<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed")
            .field("transactions", &self.transactions.len())
            .field("skipped", &self.skipped.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Packs a block: takes `candidates` in order, runs them ahead, and commits
/// those that are valid and fit.
///
/// Which order is best, and which candidates are worth trying, is the caller's
/// to know. An invalid one changes nothing. A transaction that has started is
/// finished, also if the deadline passes meanwhile.
///
/// # Errors
///
/// If system calls fail, or the database does.
pub fn pack<X>(
    mut executor: ParallelBlockExecutor<X>,
    candidates: impl IntoIterator<Item = Recovered<X::Transaction>>,
    limits: PackLimits,
) -> Result<Packed<X>, BlockExecutionError>
where
    X: BlockExecutor<Transaction: Transaction, Evm: RunsAhead>,
    <X::Evm as Evm>::Tx: Clone,
{
    executor.apply_pre_execution_changes()?;
    let mut candidates = candidates.into_iter().fuse();
    let mut block = Draft::new(limits, executor.evm().block().gas_limit());
    let end = loop {
        let window: Vec<_> = candidates.by_ref().take(WINDOW).collect();
        if window.is_empty() {
            break PackEnd::OutOfCandidates;
        }
        let planned = window.iter().map(as_env::<X>).collect();
        executor.plan(BlockPlan { parent: None, transactions: planned });
        let mut end = None;
        for candidate in window {
            end = end.or_else(|| block.is_full());
            if end.is_some() {
                break;
            }
            block.consider(&mut executor, candidate)?;
        }
        if let Some(end) = end {
            break end;
        }
    };
    let (evm, result) = executor.finish()?;
    let Draft { transactions, skipped, .. } = block;
    Ok(Packed { transactions, skipped, end, result, evm })
}

fn as_env<X: BlockExecutor>(candidate: &Recovered<X::Transaction>) -> <X::Evm as Evm>::Tx {
    FromRecoveredTx::from_recovered_tx(candidate.inner(), candidate.signer())
}

/// A block in the making.
struct Draft<T> {
    limits: PackLimits,
    gas_limit: u64,
    gas_used: u64,
    blob_gas_used: u64,
    transactions: Vec<Recovered<T>>,
    skipped: Vec<(Recovered<T>, Skipped)>,
}

impl<T: Transaction> Draft<T> {
    fn new(limits: PackLimits, gas_limit: u64) -> Self {
        let (transactions, skipped) = (Vec::new(), Vec::new());
        Self { limits, gas_limit, gas_used: 0, blob_gas_used: 0, transactions, skipped }
    }

    fn is_full(&self) -> Option<PackEnd> {
        let PackLimits { deadline, transactions, .. } = self.limits;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Some(PackEnd::Deadline);
        }
        let has_gas = self.gas_limit.saturating_sub(self.gas_used) >= MIN_TRANSACTION_GAS;
        let has_room = transactions.is_none_or(|most| self.transactions.len() < most);
        (!has_gas || !has_room).then_some(PackEnd::Full)
    }

    /// Commits `candidate` if it is valid and fits.
    fn consider<X>(
        &mut self,
        executor: &mut ParallelBlockExecutor<X>,
        candidate: Recovered<T>,
    ) -> Result<(), BlockExecutionError>
    where
        X: BlockExecutor<Transaction = T, Evm: RunsAhead>,
        <X::Evm as Evm>::Tx: Clone,
    {
        let blob_gas = candidate.blob_gas_used().unwrap_or_default();
        let available = self.limits.blob_gas.map(|most| most.saturating_sub(self.blob_gas_used));
        if let Some(available) = available.filter(|available| blob_gas > *available) {
            self.skipped.push((candidate, Skipped::BlobGas { blob_gas, available }));
            return Ok(());
        }
        match executor.execute_transaction(candidate.as_recovered_ref()) {
            Ok(gas) => {
                self.gas_used = self.gas_used.saturating_add(gas.tx_gas_used());
                self.blob_gas_used += blob_gas;
                self.transactions.push(candidate);
            }
            Err(BlockExecutionError::Validation(reason)) => {
                let reason = match reason {
                    BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                        transaction_gas_limit: limit,
                        block_available_gas: available,
                    } => Skipped::Gas { limit, available },
                    reason => Skipped::Invalid(reason),
                };
                self.skipped.push((candidate, reason));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
