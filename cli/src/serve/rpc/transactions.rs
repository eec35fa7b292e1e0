//! Transactions by hash and place.

use super::{RpcFailure, answer, blocks, strict::Hash};
use crate::serve::chain::{Chain, FullBlock};
use alloy_consensus::transaction::{Recovered, SignerRecoverable};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256};
use alloy_rpc_types_eth::{Index, Transaction, TransactionInfo};
use blockloom_engine::Transaction as Signed;
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};

type Found = Result<Option<Transaction<Signed>>, RpcFailure>;

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "eth_getTransactionByHash", by_hash)?;
    answer(module, "eth_getTransactionByBlockNumberAndIndex", |params, chain| {
        let (number, index): (BlockNumberOrTag, Index) = params.parse()?;
        by_place(chain, number.into(), index)
    })?;
    answer(module, "eth_getTransactionByBlockHashAndIndex", |params, chain| {
        let (Hash(hash), index): (Hash, Index) = params.parse()?;
        by_place(chain, hash.into(), index)
    })
}

/// The block of a transaction, and its position there.
pub(super) fn find(chain: &Chain, hash: &B256) -> Result<Option<(FullBlock, usize)>, RpcFailure> {
    let _still = chain.stand_still();
    let Some(place) = chain.place_of(hash)? else { return Ok(None) };
    let block = chain.full_block(place.block)?;
    Ok(usize::try_from(place.position).ok().map(|position| (block, position)))
}

fn by_hash(params: &Params<'_>, chain: &Chain) -> Found {
    let (Hash(hash),): (Hash,) = params.parse()?;
    let found = find(chain, &hash)?;
    found.map(|(block, position)| rpc_transaction(&block, position)).transpose()
}

fn by_place(chain: &Chain, id: BlockId, index: Index) -> Found {
    let Some(block) = blocks::find(chain, id)? else { return Ok(None) };
    let is_there = index.0 < block.transactions().len();
    is_there.then(|| rpc_transaction(&block, index.0)).transpose()
}

/// Who sent a transaction of a canonical block. The block has been validated,
/// so its signatures are good under the rules of their time.
pub(super) fn sender(transaction: &Signed) -> Result<Address, RpcFailure> {
    transaction.recover_signer_unchecked().map_err(|error| RpcFailure::internal(&error))
}

/// The transaction at `position`, which must be in the block.
pub(super) fn rpc_transaction(
    block: &FullBlock,
    position: usize,
) -> Result<Transaction<Signed>, RpcFailure> {
    let transactions = block.transactions();
    let transaction = transactions.get(position).ok_or_else(out_of_place)?;
    let sender = sender(transaction)?;
    let header = block.header();
    let info = TransactionInfo {
        hash: Some(*transaction.tx_hash()),
        index: Some(position as u64),
        block_hash: Some(block.hash),
        block_number: Some(header.number),
        base_fee: header.base_fee_per_gas,
        block_timestamp: Some(header.timestamp),
    };
    let recovered = Recovered::new_unchecked(transaction.clone(), sender);
    Ok(Transaction::from_transaction(recovered, info))
}

/// A lookup leads to a transaction that the block does not have.
pub(super) fn out_of_place() -> RpcFailure {
    RpcFailure::server("the transaction is not where it was said to be")
}
