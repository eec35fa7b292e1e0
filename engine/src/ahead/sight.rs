//! The state as an execution ahead of its turn sees it.

use super::{ears::Ears, foresight::Foresight};
use crate::{
    listening::Listening,
    pace::{Pace, Point},
    speculative::{Notes, Witness},
    view::Stop,
};
use alloy_primitives::{Address, B256, U256};
use blockloom_scheduler::{Lookahead, TxIdx};
use blockloom_state::{
    AccountBasics, BaseStateError, BlockState, Observed, Seen, SeenAccount, SeenSlot,
};
use revm::{
    Database, DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::{cell::RefCell, fmt};

/// A revm database that reads one worker's own block state, or the leader's and
/// what it foresees, and remembers every answer.
///
/// revm's journal asks for each location once per transaction and repeats that
/// answer itself.
pub(crate) struct Sight<'m, 'a, B, P> {
    state: &'m RefCell<BlockState<B>>,
    /// Lies over that; a scout has it in its own state.
    pub(crate) foresight: Foresight,
    lookahead: &'m Lookahead,
    /// Whoever runs for long wants to hear what becomes final meanwhile.
    ears: Option<&'m Ears<'m, 'a>>,
    pub(crate) seen: Seen,
    notes: Notes,
    listening: Listening,
    tx: TxIdx,
    pace: P,
}

impl<B, P> fmt::Debug for Sight<'_, '_, B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sight").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl<'m, 'a, B, P: Pace> Sight<'m, 'a, B, P> {
    /// The leader's view, which does not change while it runs something ahead.
    pub(crate) fn new(
        state: &'m RefCell<BlockState<B>>,
        lookahead: &'m Lookahead,
        pace: P,
    ) -> Self {
        let (seen, notes) = (Seen::default(), Notes::default());
        Self {
            state,
            foresight: Foresight::default(),
            lookahead,
            ears: None,
            seen,
            notes,
            listening: Listening::new(),
            tx: TxIdx::default(),
            pace,
        }
    }

    /// A view of a scout's state, which stops an execution once one of its
    /// reads is known to be stale.
    pub(crate) fn listening(
        state: &'m RefCell<BlockState<B>>,
        lookahead: &'m Lookahead,
        ears: &'m Ears<'m, 'a>,
        pace: P,
    ) -> Self {
        Self { ears: Some(ears), ..Self::new(state, lookahead, pace) }
    }

    /// Starts anew, as `tx`.
    pub(crate) fn begin(&mut self, tx: TxIdx) {
        self.tx = tx;
        self.seen.clear();
        self.notes.clear();
        self.listening = Listening::new();
    }
}

impl<B: DatabaseRef<Error = BaseStateError>, P: Pace> Sight<'_, '_, B, P> {
    /// Stops the execution if to go on would be in vain.
    fn go_on(&mut self) -> Result<(), Stop> {
        self.pace.at(Point::Read, self.tx);
        if self.lookahead.is_stopped() {
            return Err(Stop::Stale);
        }
        if self.listening.is_due(self.n_reads()) && self.is_outdated() {
            return Err(Stop::Stale);
        }
        Ok(())
    }

    /// Hears what became final, if this is a scout's: whether that contradicts
    /// what was seen.
    pub(super) fn is_outdated(&mut self) -> bool {
        let mut state = self.state.borrow_mut();
        if !self.ears.is_some_and(|ears| ears.hear(&mut state)) {
            return false;
        }
        self.listening.had_news(self.n_reads());
        self.seen.is_surely_stale(&state)
    }

    fn n_reads(&self) -> usize {
        self.seen.accounts.len() + self.seen.slots.len()
    }
}

impl<B: DatabaseRef<Error = BaseStateError>, P: Pace> Witness for Sight<'_, '_, B, P> {
    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    fn settle(&mut self, judge: impl Fn(&Address, Option<&AccountBasics>) -> Observed) {
        for read in &mut self.seen.accounts {
            read.observed = judge(&read.address, read.seen.as_ref());
        }
    }
}

impl<B: DatabaseRef<Error = BaseStateError>, P: Pace> Database for Sight<'_, '_, B, P> {
    type Error = Stop;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        self.go_on()?;
        let (info, is_base) = match self.foresight.account(&address) {
            Some(info) => (info, false),
            None => self.state.borrow_mut().read_account(address)?,
        };
        let seen = info.as_ref().map(AccountBasics::from);
        let observed = Observed::Whole;
        self.seen.accounts.push(SeenAccount { address, seen, observed, is_base });
        Ok(info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Stop> {
        // Code is named by its hash: a constant, not a read.
        match self.foresight.code(&code_hash) {
            Some(code) => Ok(code),
            None => Ok(self.state.borrow().read_code(code_hash)?),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Stop> {
        self.go_on()?;
        let (seen, is_base) = match self.foresight.slot(&address, slot) {
            Some(seen) => (seen, false),
            None => self.state.borrow_mut().read_slot(address, slot)?,
        };
        self.seen.slots.push(SeenSlot { address, slot, seen, is_base });
        Ok(seen)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stop> {
        // Fixed for the whole block: a constant, not a read.
        Ok(self.state.borrow().base().block_hash_ref(number)?)
    }
}

/// A revm database that reads and reports like the block state it borrows.
pub(crate) struct Borrowed<'m, B>(pub(crate) &'m RefCell<BlockState<B>>);

impl<B> fmt::Debug for Borrowed<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Borrowed")
    }
}

impl<B: DatabaseRef<Error = BaseStateError>> Database for Borrowed<'_, B> {
    type Error = BaseStateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, BaseStateError> {
        self.0.borrow_mut().basic(address)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, BaseStateError> {
        self.0.borrow_mut().code_by_hash(code_hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, BaseStateError> {
        self.0.borrow_mut().storage(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, BaseStateError> {
        self.0.borrow_mut().block_hash(number)
    }
}
