//! `blockloom fuzz`, and what `verify` makes of recorded cases.

use crate::program::{run, run_ok};
use std::fs;
use tempfile::tempdir;

#[test]
fn random_blocks_agree_and_are_counted() {
    let folder = tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let args =
        ["fuzz", "--seed", "5", "--blocks", "60", "--workers", "2,4", "--out", out, "--json"];
    let totals = run_ok(args).totals();
    assert_eq!((&totals["blocks"], &totals["divergences"]), (&60.into(), &0.into()));
    assert_eq!(totals["schedules"], 240);
    assert!(totals["txs"].as_u64() > Some(500), "{totals}");
    // The same blocks, from elsewhere on.
    let part = |from, blocks| {
        let args = ["fuzz", "--seed", "5", "--from", from, "--blocks", blocks, "--out", out];
        run_ok(args.into_iter().chain(["--schedules", "1", "--json"])).totals()["txs"].as_u64()
    };
    let sum = part("0", "25").zip(part("25", "35")).map(|(first, rest)| first + rest);
    assert_eq!(sum, totals["txs"].as_u64());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_size_and_text_for_people() {
    let finished = run_ok(["fuzz", "--blocks", "3", "--txs", "70", "--workers", "2"]);
    assert!(finished.stdout.contains("210"), "{finished:?}");
}

#[test]
fn what_is_no_recorded_case_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("broken.case.json");
    for (text, word) in [("{", "EOF"), ("{}", "format"), ("[]", "no recorded case")] {
        fs::write(&path, text).unwrap();
        let finished = run(["verify", path.to_str().unwrap()]);
        finished.assert_refused(2, &["broken.case.json", word]);
    }
    run(["fuzz", "--workers", "0"]).assert_refused(2, &["at least 1"]);
    run(["fuzz", "--blocks", "many"]).assert_refused(2, &["many"]);
}
