//! A body against its header.

use super::BodyError;
use crate::{
    block::{Block, Transaction},
    chain_spec::ChainSpec,
};
use alloy_consensus::{
    Header, Transaction as _, TxType, Typed2718,
    crypto::SECP256K1N_HALF,
    proofs::{calculate_ommers_root, calculate_transaction_root},
};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_hardforks::EthereumHardfork as Fork;
use alloy_rlp::Encodable;
use blockloom_scheduler::TxIdx;

/// Most bytes of an RLP-encoded block (EIP-7934): 10 MiB, less 2 MiB for the
/// consensus layer's part of the message that carries it.
const MAX_BLOCK_BYTES: usize = 8 * 1024 * 1024;

/// Checks the body of `block` against its header and the fork's rules.
///
/// What a transaction must satisfy by itself or against state is revm's to
/// say. Signatures are checked here as far as no key is recovered, so that
/// afterwards `recover_signer_unchecked` is right for every fork: alloy's
/// checked recovery demands low s values even where Frontier did not.
///
/// Costs the transactions root: encoding each transaction once and hashing
/// about twice its bytes.
///
/// # Errors
///
/// The first rule broken: size, then the three roots, then the transactions in
/// block order, then their sum of blob gas.
pub fn validate_body(spec: &ChainSpec, block: &Block) -> Result<(), BodyError> {
    let Block { header, body } = block;
    if spec.is_active(Fork::Osaka, header) {
        let got = block.length();
        if got > MAX_BLOCK_BYTES {
            return Err(BodyError::BlockTooLong { got, max: MAX_BLOCK_BYTES });
        }
    }
    let got = calculate_transaction_root(&body.transactions);
    if got != header.transactions_root {
        return Err(BodyError::TransactionsRoot { got, expected: header.transactions_root });
    }
    let got = calculate_ommers_root(&body.ommers);
    if got != header.ommers_hash {
        return Err(BodyError::OmmersHash { got, expected: header.ommers_hash });
    }
    let got = body.calculate_withdrawals_root();
    if got != header.withdrawals_root {
        return Err(BodyError::WithdrawalsRoot { got, expected: header.withdrawals_root });
    }
    for (position, transaction) in body.transactions.iter().enumerate() {
        validate_transaction(spec, header, TxIdx::new(position), transaction)?;
    }
    let blobs = body.blob_versioned_hashes_iter().count() as u64;
    let got = blobs.saturating_mul(DATA_GAS_PER_BLOB);
    if got != header.blob_gas_used.unwrap_or_default() {
        return Err(BodyError::BlobGasUsed { got, expected: header.blob_gas_used });
    }
    Ok(())
}

/// Type and signature of one transaction, as far as the fork decides them.
fn validate_transaction(
    spec: &ChainSpec,
    header: &Header,
    tx: TxIdx,
    transaction: &Transaction,
) -> Result<(), BodyError> {
    let since = match transaction.tx_type() {
        TxType::Legacy => Fork::Frontier,
        TxType::Eip2930 => Fork::Berlin,
        TxType::Eip1559 => Fork::London,
        TxType::Eip4844 => Fork::Cancun,
        TxType::Eip7702 => Fork::Prague,
    };
    if !spec.is_active(since, header) {
        return Err(BodyError::TransactionType { tx, ty: transaction.ty(), fork: since });
    }
    let s = transaction.signature().s();
    if s > SECP256K1N_HALF && spec.is_active(Fork::Homestead, header) {
        return Err(BodyError::HighSignatureS { tx, s });
    }
    if let Some(chain_id) = transaction.chain_id()
        && !spec.is_active(Fork::SpuriousDragon, header)
    {
        return Err(BodyError::EarlyChainId { tx, chain_id });
    }
    Ok(())
}
