//! One account's versions.

use super::chain::{Chain, Entry, Interest};
use crate::{
    changes::AccountBasics,
    sync::{AtomicBool, Mutex, OnceLock, Ordering},
};
use alloy_primitives::{Address, U256};
use blockloom_scheduler::TxIdx;
use revm::{primitives::KECCAK_EMPTY, state::AccountInfo};

/// What a transaction did to an account's basics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountWrite {
    /// The account is this now; `None` if it is gone.
    Set {
        /// Basics, and the code if it is new.
        info: Option<AccountInfo>,
        /// It was destroyed or created: no slot from before is left.
        wiped: bool,
    },
    /// The balance grew by this much, whatever it was.
    Credit(U256),
}

/// A flag that is raised once, when an account is first destroyed or created
/// in the block.
///
/// | call       | by                           | ordering | pairs with                      |
/// |------------|------------------------------|----------|---------------------------------|
/// | `raise`    | publishers, under the chain's lock | `SeqCst` | `is_raised`: a slot reader has read the account first, under the same lock |
/// | `is_raised`| slot readers                 | `SeqCst` | `raise`                         |
#[derive(Debug, Default)]
struct Raised(AtomicBool);

impl Raised {
    fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The versions of one account, and its base value once somebody read it.
#[derive(Debug)]
pub(super) struct AccountCell {
    pub(super) address: Address,
    base: OnceLock<Option<AccountInfo>>,
    chain: Mutex<Chain<AccountWrite>>,
    ever_wiped: Raised,
}

/// An account as the transactions below a reader left it, before their
/// credits are added.
struct Below<T> {
    /// The newest `Set` below, mapped; `None` if the base value stands.
    set: Option<T>,
    /// Credits since.
    credit: U256,
    /// The newest writer.
    newest: Option<TxIdx>,
}

impl AccountCell {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            base: OnceLock::new(),
            chain: Mutex::default(),
            ever_wiped: Raised::default(),
        }
    }

    /// The base value, read through `load` the first time. Two first readers
    /// may both load; a snapshot gives both the same.
    pub(super) fn base<E>(
        &self,
        load: impl FnOnce(Address) -> Result<Option<AccountInfo>, E>,
    ) -> Result<&Option<AccountInfo>, E> {
        if let Some(base) = self.base.get() {
            return Ok(base);
        }
        let loaded = load(self.address)?;
        Ok(self.base.get_or_init(|| loaded))
    }

    /// The base value, if somebody has read it.
    pub(super) fn known_base(&self) -> Option<&Option<AccountInfo>> {
        self.base.get()
    }

    /// Sets the base value before any reader comes.
    pub(super) fn preset(&self, info: Option<AccountInfo>) {
        self.base.get_or_init(|| info);
    }

    /// What `reader` finds in the chain; `Err` names the writer of an
    /// estimate.
    fn below<T>(
        chain: &Chain<AccountWrite>,
        reader: TxIdx,
        map: impl FnOnce(&Option<AccountInfo>) -> T,
    ) -> Result<Below<T>, TxIdx> {
        let mut found = Below { set: None, credit: U256::ZERO, newest: None };
        for (tx, entry) in chain.below(reader) {
            found.newest = found.newest.or(Some(tx));
            match entry {
                Entry::Estimate => return Err(tx),
                Entry::Value(AccountWrite::Credit(credit)) => {
                    found.credit = found.credit.saturating_add(*credit);
                }
                Entry::Value(AccountWrite::Set { info, .. }) => {
                    found.set = Some(map(info));
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The account as `reader` should see it, and notes that it looked.
    pub(super) fn read<E>(
        &self,
        reader: TxIdx,
        interest: Interest,
        load: impl FnOnce(Address) -> Result<Option<AccountInfo>, E>,
    ) -> Result<Result<Option<AccountInfo>, TxIdx>, E> {
        let below = {
            let mut chain = self.chain.lock();
            let below = Self::below(&chain, reader, Option::clone);
            if let Ok(below) = &below {
                chain.register(reader, below.newest, interest);
            }
            below
        };
        let below = match below {
            Ok(below) => below,
            Err(writer) => return Ok(Err(writer)),
        };
        let info = match below.set {
            Some(info) => info,
            None => self.base(load)?.clone(),
        };
        Ok(Ok(add_credit(info, below.credit)))
    }

    /// The account as `reader` would see it now; `None` if that is unknown
    /// (an estimate, or a base value that nobody has read).
    pub(super) fn peek(&self, reader: TxIdx) -> Option<Option<AccountBasics>> {
        let below = {
            let chain = self.chain.lock();
            Self::below(&chain, reader, |info| info.as_ref().map(AccountBasics::from)).ok()?
        };
        let basics = match below.set {
            Some(basics) => basics,
            None => self.base.get()?.as_ref().map(AccountBasics::from),
        };
        if below.credit.is_zero() {
            return Some(basics);
        }
        let basics = basics.unwrap_or(AccountBasics {
            balance: U256::ZERO,
            nonce: 0,
            code_hash: KECCAK_EMPTY,
        });
        let balance = basics.balance.saturating_add(below.credit);
        Some(Some(AccountBasics { balance, ..basics }))
    }

    /// The newest transaction below `reader` that left no older slot standing.
    pub(super) fn newest_wipe(&self, reader: TxIdx) -> Result<Option<TxIdx>, TxIdx> {
        if !self.ever_wiped.is_raised() {
            return Ok(None);
        }
        for (tx, entry) in self.chain.lock().below(reader) {
            match entry {
                Entry::Estimate => return Err(tx),
                Entry::Value(AccountWrite::Set { wiped: true, .. }) => return Ok(Some(tx)),
                Entry::Value(_) => {}
            }
        }
        Ok(None)
    }

    pub(super) fn publish(
        &self,
        writer: TxIdx,
        write: AccountWrite,
        committed: TxIdx,
        overtaken: &mut Vec<TxIdx>,
    ) {
        let concerns = match &write {
            AccountWrite::Credit(_) => Interest::Whole,
            AccountWrite::Set { .. } => Interest::Shape,
        };
        let mut chain = self.chain.lock();
        if matches!(write, AccountWrite::Set { wiped: true, .. }) {
            self.ever_wiped.raise();
        }
        chain.trim(committed, fold);
        chain.publish(writer, write, concerns, overtaken);
    }

    pub(super) fn withdraw(&self, writer: TxIdx, overtaken: &mut Vec<TxIdx>) {
        self.chain.lock().withdraw(writer, overtaken);
    }

    pub(super) fn estimate(&self, writer: TxIdx) {
        self.chain.lock().estimate(writer);
    }
}

/// Puts two final writes into the upper one; `false` where both must stay: a
/// wipe keeps its own place, which slots are compared with.
fn fold(lower: &AccountWrite, upper: &mut AccountWrite) -> bool {
    match (lower, &mut *upper) {
        (AccountWrite::Set { wiped, .. }, AccountWrite::Set { wiped: upper_wiped, .. }) => {
            !wiped || *upper_wiped
        }
        (AccountWrite::Credit(_), AccountWrite::Set { .. }) => true,
        (AccountWrite::Credit(lower), AccountWrite::Credit(upper)) => {
            *upper = upper.saturating_add(*lower);
            true
        }
        (AccountWrite::Set { wiped: true, .. }, AccountWrite::Credit(_)) => false,
        (AccountWrite::Set { info, wiped: false }, AccountWrite::Credit(credit)) => {
            *upper = AccountWrite::Set { info: add_credit(info.clone(), *credit), wiped: false };
            true
        }
    }
}

fn add_credit(info: Option<AccountInfo>, credit: U256) -> Option<AccountInfo> {
    if credit.is_zero() {
        return info;
    }
    let mut info = info.unwrap_or_default();
    // A credit that would overflow is never published as one; a guess that
    // saturates is found stale at the frontier.
    info.balance = info.balance.saturating_add(credit);
    Some(info)
}
