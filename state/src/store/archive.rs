//! Bodies and receipts, for whoever serves them.
//!
//! ```text
//! archive   n, then n transaction hashes       4 B, 32 B each
//!           length, body                       4 B, rest
//!           receipts
//! lookup    hash of a block    -> number             8 B
//!           hash of a transaction -> number | index  8 B | 4 B
//! ```
//!
//! Numbers are big endian. What a body and receipts are is the caller's to say:
//! the store keeps bytes. They are written in the batch of their block and go
//! with it when it is unwound, so they are there exactly if the block is. Blocks
//! that are committed without them cost nothing here.

use super::{
    Store, StoreError,
    batch::BlockBatch,
    codec::Damage,
    keys::{self, Family},
    tables::corrupt,
};
use alloy_primitives::{B256, Bytes};

/// What is kept of a block beside its header and its effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    /// Hashes of the block's transactions, in block order: they can be looked
    /// up.
    pub transactions: Vec<B256>,
    /// The body, as the caller encodes it.
    pub body: Bytes,
    /// The receipts, as the caller encodes them.
    pub receipts: Bytes,
}

impl Archive {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&length(self.transactions.len()));
        self.transactions.iter().for_each(|hash| out.extend_from_slice(hash.as_slice()));
        out.extend_from_slice(&length(self.body.len()));
        out.extend_from_slice(&self.body);
        out.extend_from_slice(&self.receipts);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (count, mut rest) = take_length(bytes)?;
        let mut transactions = Vec::new();
        for _ in 0..count {
            let (hash, after) = rest.split_first_chunk::<32>().ok_or(CUT_SHORT)?;
            transactions.push(B256::from(*hash));
            rest = after;
        }
        let (length, rest) = take_length(rest)?;
        let (body, receipts) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
        let (body, receipts) = (Bytes::copy_from_slice(body), Bytes::copy_from_slice(receipts));
        Ok(Self { transactions, body, receipts })
    }
}

const CUT_SHORT: Damage = "the record is cut short";

fn length(length: usize) -> [u8; 4] {
    // Blocks are megabytes at most (EIP-7934, and gas before it).
    u32::try_from(length).expect("a block has fewer than 2^32 bytes").to_be_bytes()
}

fn take_length(bytes: &[u8]) -> Result<(usize, &[u8]), Damage> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(CUT_SHORT)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CUT_SHORT)?;
    Ok((length, rest))
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionPlace {
    /// Number of its block.
    pub block: u64,
    /// Its position there, from 0.
    pub position: u32,
}

fn encode_place(place: &TransactionPlace) -> [u8; 12] {
    let mut out = [0; 12];
    out[..8].copy_from_slice(&place.block.to_be_bytes());
    out[8..].copy_from_slice(&place.position.to_be_bytes());
    out
}

fn decode_block(bytes: &[u8]) -> Result<Option<u64>, Damage> {
    match bytes.split_first_chunk::<8>() {
        Some((number, [])) => Ok(Some(u64::from_be_bytes(*number))),
        Some((_, [_, _, _, _])) => Ok(None),
        _ => Err(ENTRY_LENGTH),
    }
}

fn decode_place(bytes: &[u8]) -> Result<Option<TransactionPlace>, Damage> {
    let (block, rest) = bytes.split_first_chunk::<8>().ok_or(ENTRY_LENGTH)?;
    let block = u64::from_be_bytes(*block);
    if rest.is_empty() {
        return Ok(None);
    }
    let position = rest.try_into().map(u32::from_be_bytes).map_err(|_| ENTRY_LENGTH)?;
    Ok(Some(TransactionPlace { block, position }))
}

const ENTRY_LENGTH: Damage = "the entry has the wrong length";

/// The place of every transaction of a block.
fn places(number: u64, archive: &Archive) -> impl Iterator<Item = (&B256, TransactionPlace)> {
    let place = move |position| TransactionPlace { block: number, position };
    archive.transactions.iter().zip((0..).map(place))
}

impl BlockBatch<'_> {
    /// Keeps what belongs to block `number` with this hash.
    pub(super) fn put_archive(
        &mut self,
        number: u64,
        hash: &B256,
        archive: &Archive,
    ) -> Result<(), StoreError> {
        self.put(Family::Archive, &keys::header(number), &archive.encode())?;
        let block = (*hash, number.to_be_bytes().to_vec());
        let places = places(number, archive);
        let places = places.map(|(hash, place)| (*hash, encode_place(&place).to_vec()));
        let mut entries: Vec<_> = places.chain([block]).collect();
        entries.sort_unstable();
        entries.iter().try_for_each(|(key, value)| self.put(Family::Lookup, key.as_slice(), value))
    }

    /// Drops what was kept of block `number` with this hash.
    pub(super) fn delete_archive(
        &mut self,
        number: u64,
        hash: &B256,
        archive: &Archive,
    ) -> Result<(), StoreError> {
        self.delete(Family::Archive, &keys::header(number))?;
        self.delete(Family::Lookup, hash.as_slice())?;
        let mut transactions = archive.transactions.iter();
        transactions.try_for_each(|hash| self.delete(Family::Lookup, hash.as_slice()))
    }
}

impl Store {
    /// What was kept of block `number`; `None` if it was committed without, or
    /// if there is no such block.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or the record is damaged.
    pub fn archived(&self, number: u64) -> Result<Option<Archive>, StoreError> {
        self.tables.archive(number)
    }

    /// Number of the block with this hash, if it is archived.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or the entry is damaged.
    pub fn block_number(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        self.tables.lookup(hash, decode_block)
    }

    /// Where the transaction with this hash is, if its block is archived.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or the entry is damaged.
    pub fn transaction_place(&self, hash: &B256) -> Result<Option<TransactionPlace>, StoreError> {
        self.tables.lookup(hash, decode_place)
    }

    /// Checks that block `number`, whose record is `archive`, can be looked up,
    /// and its transactions.
    pub(super) fn verify_lookups(&self, number: u64, archive: &Archive) -> Result<(), StoreError> {
        let key = keys::header(number);
        let Some(hash) = self.tables.block_hash(number)? else {
            return Err(corrupt(Family::Archive, &key, "there is no such block"));
        };
        let missing = |hash: &B256| StoreError::Missing {
            family: Family::Lookup.name(),
            key: hash.to_vec().into(),
        };
        if self.block_number(&hash)? != Some(number) {
            return Err(missing(&hash));
        }
        for (hash, _) in places(number, archive) {
            // Before EIP-161 an account could die and repeat itself, so a later
            // block may have the same transaction.
            let found = self.transaction_place(hash)?.ok_or_else(|| missing(hash))?;
            if found.block < number {
                return Err(corrupt(Family::Lookup, hash.as_slice(), "it is of an older block"));
            }
        }
        Ok(())
    }
}
