//! Two states of one block: one commits what revm leaves, the other follows
//! what it is told.

use super::{Delta, Seen, SeenAccount, SeenSlot};
use crate::{AccountBasics, BaseStateError, BlockState, ErasedReader, MemoryState, Observed};
use alloy_primitives::{Address, U256};
use proptest::{collection, prelude::*};
use revm::{
    DatabaseCommit,
    state::{Account, AccountInfo, EvmState, EvmStorageSlot, TransactionId},
};

const N_ACCOUNTS: u8 = 4;
const N_SLOTS: u64 = 3;

type State<'a> = BlockState<ErasedReader<&'a MemoryState>>;

/// What a transaction does to one account.
#[derive(Clone, Debug)]
enum Act {
    Leave,
    Credit(u64),
    Spend,
    Empty,
    Create,
    Destroy,
}

type Step = (u8, Act, Vec<(u64, u64)>);

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Leave),
        3 => (1..9_u64).prop_map(Act::Credit),
        2 => Just(Act::Spend),
        1 => Just(Act::Empty),
        1 => Just(Act::Create),
        1 => Just(Act::Destroy),
    ]
}

fn transaction() -> impl Strategy<Value = Vec<Step>> {
    let slots = collection::vec((0..N_SLOTS, 0..3_u64), 0..3);
    collection::vec((0..N_ACCOUNTS, act(), slots), 1..3)
}

/// What revm would leave of a transaction that takes these steps on `state`.
fn run(state: &mut State<'_>, steps: &[Step]) -> EvmState {
    let mut left = EvmState::default();
    for (n, act, slots) in steps {
        let address = Address::repeat_byte(*n);
        let (info, _) = state.read_account(address).expect("memory answers");
        let mut account = match info {
            Some(info) => Account::from(info),
            None => Account::new_not_existing(TransactionId::ZERO),
        };
        account.mark_touch();
        match act {
            Act::Leave => {}
            Act::Credit(amount) => account.info.balance += U256::from(*amount),
            Act::Spend => {
                account.info.balance /= U256::from(2);
                account.info.nonce += 1;
            }
            Act::Empty => account.info = AccountInfo::default(),
            Act::Create => {
                account.mark_created();
                account.info = AccountInfo { nonce: 1, ..AccountInfo::default() };
            }
            Act::Destroy => account.mark_selfdestruct(),
        }
        for (slot, value) in slots {
            let slot = U256::from(*slot);
            let before = match act {
                Act::Create => U256::ZERO,
                _ => state.read_slot(address, slot).expect("memory answers").0,
            };
            let now = U256::from(*value);
            let kept = EvmStorageSlot::new_changed(before, now, TransactionId::ZERO);
            account.storage.insert(slot, kept);
        }
        left.insert(address, account);
    }
    left
}

/// The first two accounts exist, with slots; the others do not.
fn base() -> MemoryState {
    let mut base = MemoryState::new();
    for n in 0..N_ACCOUNTS / 2 {
        let address = Address::repeat_byte(n);
        let basics = AccountBasics { balance: U256::from(100), ..AccountBasics::NOBODY };
        base.insert_account(address, basics);
        (0..N_SLOTS).for_each(|slot| base.set_slot(address, U256::from(slot), U256::from(7)));
    }
    base
}

fn everything(state: &mut State<'_>) -> Vec<(Option<AccountBasics>, Vec<U256>)> {
    let addresses = (0..N_ACCOUNTS).map(Address::repeat_byte);
    addresses
        .map(|address| {
            let (info, _) = state.read_account(address).expect("memory answers");
            let slots = (0..N_SLOTS).map(U256::from);
            let read = |slot| state.read_slot(address, slot).expect("memory answers").0;
            (info.as_ref().map(AccountBasics::from), slots.map(read).collect())
        })
        .collect()
}

proptest! {
    #[test]
    fn following_is_committing(block in collection::vec(transaction(), 1..12)) {
        let base = base();
        let (mut one, mut other) = (open(&base), open(&base));
        for steps in &block {
            let left = run(&mut one, steps);
            other.follow(&Delta::of(&left, |_| false));
            one.commit(left);
        }
        prop_assert_eq!(everything(&mut one), everything(&mut other));
        prop_assert_eq!(one.changes(), other.changes());
    }

    #[test]
    fn what_is_taken_back_leaves_no_trace(
        before in collection::vec(transaction(), 0..4),
        wrong in transaction(),
        right in transaction(),
    ) {
        let base = base();
        let (mut frontier, mut scout) = (open(&base), open(&base));
        for steps in &before {
            let left = run(&mut frontier, steps);
            scout.follow(&Delta::of(&left, |_| false));
            frontier.commit(left);
        }
        let wrong = Delta::of(&run(&mut scout, &wrong), |_| false);
        scout.follow(&wrong);
        let left = run(&mut frontier, &right);
        let right = Delta::of(&left, |_| false);
        frontier.commit(left);
        scout.take_back(&frontier.correct(&wrong));
        scout.follow(&right);
        prop_assert_eq!(everything(&mut frontier), everything(&mut scout));
    }
}

fn open(base: &MemoryState) -> State<'_> {
    BlockState::new(ErasedReader(base))
}

fn holds(seen: &Seen, state: &State<'_>) -> bool {
    seen.holds::<ErasedReader<&MemoryState>>(state, &mut Vec::new())
}

#[test]
fn where_nobody_has_written_only_what_was_there_before_holds() {
    let base = base();
    let state = open(&base);
    let address = Address::repeat_byte(0);
    for is_base in [true, false] {
        let slot = SeenSlot { address, slot: U256::ZERO, seen: U256::from(7), is_base };
        let seen = Seen { accounts: Vec::new(), slots: vec![slot] };
        assert_eq!(holds(&seen, &state), is_base);
        let observed = Observed::Whole;
        let account = SeenAccount { address, seen: None, observed, is_base };
        let seen = Seen { accounts: vec![account], slots: Vec::new() };
        assert_eq!(holds(&seen, &state), is_base);
    }
}

#[test]
fn a_failure_of_a_guess_is_forgotten() {
    #[derive(Debug)]
    struct Broken;
    impl revm::DatabaseRef for Broken {
        type Error = BaseStateError;
        fn basic_ref(&self, _: Address) -> Result<Option<AccountInfo>, BaseStateError> {
            Err(BaseStateError::new(std::io::Error::other("broken")))
        }
        fn code_by_hash_ref(
            &self,
            _: alloy_primitives::B256,
        ) -> Result<revm::state::Bytecode, BaseStateError> {
            unreachable!("nobody asks for code")
        }
        fn storage_ref(&self, _: Address, _: U256) -> Result<U256, BaseStateError> {
            unreachable!("nobody asks for a slot")
        }
        fn block_hash_ref(&self, _: u64) -> Result<alloy_primitives::B256, BaseStateError> {
            unreachable!("nobody asks for a hash")
        }
    }
    let mut state = BlockState::new(Broken);
    state.read_account(Address::ZERO).expect_err("it is broken");
    assert!(state.failure().get().is_none());
    revm::Database::basic(&mut state, Address::ZERO).expect_err("it is broken");
    assert!(state.failure().get().is_some());
}
