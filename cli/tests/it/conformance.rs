//! A fixed slice of the official tests, and every mainnet block.
//!
//! The slice is every third file in path order of the legacy tests and of the
//! execution-spec tests for all forks before Amsterdam (whose published tests
//! have an older gas schedule than revm 43), and fewer of the state tests.
//! `make conformance` runs them all.

use crate::{
    data::shared,
    program::{Finished, run},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One file of blockchain tests in this many is run.
const STRIDE: usize = 3;

/// One file of state tests in this many is run: most of them are among the
/// blockchain tests as well.
const STATE_TEST_STRIDE: usize = 16;

/// Why a case of the slice may be skipped.
const REASONS: [&str; 4] = ["proof-of-work seal", "EIP-1283", "EIP-7610", "DAO's balances"];

/// All test files below `folder`, sorted by path.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.ends_with("amsterdam") && !name.ends_with("amsterdamattime15k") {
                    folders.push(path);
                }
            } else if name.ends_with(".json.gz") {
                found.insert(path);
            }
        }
    }
    found
}

/// Checks that everything passed, apart from skips with a reason we know.
#[track_caller]
fn assert_conforms(finished: &Finished, at_least: u64) {
    let mut lines = finished.json();
    let totals = lines.pop().unwrap();
    assert_eq!(finished.code, Some(0), "{totals}: {:?}", lines.first());
    assert!(totals["passed"].as_u64() >= Some(at_least), "{totals}");
    for skip in &lines {
        let reason = skip["reason"].as_str().unwrap();
        assert!(REASONS.iter().any(|known| reason.contains(known)), "{skip}");
    }
}

/// Verifies one file in `stride` of the suite `folder`.
fn verify_slice(folder: &str, stride: usize, at_least: u64) {
    let Some(folder) = shared(&format!("conformance/{folder}")) else { return };
    let slice: Vec<_> = files(&folder).into_iter().step_by(stride).collect();
    let options = ["verify", "--workers", "1,4", "--json"].map(PathBuf::from);
    assert_conforms(&run(options.into_iter().chain(slice)), at_least);
}

#[test]
fn conformance_of_legacy_tests() {
    verify_slice("blockchain_tests/legacytests", STRIDE, 900);
}

#[test]
fn conformance_of_execution_spec_tests() {
    verify_slice("blockchain_tests/eest_bal_v5.7.0", STRIDE, 4_500);
}

#[test]
fn conformance_of_state_tests() {
    verify_slice("state_tests", STATE_TEST_STRIDE, 1_500);
}

#[test]
fn conformance_of_mainnet_blocks() {
    let Some(set) = shared("mainnet") else { return };
    let set = set.to_str().unwrap();
    assert_conforms(&run(["verify", set, "--workers", "1,2,4,8", "--json"]), 64);
}
