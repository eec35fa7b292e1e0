//! States of a given size and blocks that change a given number of slots, for
//! measuring state roots.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256, keccak256};
use blockloom_state::{
    AccountBasics, AccountChange, BlockChanges, Genesis, HashedNodes, MemoryState, Prepared, Store,
};
use std::{collections::BTreeMap, path::Path};

/// What the state consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// This many accounts, each with one slot.
    Accounts(u64),
    /// One contract with this many slots.
    Contract(u64),
}

impl Shape {
    /// What the results are filed under.
    #[must_use]
    pub(crate) fn name(self) -> String {
        match self {
            Self::Accounts(n) => format!("accounts_{n}"),
            Self::Contract(n) => format!("contract_{n}"),
        }
    }

    fn state(self) -> MemoryState {
        let mut state = MemoryState::new();
        match self {
            Self::Accounts(n) => {
                for i in 0..n {
                    state.insert_account(address(i), basics(i));
                    state.set_slot(address(i), U256::ZERO, value(i, 0));
                }
            }
            Self::Contract(n) => {
                state.insert_account(address(0), basics(0));
                (0..n).for_each(|i| state.set_slot(address(0), U256::from(i), value(i, 0)));
            }
        }
        state
    }

    /// Changes `n` slots and, with them, their accounts' balances. Which ones
    /// depends on `round`, so that blocks after one another differ.
    #[must_use]
    pub(crate) fn block(self, n: u64, round: u64) -> BlockChanges {
        let mut accounts = BTreeMap::new();
        let empty = |i| AccountChange {
            after: Some(basics(i + round)),
            wiped: false,
            slots: BTreeMap::new(),
        };
        for i in 0..n {
            // Spread by hash; a few coincide and count once.
            let draw = keccak256([round.to_be_bytes(), i.to_be_bytes()].concat());
            let draw = U256::from_be_bytes(draw.0);
            let (account, slot) = match self {
                Self::Accounts(size) => ((draw % U256::from(size)).to::<u64>(), 0),
                Self::Contract(size) => (0, (draw % U256::from(size)).to::<u64>()),
            };
            let change = accounts.entry(address(account)).or_insert_with(|| empty(account));
            change.slots.insert(U256::from(slot), value(i, round));
        }
        BlockChanges { accounts, code: BTreeMap::new() }
    }

    /// A store of the state in `folder`.
    ///
    /// # Panics
    ///
    /// If the disk refuses.
    #[must_use]
    pub(crate) fn store(self, folder: &Path) -> Store {
        let state = self.state();
        let header = Header { state_root: state.root(), ..Header::default() };
        let hash = header.hash_slow();
        let genesis = Genesis { chain_id: 1, header: &header, hash, state: &state };
        Store::create(folder, &genesis).expect("the store can be written")
    }
}

fn address(i: u64) -> Address {
    Address::left_padding_from(&i.to_be_bytes())
}

fn basics(i: u64) -> AccountBasics {
    let balance = U256::from(1_000_000_000_000_000_000_u64 + i);
    AccountBasics { balance, nonce: i % 100, code_hash: keccak256([]) }
}

fn value(i: u64, round: u64) -> U256 {
    // Twenty bytes, like an address or a token balance; never zero.
    U256::from_be_slice(&keccak256([i.to_be_bytes(), round.to_be_bytes()].concat())[12..])
        | U256::from(1)
}

/// Commits `block` on top of the store's tip, and waits until the database has
/// come to rest.
///
/// # Panics
///
/// If the disk refuses.
pub(crate) fn commit(store: &Store, prepared: &Prepared) {
    let tip = store.tip();
    let header = Header {
        number: tip.number + 1,
        parent_hash: tip.hash,
        state_root: prepared.root(),
        ..Header::default()
    };
    store
        .commit_prepared(&header, header.hash_slow(), prepared)
        .expect("the block follows the tip");
    store.settle().expect("the disk is there");
}

/// The bytes that keccak sees when these nodes are hashed: as many buffers, as
/// long, with nothing of a trie about them.
#[must_use]
pub(crate) fn buffers(hashed: HashedNodes) -> Vec<Vec<u8>> {
    let mut buffers = Vec::new();
    for (n_blocks, count) in (1..).zip(hashed.0) {
        // As full as the last block can be; what counts is the number of blocks.
        let length = n_blocks * HashedNodes::BLOCK_BYTES - 1;
        for i in 0..count {
            let seed: B256 = keccak256(i.to_be_bytes());
            buffers.push(seed.iter().copied().cycle().take(length).collect());
        }
    }
    buffers
}
