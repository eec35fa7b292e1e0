//! Undo records: what a block overwrote, and going back by them.
//!
//! ```text
//! n, then n accounts:                             4 B
//!     key                                         32 B
//!     length, account before as in `accounts`     1 B, rest; length 0: there was none
//!     m, then m slots:                            4 B
//!         slot hash                               32 B
//!         length, value before as in `slots`      1 B, rest; length 0: zero
//! n, then n hashes of code that was new           4 B, 32 B each
//! ```
//!
//! Numbers are big endian, accounts and slots in the order of their keys. Trie
//! nodes are not kept: going back is an update like any other, whose root must
//! be that of the block before. Nor is a header: the one before is still there.

use super::{
    Store, StoreError, Tip,
    batch::{self, BlockBatch},
    codec::{self, Damage, StoredAccount},
    hashed::{HashedChange, HashedChanges},
    keys::{self, Family},
    prepare::{Prepared, prepare},
    tables::corrupt,
    view::View,
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U256};
use parking_lot::RwLockUpgradableReadGuard;
use std::collections::BTreeMap;

/// Default number of blocks that can be unwound.
///
/// A proof-of-stake block is final after two epochs, 64 blocks, and no honest
/// chain goes back past it. Twice as many leave room for when finality is late.
/// A record is about as large as its block's batch, so these are some tens of
/// megabytes; who follows a chain without finality can afford more.
pub(super) const UNDO_DEPTH: u64 = 128;

/// What a block overwrote.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Undo {
    /// Accounts by key, in order.
    accounts: Vec<(B256, AccountBefore)>,
    /// Code that was new with the block.
    code: Vec<B256>,
}

/// An account before a block, and what the slots that changed then held.
#[derive(Debug, PartialEq, Eq)]
struct AccountBefore {
    account: Option<StoredAccount>,
    slots: Vec<(B256, U256)>,
}

impl Undo {
    /// What writing `prepared` overwrites.
    pub(super) fn of(prepared: &Prepared) -> Self {
        let accounts = prepared.accounts.iter().map(|(key, update)| {
            let slots = update.slots.iter().map(|slot| (slot.slot, slot.before)).collect();
            (*key, AccountBefore { account: update.before, slots })
        });
        Self { accounts: accounts.collect(), code: prepared.code.keys().copied().collect() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_count(&mut out, self.accounts.len());
        for (key, before) in &self.accounts {
            out.extend_from_slice(key.as_slice());
            put_short(&mut out, &before.account.map(|a| a.encode()).unwrap_or_default());
            put_count(&mut out, before.slots.len());
            for (slot, value) in &before.slots {
                out.extend_from_slice(slot.as_slice());
                put_short(&mut out, &codec::encode_slot(*value));
            }
        }
        put_count(&mut out, self.code.len());
        self.code.iter().for_each(|hash| out.extend_from_slice(hash.as_slice()));
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut rest = bytes;
        let mut undo = Self::default();
        for _ in 0..take_count(&mut rest)? {
            let key = take_hash(&mut rest)?;
            let account = match take_short(&mut rest)? {
                [] => None,
                account => Some(StoredAccount::decode(account)?),
            };
            let mut slots = Vec::new();
            for _ in 0..take_count(&mut rest)? {
                let slot = take_hash(&mut rest)?;
                let value = match take_short(&mut rest)? {
                    [] => U256::ZERO,
                    value => codec::decode_slot(value)?,
                };
                slots.push((slot, value));
            }
            if !slots.is_sorted_by(|a, b| a.0 < b.0) {
                return Err("slots are out of order");
            }
            undo.accounts.push((key, AccountBefore { account, slots }));
        }
        for _ in 0..take_count(&mut rest)? {
            undo.code.push(take_hash(&mut rest)?);
        }
        if !undo.accounts.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("accounts are out of order");
        }
        if rest.is_empty() { Ok(undo) } else { Err("the record is too long") }
    }

