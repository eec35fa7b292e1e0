//! A program killed at any moment, over and over: what it has said to be
//! committed is there, and nothing is there by halves.
//!
//! `make crash` runs many more rounds; `BLOCKLOOM_KILLS` and `BLOCKLOOM_SEED`
//! choose how many, and where.

use crate::program::{command, run_ok};
use alloy_primitives::keccak256;
use alloy_rlp::Encodable;
use blockloom_fixtures::demo::{DemoChain, DemoParams};
use blockloom_state::Store;
use serde_json::Value;
use std::{
    env, fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};
use tempfile::tempdir;

/// Blocks of the chain: enough that most kills land between the first and the
/// last of them.
const BLOCKS: u64 = 48;

/// Kills of a normal test run.
const KILLS: u64 = 60;

/// Every so many kills everything in the store is recomputed.
const VERIFY_EVERY: u64 = 10;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("it is a number"))
}

/// The `nth` random number below `bound`.
fn below(bound: u64, seed: u64, nth: u64) -> u64 {
    let hash = keccak256([seed.to_be_bytes(), nth.to_be_bytes()].concat());
    u64::from_be_bytes(hash[..8].try_into().unwrap()) % bound
}

/// Where kills landed.
#[derive(Debug, Default)]
struct Landed {
    /// Before there was a store, or while it was made.
    before_the_store: u64,
    at_genesis: u64,
    midway: u64,
    at_the_end: u64,
    unwinding: u64,
}

/// Runs the program, kills it after `delay`, and gives the last block it said
/// to be committed.
fn kill_after(delay: Duration, args: &[&str]) -> Option<u64> {
    let mut child =
        command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    // Not to wait for anything: the moment is what the seed says.
    thread::sleep(delay);
    child.kill().expect("it can be killed");
    let output = child.wait_with_output().expect("it is dead");
    let said = String::from_utf8(output.stdout).expect("it writes text");
    // The last line may be cut.
    let records = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter_map(|record| record["block"].as_u64()).next_back()
}

#[test]
fn nothing_is_lost_however_often_it_is_killed() {
    let (kills, seed) = (setting("BLOCKLOOM_KILLS", KILLS), setting("BLOCKLOOM_SEED", 1));
    println!("BLOCKLOOM_KILLS={kills} BLOCKLOOM_SEED={seed} cargo nextest run -p blockloom crash");
    let params = DemoParams { blocks: BLOCKS, ..DemoParams::default() };
    let chain = DemoChain::generate(&params).expect("it can be made");
    let mut roots = vec![None; chain.blocks.len() + 1];
    let mut bytes = Vec::new();
    for block in &chain.blocks {
        roots[usize::try_from(block.header.number).unwrap()] = Some(block.header.state_root);
        block.encode(&mut bytes);
    }

    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("chain.rlp"), bytes).unwrap();
    fs::write(path("genesis.json"), serde_json::to_vec(&chain.genesis).unwrap()).unwrap();
    let (file, genesis, db) = (path("chain.rlp"), path("genesis.json"), path("db"));
    let replay = |db: &str| ["replay", &file, "--genesis", &genesis, "--db", db].map(str::to_owned);
    let started = Instant::now();
    run_ok(replay(&path("straight")));
    let whole = started.elapsed();

    let mut landed = Landed::default();
    // Grows while kills come too early for anything to happen, as they do when
    // the machine got busier since.
    let mut patience = 1.0;
    for kill in 0..kills {
        let tip = tip_of(&db);
        let at_the_end = tip == Some(BLOCKS);
        // A replay that has little left takes less time, and so does going back.
        let left = match tip {
            Some(BLOCKS) => whole / 4,
            tip => whole.mul_f64(1.0 - tip.unwrap_or(0) as f64 / (BLOCKS + 1) as f64),
        };
        let micros = u64::try_from(left.mul_f64(patience).as_micros()).unwrap().max(1);
        let delay = Duration::from_micros(below(micros, seed, 2 * kill));
        let said = if at_the_end {
            let to = below(BLOCKS, seed, 2 * kill + 1).to_string();
            kill_after(delay, &["unwind", "--db", &db, "--to", &to]);
            landed.unwinding += 1;
            None
        } else {
            let args = replay(&db);
            let args: Vec<_> = args.iter().map(String::as_str).chain(["--json"]).collect();
            kill_after(delay, &args)
        };

        let now = tip_of(&db);
        println!("kill {kill} after {delay:?}: said {said:?}, tip {tip:?} -> {now:?}");
        patience = if now == tip { patience * 1.5 } else { 1.0 };
        assert!(said.is_none() || said <= now, "an acknowledged block is gone");
        assert!(at_the_end || now >= tip, "a replay went back");
        match now {
            None => landed.before_the_store += 1,
            Some(0) => landed.at_genesis += 1,
            Some(BLOCKS) => landed.at_the_end += 1,
            Some(_) => landed.midway += 1,
        }
        let Some(number) = now else { continue };
        let store = Store::open(Path::new(&db)).expect("it opens");
        let root = roots[usize::try_from(number).unwrap()];
        assert!(root.is_none_or(|root| root == store.tip().root), "the root of another block");
        if kill % VERIFY_EVERY == 0 {
            store.verify().expect("it is whole");
        }
    }

    println!("{landed:?}");
    assert!(landed.midway * 4 > kills, "too few kills were in time: {landed:?}");
    run_ok(replay(&db));
    let export = |db: &str| run_ok(["db", "export", "--db", db]).stdout;
    assert_eq!(export(&db), export(&path("straight")), "not the same bytes");
}

/// Where the store stands, which must open if it is there at all.
fn tip_of(db: &str) -> Option<u64> {
    let path = Path::new(db);
    path.exists().then(|| Store::open(path).expect("it opens").tip().number)
}
