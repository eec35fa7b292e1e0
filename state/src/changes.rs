//! What one block changed: the currency between engine, store, trie and tests.

use alloy_primitives::{Address, B256, Bytes, U256};
use revm::{primitives::KECCAK_EMPTY, state::AccountInfo};
use std::{collections::BTreeMap, sync::LazyLock};

/// The consensus fields of an account, without its storage root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountBasics {
    /// Balance in wei.
    pub balance: U256,
    /// Transactions sent (externally owned account) or contracts created.
    pub nonce: u64,
    /// keccak-256 of the code; [`KECCAK_EMPTY`] without code.
    pub code_hash: B256,
}

impl AccountBasics {
    /// What an account that does not exist counts as.
    pub const NOBODY: Self = Self { balance: U256::ZERO, nonce: 0, code_hash: KECCAK_EMPTY };

    /// Whether the account is empty (EIP-161).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NOBODY
    }
}

impl AccountBasics {
    /// The same as revm takes it, with code to be read by its hash.
    #[must_use]
    pub fn into_info(self) -> AccountInfo {
        // Not made of revm's default: taking and dropping its code waits for
        // whoever does so on another core.
        static BLANK: LazyLock<AccountInfo> =
            LazyLock::new(|| AccountInfo { code: None, ..AccountInfo::default() });
        let Self { balance, nonce, code_hash } = self;
        AccountInfo { balance, nonce, code_hash, ..BLANK.clone() }
    }
}

impl From<&AccountInfo> for AccountBasics {
    fn from(info: &AccountInfo) -> Self {
        Self { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
    }
}

/// What a block did to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// The account after the block; `None` if it does not exist any more.
    pub after: Option<AccountBasics>,
    /// The storage that was there before the block is gone: none of the old
    /// slots survives, and `slots` is all the account holds.
    pub wiped: bool,
    /// Changed slots and their values after the block; zero clears a slot.
    /// With `wiped`, zero values are left out.
    pub slots: BTreeMap<U256, U256>,
}

/// Everything a block changed, in canonical form: two executions of the same
/// block on the same state compare equal, whatever route they took.
///
/// Canonical means sorted, and only what differs from the state before the
/// block: an account whose basics and slots all ended where they began is
/// absent, and so is a slot written back to its old value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockChanges {
    /// Changed accounts by address.
    pub accounts: BTreeMap<Address, AccountChange>,
    /// Code that an account of `accounts` has now and that this block
    /// deployed or delegated (EIP-7702), by hash.
    pub code: BTreeMap<B256, Bytes>,
}
