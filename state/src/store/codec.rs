//! How values are stored, and the checks they pass when read back.
//!
//! ```text
//! accounts   nonce length, bit 4: has code, bit 5: has storage,
//!            bit 6: of one slot                                   1 B
//!            balance length                                       1 B
//!            nonce, balance                  big endian, stripped of zeros
//!            code hash, storage root         32 B each, if their bit is set
//! slots      value                           big endian, stripped of zeros
//! headers    block hash | RLP of the header  32 B | rest
//! tip        number | hash | state root      8 B | 32 B | 32 B
//! ```
//!
//! Most accounts have neither code nor storage and fit in some 12 bytes. Each
//! value has exactly one encoding, and any other is refused as damage. A
//! decoder's error is the rule that was broken.

use super::Tip;
use crate::AccountBasics;
use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};

/// Why bytes are not a stored value.
pub(super) type Damage = &'static str;

/// An account as `accounts` holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredAccount {
    pub(super) basics: AccountBasics,
    pub(super) storage_root: B256,
    /// Whether its storage is one slot: then the root is that slot's leaf, and
    /// an update that is about this slot need not read any node.
    pub(super) has_one_slot: bool,
}

const NONCE_LENGTH_MASK: u8 = 0x0f;
const HAS_CODE: u8 = 0x10;
const HAS_STORAGE: u8 = 0x20;
const HAS_ONE_SLOT: u8 = 0x40;

