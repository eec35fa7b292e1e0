//! What one incarnation read, and whether it would read the same again.

use crate::{
    changes::AccountBasics,
    multi_version::{AccountIdx, MultiVersionMemory, SlotIdx, Stamp},
};
use alloy_primitives::{Address, U256};
use blockloom_scheduler::TxIdx;

/// How much of an account an execution let itself be guided by.
///
/// There are no finer parts on purpose: an account that an execution looked at
/// in part could be written as a whole, with the part it did not look at out of
/// date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Everything: balance, nonce and code.
    Whole,
    /// As [`Shape`](Self::Shape), and that the balance is at least this: what
    /// paying out of it depends on.
    Funds(U256),
    /// What calling an account, or crediting it, depends on: whether it exists,
    /// is empty (EIP-161), and its code.
    Shape,
}

/// How a past read compares with what the same read would give now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// The same.
    Same,
    /// Another balance or nonce, which the execution did not look at.
    Drifted,
    /// Something the execution depended on.
    Stale,
}

/// One account read.
#[derive(Clone, Debug)]
pub struct AccountRead {
    /// Where.
    pub account: AccountIdx,
    /// The same, in words.
    pub address: Address,
    /// What came back.
    pub seen: Option<AccountBasics>,
    /// What of it mattered.
    pub observed: Observed,
    /// How often the account had changed by then.
    pub stamp: Stamp,
}

/// One slot read.
#[derive(Clone, Copy, Debug)]
pub struct SlotRead {
    /// Where.
    pub slot: SlotIdx,
    /// What came back.
    pub seen: U256,
    /// How often the slot had changed by then.
    pub stamp: Stamp,
}

/// Balances from which credits could overflow: a read that meets one is
/// compared in full, so that credits are commutative only where they cannot
/// fail. Single credits below 2^128 need more than 2^127 of them to get from
/// here to the end of the range; whoever makes a larger one must observe
/// everything.
const NEAR_OVERFLOW: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

impl AccountRead {
    /// Compares this read with what it would give `now`.
    #[must_use]
    pub fn compare(&self, now: Option<&AccountBasics>) -> Agreement {
        self.observed.compare(self.seen.as_ref(), now)
    }
}

impl Observed {
    /// Compares an account as it was `seen` with what it is `now`, by what of
    /// it mattered.
    #[must_use]
    pub fn compare(self, seen: Option<&AccountBasics>, now: Option<&AccountBasics>) -> Agreement {
        let (seen, now) = match (seen, now) {
            (None, None) => return Agreement::Same,
            (Some(seen), Some(now)) if seen == now => return Agreement::Same,
            (Some(seen), Some(now)) => (seen, now),
            _ => return Agreement::Stale,
        };
        let is_enough = match self {
            Self::Whole => false,
            Self::Funds(least) => now.balance >= least,
            Self::Shape => true,
        };
        let shape_holds =
            is_enough && seen.code_hash == now.code_hash && seen.is_empty() == now.is_empty();
        let credits_cannot_fail = seen.balance.max(now.balance) < NEAR_OVERFLOW;
        if shape_holds && (seen.balance == now.balance || credits_cannot_fail) {
            Agreement::Drifted
        } else {
            Agreement::Stale
        }
    }
}

/// An account whose unobserved fields moved on since an execution read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Which account.
    pub address: Address,
    /// Its basics now.
    pub now: AccountBasics,
}

/// Everything one incarnation read from the state.
///
/// # Why comparing values is enough
///
/// An execution is a function of its transaction, its block and the answers
/// the state gave: all of them are in here, also "there is nothing". If every
/// answer would be the same now, so would the execution.
///
/// **Departure** from the paper, which compares versions. The trap behind that
/// rule, a value that is equal across a destruction while the storage under it
/// is not, cannot spring: a slot is a read of its own, and what it gives now
/// takes every destruction and creation below into account. What values buy is
/// that a re-execution which writes the same again, or changes only what nobody
/// looked at, aborts nobody.
///
/// Stamps spare most comparisons: where nothing was written since, the answer
/// is the same.
#[derive(Clone, Debug, Default)]
pub struct ReadSet {
    /// Accounts, in the order of reading.
    pub accounts: Vec<AccountRead>,
    /// Slots, in the order of reading.
    pub slots: Vec<SlotRead>,
}

