//! A block's transactions as the EVM takes them, and what is known before
//! they run.

use crate::{
    block::{RecoveredBlock, Transaction},
    token,
};
use alloy_consensus::{Transaction as _, TxType, Typed2718, transaction::Recovered};
use alloy_evm::FromRecoveredTx;
use alloy_primitives::{Address, B256, map::HashMap};
use rayon::prelude::*;
use revm::context::TxEnv;

/// A block's transactions with their senders.
#[derive(Debug)]
pub(crate) struct Transactions<'a> {
    block: &'a RecoveredBlock,
    /// Set-code transactions (EIP-7702), by position: they carry signatures of
    /// their own, which are recovered once.
    delegating: HashMap<usize, TxEnv>,
}

impl<'a> Transactions<'a> {
    /// The transactions of `block`; recovers the authorities of set-code
    /// transactions on `pool`.
    pub(crate) fn new(block: &'a RecoveredBlock, pool: &rayon::ThreadPool) -> Self {
        let transactions = &block.block.body.transactions;
        let mut delegating = HashMap::default();
        if transactions.iter().any(Typed2718::is_eip7702) {
            let positions = (0..transactions.len()).into_par_iter();
            let env = |position: usize| (position, env(block, position));
            let recovered: Vec<_> = pool.install(|| {
                positions.filter(|position| transactions[*position].is_eip7702()).map(env).collect()
            });
            delegating.extend(recovered);
        }
        Self { block, delegating }
    }

    pub(crate) const fn len(&self) -> usize {
        self.block.senders.len()
    }

    /// The signed transaction at `position`.
    pub(crate) fn signed(&self, position: usize) -> &'a Transaction {
        &self.block.block.body.transactions[position]
    }

    /// The same with its sender, as the stock executor takes it.
    pub(crate) fn recovered(&self, position: usize) -> Recovered<&'a Transaction> {
        Recovered::new_unchecked(self.signed(position), self.sender(position))
    }

    /// The same as the EVM takes it.
    pub(crate) fn env(&self, position: usize) -> TxEnv {
        let known = self.delegating.get(&position);
        known.cloned().unwrap_or_else(|| env(self.block, position))
    }

    pub(crate) fn sender(&self, position: usize) -> Address {
        self.block.senders[position]
    }

    pub(crate) fn hash(&self, position: usize) -> B256 {
        *self.signed(position).tx_hash()
    }

    pub(crate) fn kind(&self, position: usize) -> TxType {
        self.signed(position).tx_type()
    }

    pub(crate) fn gas_limit(&self, position: usize) -> u64 {
        self.signed(position).gas_limit()
    }

    /// Whose token balances the transaction at `position` seems to move.
    pub(crate) fn token_holders(&self, position: usize) -> Option<[Address; 2]> {
        token::holders(self.sender(position), self.signed(position).input())
    }

    pub(crate) fn blob_gas(&self, position: usize) -> u64 {
        self.signed(position).blob_gas_used().unwrap_or_default()
    }
}

fn env(block: &RecoveredBlock, position: usize) -> TxEnv {
    let transaction = &block.block.body.transactions[position];
    TxEnv::from_recovered_tx(transaction, block.senders[position])
}
