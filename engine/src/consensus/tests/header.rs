//! Headers spoiled in one place, by the rules of proof of stake.

use super::samples::{BLOB, amsterdam, spec};
use crate::consensus::{HeaderError, validate_header};
use alloy_consensus::Header;
use alloy_hardforks::EthereumHardfork as Fork;
use alloy_primitives::{B64, B256, U256};

/// Breaks a header in one place.
type Spoil = fn(&mut Header);

/// What is wrong with Amsterdam's child once `spoil` has been at it.
#[track_caller]
fn spoiled(spoil: impl FnOnce(&mut Header)) -> HeaderError {
    let (parent, mut child) = amsterdam();
    spoil(&mut child);
    validate_header(&spec("Amsterdam"), &child, &parent, parent.hash_slow()).unwrap_err()
}

#[test]
fn a_valid_child_passes() {
    let (parent, child) = amsterdam();
    assert_eq!(validate_header(&spec("Amsterdam"), &child, &parent, parent.hash_slow()), Ok(()));
}

#[test]
fn position_follows_from_the_parent() {
    let (parent, _) = amsterdam();
    let expected = parent.hash_slow();
    assert_eq!(
        spoiled(|header| header.parent_hash = B256::ZERO),
        HeaderError::ParentHash { got: B256::ZERO, expected }
    );
    assert_eq!(spoiled(|header| header.number = 43), HeaderError::Number { got: 43, expected: 42 });
    assert_eq!(
        spoiled(|header| header.timestamp = 1000),
        HeaderError::Timestamp { got: 1000, parent: 1000 }
    );
    let last = Header { number: u64::MAX, ..Header::default() };
    let child = Header { parent_hash: last.hash_slow(), ..Header::default() };
    assert_eq!(
        validate_header(&spec("Frontier"), &child, &last, last.hash_slow()),
        Err(HeaderError::ParentOutOfRange { field: "number" })
    );
}

#[test]
fn extra_data_is_short() {
    assert_eq!(
        spoiled(|header| header.extra_data = vec![0; 33].into()),
        HeaderError::ExtraDataTooLong { got: 33, max: 32 }
    );
}

#[test]
fn gas_limit_moves_slowly() {
    let bound = 30_000_000 / 1024;
    for limit in [30_000_000 - bound, 30_000_000 + bound] {
        assert_eq!(
            spoiled(|header| header.gas_limit = limit),
            HeaderError::GasLimitStep { got: limit, from: 30_000_000, bound }
        );
    }
    let (parent, mut child) = amsterdam();
    child.gas_limit = 30_000_000 + bound - 1;
    assert_eq!(validate_header(&spec("Amsterdam"), &child, &parent, parent.hash_slow()), Ok(()));
    for got in [0, 4999, 1 << 63] {
        assert_eq!(
            spoiled(|header| header.gas_limit = got),
            HeaderError::GasLimit { got, min: 5000, max: (1 << 63) - 1 }
        );
    }
    assert_eq!(
        spoiled(|header| header.gas_used = 30_000_001),
        HeaderError::GasUsedAboveLimit { got: 30_000_001, limit: 30_000_000 }
    );
}

#[test]
fn base_fee_follows_the_parents_gas() {
    let cases = [
        // (parent's gas used, parent's base fee, base fee)
        (15_000_000, 100, Some(100)),
        (30_000_000, 100, Some(112)),
        (0, 100, Some(88)),
        // The least step up is one; the least step down is none.
        (15_000_001, 7, Some(8)),
        (14_999_999, 7, Some(7)),
        (30_000_000, u64::MAX, None),
    ];
    for (gas_used, base_fee, expected) in cases {
        let (mut parent, mut child) = amsterdam();
        parent.gas_used = gas_used;
        parent.base_fee_per_gas = Some(base_fee);
        // Keeps EIP-7918 out of it.
        parent.blob_gas_used = Some(0);
        parent.excess_blob_gas = Some(0);
        child.excess_blob_gas = Some(0);
        child.parent_hash = parent.hash_slow();
        child.base_fee_per_gas = expected;
        let expected = match expected {
            Some(_) => Ok(()),
            None => Err(HeaderError::ParentOutOfRange { field: "base fee" }),
        };
        let spec = spec("Amsterdam");
        assert_eq!(validate_header(&spec, &child, &parent, child.parent_hash), expected);
    }
    assert_eq!(
        spoiled(|header| header.base_fee_per_gas = None),
        HeaderError::BaseFee { got: None, expected: Some(10) }
    );
}

