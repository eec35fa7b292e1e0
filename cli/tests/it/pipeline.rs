//! Pipelined and not: the same records, the same store, the same errors.

use crate::{
    data::demo,
    program::{Finished, command, run, run_ok},
};
use alloy_consensus::{SignableTransaction, proofs::calculate_transaction_root};
use alloy_primitives::{B256, Signature, U256};
use alloy_rlp::Encodable;
use blockloom_fixtures::{Block, ChainReader, Transaction};
use blockloom_state::Store;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
};
use tempfile::tempdir;

/// Options of the runs that must agree.
const MODES: [&[&str]; 4] = [
    &["--no-pipeline", "--sequential"],
    &["--sequential"],
    &["--workers", "1"],
    &["--workers", "4"],
];

fn demo_blocks() -> Vec<Block> {
    let blocks = ChainReader::open(&demo().join("chain.rlp")).unwrap();
    blocks.collect::<Result<_, _>>().unwrap()
}

/// What a run printed, without times and how often transactions ran.
fn records(finished: &Finished) -> Vec<Value> {
    let mut records = finished.json();
    for record in &mut records {
        for key in ["seconds", "executions", "stages"] {
            record.as_object_mut().unwrap().remove(key);
        }
    }
    records
}

/// Where a run ended.
#[derive(Debug, PartialEq)]
struct End {
    records: Vec<Value>,
    export: String,
    code: Option<i32>,
    stderr: String,
    tip: u64,
}

/// Replays `chain` in every mode and checks that all of them end alike; gives
/// the number of the tip.
#[track_caller]
fn assert_alike(chain: &[u8], words: Option<&[&str]>) -> u64 {
    let mut ends = Vec::new();
    for mode in MODES {
        let folder = tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("chain.rlp"), chain).unwrap();
        let genesis = demo().join("genesis.json");
        let args = ["replay", &path("chain.rlp"), "--genesis", genesis.to_str().unwrap()];
        let more = ["--db", &path("db"), "--json"];
        let finished = run(args.iter().chain(&more).chain(mode));
        match words {
            Some(words) => finished.assert_refused(finished.code.unwrap(), words),
            None => assert_eq!(finished.code, Some(0), "{mode:?}: {finished:?}"),
        }
        let store = Store::open(Path::new(&path("db"))).unwrap();
        store.verify().unwrap();
        let tip = store.tip().number;
        drop(store);
        let export = run_ok(["db", "export", "--db", &path("db")]).stdout;
        let records = records(&finished);
        assert_eq!(records.iter().filter(|line| line["block"].is_u64()).count() as u64, tip);
        let Finished { code, stderr, .. } = finished;
        ends.push(End { records, export, code, stderr, tip });
    }
    for (end, mode) in ends.iter().zip(MODES) {
        assert_eq!(end, &ends[0], "{mode:?}");
    }
    ends[0].tip
}

fn encoded(blocks: &[Block]) -> Vec<u8> {
    let mut rlp = Vec::new();
    blocks.iter().for_each(|block| block.encode(&mut rlp));
    rlp
}

#[test]
fn a_good_chain_gives_the_same_records_and_the_same_store() {
    let blocks = demo_blocks();
    assert_eq!(assert_alike(&encoded(&blocks), None), blocks.len() as u64);
    // A block that comes twice is passed, whether it is persisted yet or not.
    let again: Vec<_> = blocks.iter().flat_map(|block| [block.clone(), block.clone()]).collect();
    assert_eq!(assert_alike(&encoded(&again), None), blocks.len() as u64);
}

/// The first transaction twice: the second has a nonce too low.
fn repeat_first(block: &mut Block) {
    let transactions = &mut block.body.transactions;
    transactions.insert(1, transactions[0].clone());
    block.header.transactions_root = calculate_transaction_root(transactions);
}

/// Gives a transaction a signature that nobody made.
fn spoil_a_signature(block: &mut Block) {
    let transactions = &mut block.body.transactions;
    let legacy = transactions.iter_mut().find_map(|transaction| match transaction {
        Transaction::Legacy(signed) => Some(signed),
        _ => None,
    });
    let signed = legacy.unwrap();
    let nobody = Signature::new(U256::ZERO, U256::ZERO, false);
    *signed = signed.tx().clone().into_signed(nobody);
    block.header.transactions_root = calculate_transaction_root(transactions);
}

#[test]
fn the_first_bad_block_ends_every_run_alike() {
    type Damage = fn(&mut Vec<Block>);
    let damages: [(Damage, &str); 7] = [
        (|blocks| repeat_first(&mut blocks[6]), "transaction 1"),
        (|blocks| spoil_a_signature(&mut blocks[6]), "signature"),
        (|blocks| blocks[6].header.state_root = B256::repeat_byte(1), "state root"),
        (|blocks| blocks[6].header.gas_used += 1, "block 7"),
        (|blocks| drop(blocks.remove(6)), "block 7 is next"),
        (|blocks| blocks[6] = blocks[5].clone(), "block 7 is next"),
        (
            |blocks| {
                let first = blocks[6].body.transactions.remove(0);
                blocks[6].body.transactions.insert(1, first);
            },
            "block 7",
        ),
    ];
    for (damage, word) in damages {
        let mut blocks = demo_blocks();
        damage(&mut blocks);
        // A later block is bad as well: the first one counts.
        blocks[9].header.state_root = B256::ZERO;
        assert_eq!(assert_alike(&encoded(&blocks), Some(&[word])), 6, "{word}");
    }
    let whole = encoded(&demo_blocks());
    let cut = &whole[..encoded(&demo_blocks()[..7]).len() - 3];
    assert_eq!(assert_alike(cut, Some(&["truncated", "3 more bytes"])), 6);
}

/// The source is a pipe that stays open, so nothing but the signal ends the run.
#[test]
fn an_interrupted_replay_ends_at_a_block() {
    let folder = tempdir().unwrap();
    let db = folder.path().join("db");
    let genesis = demo().join("genesis.json");
    let (genesis, store) = (genesis.to_str().unwrap(), db.to_str().unwrap());
    let mut child = command(["replay", "-", "--json", "--genesis", genesis, "--db", store])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&encoded(&demo_blocks()[..5])).unwrap();
    let reports = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(reports.take(5).filter(Result::is_ok).count(), 5);
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let code = child.wait().unwrap().code();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("interrupted: the state is that of block 5"), "{stderr}");
    drop(stdin);
    assert_eq!(Store::open(db).unwrap().tip().number, 5);
}

#[test]
fn the_comparison_of_whole_chains_adds_up() {
    let args = ["bench", "replay", "--blocks", "3", "--txs", "9", "--workers", "2", "--json"];
    let found = run_ok(args.iter().chain(&["--no-memory"])).json();
    let chains: Vec<_> = found.iter().map(|one| one["chain"].as_str().unwrap()).collect();
    assert_eq!(chains, ["mixed", "one_chain"]);
    for one in &found {
        assert_eq!(one["blocks"], 3);
        let times = ["sequential_s", "pipelined_s", "ratio"].map(|key| one[key].as_f64().unwrap());
        assert!((times[0] / times[1] - times[2]).abs() < 1e-9, "{one}");
        assert!(one["bytes_per_block"].as_u64().unwrap() > 1000, "{one}");
        assert!(one["sequential_stages"]["recover"].as_f64() > Some(0.0), "{one}");
    }
    run(["bench", "replay", "mixd"]).assert_refused(2, &["mixd"]);
}
