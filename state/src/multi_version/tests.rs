use super::*;
use blockloom_scheduler::TxIdx;
use std::convert::Infallible;

const ACCOUNT: Address = Address::repeat_byte(0xaa);

fn tx(position: usize) -> TxIdx {
    TxIdx::new(position)
}

fn rich(balance: u64) -> Option<AccountInfo> {
    Some(AccountInfo { balance: U256::from(balance), ..Default::default() })
}

fn base_rich(_: Address) -> Result<Option<AccountInfo>, Infallible> {
    Ok(rich(100))
}

fn base_slot(_: Address, slot: U256) -> Result<U256, Infallible> {
    Ok(slot + U256::from(1000))
}

/// The account as `reader` finds it.
fn read(
    memory: &MultiVersionMemory,
    account: AccountIdx,
    reader: usize,
) -> Result<Option<AccountInfo>, ReadError<Infallible>> {
    memory.read_account(account, tx(reader).into(), true, base_rich).map(|(info, _)| info)
}

/// The slot as `reader` finds it.
fn read_slot(
    memory: &MultiVersionMemory,
    slot: SlotIdx,
    reader: usize,
) -> Result<U256, ReadError<Infallible>> {
    memory.read_slot(slot, tx(reader).into(), base_slot).map(|(value, _)| value)
}

fn publish(memory: &MultiVersionMemory, writer: usize, mut writes: WriteSet) -> Vec<usize> {
    let mut overtaken = Vec::new();
    memory.publish(tx(writer), &mut writes, tx(0), &mut overtaken);
    overtaken.into_iter().map(TxIdx::position).collect()
}

fn account_write(account: AccountIdx, write: AccountWrite) -> WriteSet {
    WriteSet { accounts: vec![(account, write)], slots: vec![] }
}

fn slot_write(slot: SlotIdx, value: u64) -> WriteSet {
    WriteSet { accounts: vec![], slots: vec![(slot, U256::from(value))] }
}

#[test]
fn credits_add_up_over_the_newest_value() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    publish(&memory, 0, account_write(account, AccountWrite::Credit(U256::from(1))));
    publish(&memory, 2, account_write(account, AccountWrite::Set { info: rich(10), wiped: false }));
    publish(&memory, 4, account_write(account, AccountWrite::Credit(U256::from(5))));
    for (reader, balance) in [(0, 100), (1, 101), (3, 10), (5, 15)] {
        assert_eq!(read(&memory, account, reader), Ok(rich(balance)));
        let peeked = memory.peek_account(account, tx(reader)).unwrap().unwrap();
        assert_eq!(peeked.balance, U256::from(balance));
    }
}

#[test]
fn a_credit_brings_a_destroyed_account_back() {
    let memory = MultiVersionMemory::new(4);
    let account = memory.account(ACCOUNT);
    publish(&memory, 0, account_write(account, AccountWrite::Set { info: None, wiped: true }));
    publish(&memory, 1, account_write(account, AccountWrite::Credit(U256::from(7))));
    assert_eq!(read(&memory, account, 1), Ok(None));
    assert_eq!(read(&memory, account, 2), Ok(rich(7)));
}

#[test]
fn a_wipe_hides_older_slots_and_not_the_wipers_own() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    let (old, new) = (memory.slot(account, U256::from(1)), memory.slot(account, U256::from(2)));
    publish(&memory, 1, slot_write(old, 11));
    let created = WriteSet {
        accounts: vec![(account, AccountWrite::Set { info: rich(0), wiped: true })],
        slots: vec![(new, U256::from(33))],
    };
    publish(&memory, 3, created);
    let read = |slot, reader| read_slot(&memory, slot, reader).unwrap();
    assert_eq!(read(old, 1), U256::from(1001));
    assert_eq!(read(old, 3), U256::from(11));
    assert_eq!(read(old, 4), U256::ZERO);
    assert_eq!(read(new, 3), U256::from(1002));
    assert_eq!(read(new, 4), U256::from(33));
    assert_eq!(memory.peek_slot(old, tx(4)), Some(U256::ZERO));
}

#[test]
fn a_later_wipe_overtakes_readers_of_the_account() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    let slot = memory.slot(account, U256::from(1));
    publish(&memory, 0, account_write(account, AccountWrite::Set { info: rich(1), wiped: false }));
    memory.read_account(account, tx(5).into(), true, base_rich).unwrap();
    read_slot(&memory, slot, 5).unwrap();
    let wiped = account_write(account, AccountWrite::Set { info: None, wiped: true });
    assert_eq!(publish(&memory, 2, wiped), [5]);
    assert_eq!(memory.peek_slot(slot, tx(5)), Some(U256::ZERO));
}

#[test]
fn estimates_block_readers_until_rewritten() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    let slot = memory.slot(account, U256::from(1));
    publish(&memory, 2, slot_write(slot, 22));
    memory.mark_estimates(tx(2));
    assert_eq!(read_slot(&memory, slot, 4), Err(ReadError::Blocked(tx(2))));
    assert_eq!(memory.peek_slot(slot, tx(4)), None);
    publish(&memory, 2, slot_write(slot, 23));
    assert_eq!(read_slot(&memory, slot, 4), Ok(U256::from(23)));
}

