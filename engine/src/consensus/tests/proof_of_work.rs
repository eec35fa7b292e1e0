//! Rules that hold for proof-of-work headers, or changed while there were any.

use super::samples::{proof_of_work, spec};
use crate::consensus::{HeaderError, validate_header};
use alloy_primitives::{B256, Bytes, U256, bytes};

#[test]
fn extra_data_marks_the_dao_fork() {
    let spec = spec("HomesteadToDaoAt5");
    for (number, marked, fails) in [
        (4, false, false),
        (5, false, true),
        (5, true, false),
        (14, false, true),
        (15, false, false),
    ] {
        let (parent, mut child) = proof_of_work(number, 11);
        let mark = if marked { bytes!("64616f2d686172642d666f726b") } else { Bytes::new() };
        child.extra_data = mark.clone();
        let expected = if fails { Err(HeaderError::DaoExtraData { got: mark }) } else { Ok(()) };
        assert_eq!(
            validate_header(&spec, &child, &parent, parent.hash_slow()),
            expected,
            "{number} {marked}"
        );
    }
}

#[test]
fn london_doubles_the_gas_limit_and_sets_the_base_fee() {
    let spec = spec("BerlinToLondonAt5");
    let (parent, mut child) = proof_of_work(5, 9);
    child.gas_limit = 16_000_000;
    child.base_fee_per_gas = Some(1_000_000_000);
    assert_eq!(validate_header(&spec, &child, &parent, parent.hash_slow()), Ok(()));
    child.base_fee_per_gas = Some(999_999_999);
    let (got, expected) = (Some(999_999_999), Some(1_000_000_000));
    assert_eq!(
        validate_header(&spec, &child, &parent, parent.hash_slow()),
        Err(HeaderError::BaseFee { got, expected })
    );
    child.gas_limit = 8_000_000;
    assert_eq!(
        validate_header(&spec, &child, &parent, parent.hash_slow()),
        Err(HeaderError::GasLimitStep { got: 8_000_000, from: 16_000_000, bound: 15_625 })
    );
    let (parent, mut child) = proof_of_work(4, 9);
    child.base_fee_per_gas = got;
    assert_eq!(
        validate_header(&spec, &child, &parent, parent.hash_slow()),
        Err(HeaderError::BaseFee { got, expected: None })
    );
}

#[test]
fn difficulty_follows_the_parents_age() {
    const STEP: i64 = 2048;
    let cases = [
        // (network, seconds since the parent, steps of a 2048th)
        ("Frontier", 12, 1),
        ("Frontier", 13, -1),
        ("Frontier", 5000, -1),
        ("Homestead", 9, 1),
        ("Homestead", 10, 0),
        ("Homestead", 35, -2),
        ("Homestead", 5000, -99),
        ("Byzantium", 8, 1),
        ("Byzantium", 9, 0),
        ("Byzantium", 5000, -99),
    ];
    for (network, elapsed, steps) in cases {
        let (parent, mut child) = proof_of_work(7, elapsed);
        child.difficulty = U256::from((1_i64 << 22) + steps * STEP);
        let outcome = validate_header(&spec(network), &child, &parent, parent.hash_slow());
        assert_eq!(outcome, Ok(()), "{network} after {elapsed} s");
        child.difficulty += U256::ONE;
        let (got, expected) = (child.difficulty, child.difficulty - U256::ONE);
        let outcome = validate_header(&spec(network), &child, &parent, parent.hash_slow());
        assert_eq!(outcome, Err(HeaderError::Difficulty { got, expected }), "{network}");
    }
    // With ommers, EIP-100 wants the difficulty up by one step more.
    let (mut parent, mut child) = proof_of_work(7, 9);
    parent.ommers_hash = B256::ZERO;
    child.parent_hash = parent.hash_slow();
    child.difficulty = U256::from((1 << 22) + STEP);
    assert_eq!(validate_header(&spec("Byzantium"), &child, &parent, child.parent_hash), Ok(()));
}

#[test]
fn the_bomb_ticks_from_each_forks_delay() {
    let cases = [
        ("Frontier", 0),
        ("Homestead", 0),
        ("Byzantium", 3_000_000),
        ("Constantinople", 5_000_000),
        ("Istanbul", 5_000_000),
        ("Berlin", 9_000_000),
        ("London", 9_700_000),
        ("ArrowGlacier", 10_700_000),
        ("GrayGlacier", 11_400_000),
    ];
    for (network, delay) in cases {
        // Periods 1 and 2 are the last without and the first with a bomb.
        for (since, bomb) in [(199_999, 0), (200_000, 1), (3_299_999, 1 << 30)] {
            let (mut parent, mut child) = proof_of_work(delay + since, 11);
            // A difficulty no step moves.
            let difficulty = U256::from(0x2_0000);
            parent.difficulty = difficulty;
            child.timestamp = parent.timestamp + 18;
            if network.ends_with("don") || network.ends_with("Glacier") {
                parent.base_fee_per_gas = Some(7);
                child.base_fee_per_gas = Some(7);
            }
            child.parent_hash = parent.hash_slow();
            child.difficulty = difficulty + U256::from(bomb);
            let outcome = validate_header(&spec(network), &child, &parent, child.parent_hash);
            assert_eq!(outcome, Ok(()), "{network} + {since}");
        }
    }
    // A number of any size is only a number.
    let (parent, child) = proof_of_work(u64::MAX, 11);
    assert!(matches!(
        validate_header(&spec("Frontier"), &child, &parent, parent.hash_slow()),
        Err(HeaderError::Difficulty { expected: U256::MAX, .. })
    ));
}