    /// The way back, as changes.
    pub(super) fn into_changes(self) -> HashedChanges {
        let accounts = self.accounts.into_iter().map(|(key, before)| {
            let after = before.account.map(|account| account.basics);
            (key, HashedChange { after, wiped: false, slots: before.slots })
        });
        HashedChanges { accounts: accounts.collect(), code: BTreeMap::new() }
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // A block's gas allows for nowhere near as many changes.
    let count = u32::try_from(count).expect("fewer than 2^32 changes in a block");
    out.extend_from_slice(&count.to_be_bytes());
}

/// A value of at most 255 bytes after its length: accounts and slots have less.
fn put_short(out: &mut Vec<u8>, value: &[u8]) {
    out.push(u8::try_from(value.len()).expect("stored accounts and slots are short"));
    out.extend_from_slice(value);
}

const CUT_SHORT: Damage = "the record is cut short";

fn take_count(rest: &mut &[u8]) -> Result<u32, Damage> {
    let (count, after) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
    *rest = after;
    Ok(u32::from_be_bytes(*count))
}

fn take_hash(rest: &mut &[u8]) -> Result<B256, Damage> {
    let (hash, after) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
    *rest = after;
    Ok(B256::from(*hash))
}

fn take_short<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Damage> {
    let (length, after) = rest.split_first().ok_or(CUT_SHORT)?;
    let (value, after) = after.split_at_checked(usize::from(*length)).ok_or(CUT_SHORT)?;
    *rest = after;
    Ok(value)
}

impl Store {
    /// The store with another number of blocks that can be unwound; a new or
    /// opened one keeps records of the last 128.
    ///
    /// Takes effect with the next commit, which drops older records. Zero keeps
    /// none.
    pub fn with_undo_depth(mut self, blocks: u64) -> Self {
        self.undo_depth = blocks;
        self
    }

    /// Lowest block that [`unwind`](Self::unwind) can go back to: the tip, if
    /// there are no undo records.
    pub fn oldest_target(&self) -> u64 {
        self.head.read().oldest_undo.saturating_sub(1)
    }

    /// Goes back to block `number` and makes it the tip, one block at a time:
    /// each is one atomic batch, so a crash on the way leaves a block in
    /// between. State, code, trie nodes, headers and what is archived are then as
    /// they were when that block was committed.
    ///
    /// Costs what committing the blocks cost, without executing them.
    ///
    /// # Errors
    ///
    /// [`StoreError::AboveTip`] or [`StoreError::NoUndo`], before anything is
    /// written, if the block cannot be reached; [`StoreError::Stale`] if
    /// somebody commits meanwhile; otherwise whatever keeps the store from
    /// being read or written.
    pub fn unwind(&self, number: u64) -> Result<Tip, StoreError> {
        let mut tip = self.tip();
        if number > tip.number {
            return Err(StoreError::AboveTip { number, tip: tip.number });
        }
        let oldest = self.oldest_target();
        if number < oldest {
            return Err(StoreError::NoUndo { number, oldest });
        }
        // Ends: the parent's number is lower by one.
        while tip.number > number {
            tip = self.unwind_one(&tip)?;
        }
        Ok(tip)
    }

    /// Goes back from `tip`, which must be the tip, to the block before it.
    fn unwind_one(&self, tip: &Tip) -> Result<Tip, StoreError> {
        let view = self.tables.view();
        batch::check_on(tip, &view.tip()?)?;
        let (undo, parent) = read_undo(&view, &self.tables, tip)?;
        let code = undo.code.clone();
        let archive = self.tables.archive(tip.number)?;
        let prepared = prepare(&view, &self.nodes, &undo.into_changes())?;
        batch::check_root(parent.number, prepared.root, parent.root)?;

        let head = self.head.upgradable_read();
        batch::check_on(&prepared.on, &head.tip)?;
        let mut batch = BlockBatch::new(&self.tables);
        batch.put_state(&prepared)?;
        for hash in &code {
            batch.delete(Family::Code, hash.as_slice())?;
        }
        batch.delete(Family::Headers, &keys::header(tip.number))?;
        if let Some(archive) = &archive {
            batch.delete_archive(tip.number, &tip.hash, archive)?;
        }
        batch.delete(Family::Undo, &keys::header(tip.number))?;
        batch.put_tip(&parent)?;
        let syncs = self.durability.syncs_after(head.n_unsynced);
        batch.write(syncs)?;
        self.remember(&prepared);
        RwLockUpgradableReadGuard::upgrade(head).moved_to(parent, syncs);
        Ok(parent)
    }
}

/// The undo record of the tip, and the block before it.
fn read_undo(
    view: &View<'_>,
    tables: &super::tables::Tables,
    tip: &Tip,
) -> Result<(Undo, Tip), StoreError> {
    let key = keys::header(tip.number);
    let missing = |family: Family, key: [u8; 8]| StoreError::Missing {
        family: family.name(),
        key: Bytes::copy_from_slice(&key),
    };
    let record = view.undo(tip.number)?.ok_or_else(|| missing(Family::Undo, key))?;
    let undo = Undo::decode(&record).map_err(|reason| corrupt(Family::Undo, &key, reason))?;
    let number = tip.number.checked_sub(1).ok_or_else(|| missing(Family::Headers, key))?;
    let (hash, header): (B256, Header) =
        tables.header(number)?.ok_or_else(|| missing(Family::Headers, keys::header(number)))?;
    Ok((undo, Tip { number, hash, root: header.state_root }))
}
