//! Recovery of the senders of a block's transactions.

use crate::{
    block::{Block, RecoveredBlock},
    error::{BlockError, InvalidBlock},
};
use alloy_consensus::transaction::SignerRecoverable;
use rayon::prelude::*;

/// Signatures each task recovers at least: some 35 µs each, against a few to
/// hand out a task.
const MIN_SIGNATURES_PER_TASK: usize = 4;

/// Hashes the header and recovers all senders, in parallel on the current
/// pool.
///
/// A high `s` is accepted here: it is the fork that decides (EIP-2), in
/// [`validate_body`](crate::validate_body).
pub(crate) fn recover(block: Block) -> Result<RecoveredBlock, BlockError> {
    let hash = block.header.hash_slow();
    let transactions = &block.body.transactions;
    let senders: Vec<_> = transactions
        .par_iter()
        .with_min_len(MIN_SIGNATURES_PER_TASK)
        .map(SignerRecoverable::recover_signer_unchecked)
        .collect();
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
