//! State roots in receipts, before Byzantium (EIP-658) replaced them by a
//! status.
//!
//! Execution has no use for them, so they are worked out here, for whoever asks
//! for such a receipt: each transaction is run once more, and the root computed
//! after it. They are filled in where the header's receipts root proves them.

use super::{InsertError, parent::Parent};
use crate::client::{Factory, block_state};
use alloy_consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxReceipt,
    proofs::calculate_receipt_root, transaction::Recovered,
};
use alloy_evm::{Evm, EvmFactory, eth::EthEvmFactory};
use alloy_hardforks::EthereumHardfork as Fork;
use alloy_primitives::{B256, Log};
use blockloom_engine::{ChainSpec, RecoveredBlock};

/// Whether receipts of a block with this header hold state roots.
pub(super) fn is_needed(spec: &ChainSpec, header: &Header) -> bool {
    !spec.is_active(Fork::Byzantium, header)
}

/// Puts state roots in the place of `receipts`' statuses.
pub(super) fn fill_in(
    factory: &Factory,
    block: &RecoveredBlock,
    parent: &Parent<'_>,
    receipts: &mut Vec<ReceiptEnvelope>,
) -> Result<(), InsertError> {
    let state = block_state(factory, &*parent.state);
    let env = factory.inner().spec().evm_env(block.header());
    let mut evm = EthEvmFactory::default().create_evm(state, env);
    let mut roots = Vec::with_capacity(receipts.len());
    for (transaction, sender) in block.block.body.transactions.iter().zip(&block.senders) {
        let ran = evm.transact_commit(Recovered::new_unchecked(transaction, *sender));
        if ran.is_err() {
            // Cannot be: the block has been executed.
            return Ok(());
        }
        roots.push(parent.root_after([&evm.db().changes()])?);
    }
    let with_roots: Vec<_> = receipts.iter().zip(roots).map(with_root).collect();
    if calculate_receipt_root(&with_roots) == block.header().receipts_root {
        *receipts = with_roots;
    } else {
        tracing::warn!(block = block.header().number, "state roots in receipts are not proven");
    }
    Ok(())
}

fn with_root((receipt, root): (&ReceiptEnvelope, B256)) -> ReceiptEnvelope {
    let logs: Vec<Log> = receipt.logs().to_vec();
    let cumulative_gas_used = receipt.cumulative_gas_used();
    let logs_bloom = receipt.bloom();
    let receipt = Receipt { status: Eip658Value::PostState(root), cumulative_gas_used, logs };
    ReceiptEnvelope::Legacy(ReceiptWithBloom { receipt, logs_bloom })
}
