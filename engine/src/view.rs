//! The state as one speculative execution sees it.

use crate::{
    base::BaseReader,
    pace::{Pace, Point},
    speculative::{Notes, Witness},
};
use alloy_primitives::{Address, B256, U256};
use blockloom_scheduler::{Scheduler, TxIdx};
use blockloom_state::{
    AccountBasics, AccountIdx, AccountRead, BaseStateError, MultiVersionMemory, Observed,
    ReadError, ReadSet, Reader, SlotRead,
};
use revm::{
    Database, DatabaseRef,
    context_interface::DBErrorMarker,
    state::{AccountId, AccountInfo, Bytecode},
};
use std::fmt;

/// Why an execution was given up half-way. Control flow between a view and
/// its worker; callers never see it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Stop {
    #[error("met an estimate of transaction {0}")]
    Blocked(TxIdx),
    #[error("an earlier read is stale")]
    Stale,
    #[error(transparent)]
    Base(#[from] BaseStateError),
}

impl DBErrorMarker for Stop {}

impl From<ReadError<BaseStateError>> for Stop {
    fn from(error: ReadError<BaseStateError>) -> Self {
        match error {
            ReadError::Blocked(writer) => Self::Blocked(writer),
            ReadError::Base(error) => Self::Base(error),
        }
    }
}

/// What an execution did that its read set must know about.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Every read but the beneficiary's account.
    pub(crate) reads: ReadSet,
    /// The read of the beneficiary's account, which lower transactions pay
    /// without saying so in the multi-version memory: only the frontier can
    /// check it.
    pub(crate) beneficiary: Option<AccountRead>,
    /// What decides how much of them mattered.
    notes: Notes,
}

impl Trace {
    fn clear(&mut self) {
        self.reads.clear();
        self.beneficiary = None;
        self.notes.clear();
    }
}

/// A revm database for one worker: answers from the multi-version memory over
/// the base state, and remembers every answer.
///
/// revm's journal asks for each location once per transaction and repeats that
/// answer itself. Should it ever ask twice and get two answers, both are in the
/// read set and cannot both be valid at the frontier.
pub(crate) struct View<'a, P> {
    memory: &'a MultiVersionMemory,
    pub(crate) trace: Trace,
    base: BaseReader<'a>,
    scheduler: &'a Scheduler,
    beneficiary: Address,
    reader: Reader,
    sender: Address,
    pace: P,
}

impl<P> fmt::Debug for View<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl<'a, P> View<'a, P> {
    pub(crate) fn new(
        memory: &'a MultiVersionMemory,
        base: BaseReader<'a>,
        scheduler: &'a Scheduler,
        beneficiary: Address,
        pace: P,
    ) -> Self {
        Self {
            memory,
            scheduler,
            trace: Trace::default(),
            base,
            beneficiary,
            reader: TxIdx::default().into(),
            sender: Address::ZERO,
            pace,
        }
    }

    /// Starts anew, as `reader`, sent by `sender`.
    pub(crate) fn begin(&mut self, reader: Reader, sender: Address) {
        self.reader = reader;
        self.sender = sender;
        self.trace.clear();
    }
}

impl<P: Pace> View<'_, P> {
    /// Stops the execution once one of its reads is known to be stale: to go
    /// on would be in vain.
    fn go_on(&self) -> Result<(), Stop> {
        self.pace.at(Point::Read, self.reader.tx);
        let is_stale = self.scheduler.is_doubted(self.reader.tx)
            && !self.trace.reads.holds(self.memory, self.reader.tx, &mut Vec::new());
        if is_stale { Err(Stop::Stale) } else { Ok(()) }
    }

    fn read_slot(&mut self, account: AccountIdx, key: U256) -> Result<U256, Stop> {
        self.go_on()?;
        let slot = self.memory.slot(account, key);
        let load = |address, key| self.base.storage_ref(address, key);
        let (seen, stamp) = self.memory.read_slot(slot, self.reader, load)?;
        self.trace.reads.slots.push(SlotRead { slot, seen, stamp });
        Ok(seen)
    }
}

impl<P: Pace> Witness for View<'_, P> {
    fn notes(&mut self) -> &mut Notes {
        &mut self.trace.notes
    }

    fn settle(&mut self, judge: impl Fn(&Address, Option<&AccountBasics>) -> Observed) {
        let Trace { reads, beneficiary, .. } = &mut self.trace;
        for read in reads.accounts.iter_mut().chain(beneficiary) {
            read.observed = match judge(&read.address, read.seen.as_ref()) {
                // The memory knows credits, and no payments.
                Observed::Funds(_) => Observed::Whole,
                observed => observed,
            };
        }
    }
}

impl<P: Pace> Database for View<'_, P> {
    type Error = Stop;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        self.go_on()?;
        let account = self.memory.account(address);
        let load = |address| self.base.basic_ref(address);
        let (mut info, stamp) =
            self.memory.read_account(account, self.reader, address == self.sender, load)?;
        let read = AccountRead {
            account,
            address,
            seen: info.as_ref().map(AccountBasics::from),
            observed: Observed::Whole,
            stamp,
        };
        if address == self.beneficiary {
            self.trace.beneficiary = Some(read);
        } else {
            self.trace.reads.accounts.push(read);
        }
        if let Some(info) = &mut info {
            info.account_id = AccountId::new(account.position());
        }
        Ok(info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Stop> {
        // Code is named by its hash: a constant, not a read.
        Ok(self.base.code_by_hash_ref(code_hash)?)
    }

    fn storage(&mut self, address: Address, key: U256) -> Result<U256, Stop> {
        self.read_slot(self.memory.account(address), key)
    }

    fn storage_by_account_id(
        &mut self,
        _address: Address,
        account: AccountId,
        key: U256,
    ) -> Result<U256, Stop> {
        self.read_slot(AccountIdx::new(account.get()), key)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stop> {
        // Fixed for the whole block: a constant, not a read.
        Ok(self.base.block_hash_ref(number)?)
    }
}
