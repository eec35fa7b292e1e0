//! What the beneficiary is due and has not got yet.

use crate::transfer::Transfer;
use alloy_primitives::{Address, U256};
use blockloom_state::{AccountBasics, BaseStateError, BlockState};
use revm::DatabaseRef;

/// Balances below which a beneficiary can be paid without looking: two of them
/// do not overflow.
const FAR_FROM_OVERFLOW: U256 = U256::from_limbs([0, 0, 0, 1 << 62]);

/// Sender and recipient of a plain transfer, before and after.
pub(crate) type Moved = [(Address, Option<AccountBasics>, AccountBasics); 2];

/// Rewards that the beneficiary gets together, before anybody looks at it.
#[derive(Debug)]
pub(crate) struct Due {
    beneficiary: Address,
    pending: U256,
    /// The beneficiary's balance was looked at, and is far from overflow.
    has_room: bool,
}

impl Due {
    /// Nothing yet.
    pub(crate) const fn to(beneficiary: Address) -> Self {
        Self { beneficiary, pending: U256::ZERO, has_room: false }
    }

    /// Whether `reward` can be put off; nothing is changed. A reward of zero
    /// touches the beneficiary, which must not be empty then: what that does
    /// depends on the fork (EIP-161). A base state that does not answer is for
    /// revm to report.
    pub(crate) fn can_take<B>(&mut self, reward: U256, state: &mut BlockState<B>) -> bool
    where
        B: DatabaseRef<Error = BaseStateError>,
    {
        if !self.has_room || reward.is_zero() {
            let Ok((info, _)) = state.read_account(self.beneficiary) else { return false };
            let info = info.unwrap_or_default();
            if reward.is_zero() && self.pending.is_zero() && info.is_empty() {
                return false;
            }
            self.has_room = info.balance < FAR_FROM_OVERFLOW;
        }
        self.has_room && self.pending.checked_add(reward).is_some_and(|sum| sum < FAR_FROM_OVERFLOW)
    }

    /// Puts off `reward`, which [can be](Self::can_take).
    pub(crate) fn take(&mut self, reward: U256) {
        self.pending += reward;
    }

    /// Computes a plain transfer, if it is no more than that, and puts off its
    /// reward; gives the two accounts before and after.
    pub(crate) fn transfer<B>(
        &mut self,
        transfer: &Transfer,
        state: &mut BlockState<B>,
    ) -> Option<Moved>
    where
        B: DatabaseRef<Error = BaseStateError>,
    {
        if !self.can_take(transfer.reward, state) {
            return None;
        }
        let addresses = [transfer.from, transfer.to];
        let done = state.update_pair(addresses, |pair| transfer.apply(pair))?;
        self.take(transfer.reward);
        Some(done)
    }

    /// Pays everything.
    ///
    /// # Errors
    ///
    /// If the beneficiary must be read, and the base state fails.
    pub(crate) fn settle<B>(&mut self, state: &mut BlockState<B>) -> Result<(), BaseStateError>
    where
        B: DatabaseRef<Error = BaseStateError>,
    {
        let pending = std::mem::take(&mut self.pending);
        self.has_room = false;
        state.credit(self.beneficiary, pending)
    }
}
