//! Blocks of Ethereum mainnet, with the receipts an independent executor gave.

use super::data;
use crate::{
    block::{Block, Receipt, Transaction},
    chain_spec::ChainSpec,
    consensus::{BodyError, receipts_root_and_bloom, validate_body, validate_header},
};
use alloy_consensus::{BlockBody, Header};
use alloy_eips::eip4895::Withdrawals;
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{B256, Log, U64};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct MainnetFile {
    block: MainnetBlock,
    expected: Expected,
}

#[derive(Deserialize)]
struct MainnetBlock {
    hash: B256,
    #[serde(flatten)]
    header: Header,
    transactions: Vec<Transaction>,
    withdrawals: Option<Withdrawals>,
    uncles: Vec<B256>,
}

#[derive(Deserialize)]
struct Expected {
    receipts: Vec<ExpectedReceipt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpectedReceipt {
    /// Receipts say so from Byzantium on.
    succeeded: Option<bool>,
    cumulative_gas_used: U64,
    logs: Vec<Log>,
}

fn blocks() -> BTreeMap<u64, MainnetFile> {
    let Some(folder) = data::folder("mainnet/blocks") else { return BTreeMap::new() };
    let files: BTreeMap<_, _> = data::files(&folder)
        .iter()
        .map(|path| data::read::<MainnetFile>(path))
        .map(|file| (file.block.header.number, file))
        .collect();
    assert!(!files.is_empty(), "{} holds no block", folder.display());
    files
}

#[test]
fn headers_commit_to_their_bodies() {
    let spec = ChainSpec::mainnet();
    let (mut whole, mut without_ommers) = (0, 0);
    for (number, MainnetFile { block, .. }) in blocks() {
        assert_eq!(block.header.hash_slow(), block.hash, "{number}");
        let body = BlockBody {
            transactions: block.transactions,
            ommers: Vec::new(),
            withdrawals: block.withdrawals,
        };
        let outcome = validate_body(&spec, &Block { header: block.header, body });
        if block.uncles.is_empty() {
            assert_eq!(outcome, Ok(()), "{number}");
            whole += 1;
        } else {
            // The files name ommers by hash only.
            assert!(matches!(outcome, Err(BodyError::OmmersHash { .. })), "{number}: {outcome:?}");
            without_ommers += 1;
        }
    }
    println!("{whole} bodies pass, {without_ommers} up to their missing ommers");
}

#[test]
fn neighbours_follow_each_other() {
    let spec = ChainSpec::mainnet();
    let files = blocks();
    let mut pairs = 0;
    for (number, MainnetFile { block, .. }) in &files {
        let Some(parent) = number.checked_sub(1).and_then(|number| files.get(&number)) else {
            continue;
        };
        let outcome =
            validate_header(&spec, &block.header, &parent.block.header, parent.block.hash);
        assert_eq!(outcome, Ok(()), "{number}");
        pairs += 1;
    }
    println!("{pairs} headers follow from their parents");
}

#[test]
fn receipts_give_the_headers_root_and_bloom() {
    let spec = ChainSpec::mainnet();
    let (mut roots, mut blooms) = (0, 0);
    for (number, MainnetFile { block, expected }) in blocks() {
        assert_eq!(block.transactions.len(), expected.receipts.len(), "{number}");
        let receipts: Vec<_> = block
            .transactions
            .iter()
            .zip(expected.receipts)
            .map(|(transaction, receipt)| Receipt {
                tx_type: transaction.tx_type(),
                success: receipt.succeeded.unwrap_or(true),
                cumulative_gas_used: receipt.cumulative_gas_used.to(),
                logs: receipt.logs,
            })
            .collect();
        let (root, bloom) = receipts_root_and_bloom(&receipts);
        assert_eq!(bloom, block.header.logs_bloom, "{number}");
        blooms += 1;
        if spec.is_byzantium_active_at_block(number) {
            assert_eq!(root, block.header.receipts_root, "{number}");
            roots += 1;
        }
    }
    println!("{roots} receipts roots and {blooms} blooms agree");
}
