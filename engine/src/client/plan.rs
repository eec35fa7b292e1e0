//! The transactions that a caller is about to run.

use alloy_evm::IntoTxEnv;
use alloy_primitives::{Address, B256, U256};
use revm::context_interface::Block;

/// The transactions of a block, in order, as somebody expects them to be run.
///
/// A plan is a hint. A caller may run other transactions, leave some out or
/// stop half-way: then results made ahead are of no use, and no harm.
#[derive(Clone, Debug)]
pub struct BlockPlan<Tx> {
    /// Hash of the block whose state they run on, for the
    /// [`SnapshotFactory`](super::SnapshotFactory).
    pub parent: Option<B256>,
    /// As the EVM takes them.
    pub transactions: Vec<Tx>,
}

impl<Tx> BlockPlan<Tx> {
    /// A plan of anything that alloy-evm makes transactions of, recovered ones
    /// for instance.
    pub fn new<T: IntoTxEnv<Tx>>(
        parent: Option<B256>,
        transactions: impl IntoIterator<Item = T>,
    ) -> Self {
        let transactions = transactions.into_iter().map(IntoTxEnv::into_tx_env).collect();
        Self { parent, transactions }
    }
}

/// Tells blocks apart by their environment, as far as a hint needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockKey {
    number: U256,
    timestamp: U256,
    beneficiary: Address,
    prevrandao: Option<B256>,
    gas_limit: u64,
}

impl BlockKey {
    pub(super) fn of(block: &impl Block) -> Self {
        Self {
            number: block.number(),
            timestamp: block.timestamp(),
            beneficiary: block.beneficiary(),
            prevrandao: block.prevrandao(),
            gas_limit: block.gas_limit(),
        }
    }
}
