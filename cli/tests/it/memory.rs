//! Memory that cannot be had. Rust's collections, and RocksDB, end the program
//! then; so what can be promised is what a kill leaves as well: the store at a
//! block, and a replay that goes on from there.
//!
//! Not shown: that any particular allocation can fail without ending the
//! program. None can, but for threads that the system refuses.

use crate::{
    cancel::{Begun, Scene, block_of},
    program::{Finished, command},
};
use alloy_consensus::{Signed, TxLegacy};
use alloy_primitives::{Bytes, Signature, U256};
use alloy_rlp::Encodable;
use blockloom_fixtures::{Block, Transaction};
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// Address space, in KiB, from too little to start up to enough.
const LIMITS: [u32; 10] = [
    32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576, 1_310_720, 1_572_864, 2_097_152,
    8_388_608,
];

/// Asserts that a run that had not enough did not take that for a verdict on
/// the block.
#[track_caller]
fn assert_ended(finished: &Finished, what: &str) {
    assert_ne!(finished.code, Some(1), "{what}: {finished:?}");
}

#[test]
fn an_allocation_fault_at_any_limit_costs_no_block_before_it() {
    let scene = Scene::new();
    let (mut n_failed, mut n_done) = (0, 0);
    for kib in LIMITS {
        let (db, what) = (format!("db-{kib}"), format!("{kib} KiB"));
        let script = format!("ulimit -c 0; ulimit -v {kib} || exit 99; exec \"$0\" \"$@\"");
        let program = env!("CARGO_BIN_EXE_blockloom");
        let finished: Finished = Command::new("sh")
            .args(["-c", &script, program])
            .args(scene.args(&scene.path("chain.rlp"), &db))
            .stdin(Stdio::null())
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
            .into();
        assert_ne!(finished.code, Some(99), "the limit was refused");
        let said = finished.stdout.lines().filter_map(block_of).next_back();
        println!("{what}: exit {:?} after block {said:?}, {}", finished.code, finished.stderr);
        if finished.code == Some(0) {
            n_done += 1;
        } else {
            assert_ended(&finished, &what);
            n_failed += 1;
        }
        scene.assert_resumes(&db, said, &what);
    }
    assert!(n_failed > 0 && n_done > 0, "{n_failed} failed, {n_done} came to the end");
}

/// A block too large for what memory is left: it must be read before it can be
/// found wrong.
fn large_block() -> Vec<u8> {
    let tx = TxLegacy { input: Bytes::from(vec![1; 24 << 20]), ..TxLegacy::default() };
    let signature = Signature::new(U256::from(1), U256::from(1), false);
    let mut block = Block::default();
    block.body.transactions.push(Transaction::Legacy(Signed::new_unhashed(tx, signature)));
    let mut rlp = Vec::new();
    block.encode(&mut rlp);
    rlp
}

#[test]
fn an_allocation_fault_half_way_costs_no_block_before_it() {
    let works = Command::new("prlimit").arg("--version").output();
    if !works.is_ok_and(|output| output.status.success()) {
        // Past the test harness, which would keep it to itself.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: there is no prlimit to take memory away with");
        return;
    }
    let scene = Scene::new();
    let large = large_block();
    for at in [1, 6, 13] {
        let (db, what) = (format!("db-{at}"), format!("after block {at}"));
        let mut program = command(scene.args("-", &db));
        // Otherwise the allocator has claimed far more than it ever uses.
        program.env("MIMALLOC_ARENA_RESERVE", "0").env("MIMALLOC_DISALLOW_ARENA_ALLOC", "1");
        let begun = Begun::new(program, &scene.encoded(0, at), at);
        let limits = ["--as=1048576", "--core=0", "--pid", &begun.child.id().to_string()];
        assert!(Command::new("prlimit").args(limits).status().unwrap().success());
        let rest = [scene.encoded(at, at + 2), large.clone()].concat();
        let (last, finished) = begun.finish(&rest);
        println!("{what}: exit {:?} after block {last:?}, {}", finished.code, finished.stderr);
        assert_ne!(finished.code, Some(0), "{what}: {finished:?}");
        assert_ended(&finished, &what);
        scene.assert_resumes(&db, last.or(Some(at)), &what);
    }
}
