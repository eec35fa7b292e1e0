//! Receipts.

use super::{RpcFailure, answer, blocks, strict::Hash, transactions};
use crate::serve::chain::{Chain, FullBlock};
use alloy_consensus::{ReceiptEnvelope, Transaction as _};
use alloy_eips::{BlockId, eip4844::DATA_GAS_PER_BLOB};
use alloy_rpc_types_eth::{Log, TransactionReceipt};
use jsonrpsee::{RpcModule, core::RegisterMethodError, types::Params};

pub(super) fn register(module: &mut RpcModule<Chain>) -> Result<(), RegisterMethodError> {
    answer(module, "eth_getTransactionReceipt", by_hash)?;
    answer(module, "eth_getBlockReceipts", of_block)
}

fn by_hash(params: &Params<'_>, chain: &Chain) -> Result<Option<TransactionReceipt>, RpcFailure> {
    let (Hash(hash),): (Hash,) = params.parse()?;
    let found = transactions::find(chain, &hash)?;
    found.map(|(block, position)| rpc_receipt(chain, &block, position)).transpose()
}

fn of_block(
    params: &Params<'_>,
    chain: &Chain,
) -> Result<Option<Vec<TransactionReceipt>>, RpcFailure> {
    let (id,): (BlockId,) = params.parse()?;
    let Some(block) = blocks::find(chain, id)? else { return Ok(None) };
    let receipts = 0..block.receipts.len();
    receipts
        .map(|position| rpc_receipt(chain, &block, position))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Logs of a block with their places, in block order.
pub(super) fn rpc_logs(block: &FullBlock) -> impl Iterator<Item = Log> {
    let header = block.header();
    let transactions = block.transactions().iter();
    let logs =
        transactions.zip(&block.receipts).enumerate().flat_map(|(position, (tx, receipt))| {
            receipt.logs().iter().map(move |log| (position, *tx.tx_hash(), log))
        });
    logs.enumerate().map(move |(log_index, (position, transaction_hash, log))| Log {
        inner: log.clone(),
        block_hash: Some(block.hash),
        block_number: Some(header.number),
        block_timestamp: Some(header.timestamp),
        transaction_hash: Some(transaction_hash),
        transaction_index: Some(position as u64),
        log_index: Some(log_index as u64),
        removed: false,
    })
}

fn rpc_receipt(
    chain: &Chain,
    block: &FullBlock,
    position: usize,
) -> Result<TransactionReceipt, RpcFailure> {
    let (transaction, receipt) = block
        .transactions()
        .get(position)
        .zip(block.receipts.get(position))
        .ok_or_else(transactions::out_of_place)?;
    let from = transactions::sender(transaction)?;
    let header = block.header();
    let n_blobs = transaction.blob_versioned_hashes().map(|hashes| hashes.len() as u64);
    let blob_params = chain.spec().blob_params_at(header.timestamp);
    Ok(TransactionReceipt {
        inner: with_places(block, position, receipt),
        transaction_hash: *transaction.tx_hash(),
        transaction_index: Some(position as u64),
        block_hash: Some(block.hash),
        block_number: Some(header.number),
        gas_used: block.gas_used(position),
        effective_gas_price: transaction.effective_gas_price(header.base_fee_per_gas),
        blob_gas_used: n_blobs.map(|n_blobs| n_blobs * DATA_GAS_PER_BLOB),
        blob_gas_price: n_blobs.and(blob_params).and_then(|params| header.blob_fee(params)),
        from,
        to: transaction.to(),
        contract_address: transaction.is_create().then(|| from.create(transaction.nonce())),
    })
}

/// The receipt, its logs with their places.
fn with_places(
    block: &FullBlock,
    position: usize,
    receipt: &ReceiptEnvelope,
) -> ReceiptEnvelope<Log> {
    let before: usize =
        block.receipts.iter().take(position).map(|receipt| receipt.logs().len()).sum();
    let mut logs = rpc_logs(block).skip(before);
    // One for each: they are the same logs.
    receipt.clone().map_logs(|log| logs.next().unwrap_or(Log { inner: log, ..Log::default() }))
}
