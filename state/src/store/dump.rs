//! A store's state account by account, and a store from such a state.

use super::{
    Store, StoreError,
    hashed::{HashedChange, HashedChanges},
    keys::Family,
    open::{Beginning, begin},
};
use crate::AccountBasics;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, Sealed, U256, keccak256};
use revm::primitives::KECCAK_EMPTY;
use std::path::Path;

/// Blocks whose hashes BLOCKHASH can ask for.
pub const BLOCK_HASHES: u64 = 256;

/// An account as a store knows it: by the hash of its address, with everything
/// it stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedAccount {
    /// keccak-256 of the address.
    pub key: B256,
    /// Balance, nonce and code hash.
    pub basics: AccountBasics,
    /// The code with that hash; empty without code.
    pub code: Bytes,
    /// Slots by keccak-256 of their number, in that order; none is zero.
    pub slots: Vec<(B256, U256)>,
}

/// What an imported store begins with, beside its accounts.
#[derive(Clone, Debug)]
pub struct Import {
    /// Chain the blocks belong to.
    pub chain_id: u64,
    /// Hash of the chain's first block.
    pub genesis_hash: B256,
    /// Headers that the store will know, an unbroken chain. The state is that
    /// after the last.
    pub headers: Vec<Sealed<Header>>,
}

/// Why a store could not be made from a dump.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError<E> {
    /// The accounts could not be read.
    #[error("reading the state")]
    Source(#[source] E),
    /// Two entries are about the same account.
    #[error("account {0} comes twice")]
    Duplicate(B256),
    /// A slot comes twice, out of order, or is zero.
    #[error("slot {slot} of account {account} comes twice, out of order, or is zero")]
    Slot {
        /// Key of the account.
        account: B256,
        /// Hash of the slot.
        slot: B256,
    },
    /// Code does not have the hash that its account names.
    #[error("the code of account {0} does not have the account's code hash")]
    Code(B256),
    /// There is no header, or one does not follow the one before.
    #[error("the headers are no chain: {0} of them fit together")]
    Headers(usize),
    /// The store could not be written, or the state's root is not the header's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Calls `visit` for each account of the tip's state, in key order, until
    /// it fails. One account with all its slots is in memory at a time.
    ///
    /// # Errors
    ///
    /// What `visit` says, or what keeps the store from being read.
    pub fn for_each_account<E: From<StoreError>>(
        &self,
        mut visit: impl FnMut(HashedAccount) -> Result<(), E>,
    ) -> Result<(), E> {
        let view = self.tables.view();
        for account in view.accounts_from(&B256::ZERO)? {
            let (key, account) = account?;
            let slots = view.slots_of(&key)?.collect::<Result<_, _>>()?;
            let code_hash = account.basics.code_hash;
            let code = if code_hash == KECCAK_EMPTY {
                Bytes::new()
            } else {
                self.tables.code(&code_hash)?.ok_or_else(|| StoreError::Missing {
                    family: Family::Code.name(),
                    key: code_hash.into(),
                })?
            };
            visit(HashedAccount { key, basics: account.basics, code, slots })?;
        }
        Ok(())
    }

    /// Creates a store at `path`, a folder that is empty or not there yet, with
    /// this state. The whole state is in memory on the way, since it is written
    /// whole or not at all.
    ///
    /// # Errors
    ///
    /// [`ImportError`]; unless the disk is at fault, nothing has been created.
    pub fn import<E>(
        path: impl AsRef<Path>,
        import: &Import,
        accounts: impl IntoIterator<Item = Result<HashedAccount, E>>,
    ) -> Result<Self, ImportError<E>> {
        let is_next = |pair: &[Sealed<Header>]| {
            pair[0].number.checked_add(1) == Some(pair[1].number)
                && pair[1].parent_hash == pair[0].hash()
        };
        if let Some(at) = import.headers.windows(2).position(|pair| !is_next(pair)) {
            return Err(ImportError::Headers(at + 1));
        }
        let headers: Vec<_> = import.headers.iter().map(|h| (h.hash(), h.inner())).collect();
        if headers.is_empty() {
            return Err(ImportError::Headers(0));
        }
        let mut changes = HashedChanges::default();
        for account in accounts {
            take(&mut changes, account.map_err(ImportError::Source)?)?;
        }
        changes.accounts.sort_unstable_by_key(|(key, _)| *key);
        if let Some(pair) = changes.accounts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(ImportError::Duplicate(pair[0].0));
        }
        let Import { chain_id, genesis_hash, .. } = *import;
        let beginning = Beginning { chain_id, genesis_hash, headers: &headers };
        Ok(begin(path.as_ref(), &beginning, &changes)?)
    }

    /// What this store's state can be imported with: the headers of the tip
    /// and of the blocks whose hashes its successors can ask for.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn import_header(&self) -> Result<Import, StoreError> {
        let tip = self.tip().number;
        let mut headers = Vec::new();
        for number in tip.saturating_sub(BLOCK_HASHES - 1)..=tip {
            headers.extend(self.header(number)?);
        }
        Ok(Import { chain_id: self.chain_id, genesis_hash: self.genesis_hash, headers })
    }
}

fn take<E>(changes: &mut HashedChanges, account: HashedAccount) -> Result<(), ImportError<E>> {
    let HashedAccount { key, basics, code, slots } = account;
    let follows = |i: usize| i == 0 || slots[i - 1].0 < slots[i].0;
    if let Some(i) = (0..slots.len()).find(|i| slots[*i].1.is_zero() || !follows(*i)) {
        return Err(ImportError::Slot { account: key, slot: slots[i].0 });
    }
    let code_hash = keccak256(&code);
    if code_hash != basics.code_hash {
        return Err(ImportError::Code(key));
    }
    if !code.is_empty() {
        changes.code.insert(code_hash, code);
    }
    changes.accounts.push((key, HashedChange { after: Some(basics), wiped: false, slots }));
    Ok(())
}
