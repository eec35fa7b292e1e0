//! Recovery of the senders of a block's transactions.

use crate::{
    block::{Block, RecoveredBlock},
    error::{BlockError, InvalidBlock},
};
use alloy_consensus::{crypto::RecoveryError, transaction::SignerRecoverable};
use alloy_primitives::Address;
use rayon::prelude::*;

/// Signatures each task recovers at least: some 35 µs each, against a few to
/// hand out a task.
const MIN_SIGNATURES_PER_TASK: usize = 4;

/// Hashes a block's header and recovers its senders, in parallel on the current
/// rayon pool; otherwise as [`recover`].
///
/// # Errors
///
/// [`InvalidBlock::Signature`] for the first transaction without a sender.
pub fn recover_in_parallel(block: Block) -> Result<RecoveredBlock, BlockError> {
    let transactions = block.body.transactions.par_iter();
    let senders: Vec<_> = transactions
        .with_min_len(MIN_SIGNATURES_PER_TASK)
        .map(SignerRecoverable::recover_signer_unchecked)
        .collect();
    recovered(block, senders)
}

/// Hashes a block's header and recovers its senders, on the calling thread:
/// where many blocks wait, one thread for each wastes nothing.
///
/// A high `s` is accepted here: it is the fork that decides (EIP-2), in
/// [`validate_body`](crate::validate_body).
///
/// # Errors
///
/// [`InvalidBlock::Signature`] for the first transaction without a sender.
pub fn recover(block: Block) -> Result<RecoveredBlock, BlockError> {
    let transactions = block.body.transactions.iter();
    let senders: Vec<_> = transactions.map(SignerRecoverable::recover_signer_unchecked).collect();
    recovered(block, senders)
}

fn recovered(
    block: Block,
    senders: Vec<Result<Address, RecoveryError>>,
) -> Result<RecoveredBlock, BlockError> {
    let hash = block.header.hash_slow();
    let transactions = &block.body.transactions;
    let senders = senders
        .into_iter()
        .enumerate()
        .map(|(index, sender)| {
            sender.map_err(|_| {
                let hash = *transactions[index].tx_hash();
                BlockError::invalid(block.header.number, InvalidBlock::Signature { index, hash })
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(RecoveredBlock { hash, block, senders })
}
