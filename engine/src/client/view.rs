//! The state as a transaction ahead of its turn sees it.

use super::{
    bulletin::{Bulletin, Ears},
    reads::Reads,
    snapshots::Base,
};
use crate::{
    listening::Listening,
    speculative::{Notes, Witness},
    view::Stop,
};
use alloy_primitives::{Address, B256, U256, map::B256Map};
use blockloom_scheduler::TxIdx;
use blockloom_state::{AccountBasics, BlockState, Delta, Observed};
use revm::{
    Database, DatabaseRef,
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode},
};
use std::{fmt, mem, sync::Arc};

/// The database that a [`Strategy`](super::Strategy)'s EVM runs on: one
/// worker's own block state. Remembers every answer.
pub struct AheadView {
    state: BlockState<Base>,
    /// Code that came along with accounts.
    inline: B256Map<Bytecode>,
    bulletin: Arc<Bulletin>,
    ears: Ears,
    reads: Reads,
    notes: Notes,
    gave_up: bool,
    tx: TxIdx,
    listening: Listening,
}

impl fmt::Debug for AheadView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AheadView").field("reads", &self.reads).finish_non_exhaustive()
    }
}

impl AheadView {
    pub(super) fn new(base: Base, bulletin: Arc<Bulletin>, ears: Ears) -> Self {
        Self {
            state: BlockState::new(base),
            inline: B256Map::default(),
            bulletin,
            ears,
            reads: Reads::default(),
            notes: Notes::default(),
            gave_up: false,
            tx: TxIdx::default(),
            listening: Listening::new(),
        }
    }

    /// Before the next execution, of `tx`.
    pub(super) fn begin(&mut self, tx: TxIdx) {
        self.tx = tx;
        self.reads.clear();
        self.notes.clear();
        self.gave_up = false;
        self.listening = Listening::new();
    }

    /// Takes over what became final.
    pub(super) fn hear(&mut self) {
        self.ears.hear(&self.bulletin, &mut self.state);
    }

    /// What every transaction below left was heard.
    pub(super) const fn heard(&self) -> TxIdx {
        self.ears.done()
    }

    /// Builds on what one of its own executions did.
    pub(super) fn follow(&mut self, delta: &Delta) {
        self.state.follow(delta);
    }

    /// What the last execution asked.
    pub(super) fn take_reads(&mut self) -> Reads {
        mem::take(&mut self.reads)
    }

    /// Whether the last execution was stopped because to go on was in vain.
    pub(super) const fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// Stops the execution if to go on would be in vain.
    fn go_on(&mut self) -> Result<(), Stop> {
        self.bulletin.note_read(self.tx);
        self.gave_up = self.bulletin.lookahead.is_stopped() || self.hears_it_is_stale();
        if self.gave_up { Err(Stop::Stale) } else { Ok(()) }
    }

    /// Listens, now and then, and knows afterwards whether a read is stale.
    fn hears_it_is_stale(&mut self) -> bool {
        self.listening.is_due(self.reads.len()) && self.is_outdated()
    }

    /// Whether what became final since it last listened contradicts a read.
    pub(super) fn is_outdated(&mut self) -> bool {
        if !self.ears.hear(&self.bulletin, &mut self.state) {
            return false;
        }
        self.listening.had_news(self.reads.len());
        self.reads.are_surely_stale(&self.state)
    }
}

impl Witness for AheadView {
    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    fn settle(&mut self, judge: impl Fn(&Address, Option<&AccountBasics>) -> Observed) {
        self.reads.settle(judge);
    }
}

impl Database for AheadView {
    type Error = Stop;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        self.go_on()?;
        let (mut info, _) = self.state.read_account(address)?;
        self.reads.account(address, info.as_ref().map(AccountBasics::from));
        // Whether code is needed shows in its being asked for, so none goes
        // along.
        if let Some(info) = info.as_mut().filter(|info| info.code_hash != KECCAK_EMPTY)
            && let Some(code) = info.code.take()
        {
            self.inline.insert(info.code_hash, code);
        }
        Ok(info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Stop> {
        self.reads.code(code_hash);
        match self.inline.get(&code_hash) {
            Some(code) => Ok(code.clone()),
            None => Ok(self.state.read_code(code_hash)?),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Stop> {
        self.go_on()?;
        let (seen, _) = self.state.read_slot(address, slot)?;
        self.reads.slot(address, slot, seen);
        Ok(seen)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stop> {
        let seen = self.state.base().block_hash_ref(number)?;
        self.reads.block_hash(number, seen);
        Ok(seen)
    }
}
