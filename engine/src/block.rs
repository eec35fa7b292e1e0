//! The block types the engine speaks: plain alloy, named once.

use alloy_consensus::{EthereumReceipt, EthereumTxEnvelope, Header, TxEip4844, TxType};
use alloy_evm::eth::EthBlockExecutionCtx;
use alloy_primitives::{Address, B256};
use std::borrow::Cow;

/// A signed transaction as blocks carry it (blob transactions without sidecar).
pub type Transaction = EthereumTxEnvelope<TxEip4844>;

/// An unsealed block: header and body.
pub type Block = alloy_consensus::Block<Transaction>;

/// One receipt; its bloom filter is computed where it is needed.
pub type Receipt = EthereumReceipt<TxType>;

/// A block whose hash is known and whose senders are recovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredBlock {
    /// keccak-256 of the RLP-encoded header.
    pub hash: B256,
    /// Header and body.
    pub block: Block,
    /// One sender per transaction, in block order.
    pub senders: Vec<Address>,
}

impl RecoveredBlock {
    /// The block's header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.block.header
    }

    /// What alloy-evm's executors take of a block beside its transactions.
    #[must_use]
    pub fn context(&self) -> EthBlockExecutionCtx<'_> {
        let Block { header, body } = &self.block;
        EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers: &body.ommers,
            withdrawals: body.withdrawals.as_ref().map(|list| Cow::Borrowed(list.as_slice())),
            extra_data: header.extra_data.clone(),
            tx_count_hint: Some(body.transactions.len()),
            slot_number: header.slot_number,
        }
    }
}