#[test]
fn proof_of_stake_leaves_no_seal() {
    assert_eq!(
        spoiled(|header| header.difficulty = U256::ONE),
        HeaderError::Difficulty { got: U256::ONE, expected: U256::ZERO }
    );
    let got = B64::with_last_byte(1);
    assert_eq!(spoiled(|header| header.nonce = got), HeaderError::Nonce { got });
    assert_eq!(
        spoiled(|header| header.ommers_hash = B256::ZERO),
        HeaderError::OmmersHash { got: B256::ZERO }
    );
}

#[test]
fn fields_come_with_their_forks() {
    let spoils: [(&str, Fork, Spoil); 7] = [
        ("withdrawals root", Fork::Shanghai, |header| header.withdrawals_root = None),
        ("blob gas used", Fork::Cancun, |header| header.blob_gas_used = None),
        ("excess blob gas", Fork::Cancun, |header| header.excess_blob_gas = None),
        ("parent beacon block root", Fork::Cancun, |header| header.parent_beacon_block_root = None),
        ("requests hash", Fork::Prague, |header| header.requests_hash = None),
        ("block access list hash", Fork::Amsterdam, |header| header.block_access_list_hash = None),
        ("slot number", Fork::Amsterdam, |header| header.slot_number = None),
    ];
    for (field, fork, spoil) in spoils {
        assert_eq!(spoiled(spoil), HeaderError::MissingField { field, fork });
    }
    let early = [
        ("Paris", "withdrawals root", Fork::Shanghai),
        ("Shanghai", "blob gas used", Fork::Cancun),
        ("Cancun", "requests hash", Fork::Prague),
        ("BPO2", "block access list hash", Fork::Amsterdam),
    ];
    let (parent, child) = amsterdam();
    for (network, field, fork) in early {
        assert_eq!(
            validate_header(&spec(network), &child, &parent, child.parent_hash),
            Err(HeaderError::UnexpectedField { field, fork })
        );
    }
    let lists_only = spec("Amsterdam").with_access_lists_only();
    assert_eq!(
        validate_header(&lists_only, &child, &parent, child.parent_hash),
        Err(HeaderError::UnexpectedField { field: "slot number", fork: Fork::Amsterdam })
    );
}

#[test]
fn blob_gas_is_counted_in_blobs_and_carried_over() {
    assert_eq!(
        spoiled(|header| header.blob_gas_used = Some(BLOB + 1)),
        HeaderError::BlobGasUsedFraction { got: BLOB + 1, unit: BLOB }
    );
    assert_eq!(
        spoiled(|header| header.blob_gas_used = Some(22 * BLOB)),
        HeaderError::BlobGasUsedAboveLimit { got: 22 * BLOB, limit: 21 * BLOB }
    );
    assert_eq!(
        spoiled(|header| header.excess_blob_gas = Some(4 * BLOB)),
        HeaderError::ExcessBlobGas { got: 4 * BLOB, expected: 3 * BLOB }
    );
    // EIP-7918: where execution is dear, the target is discounted instead of
    // taken off. 14 blobs times (21 - 14) / 21 are 4 and two thirds.
    let (mut parent, mut child) = amsterdam();
    parent.base_fee_per_gas = Some(1_000_000);
    child.parent_hash = parent.hash_slow();
    child.base_fee_per_gas = Some(1_000_000);
    child.excess_blob_gas = Some(3 * BLOB + 14 * BLOB / 3);
    assert_eq!(validate_header(&spec("Amsterdam"), &child, &parent, child.parent_hash), Ok(()));
    // No parent is large enough to overflow the sum.
    parent.excess_blob_gas = Some(u64::MAX);
    child.parent_hash = parent.hash_slow();
    assert_eq!(
        validate_header(&spec("Amsterdam"), &child, &parent, child.parent_hash),
        Err(HeaderError::ParentOutOfRange { field: "blob gas" })
    );
}
