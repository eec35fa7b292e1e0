//! `blockloom verify`: what agrees passes, and what does not is found.

use crate::{
    data::{demo, shared},
    program::{Finished, run, run_ok},
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
};
use tempfile::tempdir;

fn read(path: &Path) -> Value {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Runs `verify` on `fixture` alone.
fn verify(fixture: &Value) -> Finished {
    let folder = tempdir().unwrap();
    let path = folder.path().join("case.json");
    fs::write(&path, fixture.to_string()).unwrap();
    run(["verify", path.to_str().unwrap(), "--workers", "1,3", "--json"])
}

/// Checks that `fixture` fails at exactly the `location`.
#[track_caller]
fn assert_fails_at(fixture: &Value, location: &str) {
    let finished = verify(fixture);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let found = finished.json();
    assert_eq!(found[0]["result"], "failed");
    assert_eq!(found[0]["location"], location, "{found:?}");
    assert!(found[0]["file"].as_str().unwrap().ends_with("case.json"));
    for field in ["case", "got", "expected"] {
        assert!(!found[0][field].as_str().unwrap().is_empty(), "{field}");
    }
    assert_eq!(found.last().unwrap()["failed"], 1);
}

/// A test with valid blocks and invalid ones, from the data set.
fn chain_with_an_invalid_block() -> Option<Value> {
    let file = "conformance/blockchain_tests/legacytests/Cancun/BlockchainTests/InvalidBlocks/\
                bcInvalidHeaderTest/badTimestamp.json.gz";
    let mut cases = read(&shared(file)?);
    let cases = cases.as_object_mut().unwrap();
    cases.retain(|name, _| name.ends_with("_London"));
    assert_eq!(cases.len(), 1);
    Some(cases.clone().into())
}

/// The only case of `fixture`.
fn only(fixture: &mut Value) -> &mut Value {
    fixture.as_object_mut().unwrap().values_mut().next().unwrap()
}

#[test]
fn an_invalid_block_rejected_for_its_reason_passes() {
    let Some(fixture) = chain_with_an_invalid_block() else { return };
    let finished = verify(&fixture);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let expected = json!({"cases": 1, "passed": 1, "failed": 0, "skipped": 0});
    assert_eq!(finished.totals(), expected);
}

#[test]
fn a_block_rejected_for_another_reason_fails() {
    let Some(mut fixture) = chain_with_an_invalid_block() else { return };
    // The second is a reason that nobody has heard of: it matches nothing.
    for reason in ["InvalidGasUsed", "BlockException.NO_SUCH_REASON"] {
        let blocks = only(&mut fixture)["blocks"].as_array_mut().unwrap();
        let invalid = blocks.iter_mut().find(|block| block.get("expectException").is_some());
        invalid.unwrap()["expectException"] = json!(reason);
        assert_fails_at(&fixture, "import");
    }
}

#[test]
fn a_valid_block_that_should_be_invalid_fails() {
    let Some(mut fixture) = chain_with_an_invalid_block() else { return };
    let blocks = only(&mut fixture)["blocks"].as_array_mut().unwrap();
    let invalid = blocks.iter().find_map(|block| block.get("expectException")).unwrap().clone();
    let valid = blocks.iter_mut().find(|block| block.get("blockHeader").is_some());
    let valid = valid.unwrap();
    valid.as_object_mut().unwrap().remove("blockHeader");
    valid["expectException"] = invalid;
    assert_fails_at(&fixture, "import");
}

#[test]
fn a_wrong_head_or_state_at_the_end_fails() {
    let Some(fixture) = chain_with_an_invalid_block() else { return };
    let mut other_head = fixture.clone();
    let case = only(&mut other_head);
    case["lastblockhash"] = case["genesisBlockHeader"]["hash"].clone();
    assert_fails_at(&other_head, "head of the chain");

    let mut other_state = fixture;
    let accounts = only(&mut other_state)["postState"].as_object_mut().unwrap();
    let (address, account) = accounts.iter_mut().next().unwrap();
    let address: alloy_primitives::Address = address.parse().unwrap();
    account["nonce"] = json!("0x4d");
    assert_fails_at(&other_state, &format!("account {address} nonce"));
}

#[test]
fn mainnet_blocks_pass_and_wrong_answers_are_found() {
    let Some(set) = shared("mainnet") else { return };
    let block = set.join("blocks/1150000.json.gz");
    let finished = run_ok(["verify", block.to_str().unwrap(), "--workers", "1,2,4", "--json"]);
    let expected = json!({"cases": 1, "passed": 1, "failed": 0, "skipped": 0});
    assert_eq!(finished.totals(), expected);

    let fixture = read(&block);
    let mut wrong_gas = fixture.clone();
    wrong_gas["expected"]["receipts"][0]["cumulativeGasUsed"] = json!("0x1");
    let mut unexpected_account = fixture;
    let diff = unexpected_account["expected"]["postStateDiff"].as_object_mut().unwrap();
    let address = diff.keys().next().unwrap().clone();
    diff.remove(&address);
    for (fixture, location) in
        [(wrong_gas, "receipt cumulative gas"), (unexpected_account, "account 0x")]
    {
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("blocks")).unwrap();
        fs::copy(set.join("codes.json.gz"), folder.path().join("codes.json.gz")).unwrap();
        let path = folder.path().join("blocks/1150000.json.gz");
        let mut writer = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
        writer.write_all(fixture.to_string().as_bytes()).unwrap();
        writer.finish().unwrap();
        let finished = run(["verify", path.to_str().unwrap(), "--workers", "1", "--json"]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let found = &finished.json()[0];
        assert!(found["location"].as_str().unwrap().starts_with(location), "{found}");
        assert_eq!(found["case"], "1150000");
        assert_eq!(found["block"]["number"], 1_150_000);
    }
}

#[test]
fn output_does_not_depend_on_what_finishes_first() {
    let folder = "conformance/blockchain_tests/legacytests/Constantinople/BlockchainTests/\
                  ValidBlocks/bcMultiChainTest";
    let Some(folder) = shared(folder) else { return };
    let args = ["verify", folder.to_str().unwrap(), "--workers", "2"];
    let first = run_ok(args);
    assert_eq!(first.stdout, run_ok(args).stdout);
    // Stock revm has no EIP-1283; such cases are named, with the reason.
    assert!(first.stdout.contains("ChainAtoChainB_BlockHash_Constantinople"), "{}", first.stdout);
    assert!(first.stdout.contains("EIP-1283"), "{}", first.stdout);
}

#[test]
fn a_filter_chooses_cases_and_must_match_one() {
    let folder = "conformance/blockchain_tests/legacytests/Cancun/BlockchainTests/InvalidBlocks/\
                  bcInvalidHeaderTest";
    let Some(folder) = shared(folder) else { return };
    let folder = folder.to_str().unwrap();
    let chosen =
        run_ok(["verify", folder, "--workers", "1", "--filter", "wrongGasUsed_London", "--json"]);
    assert_eq!(chosen.totals()["cases"], 1);
    run(["verify", folder, "--filter", "no such case"]).assert_refused(2, &["no such case"]);
}

#[test]
fn a_chain_export_is_no_test() {
    let chain = demo().join("chain.rlp");
    run(["verify", chain.to_str().unwrap()]).assert_refused(2, &["chain.rlp"]);
}

/// One file of state tests, changed by `change`, in a folder where it is known
/// as one; gives what fails and where.
fn verify_state_test(change: impl FnOnce(&mut Value)) -> Option<Vec<Value>> {
    let file = "conformance/state_tests/eest_v5.4.0/berlin/eip2929_gas_cost_increases/\
                test_call_insufficient_balance.json.gz";
    let mut tests = read(&shared(file)?);
    tests.as_object_mut().unwrap().retain(|_, test| test["post"].get("Prague").is_some());
    change(&mut only(&mut tests)["post"]["Prague"][0]);
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("state_tests")).unwrap();
    let path = folder.path().join("state_tests/case.json");
    fs::write(&path, tests.to_string()).unwrap();
    let finished = run(["verify", path.to_str().unwrap(), "--workers", "1,3", "--json"]);
    let lines = finished.json();
    assert_eq!(finished.code == Some(0), lines.len() == 1, "{finished:?}");
    Some(lines)
}

#[test]
fn state_tests_pass_and_wrong_answers_are_found() {
    let Some(passed) = verify_state_test(|_| ()) else { return };
    // The case itself, and the block of several of it.
    assert_eq!(passed, [json!({"cases": 2, "passed": 2, "failed": 0, "skipped": 0})]);
    for (field, location) in [("hash", "state root"), ("logs", "logs hash")] {
        let wrong = json!(format!("0x{}", "11".repeat(32)));
        let failed = verify_state_test(|post| post[field] = wrong).unwrap();
        assert_eq!(failed[0]["location"], location, "{failed:?}");
        assert_eq!(failed[0]["workers"], Value::Null);
        assert_eq!(failed[1]["failed"], 1);
    }
    let failed = verify_state_test(|post| {
        post["expectException"] = json!("TransactionException.NONCE_IS_MAX");
    });
    assert_eq!(failed.unwrap()[0]["location"], "transaction");
}
