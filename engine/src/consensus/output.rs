//! What execution gave against what the header promised.

use super::OutputError;
use crate::{block::Receipt, chain_spec::ChainSpec, output::BlockOutput};
use alloy_consensus::{
    Eip2718EncodableReceipt, Header, TxReceipt, proofs::ordered_trie_root_with_encoder,
};
use alloy_eip7928::{ITEM_COST, compute_block_access_list_hash, total_bal_items};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{B256, Bloom};

/// Checks the result of executing a block against its header: gas, blob gas,
/// logs, receipts, requests, and the block access list where the header
/// commits to one. State roots are [`validate_state_root`]'s.
///
/// Before Byzantium a receipt holds a state root that only executing one
/// transaction after another can give, so the receipts root is not checked
/// there; gas, logs and state root stand in for it.
///
/// Costs [`receipts_root_and_bloom`], and hashing the access list once.
///
/// # Errors
///
/// The first promise broken, in the order above.
pub fn validate_output(
    spec: &ChainSpec,
    header: &Header,
    output: &BlockOutput,
) -> Result<(), OutputError> {
    if output.gas_used != header.gas_used {
        return Err(OutputError::GasUsed { got: output.gas_used, expected: header.gas_used });
    }
    let expected = header.blob_gas_used.unwrap_or_default();
    if output.blob_gas_used != expected {
        return Err(OutputError::BlobGasUsed { got: output.blob_gas_used, expected });
    }
    validate_receipts(spec, header, &output.receipts)?;
    if let Some(expected) = header.requests_hash {
        let got = output.requests.requests_hash();
        if got != expected {
            return Err(OutputError::RequestsHash { got, expected });
        }
    }
    validate_access_list(header, output)
}

/// Checks the root of the state after a block against its header.
///
/// # Errors
///
/// [`OutputError::StateRoot`] if they differ.
pub fn validate_state_root(header: &Header, root: B256) -> Result<(), OutputError> {
    if root == header.state_root {
        return Ok(());
    }
    Err(OutputError::StateRoot { got: root, expected: header.state_root })
}

/// Root of `receipts` and bloom filter of all their logs.
///
/// Per log one keccak for its address and one for each topic; per receipt one
/// encoding (at least 256 bytes, the filter's size) and about twice its bytes
/// through keccak.
#[must_use]
pub fn receipts_root_and_bloom(receipts: &[Receipt]) -> (B256, Bloom) {
    let with_blooms: Vec<_> =
        receipts.iter().map(|receipt| (receipt, receipt_bloom(receipt))).collect();
    let mut logs_bloom = Bloom::ZERO;
    for (_, bloom) in &with_blooms {
        logs_bloom |= *bloom;
    }
    let root = ordered_trie_root_with_encoder(&with_blooms, |(receipt, bloom), buffer| {
        receipt.eip2718_encode_with_bloom(bloom, buffer);
    });
    (root, logs_bloom)
}

/// Bloom filter of one receipt's logs.
#[must_use]
pub fn receipt_bloom(receipt: &Receipt) -> Bloom {
    receipt.bloom()
}

/// Logs bloom and, from Byzantium on, receipts root.
fn validate_receipts(
    spec: &ChainSpec,
    header: &Header,
    receipts: &[Receipt],
) -> Result<(), OutputError> {
    let (root, bloom) = receipts_root_and_bloom(receipts);
    if bloom != header.logs_bloom {
        let (got, expected) = (Box::new(bloom), Box::new(header.logs_bloom));
        return Err(OutputError::LogsBloom { got, expected });
    }
    if spec.is_byzantium_active_at_block(header.number) && root != header.receipts_root {
        return Err(OutputError::ReceiptsRoot { got: root, expected: header.receipts_root });
    }
    Ok(())
}

/// Hash and size of the block access list, where the header commits to one.
fn validate_access_list(header: &Header, output: &BlockOutput) -> Result<(), OutputError> {
    let Some(expected) = header.block_access_list_hash else { return Ok(()) };
    let Some(list) = &output.access_list else {
        return Err(OutputError::BlockAccessListHash { got: None, expected });
    };
    let (got, max) = (total_bal_items(list), header.gas_limit / ITEM_COST as u64);
    if got > max {
        return Err(OutputError::BlockAccessListTooLong { got, max });
    }
    let got = compute_block_access_list_hash(list);
    if got != expected {
        return Err(OutputError::BlockAccessListHash { got: Some(got), expected });
    }
    Ok(())
}
