//! What one execution was told of the state it ran on.

use crate::{
    BaseStateError, BlockState,
    changes::AccountBasics,
    read_set::{Agreement, Drift, Observed},
};
use alloy_primitives::{Address, U256};
use revm::DatabaseRef;

/// One account read.
#[derive(Clone, Debug)]
pub struct SeenAccount {
    /// Which account.
    pub address: Address,
    /// What came back.
    pub seen: Option<AccountBasics>,
    /// What of it mattered.
    pub observed: Observed,
    /// It is what the state before the block holds.
    pub is_base: bool,
}

/// One slot read.
#[derive(Clone, Copy, Debug)]
pub struct SeenSlot {
    /// Whose.
    pub address: Address,
    /// Which.
    pub slot: U256,
    /// What came back.
    pub seen: U256,
    /// It is what the state before the block holds.
    pub is_base: bool,
}

/// Everything one execution read from a block state.
///
/// Values are compared, not versions; [`ReadSet`](crate::ReadSet) argues why
/// that is enough. A location of which the complete state knows nothing was
/// not written in the block, so it is there what it was before the block: the
/// read holds exactly if that is what it gave.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Accounts, in the order of reading.
    pub accounts: Vec<SeenAccount>,
    /// Slots, in the order of reading.
    pub slots: Vec<SeenSlot>,
}

impl Seen {
    /// Forgets all reads and keeps the memory.
    pub fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }

    /// Whether the same reads would give the same on `state`, which asks
    /// nobody. `drifts` receives accounts of which only unobserved fields
    /// differ.
    pub fn holds<B: DatabaseRef<Error = BaseStateError>>(
        &self,
        state: &BlockState<B>,
        drifts: &mut Vec<Drift>,
    ) -> bool {
        let accounts_hold = self.accounts.iter().all(|read| {
            let Some(now) = state.known_account(&read.address) else { return read.is_base };
            match (read.observed.compare(read.seen.as_ref(), now.as_ref()), now) {
                (Agreement::Same, _) => true,
                (Agreement::Drifted, Some(now)) => {
                    drifts.push(Drift { address: read.address, now });
                    true
                }
                _ => false,
            }
        });
        accounts_hold && self.slots_hold(state)
    }

    /// Whether a read is stale for sure, while it is not known yet which of an
    /// account's fields the execution will have looked at.
    pub fn is_surely_stale<B: DatabaseRef<Error = BaseStateError>>(
        &self,
        state: &BlockState<B>,
    ) -> bool {
        let accounts_may_hold = self.accounts.iter().all(|read| {
            let Some(now) = state.known_account(&read.address) else { return read.is_base };
            Observed::Shape.compare(read.seen.as_ref(), now.as_ref()) != Agreement::Stale
        });
        !(accounts_may_hold && self.slots_hold(state))
    }

    fn slots_hold<B: DatabaseRef<Error = BaseStateError>>(&self, state: &BlockState<B>) -> bool {
        self.slots.iter().all(|read| match state.known_slot(&read.address, read.slot) {
            Some(now) => now == read.seen,
            None => read.is_base,
        })
    }
}
