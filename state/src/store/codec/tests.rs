use super::*;
use proptest::{collection, prelude::*};

fn word() -> impl Strategy<Value = U256> {
    prop_oneof![
        Just(U256::ZERO),
        Just(U256::MAX),
        any::<u64>().prop_map(U256::from),
        (any::<[u64; 4]>(), 0..256_usize).prop_map(|(limbs, by)| U256::from_limbs(limbs) >> by),
    ]
}

fn hash_or(default: B256) -> impl Strategy<Value = B256> {
    prop_oneof![Just(default), any::<[u8; 32]>().prop_map(B256::from)]
}

fn account() -> impl Strategy<Value = StoredAccount> {
    let nonce = prop_oneof![0..3_u64, any::<u64>()];
    (word(), nonce, hash_or(KECCAK_EMPTY), hash_or(EMPTY_ROOT_HASH), any::<bool>()).prop_map(
        |(balance, nonce, code_hash, storage_root, is_one)| StoredAccount {
            basics: AccountBasics { balance, nonce, code_hash },
            storage_root,
            has_one_slot: is_one && storage_root != EMPTY_ROOT_HASH,
        },
    )
}

proptest! {
    #[test]
    fn accounts_round_trip(account in account()) {
        prop_assert_eq!(StoredAccount::decode(&account.encode()), Ok(account));
    }

    #[test]
    fn slots_round_trip(value in word()) {
        let encoded = encode_slot(value);
        prop_assert_eq!(decode_slot(&encoded).ok(), (!value.is_zero()).then_some(value));
    }

    #[test]
    fn a_value_has_one_encoding(bytes in collection::vec(any::<u8>(), 0..110), flags in 0..0x80_u8) {
        let bytes = [&[flags], &bytes[..]].concat();
        if let Ok(account) = StoredAccount::decode(&bytes) {
            prop_assert_eq!(account.encode(), bytes.clone());
        }
        if let Ok(value) = decode_slot(&bytes) {
            prop_assert_eq!(encode_slot(value), bytes);
        }
    }

    #[test]
    fn cut_and_extended_values_are_refused(account in account(), at: prop::sample::Index) {
        let bytes = account.encode();
        prop_assert!(StoredAccount::decode(&bytes[..at.index(bytes.len())]).is_err());
        prop_assert!(StoredAccount::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn tips_round_trip(number: u64, hash: [u8; 32], root: [u8; 32]) {
        let tip = Tip { number, hash: hash.into(), root: root.into() };
        let bytes = encode_tip(&tip);
        prop_assert_eq!(decode_tip(&bytes), Ok(tip));
        prop_assert!(decode_tip(&bytes[1..]).is_err());
        prop_assert!(decode_tip(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn headers_round_trip() {
    let header = Header { number: 7, gas_used: 21_000, ..Default::default() };
    let hash = header.hash_slow();
    let bytes = encode_header(&hash, &header);
    assert_eq!(decode_header(&bytes), Ok((hash, header)));
    assert_eq!(decode_header_hash(&bytes), Ok(hash));
    assert!(decode_header(&bytes[..bytes.len() - 1]).is_err());
    assert!(decode_header(&[&bytes[..], &[0]].concat()).is_err());
    assert!(decode_header_hash(&bytes[..31]).is_err());
}

#[test]
fn a_plain_account_is_small() {
    let basics = AccountBasics {
        balance: U256::from(10).pow(U256::from(20)),
        nonce: 300,
        code_hash: KECCAK_EMPTY,
    };
    let account = StoredAccount { basics, storage_root: EMPTY_ROOT_HASH, has_one_slot: false };
    assert_eq!(account.encode().len(), 13);
}
