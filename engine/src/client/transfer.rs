//! Plain transfers without an EVM, as revm gives them.

use crate::{
    transfer::{TRANSFER_GAS, Transfer, TransferRules},
    writes,
};
use alloy_evm::Database;
use alloy_primitives::Bytes;
use blockloom_state::AccountBasics;
use revm::{
    context_interface::result::{
        ExecutionResult, Output, ResultAndState, ResultGas, SuccessReason,
    },
    state::{Account, AccountInfo, Bytecode, EvmState, TransactionId},
};

/// The result that revm gives of `transfer`; `None` if only revm can tell.
///
/// Asks `database` what revm asks, in its order, and no more than the first of
/// it if that does not do.
pub(super) fn compute<D: Database, H>(
    transfer: &Transfer,
    rules: &TransferRules,
    database: &mut D,
) -> Option<ResultAndState<H>> {
    let sender = database.basic(transfer.from).ok()?;
    let debited = transfer.debit(basics(sender.as_ref())?)?;
    let recipient = database.basic(transfer.to).ok()?;
    let credited = transfer.credit(basics(recipient.as_ref())?)?;
    let beneficiary = database.basic(rules.beneficiary).ok()?;
    let mut state = EvmState::with_capacity_and_hasher(3, Default::default());
    state.insert(transfer.from, after(sender, debited));
    state.insert(transfer.to, after(recipient, credited));
    writes::reward(&mut state, rules.beneficiary, beneficiary, transfer.reward)
        .then(|| ResultAndState { result: result(rules), state })
}

fn result<H>(rules: &TransferRules) -> ExecutionResult<H> {
    ExecutionResult::Success {
        reason: SuccessReason::Stop,
        gas: ResultGas::default()
            .with_total_gas_spent(TRANSFER_GAS)
            .with_floor_gas(rules.floor_gas),
        logs: Vec::new(),
        output: Output::Call(Bytes::new()),
    }
}

/// What an account is, if its code is to be had by its hash: a database may
/// give code along, and revm believes that.
fn basics(info: Option<&AccountInfo>) -> Option<Option<AccountBasics>> {
    let comes_with_code =
        info.and_then(|info| info.code.as_ref()).is_some_and(|code| !code.is_empty());
    (!comes_with_code).then(|| info.map(AccountBasics::from))
}

/// An account whose code was looked at and that is `now` like this.
fn after(before: Option<AccountInfo>, now: AccountBasics) -> Account {
    let mut account = match before {
        Some(info) => Account::from(info),
        None => Account::new_not_existing(TransactionId::ZERO),
    };
    account.info.code.get_or_insert_with(Bytecode::default);
    account.info.balance = now.balance;
    account.info.nonce = now.nonce;
    account.mark_touch();
    account
}

#[cfg(test)]
mod tests;
