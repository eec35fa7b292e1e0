//! Reads that the caller's thread runs for workers.
//!
//! Where there is no [`SnapshotFactory`](super::SnapshotFactory), workers ask
//! the one who has a database: the thread that calls the executor. It answers
//! whenever it comes by, before a transaction and while it waits for one, so
//! any database works, whatever its type; it need not even be `Send`.
//!
//! A worker sleeps until it is answered. Once the executor is gone, so is the
//! other end of its channel, and every question is answered with an error.

use alloy_evm::Database;
use alloy_primitives::{Address, B256, U256};
use blockloom_state::BaseStateError;
use revm::{
    DatabaseRef,
    state::{AccountInfo, Bytecode},
};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Questions answered in one go: more, and workers that always have another one
/// would keep the caller's thread from its own work.
const MAX_ANSWERS: usize = 64;

/// Nobody runs errands any more.
#[derive(Debug, thiserror::Error)]
#[error("the executor that was to ask for the workers is gone")]
struct Gone;

fn gone<T>(_: T) -> BaseStateError {
    BaseStateError::new(Gone)
}

type Answer<T> = Result<T, BaseStateError>;

/// One question, and where the answer goes.
#[derive(Debug)]
enum Errand {
    Account(Address, Sender<Answer<Option<AccountInfo>>>),
    Code(B256, Sender<Answer<Bytecode>>),
    Slot(Address, U256, Sender<Answer<U256>>),
    BlockHash(u64, Sender<Answer<B256>>),
}

/// Where workers leave their questions.
#[derive(Clone, Debug)]
pub(super) struct Errands(Sender<Errand>);

/// Where the caller's thread finds them. At most one of each worker waits, as
/// each sleeps until it is answered.
#[derive(Debug)]
pub(super) struct Inbox(Receiver<Errand>);

/// A way to leave questions, and where they are found.
pub(super) fn errands() -> (Errands, Inbox) {
    let (questions, inbox) = channel();
    (Errands(questions), Inbox(inbox))
}

impl Inbox {
    /// Asks `database` whatever workers want to know.
    pub(super) fn serve<D: Database>(&self, database: &mut D) {
        for _ in 0..MAX_ANSWERS {
            let Ok(errand) = self.0.try_recv() else { return };
            // Whoever has stopped waiting needs no answer.
            let _ = match errand {
                Errand::Account(address, to) => {
                    to.send(database.basic(address).map_err(BaseStateError::new)).is_ok()
                }
                Errand::Code(hash, to) => {
                    to.send(database.code_by_hash(hash).map_err(BaseStateError::new)).is_ok()
                }
                Errand::Slot(address, slot, to) => {
                    to.send(database.storage(address, slot).map_err(BaseStateError::new)).is_ok()
                }
                Errand::BlockHash(number, to) => {
                    to.send(database.block_hash(number).map_err(BaseStateError::new)).is_ok()
                }
            };
        }
    }
}

impl Errands {
    /// One worker's end.
    pub(super) fn runner(&self) -> Runner {
        Runner(self.0.clone())
    }
}

/// A database that sends somebody else.
#[derive(Debug)]
pub(super) struct Runner(Sender<Errand>);

impl Runner {
    fn ask<T>(&self, errand: impl FnOnce(Sender<Answer<T>>) -> Errand) -> Answer<T> {
        let (to, answer) = channel();
        self.0.send(errand(to)).map_err(gone)?;
        answer.recv().map_err(gone)?
    }
}

impl DatabaseRef for Runner {
    type Error = BaseStateError;

    fn basic_ref(&self, address: Address) -> Answer<Option<AccountInfo>> {
        self.ask(|to| Errand::Account(address, to))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Answer<Bytecode> {
        self.ask(|to| Errand::Code(code_hash, to))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Answer<U256> {
        self.ask(|to| Errand::Slot(address, slot, to))
    }

    fn block_hash_ref(&self, number: u64) -> Answer<B256> {
        self.ask(|to| Errand::BlockHash(number, to))
    }
}
