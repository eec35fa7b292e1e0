//! Reading the canonical chain.

use super::{Chain, FullBlock};
use alloy_consensus::{BlockBody, Header, Sealed};
use alloy_primitives::{Address, B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use blockloom_state::{AccountProof, StateAt, StoreError, TransactionPlace};
use parking_lot::RwLockReadGuard;

/// Why the chain has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such block.
    #[error("there is no block {0}")]
    NoBlock(u64),
    /// The block came into the store without its body and receipts.
    #[error("body and receipts of block {0} are not kept")]
    NotKept(u64),
    /// What is kept of the block cannot be read.
    #[error("body or receipts of block {0} are damaged")]
    Damaged(u64),
}

impl Chain {
    /// Keeps the canonical chain as it is while the guard is held.
    pub(crate) fn stand_still(&self) -> RwLockReadGuard<'_, ()> {
        self.moves.read_recursive()
    }

    /// Number of the canonical block with this hash.
    ///
    /// A store that was made without archive knows only its first and its last
    /// block by hash.
    pub(crate) fn canonical_number(&self, hash: &B256) -> Result<Option<u64>, ReadError> {
        let tip = self.store.tip();
        if tip.hash == *hash {
            return Ok(Some(tip.number));
        }
        if self.genesis.hash() == *hash {
            return Ok(Some(self.genesis.number));
        }
        Ok(self.store.block_number(hash)?)
    }

    /// Header of a block at or below the tip.
    pub(crate) fn canonical_header(&self, number: u64) -> Result<Sealed<Header>, ReadError> {
        self.store.header(number)?.ok_or(ReadError::NoBlock(number))
    }

    /// A block at or below the tip, with its receipts.
    pub(crate) fn full_block(&self, number: u64) -> Result<FullBlock, ReadError> {
        let _still = self.stand_still();
        let (header, hash) = self.canonical_header(number)?.into_parts();
        let Some(archive) = self.store.archived(number)? else {
            return self.empty_block(hash, header).ok_or(ReadError::NotKept(number));
        };
        FullBlock::unpack(hash, header, &archive).ok_or(ReadError::Damaged(number))
    }

    /// The block, if its header alone says that there is nothing in it, as for
    /// the genesis block.
    fn empty_block(&self, hash: B256, header: Header) -> Option<FullBlock> {
        let is_empty = header.transaction_root_is_empty()
            && header.ommers_hash_is_empty()
            && header.withdrawals_root.is_none_or(|root| root == EMPTY_ROOT_HASH);
        let withdrawals = header.withdrawals_root.map(|_| Default::default());
        let body = BlockBody { transactions: Vec::new(), ommers: Vec::new(), withdrawals };
        let block = alloy_consensus::Block { header, body };
        is_empty.then_some(FullBlock { hash, block, receipts: Vec::new() })
    }

    /// Where a canonical transaction is.
    pub(crate) fn place_of(&self, hash: &B256) -> Result<Option<TransactionPlace>, ReadError> {
        Ok(self.store.transaction_place(hash)?)
    }

    /// The state after a canonical block, as long as undo records reach.
    pub(crate) fn state_at(&self, number: u64) -> Result<StateAt<'_>, ReadError> {
        Ok(self.store.state_at(number)?)
    }

    /// Proof of an account and slots at the tip, if that is block `number`.
    pub(crate) fn proof(
        &self,
        number: u64,
        address: Address,
        slots: &[U256],
    ) -> Result<Option<AccountProof>, ReadError> {
        let _still = self.stand_still();
        if self.store.tip().number != number {
            return Ok(None);
        }
        Ok(Some(self.store.proof(address, slots)?))
    }
}
