//! What a transaction leaves.

use super::{MultiVersionMemory, WriteSet, WrittenAccount, WrittenSlot, location::Written};
use alloy_primitives::Address;
use blockloom_scheduler::TxIdx;
use revm::state::AccountInfo;

impl MultiVersionMemory {
    /// Publishes what the newest incarnation of `writer` wrote, in place of
    /// what earlier ones did, and adds to `overtaken` the transactions that
    /// have read something older. Empties `writes`. All transactions below
    /// `committed` are final, and nobody reads as one of them any more.
    ///
    /// Source: Block-STM, `MVMemory.record`.
    pub fn publish(
        &self,
        writer: TxIdx,
        writes: &mut WriteSet,
        committed: TxIdx,
        overtaken: &mut Vec<TxIdx>,
    ) {
        if writes.accounts.iter().any(|(_, write)| write.is_wipe()) {
            self.any_wiped.raise();
        }
        let mut written = self.written[writer.position()].lock();
        let before = (!written.is_empty()).then(|| std::mem::take(&mut *written));
        written.accounts.extend(writes.accounts.iter().map(|(account, _)| *account));
        written.slots.extend(writes.slots.iter().map(|(slot, _)| *slot));
        for (account, write) in writes.accounts.drain(..) {
            self.account_cell(account).publish(writer, write, committed, overtaken);
        }
        for (slot, value) in writes.slots.drain(..) {
            self.slot_cell(slot).publish(writer, value, committed, overtaken);
        }
        if let Some(before) = before {
            written.sort();
            self.withdraw(writer, &before, &written, overtaken);
        }
    }

    /// Takes back what `writer` wrote at locations of `written` that are not in
    /// `now`, which is sorted.
    fn withdraw(
        &self,
        writer: TxIdx,
        written: &Written,
        now: &Written,
        overtaken: &mut Vec<TxIdx>,
    ) {
        for account in &written.accounts {
            if now.accounts.binary_search(account).is_err() {
                self.account_cell(*account).withdraw(writer, overtaken);
            }
        }
        for slot in &written.slots {
            if now.slots.binary_search(slot).is_err() {
                self.slot_cell(*slot).withdraw(writer, overtaken);
            }
        }
    }

    /// Turns what `writer` last published into estimates.
    ///
    /// Source: Block-STM, `MVMemory.convert_writes_to_estimates`.
    pub fn mark_estimates(&self, writer: TxIdx) {
        let written = self.written[writer.position()].lock();
        for account in &written.accounts {
            self.account_cell(*account).estimate(writer);
        }
        for slot in &written.slots {
            self.slot_cell(*slot).estimate(writer);
        }
    }

    /// What the transactions below `end`, which are final, left in accounts;
    /// in no order.
    pub(crate) fn written_accounts(&self, end: TxIdx) -> impl Iterator<Item = WrittenAccount<'_>> {
        self.accounts.iter().filter_map(move |(_, cell)| cell.written(end))
    }

    /// What they left in slots, but for those wiped later, each with the
    /// account it belongs to as that was before the block; in no order.
    pub(crate) fn written_slots(
        &self,
        end: TxIdx,
    ) -> impl Iterator<Item = (Address, &Option<AccountInfo>, WrittenSlot)> {
        let any_wiped = self.any_wiped.is_raised();
        let accounts = &self.accounts;
        self.slots.iter().filter_map(move |(_, cell)| {
            let written = cell.written(end)?;
            let account = &accounts[written.account.position()];
            if any_wiped && account.last_wipe(end).is_some_and(|wipe| written.writer < wipe) {
                return None;
            }
            Some((account.address, account.known_base().unwrap_or(&None), written))
        })
    }
}
