//! Checking a whole store against its own roots and hashes.

use super::{
    Archive, Head, Store, StoreError, Tip,
    codec::StoredAccount,
    keys::{self, Family},
    tables::{Tables, corrupt, whole_family},
    undo::Undo,
};
use crate::root::{StateRootBuilder, StorageRootBuilder, trie_account};
use alloy_primitives::B256;
use revm::primitives::KECCAK_EMPTY;
use rocksdb::IteratorMode;
use std::collections::BTreeSet;

/// What a verification went through and found in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Accounts, all of them under the tip's state root.
    pub n_accounts: u64,
    /// Slots, each under its account's storage root.
    pub n_slots: u64,
    /// Pieces of code with the right hash.
    pub n_codes: u64,
    /// Trie nodes, each under the hash its parent names, and none but those
    /// that lead to the leaves above.
    pub n_nodes: u64,
    /// Headers, an unbroken chain from the first to the tip.
    pub n_headers: u64,
    /// Undo records, one for each of the newest blocks.
    pub n_undo: u64,
    /// Blocks whose bodies and receipts are kept, all of them easy to find.
    pub n_archived: u64,
}

impl Store {
    /// Recomputes every root and hash in the store and compares.
    ///
    /// Reads everything once; commits wait meanwhile.
    ///
    /// # Errors
    ///
    /// The first damage found: [`StoreError::Corrupt`] and
    /// [`StoreError::Missing`] name the entry, [`StoreError::WrongRoot`] means
    /// that accounts are missing or surplus.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let head = self.head.upgradable_read();
        let tip = head.tip;
        let mut verified = Verified::default();
        let codes = verify_codes(&self.tables, &mut verified)?;
        verify_state(&self.tables, &tip, &codes, &mut verified)?;
        verified.n_nodes = self.verify_tries(&self.tables.view(), tip.root)?;
        verify_headers(&self.tables, &tip, &mut verified)?;
        verify_undo(&self.tables, &head, &mut verified)?;
        self.verify_archive(&mut verified)?;
        Ok(verified)
    }

    /// Records must be readable, and what they name must be found by its hash.
    fn verify_archive(&self, verified: &mut Verified) -> Result<(), StoreError> {
        let decode =
            |key: &[u8], record: &[u8]| Ok((keys::parse_header(key)?, Archive::decode(record)?));
        let tables = &self.tables;
        for record in tables.scan(Family::Archive, whole_family(), IteratorMode::Start, decode)? {
            let (number, archive) = record?;
            self.verify_lookups(number, &archive)?;
            verified.n_archived += 1;
        }
        Ok(())
    }
}

fn verify_codes(tables: &Tables, verified: &mut Verified) -> Result<BTreeSet<B256>, StoreError> {
    let codes = tables.codes()?.collect::<Result<BTreeSet<_>, _>>()?;
    verified.n_codes = codes.len() as u64;
    Ok(codes)
}

fn verify_state(
    tables: &Tables,
    tip: &Tip,
    codes: &BTreeSet<B256>,
    verified: &mut Verified,
) -> Result<(), StoreError> {
    let mut builder = StateRootBuilder::default();
    let mut slots = tables.slots()?;
    let mut next_slot = slots.next().transpose()?;
    for account in tables.accounts()? {
        let (key, account) = account?;
        let (mut storage, n_before) = (StorageRootBuilder::default(), verified.n_slots);
        while let Some((owner, slot, value)) = next_slot
            && owner <= key
        {
            check_owner(&owner, &slot, &key)?;
            storage.add(&slot, value);
            verified.n_slots += 1;
            next_slot = slots.next().transpose()?;
        }
        let has_one_slot = verified.n_slots - n_before == 1;
        check_account(&key, &account, storage.finish(), has_one_slot, codes)?;
        builder.add(&key, &trie_account(&account.basics, account.storage_root));
        verified.n_accounts += 1;
    }
    if let Some((owner, slot, _)) = next_slot {
        return Err(orphan(&owner, &slot));
    }
    super::batch::check_root(tip.number, builder.finish(), tip.root)
}

/// Slots and accounts are read side by side, so a slot whose owner was passed
/// over has none.
fn check_owner(owner: &B256, slot: &B256, account: &B256) -> Result<(), StoreError> {
    if owner == account { Ok(()) } else { Err(orphan(owner, slot)) }
}

fn orphan(owner: &B256, slot: &B256) -> StoreError {
    corrupt(Family::Slots, &keys::slot(owner, slot), "its account does not exist")
}

fn check_account(
    key: &B256,
    account: &StoredAccount,
    storage_root: B256,
    has_one_slot: bool,
    codes: &BTreeSet<B256>,
) -> Result<(), StoreError> {
    if account.storage_root != storage_root {
        let reason = "its storage root is not that of its slots";
        return Err(corrupt(Family::Accounts, key.as_slice(), reason));
    }
    if account.has_one_slot != has_one_slot {
        let reason = "it is wrong about having one slot";
        return Err(corrupt(Family::Accounts, key.as_slice(), reason));
    }
    let code_hash = account.basics.code_hash;
    if code_hash == KECCAK_EMPTY || codes.contains(&code_hash) {
        return Ok(());
    }
    Err(StoreError::Missing { family: Family::Code.name(), key: code_hash.into() })
}

fn verify_headers(tables: &Tables, tip: &Tip, verified: &mut Verified) -> Result<(), StoreError> {
    let first = tables.first_header()?;
    let mut parent: Option<(u64, B256)> = None;
    for header in tables.headers()? {
        let (hash, header) = header?;
        let links = match parent {
            None => hash == first,
            Some((number, parent)) => {
                number.checked_add(1) == Some(header.number) && header.parent_hash == parent
            }
        };
        if !links {
            let reason = "it does not follow the header before it";
            return Err(corrupt(Family::Headers, &keys::header(header.number), reason));
        }
        parent = Some((header.number, hash));
        verified.n_headers += 1;
    }
    if parent == Some((tip.number, tip.hash)) {
        return Ok(());
    }
    Err(corrupt(Family::Headers, &keys::header(tip.number), "the last header is not the tip's"))
}

/// Records must be those of the newest blocks, without a gap.
fn verify_undo(tables: &Tables, head: &Head, verified: &mut Verified) -> Result<(), StoreError> {
    let decode = |key: &[u8], record: &[u8]| {
        Undo::decode(record)?;
        keys::parse_header(key)
    };
    let mut next = head.oldest_undo;
    for number in tables.scan(Family::Undo, whole_family(), IteratorMode::Start, decode)? {
        let number = number?;
        if number != next || number > head.tip.number {
            let reason = "it is not the record of the next block";
            return Err(corrupt(Family::Undo, &keys::header(number), reason));
        }
        next += 1;
        verified.n_undo += 1;
    }
    if next == head.tip.number.saturating_add(1) {
        return Ok(());
    }
    Err(StoreError::Missing { family: Family::Undo.name(), key: keys::header(next).into() })
}
