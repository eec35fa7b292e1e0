//! What one execution asked the state, in order.

use alloy_evm::Database;
use alloy_primitives::{Address, B256, U256};
use blockloom_state::{AccountBasics, Agreement, BaseStateError, BlockState, Drift, Observed};
use revm::DatabaseRef;

/// One question, and the answer that an execution built on.
#[derive(Debug)]
enum Read {
    Account {
        address: Address,
        seen: Option<AccountBasics>,
        observed: Observed,
    },
    Slot {
        address: Address,
        slot: U256,
        seen: U256,
    },
    /// Code is named by its hash, so there is nothing to compare.
    Code {
        hash: B256,
    },
    BlockHash {
        number: u64,
        seen: B256,
    },
}

/// Everything one execution asked, in the order of asking.
///
/// An execution is a function of its transaction, its block and these answers.
/// Asking the same of the caller's database, in the same order, and stopping
/// where an answer differs, has two effects. If none differs, the result is what
/// the caller's own EVM would give. And whether or not one does, the database is
/// asked nothing that EVM would not ask as well, for up to there both have gone
/// the same way: what a cache, a recorder of witnesses or a counter behind it
/// sees is the same as without us.
#[derive(Debug, Default)]
pub(super) struct Reads(Vec<Read>);

impl Reads {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn account(&mut self, address: Address, seen: Option<AccountBasics>) {
        self.0.push(Read::Account { address, seen, observed: Observed::Whole });
    }

    pub(super) fn slot(&mut self, address: Address, slot: U256, seen: U256) {
        self.0.push(Read::Slot { address, slot, seen });
    }

    pub(super) fn code(&mut self, hash: B256) {
        self.0.push(Read::Code { hash });
    }

    pub(super) fn block_hash(&mut self, number: u64, seen: B256) {
        self.0.push(Read::BlockHash { number, seen });
    }

    /// Replaces, for each account, how much of it mattered.
    pub(super) fn settle(&mut self, judge: impl Fn(&Address, Option<&AccountBasics>) -> Observed) {
        for read in &mut self.0 {
            if let Read::Account { address, seen, observed } = read {
                *observed = judge(address, seen.as_ref());
            }
        }
    }

    /// Accounts of which not all mattered, so that their balance may have been
    /// moved whatever it was; sorted.
    pub(super) fn moved(&self) -> Vec<Address> {
        let moved = self.0.iter().filter_map(|read| match read {
            Read::Account { address, observed, .. } if *observed != Observed::Whole => {
                Some(*address)
            }
            _ => None,
        });
        let mut moved: Vec<_> = moved.collect();
        moved.sort_unstable();
        moved
    }

    /// Whether `database` gives the same answers. `drifts` receives accounts of
    /// which only fields differ that did not matter.
    ///
    /// A database that fails gives no answer; whoever asks it in earnest is told
    /// why.
    pub(super) fn hold<D: Database>(&self, database: &mut D, drifts: &mut Vec<Drift>) -> bool {
        // Code that came along with an account is not asked for any more.
        let mut inline = Vec::new();
        self.0.iter().all(|read| match read {
            Read::Account { address, seen, observed } => {
                let Ok(now) = database.basic(*address) else { return false };
                let with_code = now.as_ref().filter(|info| info.code.is_some());
                inline.extend(with_code.map(|info| info.code_hash));
                let now = now.as_ref().map(AccountBasics::from);
                match (observed.compare(seen.as_ref(), now.as_ref()), now) {
                    (Agreement::Same, _) => true,
                    (Agreement::Drifted, Some(now)) => {
                        drifts.push(Drift { address: *address, now });
                        true
                    }
                    _ => false,
                }
            }
            Read::Slot { address, slot, seen } => {
                database.storage(*address, *slot).is_ok_and(|now| now == *seen)
            }
            Read::Code { hash } => inline.contains(hash) || database.code_by_hash(*hash).is_ok(),
            Read::BlockHash { number, seen } => {
                database.block_hash(*number).is_ok_and(|now| now == *seen)
            }
        })
    }

    /// Whether one is stale for sure by what `state` has heard, while it is not
    /// known yet which of an account's fields will have mattered.
    pub(super) fn are_surely_stale<B>(&self, state: &BlockState<B>) -> bool
    where
        B: DatabaseRef<Error = BaseStateError>,
    {
        self.0.iter().any(|read| match read {
            Read::Account { address, seen, .. } => {
                state.known_account(address).is_some_and(|now| {
                    Observed::Shape.compare(seen.as_ref(), now.as_ref()) == Agreement::Stale
                })
            }
            Read::Slot { address, slot, seen } => {
                state.known_slot(address, *slot).is_some_and(|now| now != *seen)
            }
            Read::Code { .. } | Read::BlockHash { .. } => false,
        })
    }
}
