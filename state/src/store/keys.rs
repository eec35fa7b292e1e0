//! Names of the column families and the layout of their keys.
//!
//! ```text
//! accounts   keccak(address)                      32 B
//! slots      keccak(address) | keccak(slot)       32 B | 32 B
//! code       code hash                            32 B
//! headers    block number, big endian             8 B
//! meta       name                                 ASCII
//! ```
//!
//! All widths are fixed and numbers are big endian, so byte order is number
//! order, and the slots of one account lie side by side in trie order.

use alloy_primitives::{Address, B256, keccak256};

/// The column families of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Accounts,
    Slots,
    Code,
    Headers,
    Meta,
}

impl Family {
    /// Every family, in the order a block is written.
    pub(super) const ALL: [Self; 5] =
        [Self::Accounts, Self::Slots, Self::Code, Self::Headers, Self::Meta];

    /// Its name in RocksDB.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Slots => "slots",
            Self::Code => "code",
            Self::Headers => "headers",
            Self::Meta => "meta",
        }
    }
}

/// Length of an account's key, and of the prefix its slots share, in bytes.
pub(super) const ACCOUNT_KEY_BYTES: usize = 32;

/// Keys of `meta`.
pub(super) mod meta {
    /// Version of the layout.
    pub(crate) const SCHEMA: &[u8] = b"schema";
    /// Chain the blocks belong to.
    pub(crate) const CHAIN_ID: &[u8] = b"chain_id";
    /// Hash of the block the store was created from.
    pub(crate) const GENESIS_HASH: &[u8] = b"genesis_hash";
    /// Newest block: number, hash and state root.
    pub(crate) const TIP: &[u8] = b"tip";
}

/// Key of an account, and prefix of its slots.
pub(super) fn account(address: &Address) -> B256 {
    keccak256(address)
}

/// Key of a slot, given its account's key and its own hash.
pub(super) fn slot(account: &B256, slot: &B256) -> [u8; 64] {
    let mut key = [0; 64];
    key[..ACCOUNT_KEY_BYTES].copy_from_slice(account.as_slice());
    key[ACCOUNT_KEY_BYTES..].copy_from_slice(slot.as_slice());
    key
}

/// Account and slot of a key from `slots`.
pub(super) fn parse_slot(key: &[u8]) -> Result<(B256, B256), &'static str> {
    let (account, slot) = key.split_at_checked(ACCOUNT_KEY_BYTES).ok_or(KEY_LENGTH)?;
    Ok((parse_hash(account)?, parse_hash(slot)?))
}

/// A 32-byte key from `accounts` or `code`.
pub(super) fn parse_hash(key: &[u8]) -> Result<B256, &'static str> {
    B256::try_from(key).map_err(|_| KEY_LENGTH)
}

/// Key of a header.
pub(super) const fn header(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// Block number of a key from `headers`.
pub(super) fn parse_header(key: &[u8]) -> Result<u64, &'static str> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| KEY_LENGTH)
}

const KEY_LENGTH: &str = "the key has the wrong length";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_round_trip(account: [u8; 32], hash: [u8; 32], number: u64) {
            let (account, hash) = (B256::from(account), B256::from(hash));
            prop_assert_eq!(parse_slot(&slot(&account, &hash)), Ok((account, hash)));
            prop_assert_eq!(parse_hash(account.as_slice()), Ok(account));
            prop_assert_eq!(parse_header(&header(number)), Ok(number));
        }

        #[test]
        fn key_order_is_number_order(a: u64, b: u64) {
            prop_assert_eq!(header(a).cmp(&header(b)), a.cmp(&b));
        }

        #[test]
        fn other_lengths_are_refused(key in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(parse_slot(&key).is_ok(), key.len() == 64);
            prop_assert_eq!(parse_hash(&key).is_ok(), key.len() == 32);
            prop_assert_eq!(parse_header(&key).is_ok(), key.len() == 8);
        }
    }
}
