//! One account's versions.

use super::{
    Reader,
    chain::{Chain, Entry, Interest},
    stamp::{Changes, Raised, Stamp},
};
use crate::{
    changes::AccountBasics,
    sync::{Mutex, OnceLock},
};
use alloy_primitives::{Address, U256};
use blockloom_scheduler::TxIdx;
use revm::{
    primitives::KECCAK_EMPTY,
    state::{Account, AccountInfo},
};

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

impl AccountWrite {
    /// What a transaction did to the basics of an account that was `before`;
    /// `None` if nothing. `is_credit` says that a higher balance was merely
    /// credited, with nobody looking at it.
    ///
    /// The cases are those of revm's own state, in its order.
    #[must_use]
    pub fn of(account: &Account, before: Option<&AccountBasics>, is_credit: bool) -> Option<Self> {
        if !account.is_touched() {
            return None;
        }
        if account.is_selfdestructed() {
            return Some(Self::Set { info: None, wiped: true });
        }
        if account.is_created() {
            return Some(Self::Set { info: Some(kept(&account.info)), wiped: true });
        }
        if account.is_empty() {
            // Touching an empty account removes it (EIP-161); where there was
            // none, nothing happens.
            return before.is_some().then_some(Self::Set { info: None, wiped: true });
        }
        let now = AccountBasics::from(&account.info);
        match before {
            Some(before) if *before == now => None,
            Some(before) if is_credit => Some(Self::Credit(now.balance - before.balance)),
            _ => Some(Self::Set { info: Some(kept(&account.info)), wiped: false }),
        }
    }

    /// Whether no slot from before this write is left.
    pub(crate) const fn is_wipe(&self) -> bool {
        matches!(self, Self::Set { wiped: true, .. })
    }
}

/// The versions of one account, and its base value once somebody read it.
#[derive(Debug)]
pub(super) struct AccountCell {
    pub(super) address: Address,
    base: OnceLock<Option<AccountInfo>>,
    /// None of the base state's slots counts any more.
    base_wiped: Raised,
    changes: Changes,
    ever_wiped: Raised,
    chain: Mutex<Chain<AccountWrite>>,
}

/// An account as the transactions below a reader left it, before their
/// credits are added.
struct Below<T> {
    /// The newest `Set` below, mapped; `None` if the base value stands.
    set: Option<T>,
    /// Its writer: writes from there on up to the reader decide what it sees.
    since: Option<TxIdx>,
    /// Credits since.
    credit: U256,
}

