//! How bodies and receipts lie in the store's archive.

use super::KnownBlock;
use alloy_consensus::{Block as ConsensusBlock, BlockBody, Header, ReceiptEnvelope};
use alloy_primitives::{B256, Bytes};
use blockloom_engine::{Block, Transaction};
use blockloom_state::Archive;

/// A canonical block with its receipts, one per transaction.
#[derive(Clone, Debug)]
pub(crate) struct FullBlock {
    pub(crate) hash: B256,
    pub(crate) block: Block,
    pub(crate) receipts: Vec<ReceiptEnvelope>,
}

impl FullBlock {
    pub(crate) const fn header(&self) -> &Header {
        &self.block.header
    }

    pub(crate) fn transactions(&self) -> &[Transaction] {
        &self.block.body.transactions
    }

    /// Gas that the transaction at `position` used.
    pub(crate) fn gas_used(&self, position: usize) -> u64 {
        let after = |position: usize| {
            self.receipts.get(position).map_or(0, ReceiptEnvelope::cumulative_gas_used)
        };
        after(position) - position.checked_sub(1).map_or(0, after)
    }

    /// The block with this header from what the store keeps of it; `None` if
    /// that is damaged.
    pub(super) fn unpack(hash: B256, header: Header, archive: &Archive) -> Option<Self> {
        let body: BlockBody<Transaction> = alloy_rlp::decode_exact(&archive.body).ok()?;
        let receipts: Vec<ReceiptEnvelope> = alloy_rlp::decode_exact(&archive.receipts).ok()?;
        let matches = receipts.len() == body.transactions.len()
            && receipts.is_sorted_by_key(ReceiptEnvelope::cumulative_gas_used);
        matches.then_some(Self { hash, block: ConsensusBlock { header, body }, receipts })
    }
}

/// What the store is to keep of `block`.
pub(super) fn pack(block: &KnownBlock) -> Archive {
    let body = &block.block.block.body;
    Archive {
        transactions: body.transactions.iter().map(|tx| *tx.tx_hash()).collect(),
        body: Bytes::from(alloy_rlp::encode(body)),
        receipts: Bytes::from(alloy_rlp::encode(&block.receipts)),
    }
}
