//! Cases that stock revm or alloy-evm fails, by name, with the evidence.
//!
//! An engine whose promise is to give what stock revm gives cannot pass them.
//! A case listed here still runs: it counts as skipped only if the sequential
//! run, which is stock revm's, fails and every parallel run agrees with that
//! run. If it passes, it passes.

use super::verdict::{Finding, Verdict};
use blockloom_fixtures::state_test::StateTest;

/// revm has the gas rules of Petersburg for Constantinople, which was never
/// live on its own: net gas metering (EIP-1283) is not implemented, so every
/// block that sets a slot a second time uses more gas than its header says.
const NO_EIP_1283: &str =
    "stock revm fails it: Constantinople runs without EIP-1283's net gas metering";

/// alloy-evm's executor moves the DAO's balances after the transactions of the
/// fork block; the protocol moves them before (EIP-779). This test looks at
/// such a balance within that block.
const LATE_DAO_MOVE: &str =
    "stock alloy-evm fails it: it moves the DAO's balances after the fork block's transactions";

/// revm looks at code and nonce of an address before it creates a contract
/// there, not at its storage (`create_account_checkpoint` of revm-context
/// 43.0.3), since no account on mainnet has storage alone (EIP-7610).
const NO_EIP_7610: &str =
    "stock revm fails it: storage alone at an address does not stop a creation there (EIP-7610)";

/// Name of a case, or its beginning up to the parameters' bracket or slash, and
/// what is known about it.
const KNOWN: &[(&str, &str)] = &[
    ("BLOCKHASH_Bounds_Constantinople", NO_EIP_1283),
    ("ChainAtoChainB_BlockHash_Constantinople", NO_EIP_1283),
    ("DaoTransactions_EmptyTransactionAndForkBlocksAhead_HomesteadToDaoAt5", LATE_DAO_MOVE),
    ("InitCollision/", NO_EIP_7610),
    ("RevertInCreateInInit/", NO_EIP_7610),
    ("blockhashNonConstArg_Constantinople", NO_EIP_1283),
    ("blockhashTests_Constantinople", NO_EIP_1283),
    ("callcodeOutput3partial_Constantinople", NO_EIP_1283),
    ("extCodeHashOfDeletedAccountDynamic_Constantinople", NO_EIP_1283),
    ("extCodeHashOfDeletedAccount_Constantinople", NO_EIP_1283),
    ("multimpleBalanceInstruction_Constantinople", NO_EIP_1283),
    ("randomStatetest181BC_Constantinople", NO_EIP_1283),
    ("randomStatetest262BC_Constantinople", NO_EIP_1283),
    ("randomStatetest522BC_Constantinople", NO_EIP_1283),
    ("randomStatetest595BC_Constantinople", NO_EIP_1283),
    ("randomStatetest606BC_Constantinople", NO_EIP_1283),
    ("randomStatetest631BC_Constantinople", NO_EIP_1283),
    ("randomStatetest86BC_Constantinople", NO_EIP_1283),
    ("refundReset_Constantinople", NO_EIP_1283),
    ("suicideStorageCheckVCreate2_Constantinople", NO_EIP_1283),
    ("suicideStorageCheckVCreate_Constantinople", NO_EIP_1283),
    ("suicideStorageCheck_Constantinople", NO_EIP_1283),
    (
        "tests/paris/eip7610_create_collision/test_initcollision.py::\
         test_init_collision_create_opcode[",
        NO_EIP_7610,
    ),
    (
        "tests/paris/eip7610_create_collision/test_revert_in_create.py::\
         test_collision_with_create2_revert_in_initcode[",
        NO_EIP_7610,
    ),
    (
        "tests/paris/eip7610_create_collision/test_revert_in_create.py::\
         test_create2_collision_storage[",
        NO_EIP_7610,
    ),
    (
        "tests/static/state_tests/stExtCodeHash/dynamicAccountOverwriteEmpty_ParisFiller.yml::\
         dynamicAccountOverwriteEmpty_Paris[",
        NO_EIP_7610,
    ),
];

/// `verdict` of the case `name`, unless stock revm is known to fail it.
pub(crate) fn excuse(name: &str, verdict: Verdict) -> Verdict {
    let Verdict::Failed(findings) = &verdict else { return verdict };
    let known = KNOWN
        .iter()
        .find(|(case, _)| *case == name || (case.ends_with(['[', '/']) && name.starts_with(case)));
    match known {
        Some((_, reason)) if findings.iter().all(is_stock) => {
            Verdict::Skipped((*reason).to_owned())
        }
        _ => verdict,
    }
}

/// `verdict` of a state test, unless stock revm is known to fail it: for its
/// name, or because its network's rules are none of revm's.
pub(crate) fn excuse_state_test(test: &StateTest, verdict: Verdict) -> Verdict {
    match &verdict {
        Verdict::Failed(findings)
            if test.network == "Constantinople" && findings.iter().all(is_stock) =>
        {
            Verdict::Skipped(NO_EIP_1283.to_owned())
        }
        _ => excuse(&test.name, verdict),
    }
}

const fn is_stock(finding: &Finding) -> bool {
    finding.workers.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::difference::Difference;

    fn failed(workers: Option<usize>) -> Verdict {
        let difference = Difference {
            transaction: None,
            location: "import".to_owned(),
            got: "rejected".to_owned(),
            expected: "accepted".to_owned(),
        };
        Verdict::Failed(vec![Finding { block: None, workers, difference }])
    }

    #[test]
    fn only_stock_failures_of_known_cases_are_excused() {
        let (name, reason) = KNOWN[0];
        let excused = excuse(name, failed(None));
        assert!(matches!(excused, Verdict::Skipped(why) if why == reason));
        // A parallel run that differs from the sequential one is ours.
        assert!(matches!(excuse(name, failed(Some(4))), Verdict::Failed(_)));
        assert!(matches!(excuse("another case", failed(None)), Verdict::Failed(_)));
        assert!(matches!(excuse(name, Verdict::Passed), Verdict::Passed));
    }

    #[test]
    fn known_cases_are_sorted_and_unique() {
        assert!(KNOWN.is_sorted_by(|a, b| a.0 < b.0));
    }
}
