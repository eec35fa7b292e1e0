//! Official state tests: one transaction each as a block of its own, and the
//! cases of a file in each other's way in one block.
//!
//! State tests know no blocks: no reward, no system calls. The engine always
//! runs whole blocks, so what a block adds is taken out again where that is
//! exact, and a case in which it is not is skipped.

mod merged;
mod setting;

pub(super) use merged::groups;

use super::{
    difference::Differences,
    engines::{Engines, Runs},
    exception::is_expected,
    verdict::{Finding, Verdict},
};
use crate::{chain_of_causes, rejection::Rejection};
use alloy_primitives::{Address, keccak256};
use blockloom_engine::{BlockOutput, ChainSpecError};
use blockloom_fixtures::state_test::StateTest;
use blockloom_state::{AccountBasics, MemoryAccount, MemoryState};
use setting::Setting;

/// Runs `test` on every engine, as a block of one transaction.
///
/// # Errors
///
/// [`ChainSpecError`] if the test's network is none we know.
pub(super) fn verify(test: &StateTest, engines: &Engines) -> Result<Verdict, ChainSpecError> {
    let setting = Setting::of(test)?;
    if let Some(reason) = setting.unverifiable(test) {
        return Ok(Verdict::Skipped(reason.to_owned()));
    }
    let (transaction, sender) = match &test.transaction {
        Ok(signed) => signed.clone(),
        // Our types have no room for it, which is a refusal as well.
        Err(_) if test.expect_exception.is_some() => return Ok(Verdict::Passed),
        Err(reason) => {
            return Ok(Verdict::Skipped(format!("no transaction can be made of it: {reason}")));
        }
    };
    let before = setting.state(&test.pre);
    let block = setting.block([(transaction, sender)]);
    let Runs { sequential, departures } = engines.run(&setting.spec, &block, &before);
    let departures = departures.into_iter();
    let mut findings: Vec<_> = departures
        .map(|(workers, difference)| Finding { block: None, workers: Some(workers), difference })
        .collect();
    let mut found = Differences::default();
    let mut after = before;
    match sequential {
        Ok(output) if setting.touches_stand_ins(&output) => {
            let reason = "it touches a system contract that every block needs and its state lacks";
            return Ok(Verdict::Skipped(reason.to_owned()));
        }
        Ok(output) => {
            if let Some(reason) = &test.expect_exception {
                let refused = format!("refused ({reason})");
                found.push(None, "transaction".to_owned(), "accepted".to_owned(), refused);
            }
            check_logs(&output, test, &mut found);
            after.apply(&output.changes);
            setting.take_reward(&mut after, engines);
        }
        Err(error) => {
            let is_refused = error.as_invalid().is_some();
            let rejection = Rejection::Execution(error);
            // Old tests say by the root alone that a transaction is refused.
            let reason = test.expect_exception.as_deref();
            if !is_refused || (reason.is_some() && !is_expected(reason, &rejection)) {
                let expected = reason.unwrap_or("a verdict").to_owned();
                found.push(None, "execution".to_owned(), chain_of_causes(&rejection), expected);
            }
        }
    }
    setting.take_stand_ins(&mut after);
    // Those who name the reason of a refusal pay nothing for it, not even zero.
    if test.expect_exception.is_none() {
        setting.touch_beneficiary(&mut after);
    }
    found.check("state root", &after.root(), &test.root);
    let stock = found.into_vec().into_iter();
    findings.extend(stock.map(|difference| Finding { block: None, workers: None, difference }));
    Ok(Verdict::of(findings))
}

fn check_logs(output: &BlockOutput, test: &StateTest, found: &mut Differences) {
    let logs = output.receipts.iter().flat_map(|receipt| receipt.logs.iter().cloned());
    let logs = keccak256(alloy_rlp::encode(logs.collect::<Vec<_>>()));
    found.check("logs hash", &logs, &test.logs);
}

/// The account of a state as a value, absent or not.
fn basics_of(state: &MemoryState, address: &Address) -> Option<AccountBasics> {
    state.account(address).map(MemoryAccount::basics)
}