impl ReadSet {
    /// Forgets all reads and keeps the memory.
    pub fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }

    /// Whether `reader` would read the same again. `drifts` receives accounts
    /// of which only unobserved fields changed.
    ///
    /// Final if all transactions below `reader` are committed, a guess
    /// otherwise; an estimate counts as a difference.
    pub fn holds(
        &self,
        memory: &MultiVersionMemory,
        reader: TxIdx,
        drifts: &mut Vec<Drift>,
    ) -> bool {
        for read in &self.accounts {
            if memory.is_account_unchanged(read.account, read.stamp) {
                continue;
            }
            let Some(now) = memory.peek_account(read.account, reader) else { return false };
            match (read.compare(now.as_ref()), now) {
                (Agreement::Same, _) => {}
                (Agreement::Drifted, Some(now)) => {
                    drifts.push(Drift { address: read.address, now });
                }
                _ => return false,
            }
        }
        self.slots.iter().all(|read| {
            memory.is_slot_unchanged(read.slot, read.stamp)
                || memory.peek_slot(read.slot, reader) == Some(read.seen)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    fn basics(balance: u64, nonce: u64) -> AccountBasics {
        AccountBasics { balance: U256::from(balance), nonce, ..AccountBasics::NOBODY }
    }

    fn compare(
        seen: Option<AccountBasics>,
        observed: Observed,
        now: Option<AccountBasics>,
    ) -> Agreement {
        let account = MultiVersionMemory::new(1).account(Address::ZERO);
        let stamp = Stamp::UNWRITTEN;
        AccountRead { account, address: Address::ZERO, seen, observed, stamp }.compare(now.as_ref())
    }

    #[test]
    fn an_observed_balance_must_not_move() {
        let (seen, now) = (Some(basics(5, 1)), Some(basics(6, 1)));
        assert_eq!(compare(seen, Observed::Whole, now), Agreement::Stale);
        assert_eq!(compare(seen, Observed::Shape, now), Agreement::Drifted);
        assert_eq!(compare(seen, Observed::Whole, seen), Agreement::Same);
    }

    #[test]
    fn funds_must_be_enough_and_no_more() {
        let funds = Observed::Funds(U256::from(4));
        let seen = Some(basics(5, 1));
        for (balance, expected) in [
            (3, Agreement::Stale),
            (4, Agreement::Drifted),
            (5, Agreement::Same),
            (9, Agreement::Drifted),
        ] {
            assert_eq!(compare(seen, funds, Some(basics(balance, 1))), expected, "{balance}");
        }
        assert_eq!(compare(seen, funds, None), Agreement::Stale);
        let coded = AccountBasics { code_hash: B256::repeat_byte(1), ..basics(5, 1) };
        assert_eq!(compare(seen, funds, Some(coded)), Agreement::Stale);
    }

    #[test]
    fn emptiness_existence_and_code_always_count() {
        let shape = Observed::Shape;
        assert_eq!(compare(Some(basics(0, 0)), shape, Some(basics(1, 0))), Agreement::Stale);
        assert_eq!(compare(None, shape, Some(basics(1, 0))), Agreement::Stale);
        assert_eq!(compare(None, shape, Some(basics(0, 0))), Agreement::Stale);
        let coded = AccountBasics { code_hash: B256::repeat_byte(1), ..basics(5, 1) };
        assert_eq!(compare(Some(basics(5, 1)), shape, Some(coded)), Agreement::Stale);
    }

    #[test]
    fn balances_near_overflow_are_compared_in_full() {
        let huge = AccountBasics { balance: NEAR_OVERFLOW, ..basics(0, 1) };
        assert_eq!(compare(Some(basics(5, 1)), Observed::Shape, Some(huge)), Agreement::Stale);
    }
}
