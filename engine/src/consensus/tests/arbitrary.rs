//! No header is so absurd that checking it panics.

use super::samples::spec;
use crate::consensus::{
    difficulty::expected_difficulty,
    fees::{expected_base_fee, expected_excess_blob_gas},
    validate_header,
};
use alloy_consensus::Header;
use alloy_primitives::U256;
use proptest::prelude::*;

/// Numbers at and between the edges of 64 bits.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, (0..4_u64).prop_map(|n| u64::MAX - n), any::<u64>()]
}

fn header() -> impl Strategy<Value = Header> {
    let position = (number(), number(), number(), number());
    let fees = (
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(number()),
        any::<[u64; 4]>(),
        number(),
    );
    (position, fees).prop_map(
        |((number, timestamp, gas_limit, gas_used), (base_fee, blob_gas, excess, limbs, shift))| {
            Header {
                number,
                timestamp,
                gas_limit,
                gas_used,
                base_fee_per_gas: base_fee,
                blob_gas_used: blob_gas,
                excess_blob_gas: excess,
                difficulty: U256::from_limbs(limbs) >> (shift % 257),
                ..Header::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn no_parent_makes_a_check_panic(
        parent in header(),
        child in header(),
        follows in any::<bool>(),
        network in prop::sample::select(vec!["Frontier", "Byzantium", "GrayGlacier", "Osaka"]),
    ) {
        let spec = spec(network);
        let mut child = child;
        if follows {
            child.number = parent.number.saturating_add(1);
            child.timestamp = parent.timestamp.saturating_add(1);
            child.gas_limit = parent.gas_limit;
        }
        child.parent_hash = parent.hash_slow();
        let _ = validate_header(&spec, &child, &parent, child.parent_hash);
        // What the checks above may not have reached.
        let _ = expected_base_fee(&spec, &child, &parent);
        prop_assert!(expected_difficulty(&spec, &child, &parent) >= U256::from(0x2_0000));
        if let Some(params) = spec.blob_params_at(child.timestamp) {
            let _ = expected_excess_blob_gas(params, &parent);
        }
        let env = spec.evm_env(&child);
        prop_assert_eq!(env.block_env.number, U256::from(child.number));
    }
}
