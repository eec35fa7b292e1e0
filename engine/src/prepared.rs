//! Transactions made ready for the EVM, and what is known before they run.

use crate::block::RecoveredBlock;
use alloy_consensus::{Transaction as _, TxType, transaction::Recovered};
use alloy_evm::FromRecoveredTx;
use alloy_primitives::{Address, map::AddressMap};
use blockloom_scheduler::TxIdx;
use rayon::prelude::*;
use revm::context::TxEnv;

/// One transaction, ready to run any number of times.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) env: TxEnv,
    pub(crate) tx_type: TxType,
    pub(crate) blob_gas: u64,
}

/// Prepares a block's transactions; on `pool` if some are set-code transactions
/// (EIP-7702), which carry signatures of their own to recover.
pub(crate) fn prepare(block: &RecoveredBlock, pool: &rayon::ThreadPool) -> Vec<Prepared> {
    let transactions = &block.block.body.transactions;
    let one = |position: usize| {
        let transaction = &transactions[position];
        Prepared {
            env: TxEnv::from_recovered_tx(transaction, block.senders[position]),
            tx_type: transaction.tx_type(),
            blob_gas: transaction.blob_gas_used().unwrap_or_default(),
        }
    };
    if transactions.iter().any(alloy_consensus::Typed2718::is_eip7702) {
        pool.install(|| (0..transactions.len()).into_par_iter().map(one).collect())
    } else {
        (0..transactions.len()).map(one).collect()
    }
}

/// The signed transaction at `position` with its sender, as the stock executor
/// takes it.
pub(crate) fn recovered(
    block: &RecoveredBlock,
    position: usize,
) -> Recovered<&crate::block::Transaction> {
    let transaction = &block.block.body.transactions[position];
    Recovered::new_unchecked(transaction, block.senders[position])
}

/// For each transaction the one before it from the same sender: its nonce and
/// balance surely depend on that one.
pub(crate) fn same_sender_predecessors(senders: &[Address]) -> impl Iterator<Item = Option<TxIdx>> {
    let mut last = AddressMap::default();
    senders
        .iter()
        .enumerate()
        .map(move |(position, sender)| last.insert(*sender, TxIdx::new(position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_has_a_chain_of_its_own() {
        let [a, b] = [Address::repeat_byte(1), Address::repeat_byte(2)];
        let chain: Vec<_> = same_sender_predecessors(&[a, b, a, a, b]).collect();
        let expected = [None, None, Some(0), Some(2), Some(1)];
        assert_eq!(chain, expected.map(|position| position.map(TxIdx::new)));
    }
}
