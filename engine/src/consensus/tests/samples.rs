//! Headers that satisfy every rule, for tests to spoil in one place.

use crate::chain_spec::ChainSpec;
use alloy_consensus::{Header, constants::EMPTY_WITHDRAWALS};
use alloy_eip7928::compute_block_access_list_hash;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B256, U256};

pub(super) const BLOB: u64 = 131_072;

pub(super) fn spec(network: &str) -> ChainSpec {
    ChainSpec::for_network(network, 1, None).unwrap()
}

/// A proof-of-stake header with every field of Amsterdam, and its valid child.
pub(super) fn amsterdam() -> (Header, Header) {
    let parent = Header {
        number: 41,
        timestamp: 1000,
        gas_limit: 30_000_000,
        gas_used: 15_000_000,
        // So low that EIP-7918 does not bite.
        base_fee_per_gas: Some(10),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(14 * BLOB),
        excess_blob_gas: Some(3 * BLOB),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: Some(compute_block_access_list_hash(&[])),
        slot_number: Some(7),
        ..Header::default()
    };
    let parent_hash = parent.hash_slow();
    let child = Header { parent_hash, number: 42, timestamp: 1012, ..parent.clone() };
    (parent, child)
}

/// A proof-of-work header of `gas_limit` and difficulty 2^22, and its child
/// `elapsed` seconds later.
pub(super) fn proof_of_work(number: u64, elapsed: u64) -> (Header, Header) {
    let parent = Header {
        number: number - 1,
        timestamp: 1000,
        gas_limit: 8_000_000,
        difficulty: U256::from(1 << 22),
        ..Header::default()
    };
    let parent_hash = parent.hash_slow();
    let child = Header { parent_hash, number, timestamp: 1000 + elapsed, ..parent.clone() };
    (parent, child)
}