impl AccountCell {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            base: OnceLock::new(),
            base_wiped: Raised::default(),
            changes: Changes::default(),
            ever_wiped: Raised::default(),
            chain: Mutex::default(),
        }
    }

    /// How often the account has changed so far.
    pub(super) fn stamp(&self) -> Stamp {
        self.changes.get()
    }

    /// Whether a destruction or creation was ever published.
    pub(super) fn was_ever_wiped(&self) -> bool {
        self.ever_wiped.is_raised()
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

    /// Sets the base value before any reader comes; `wiped` if none of the
    /// slots in the base state counts any more.
    pub(super) fn preset(&self, info: Option<AccountInfo>, wiped: bool) {
        self.base.get_or_init(|| info);
        if wiped {
            self.base_wiped.raise();
        }
    }

    /// Whether slots that nobody set are zero, whatever the base state says.
    pub(super) fn is_base_wiped(&self) -> bool {
        self.base_wiped.is_raised()
    }

    /// What `reader` finds in the chain; `Err` names the writer of an
    /// estimate.
    fn below<T>(
        chain: &Chain<AccountWrite>,
        reader: TxIdx,
        map: impl FnOnce(&Option<AccountInfo>) -> T,
    ) -> Result<Below<T>, TxIdx> {
        let mut found = Below { set: None, since: None, credit: U256::ZERO };
        for (tx, entry) in chain.below(reader) {
            match entry {
                Entry::Estimate => return Err(tx),
                Entry::Value(AccountWrite::Credit(credit)) => {
                    found.credit = found.credit.saturating_add(*credit);
                }
                Entry::Value(AccountWrite::Set { info, .. }) => {
                    found.set = Some(map(info));
                    found.since = Some(tx);
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The account as `reader` should see it, and the count of changes it
    /// belongs to. Notes that `reader` with this interest looked; `None` for
    /// who cannot be overtaken.
    ///
    /// Before the first write only readers that run early are noted: where
    /// nothing is ever written, the others share the cell's memory on many
    /// cores without a lock.
    pub(super) fn read<E>(
        &self,
        reader: Reader,
        interest: Option<Interest>,
        load: impl FnOnce(Address) -> Result<Option<AccountInfo>, E>,
    ) -> Result<Result<(Option<AccountInfo>, Stamp), TxIdx>, E> {
        if !reader.is_early && self.changes.get() == Stamp::UNWRITTEN {
            return Ok(Ok((self.base(load)?.clone(), Stamp::UNWRITTEN)));
        }
        let (below, stamp) = {
            let mut chain = self.chain.lock();
            let below = match Self::below(&chain, reader.tx, Option::clone) {
                Ok(below) => below,
                Err(writer) => return Ok(Err(writer)),
            };
            if let Some(interest) = interest {
                chain.register(reader.tx, below.since, interest);
            }
            (below, self.changes.get())
        };
        let info = match below.set {
            Some(info) => info,
            None => self.base(load)?.clone(),
        };
        Ok(Ok((add_credit(info, below.credit), stamp)))
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
        if write.is_wipe() {
            self.ever_wiped.raise();
        }
        chain.trim(committed, fold);
        chain.publish(writer, write, concerns, overtaken);
        self.changes.add();
    }

    pub(super) fn withdraw(&self, writer: TxIdx, overtaken: &mut Vec<TxIdx>) {
        let mut chain = self.chain.lock();
        chain.withdraw(writer, overtaken);
        self.changes.add();
    }

    pub(super) fn estimate(&self, writer: TxIdx) {
        let mut chain = self.chain.lock();
        chain.estimate(writer);
        self.changes.add();
    }

    /// The last transaction below `end` that destroyed or created the account.
    pub(super) fn last_wipe(&self, end: TxIdx) -> Option<TxIdx> {
        self.chain.lock().newest_where(end, AccountWrite::is_wipe)
    }

    /// What the transactions below `end`, which are final, together left here;
    /// `None` if none of them wrote.
    pub(super) fn written(&self, end: TxIdx) -> Option<WrittenAccount<'_>> {
        if self.changes.get() == Stamp::UNWRITTEN {
            return None;
        }
        let chain = self.chain.lock();
        let wiped = chain.newest_where(end, AccountWrite::is_wipe).is_some();
        let before = self.base.get();
        let below = Self::below(&chain, end, Option::clone).expect("these writers are final");
        drop(chain);
        if below.since.is_none() && below.credit.is_zero() {
            return None;
        }
        let set = match below.set {
            Some(info) => info,
            None => before.expect("who credits an account has read it").clone(),
        };
        let before = before.and_then(Option::as_ref);
        Some(WrittenAccount {
            address: self.address,
            before,
            now: add_credit(set, below.credit),
            wiped,
        })
    }
}

/// What a block's transactions left of an account.
#[derive(Debug)]
pub(crate) struct WrittenAccount<'a> {
    pub(crate) address: Address,
    /// The account before the block's transactions.
    pub(crate) before: Option<&'a AccountInfo>,
    /// The account after them.
    pub(crate) now: Option<AccountInfo>,
    /// It was destroyed or created: no slot from before the block is left.
    pub(crate) wiped: bool,
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

/// The account as others should read it: its id is the reader's own affair.
fn kept(info: &AccountInfo) -> AccountInfo {
    AccountInfo { account_id: None, ..info.clone() }
}

pub(crate) fn add_credit(info: Option<AccountInfo>, credit: U256) -> Option<AccountInfo> {
    if credit.is_zero() {
        return info;
    }
    let mut info = info.unwrap_or_default();
    // A credit that would overflow is never published as one; a guess that
    // saturates is found stale at the frontier.
    info.balance = info.balance.saturating_add(credit);
    Some(info)
}
