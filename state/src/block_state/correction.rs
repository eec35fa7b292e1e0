//! Taking back what was guessed wrongly.

use super::{
    BlockState,
    entry::{Entry, Slot},
};
use crate::{
    ahead::{BasicsDelta, Delta},
    snapshot::BaseStateError,
};
use alloy_primitives::{Address, U256};
use revm::{DatabaseRef, state::AccountInfo};

/// How accounts really are that a [`Delta`] which did not stand had touched.
#[derive(Clone, Debug, Default)]
pub struct Correction {
    accounts: Vec<(Address, Corrected)>,
}

/// How one account really is.
#[derive(Clone, Debug)]
enum Corrected {
    /// As before the block, as far as anybody has looked.
    AsBefore,
    /// Basics and the slots in question; `None` for those that nobody has
    /// looked at.
    Parts(Option<AccountInfo>, Vec<(U256, Option<Slot>)>),
    /// In every respect.
    Whole(Box<Entry>),
}

impl<B: DatabaseRef<Error = BaseStateError>> BlockState<B> {
    /// What somebody must be told who has taken over `wrong`, which did not
    /// stand, and everything that this state has taken over.
    #[must_use]
    pub fn correct(&self, wrong: &Delta) -> Correction {
        let corrected = |address: &Address, write: Option<&BasicsDelta>, slots: &[_]| {
            let Some(entry) = self.accounts.get(address) else { return Corrected::AsBefore };
            if write.is_some_and(BasicsDelta::is_wipe) {
                return Corrected::Whole(Box::new(entry.clone()));
            }
            let slots = slots.iter().map(|slot: &crate::ahead::SlotDelta| slot.slot);
            let known = slots.map(|slot| (slot, entry.slots.get(&slot).copied())).collect();
            Corrected::Parts(entry.now.clone(), known)
        };
        let accounts = wrong.iter().map(|(account, slots)| {
            (account.address, corrected(&account.address, account.write.as_ref(), slots))
        });
        Correction { accounts: accounts.collect() }
    }

    /// Takes a guess back.
    pub fn take_back(&mut self, correction: &Correction) {
        for (address, corrected) in &correction.accounts {
            match corrected {
                Corrected::AsBefore => {
                    self.accounts.remove(address);
                }
                Corrected::Whole(entry) => {
                    self.accounts.insert(*address, Entry::clone(entry));
                }
                Corrected::Parts(info, slots) => {
                    let Some(entry) = self.accounts.get_mut(address) else { continue };
                    entry.now.clone_from(info);
                    for (slot, known) in slots {
                        match known {
                            Some(known) => entry.slots.insert(*slot, *known),
                            None => entry.slots.remove(slot),
                        };
                    }
                }
            }
        }
    }
}