impl StoredAccount {
    pub(super) fn encode(&self) -> Vec<u8> {
        let AccountBasics { balance, nonce, code_hash } = self.basics;
        let nonce = trimmed(nonce.to_be_bytes());
        let balance = trimmed(balance.to_be_bytes::<32>());
        let has_code = code_hash != KECCAK_EMPTY;
        let has_storage = self.storage_root != EMPTY_ROOT_HASH;
        let mut flags = nonce.len;
        flags |= if has_code { HAS_CODE } else { 0 };
        flags |= if has_storage { HAS_STORAGE } else { 0 };
        flags |= if self.has_one_slot { HAS_ONE_SLOT } else { 0 };

        let mut out = vec![flags, balance.len];
        out.extend_from_slice(nonce.bytes());
        out.extend_from_slice(balance.bytes());
        if has_code {
            out.extend_from_slice(code_hash.as_slice());
        }
        if has_storage {
            out.extend_from_slice(self.storage_root.as_slice());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let Some(([flags, balance_length], rest)) = bytes.split_first_chunk() else {
            return Err("the account has no lengths");
        };
        if flags & !(NONCE_LENGTH_MASK | HAS_CODE | HAS_STORAGE | HAS_ONE_SLOT) != 0 {
            return Err("the account has unknown flags");
        }
        if flags & (HAS_STORAGE | HAS_ONE_SLOT) == HAS_ONE_SLOT {
            return Err("the account has a slot but no storage");
        }
        let (nonce, rest) = number::<8>(rest, flags & NONCE_LENGTH_MASK)?;
        let (balance, rest) = number::<32>(rest, *balance_length)?;
        let (code_hash, rest) = hash_unless(KECCAK_EMPTY, flags & HAS_CODE != 0, rest)?;
        let (storage_root, rest) = hash_unless(EMPTY_ROOT_HASH, flags & HAS_STORAGE != 0, rest)?;
        if !rest.is_empty() {
            return Err("the account is too long");
        }
        let nonce = u64::from_be_bytes(nonce);
        let balance = U256::from_be_bytes(balance);
        let has_one_slot = flags & HAS_ONE_SLOT != 0;
        let basics = AccountBasics { balance, nonce, code_hash };
        Ok(Self { basics, storage_root, has_one_slot })
    }
}

/// A number without leading zeros.
struct Trimmed<const N: usize> {
    padded: [u8; N],
    len: u8,
}

impl<const N: usize> Trimmed<N> {
    fn bytes(&self) -> &[u8] {
        &self.padded[N - usize::from(self.len)..]
    }
}

fn trimmed<const N: usize>(padded: [u8; N]) -> Trimmed<N> {
    // Counts up from the first byte that is not zero; N is 8 or 32.
    let len = padded.iter().skip_while(|byte| **byte == 0).fold(0, |len, _| len + 1);
    Trimmed { padded, len }
}

/// A stripped number of `len` bytes at the front of `bytes`, padded again, and
/// the rest.
fn number<const N: usize>(bytes: &[u8], len: u8) -> Result<([u8; N], &[u8]), Damage> {
    let len = usize::from(len);
    let (number, rest) = bytes.split_at_checked(len).ok_or("a number is cut short")?;
    let mut padded = [0; N];
    let start = N.checked_sub(len).ok_or("a number is too long")?;
    if number.first() == Some(&0) {
        return Err("a number has a leading zero");
    }
    padded[start..].copy_from_slice(number);
    Ok((padded, rest))
}

fn hash_unless(default: B256, present: bool, bytes: &[u8]) -> Result<(B256, &[u8]), Damage> {
    if !present {
        return Ok((default, bytes));
    }
    let (hash, rest) = bytes.split_first_chunk::<32>().ok_or("a hash is cut short")?;
    if default == *hash {
        return Err("a hash is spelt out that stands for nothing");
    }
    Ok((B256::from(*hash), rest))
}

/// A slot's value, which is not zero.
pub(super) fn encode_slot(value: U256) -> Vec<u8> {
    trimmed(value.to_be_bytes::<32>()).bytes().to_vec()
}

pub(super) fn decode_slot(bytes: &[u8]) -> Result<U256, Damage> {
    let len = u8::try_from(bytes.len()).map_err(|_| "a number is too long")?;
    let (padded, _) = number::<32>(bytes, len)?;
    if len == 0 { Err("a stored slot is zero") } else { Ok(U256::from_be_bytes(padded)) }
}

pub(super) fn encode_header(hash: &B256, header: &Header) -> Vec<u8> {
    let mut out = Vec::with_capacity(B256::len_bytes() + header.length());
    out.extend_from_slice(hash.as_slice());
    header.encode(&mut out);
    out
}

/// Only the block hash of a stored header.
pub(super) fn decode_header_hash(bytes: &[u8]) -> Result<B256, Damage> {
    let (hash, _) = bytes.split_first_chunk::<32>().ok_or("the header has no hash")?;
    Ok(B256::from(*hash))
}

pub(super) fn decode_header(bytes: &[u8]) -> Result<(B256, Header), Damage> {
    let (hash, rlp) = bytes.split_first_chunk::<32>().ok_or("the header has no hash")?;
    let header = alloy_rlp::decode_exact(rlp).map_err(|_| "the header is not valid RLP")?;
    Ok((B256::from(*hash), header))
}

pub(super) fn encode_tip(tip: &Tip) -> Vec<u8> {
    [&tip.number.to_be_bytes()[..], tip.hash.as_slice(), tip.root.as_slice()].concat()
}

pub(super) fn decode_tip(bytes: &[u8]) -> Result<Tip, Damage> {
    const LENGTH: Damage = "the tip has the wrong length";
    let (number, rest) = bytes.split_first_chunk::<8>().ok_or(LENGTH)?;
    let (hash, root) = rest.split_first_chunk::<32>().ok_or(LENGTH)?;
    let root = B256::try_from(root).map_err(|_| LENGTH)?;
    Ok(Tip { number: u64::from_be_bytes(*number), hash: B256::from(*hash), root })
}

pub(super) fn decode_u32(bytes: &[u8]) -> Result<u32, Damage> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| "the number is not 4 bytes long")
}

pub(super) fn decode_u64(bytes: &[u8]) -> Result<u64, Damage> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| "the number is not 8 bytes long")
}

pub(super) fn decode_hash(bytes: &[u8]) -> Result<B256, Damage> {
    B256::try_from(bytes).map_err(|_| "the hash is not 32 bytes long")
}

#[cfg(test)]
mod tests;
