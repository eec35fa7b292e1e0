//! `blockloom replay` on good chains.

use crate::{
    data::{demo, shared},
    program::{command, run_ok},
};
use blockloom_fixtures::ChainReader;
use blockloom_state::Store;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Stdio,
};
use tempfile::tempdir;

/// What must not depend on how a chain was replayed.
#[derive(Debug, PartialEq)]
struct End {
    tip: Value,
    hash: Value,
    root: Value,
}

fn end(totals: &Value) -> End {
    End { tip: totals["tip"].clone(), hash: totals["hash"].clone(), root: totals["root"].clone() }
}

/// Byte offsets after each block of an export.
fn boundaries(chain: &Path) -> Vec<u64> {
    let mut reader = ChainReader::open(chain).unwrap();
    let mut offsets = Vec::new();
    while let Some(block) = reader.next() {
        block.unwrap();
        offsets.push(reader.offset());
    }
    offsets
}

#[test]
fn the_demo_chain_ends_in_the_same_state_however_it_is_run() {
    let chain = demo().join("chain.rlp");
    let chain = chain.to_str().unwrap();
    let n_blocks = boundaries(Path::new(chain)).len();
    let mut ends = Vec::new();
    let variants: [&[&str]; 4] =
        [&["--sequential"], &["--workers", "1"], &["--workers", "4"], &["--compare"]];
    for options in variants {
        let finished =
            run_ok(["replay", chain, "--json"].into_iter().chain(options.iter().copied()));
        let mut lines = finished.json();
        let totals = lines.pop().unwrap();
        assert_eq!(lines.len(), n_blocks, "{options:?}");
        assert!(lines.iter().all(|block| block["root_verified"] == true), "{options:?}");
        assert_eq!(totals["blocks"], n_blocks);
        let txs: u64 = lines.iter().map(|block| block["txs"].as_u64().unwrap()).sum();
        assert_eq!(totals["txs"], txs);
        assert!(totals["executions"].as_u64() >= Some(txs), "{totals}");
        assert!(totals["seconds"].as_f64() > Some(0.0));
        for stage in ["decode", "recover", "check", "execute", "root", "commit"] {
            assert!(totals["stages"][stage].is_number(), "{stage} in {totals}");
        }
        ends.push(end(&totals));
    }
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
}

#[test]
fn comparison_lists_every_block() {
    let chain = demo();
    let finished = run_ok(["replay", chain.to_str().unwrap(), "--compare"]);
    let n_blocks = boundaries(&chain.join("chain.rlp")).len();
    let verified = finished.stdout.lines().filter(|line| line.ends_with("verified ")).count();
    assert_eq!(verified, n_blocks, "{}", finished.stdout);
    for title in ["sequential ms", "parallel ms", "re-executed"] {
        assert!(finished.stdout.contains(title), "{title}");
    }
}

/// A replay of `chain` that is killed after its first half and resumed.
///
/// The first run reads the chain from a pipe that is never closed, so it
/// cannot have finished when it is killed, however fast it is.
fn kill_and_resume(folder: &Path) {
    let chain = folder.join("chain.rlp");
    let bytes = fs::read(&chain).unwrap();
    let offsets = boundaries(&chain);
    let n_first = offsets.len() / 2;
    let genesis = folder.join("genesis.json");
    let genesis = genesis.to_str().unwrap();
    let temporary = tempdir().unwrap();
    let db = temporary.path().join("db");
    let db = db.to_str().unwrap();

    let mut child = command(["replay", "-", "--genesis", genesis, "--db", db, "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Into the middle of a block: the part that is whole is replayed.
    let cut = usize::try_from(offsets[n_first - 1]).unwrap() + 10;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&bytes[..cut]).unwrap();
    let reports = BufReader::new(child.stdout.take().unwrap()).lines();
    let last = reports.take(n_first).last().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdin);
    let last: Value = serde_json::from_str(&last).unwrap();

    // The store stands where the last report said, at the least.
    let tip = Store::open(db).unwrap().tip();
    assert_eq!(tip.number, last["block"]);
    assert_eq!(tip.hash.to_string(), last["hash"].as_str().unwrap());

    let chain = chain.to_str().unwrap();
    let resumed = run_ok(["replay", chain, "--db", db, "--json"]).totals();
    assert_eq!(resumed["blocks"], offsets.len() - n_first);
    let whole = run_ok(["replay", chain, "--json"]).totals();
    assert_eq!(end(&resumed), end(&whole));

    // Nothing is left to do, and the store holds what its root says.
    let again = run_ok(["replay", chain, "--db", db, "--json"]).totals();
    assert_eq!(again["blocks"], 0);
    assert_eq!(end(&again), end(&whole));
    let store = Store::open(db).unwrap();
    store.verify().unwrap();
    assert_eq!(store.tip().root.to_string(), whole["root"].as_str().unwrap());
}

#[test]
fn a_killed_replay_of_the_demo_chain_resumes() {
    kill_and_resume(&demo());
}

#[test]
fn a_killed_replay_of_the_rpc_compat_chain_resumes() {
    if let Some(folder) = shared("rpc_compat") {
        kill_and_resume(&folder);
    }
}

#[test]
fn mainnet_blocks_replay_on_their_own_state() {
    let Some(set) = shared("mainnet") else { return };
    // One with a witness, so that its root is verified, and one without.
    for (number, root_verified) in [(24_647_140_u64, true), (46_147, false)] {
        let file = set.join(format!("blocks/{number}.json.gz"));
        let mut lines = run_ok(["replay", file.to_str().unwrap(), "--json"]).json();
        let totals = lines.pop().unwrap();
        assert_eq!((&totals["tip"], &totals["blocks"]), (&number.into(), &1.into()));
        assert_eq!(lines[0]["root_verified"], root_verified, "block {number}");
    }
}