#[test]
fn a_location_no_longer_written_is_withdrawn() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    let (a, b) = (memory.slot(account, U256::from(1)), memory.slot(account, U256::from(2)));
    publish(&memory, 2, slot_write(a, 22));
    read_slot(&memory, a, 4).unwrap();
    assert_eq!(publish(&memory, 2, slot_write(b, 23)), [4]);
    assert_eq!(read_slot(&memory, a, 4), Ok(U256::from(1001)));
}

#[test]
fn slots_that_share_a_hash_prefix_stay_apart() {
    let memory = MultiVersionMemory::new(2);
    let account = memory.account(ACCOUNT);
    let slots: Vec<_> = (0..4096u64).map(|i| memory.slot(account, U256::from(i) << 192)).collect();
    let mut unique = slots.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), slots.len());
}

#[test]
fn the_base_state_is_asked_once() {
    let memory = MultiVersionMemory::new(2);
    let account = memory.account(ACCOUNT);
    let asked = std::cell::Cell::new(0);
    for reader in 0..2 {
        let load = |address| {
            asked.set(asked.get() + 1);
            base_rich(address)
        };
        memory.read_account(account, tx(reader).into(), true, load).unwrap();
    }
    assert_eq!(asked.get(), 1);
}

#[test]
fn stamps_tell_of_every_change() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    let slot = memory.slot(account, U256::from(1));
    let mut stamps = Vec::new();
    let mut note = || {
        let (_, of_account) = memory.read_account(account, tx(5).into(), false, base_rich).unwrap();
        assert!(memory.is_account_unchanged(account, of_account));
        stamps.push(of_account);
    };
    note();
    publish(&memory, 1, account_write(account, AccountWrite::Credit(U256::from(1))));
    note();
    publish(&memory, 1, slot_write(slot, 1));
    note();
    assert_eq!(stamps[0], Stamp::UNWRITTEN);
    stamps.dedup();
    assert_eq!(stamps.len(), 3, "published, then withdrawn");
    for stale in &stamps[..2] {
        assert!(!memory.is_account_unchanged(account, *stale));
    }
}

#[test]
fn a_slot_under_a_wipe_never_counts_as_unchanged() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    let slot = memory.slot(account, U256::from(1));
    let (_, stamp) = memory.read_slot(slot, tx(5).into(), base_slot).unwrap();
    assert!(memory.is_slot_unchanged(slot, stamp));
    publish(&memory, 2, account_write(account, AccountWrite::Set { info: None, wiped: true }));
    assert!(!memory.is_slot_unchanged(slot, stamp));
}

#[test]
fn readers_before_the_first_write_are_not_told_and_find_out() {
    let memory = MultiVersionMemory::new(8);
    let slot = memory.slot(memory.account(ACCOUNT), U256::from(1));
    let (_, stamp) = memory.read_slot(slot, tx(5).into(), base_slot).unwrap();
    assert!(publish(&memory, 2, slot_write(slot, 1)).is_empty());
    assert!(!memory.is_slot_unchanged(slot, stamp));
    read_slot(&memory, slot, 6).unwrap();
    assert_eq!(publish(&memory, 3, slot_write(slot, 1)), [6]);
}

#[test]
fn early_readers_hear_of_the_first_write() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    let slot = memory.slot(account, U256::from(1));
    let early = Reader { tx: tx(5), is_early: true };
    memory.read_account(account, early, false, base_rich).unwrap();
    memory.read_slot(slot, early, base_slot).unwrap();
    assert_eq!(publish(&memory, 2, slot_write(slot, 1)), [5]);
    let gone = account_write(account, AccountWrite::Set { info: None, wiped: true });
    assert_eq!(publish(&memory, 3, gone), [5]);
}

#[test]
fn what_is_left_at_the_end_leaves_out_wiped_slots() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    read(&memory, account, 0).unwrap();
    let (old, new) = (memory.slot(account, U256::from(1)), memory.slot(account, U256::from(2)));
    publish(&memory, 1, slot_write(old, 11));
    let created = WriteSet {
        accounts: vec![(account, AccountWrite::Set { info: rich(7), wiped: true })],
        slots: vec![(new, U256::from(33))],
    };
    publish(&memory, 3, created);
    let accounts: Vec<_> = memory.written_accounts(tx(8)).collect();
    assert_eq!(accounts.len(), 1);
    assert_eq!((accounts[0].address, accounts[0].wiped), (ACCOUNT, true));
    assert_eq!((accounts[0].before.cloned(), &accounts[0].now), (rich(100), &rich(7)));
    let slots: Vec<_> =
        memory.written_slots(tx(8)).map(|(_, _, slot)| (slot.slot, slot.now)).collect();
    assert_eq!(slots, [(U256::from(2), U256::from(33))]);
}

#[test]
fn what_is_left_leaves_out_what_is_not_final() {
    let memory = MultiVersionMemory::new(8);
    let account = memory.account(ACCOUNT);
    read(&memory, account, 0).unwrap();
    let slot = memory.slot(account, U256::from(1));
    publish(&memory, 1, slot_write(slot, 11));
    publish(&memory, 5, slot_write(slot, 55));
    publish(&memory, 6, account_write(account, AccountWrite::Set { info: None, wiped: true }));
    memory.mark_estimates(tx(5));
    assert_eq!(memory.written_accounts(tx(5)).count(), 0);
    let slots: Vec<_> = memory.written_slots(tx(5)).map(|(_, _, slot)| slot.now).collect();
    assert_eq!(slots, [U256::from(11)]);
}
