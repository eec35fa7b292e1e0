//! Parameters that are read more strictly than alloy does: as geth reads them.

use alloy_primitives::B256;
use alloy_serde::JsonStorageKey;
use serde::{Deserialize, Deserializer, de::Error};

/// Length of 0x and 32 bytes in hex.
const MAX_HEX: usize = 66;

/// A hash, which begins with 0x.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(pub(super) B256);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.starts_with("0x") {
            return Err(D::Error::custom("hex string without 0x prefix"));
        }
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A slot of at most 32 bytes, leading zeros included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot(pub(super) JsonStorageKey);

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MAX_HEX {
            return Err(D::Error::custom("storage key too long (want at most 32 bytes)"));
        }
        text.parse().map(Self).map_err(D::Error::custom)
    }
}
