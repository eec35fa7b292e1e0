//! `blockloom replay --shadow`.

use crate::{
    data::demo,
    program::{run, run_ok},
};
use serde_json::Value;
use tempfile::tempdir;

/// Replays the demo chain with `options`; gives the numbers of the blocks that
/// were shadowed, and the totals.
fn shadowed(options: &[&str]) -> (Vec<u64>, Value) {
    let chain = demo().join("chain.rlp");
    let args = ["replay", chain.to_str().unwrap(), "--workers", "2", "--json"];
    let mut lines = run_ok(args.iter().chain(options)).json();
    let totals = lines.pop().unwrap();
    let due = lines.iter().filter(|block| block["shadow"] == "same");
    (due.map(|block| block["block"].as_u64().unwrap()).collect(), totals)
}

#[test]
fn shadowed_blocks_agree() {
    let (all, totals) = shadowed(&["--shadow", "1"]);
    assert_eq!(totals["blocks"].as_u64(), Some(all.len() as u64));
    assert_eq!((&totals["shadowed"], &totals["divergences"]), (&totals["blocks"], &0.into()));
    // Into a store, and without overlapping stages.
    let folder = tempdir().unwrap();
    let db = folder.path().join("store");
    let stored = shadowed(&["--shadow", "1", "--db", db.to_str().unwrap(), "--no-pipeline"]);
    assert_eq!(stored.0, all);
    assert_eq!(stored.1["root"], totals["root"]);
}

#[test]
fn hashes_decide_which_blocks_are_shadowed() {
    let (half, totals) = shadowed(&["--shadow", "0.5", "--on-divergence", "log"]);
    assert_eq!(half, shadowed(&["--shadow", "0.5", "--no-pipeline"]).0);
    let all = usize::try_from(totals["blocks"].as_u64().unwrap()).unwrap();
    assert!((1..all).contains(&half.len()), "{} of {all}", half.len());
    let (none, totals) = shadowed(&["--shadow", "0"]);
    assert_eq!((none.len(), &totals["shadowed"]), (0, &0.into()));
}

#[test]
fn shares_and_contradictions_are_refused() {
    let chain = demo().join("chain.rlp");
    let chain = chain.to_str().unwrap();
    run(["replay", chain, "--shadow", "1.5"]).assert_refused(2, &["from 0 to 1"]);
    run(["replay", chain, "--shadow", "NaN"]).assert_refused(2, &["from 0 to 1"]);
    run(["replay", chain, "--shadow", "1", "--sequential"]).assert_refused(2, &["--sequential"]);
    run(["replay", chain, "--on-divergence", "log"]).assert_refused(2, &["--shadow"]);
}
