//! A program killed at any moment, over and over: what it has said to be
//! committed is there, and nothing is there by halves.
//!
//! `make crash` runs many more rounds; `BLOCKLOOM_KILLS` and `BLOCKLOOM_SEED`
//! choose how many, and where.

use crate::{
    data::demo,
    program::{command, run_ok},
};
use alloy_primitives::keccak256;
use alloy_rlp::Encodable;
use blockloom_fixtures::demo::{DemoChain, DemoParams};
use blockloom_state::Store;
use serde_json::Value;
use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    path::Path,
    process::Stdio,
    thread,
    time::Duration,
};
use tempfile::tempdir;

/// Blocks of the chain: more than a program gets ahead of what is read of its
/// records (`PIPE`), so that a kill on its way lands on its way.
const BLOCKS: u64 = 96;

/// Bytes of records that a program can leave unread, of 200 or more each. As
/// much as usual holds a whole chain's, and on a busy machine the program is
/// done before the first is read.
const PIPE: usize = 4096;

/// Unwinding ends below this block: far enough from the end that the next
/// replay is on its way when it is killed, whatever the machine does. At most
/// as many blocks are committed as records were read, fill the pipe, and wait
/// in the program's own queue, and up to 32 that were settled together.
const UNWOUND: u64 = BLOCKS / 4;

/// Kills of a normal test run.
const KILLS: u64 = 60;

/// Every so many kills everything in the store is recomputed.
const VERIFY_EVERY: u64 = 10;

/// The end of a program must cost nothing at any of them.
const DURABILITIES: [&str; 3] = ["block", "5", "none"];

/// Imports that are killed in a normal test run.
const IMPORTS: u64 = 20;

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

/// When a program is killed: after it said that so many blocks are committed,
/// and so long. That it has said something does not depend on how busy the
/// machine is.
#[derive(Debug)]
struct Moment {
    records: u64,
    delay: Duration,
}

impl Moment {
    /// While it starts, opens the store or makes one.
    fn early(seed: u64, nth: u64) -> Self {
        Self { records: 0, delay: Duration::from_micros(below(60_000, seed, nth)) }
    }

    /// While it is at one of the next few blocks.
    fn midway(seed: u64, nth: u64) -> Self {
        let records = 1 + below(BLOCKS / 8, seed, nth);
        Self { records, delay: Duration::from_micros(below(5_000, seed, nth + 1)) }
    }
}

/// Runs the program, kills it at this moment, and gives the last block it said
/// to be committed.
fn kill_at(moment: &Moment, args: &[&str]) -> Option<u64> {
    let (reader, writer) = io::pipe().expect("a pipe");
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE).expect("it can be small");
    let mut child = command(args).stdout(writer).stderr(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(reader).lines();
    let mut last = None;
    let mut note = |line: Result<String, _>| {
        // The last line may be cut.
        let record = serde_json::from_str::<Value>(&line.expect("it writes text"));
        last = record.ok().and_then(|record| record["block"].as_u64()).or(last);
    };
    (0..moment.records).map_while(|_| lines.next()).for_each(&mut note);
    // Not to wait for anything: the moment is what the seed says.
    thread::sleep(moment.delay);
    child.kill().expect("it can be killed");
    lines.for_each(note);
    child.wait().expect("it is dead");
    last
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
    run_ok(replay(&path("straight")));

    let mut landed = Landed::default();
    for kill in 0..kills {
        let tip = tip_of(&db);
        let at_the_end = tip == Some(BLOCKS);
        let said = if at_the_end {
            let to = below(UNWOUND, seed, 4 * kill + 1).to_string();
            let moment = Moment::early(seed, 4 * kill);
            kill_at(&moment, &["unwind", "--db", &db, "--to", &to]);
            println!("kill {kill}: {moment:?}, back to {to}");
            landed.unwinding += 1;
            None
        } else {
            let args = replay(&db);
            let durability = DURABILITIES[usize::try_from(below(3, seed, 4 * kill + 1)).unwrap()];
            let rest = ["--json", "--durability", durability];
            let args: Vec<_> = args.iter().map(String::as_str).chain(rest).collect();
            let moment = match below(4, seed, 4 * kill) {
                0 => Moment::early(seed, 4 * kill + 2),
                _ => Moment::midway(seed, 4 * kill + 2),
            };
            println!("kill {kill}: {moment:?}, {durability}");
            kill_at(&moment, &args)
        };

        let now = tip_of(&db);
        println!("said {said:?}, tip {tip:?} -> {now:?}");
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
        drop(store);
        // A machine on which it is always killed too early still goes on.
        if at_the_end && number >= UNWOUND {
            run_ok(["unwind", "--db", &db, "--to", "0"]);
        }
    }

    println!("{landed:?}");
    assert!(landed.midway * 5 > kills, "too few kills were midway: {landed:?}");
    run_ok(replay(&db));
    let export = |db: &str| run_ok(["db", "export", "--db", db]).stdout;
    assert_eq!(export(&db), export(&path("straight")), "not the same bytes");
}

#[test]
fn an_import_that_is_killed_leaves_a_store_or_none() {
    let (kills, seed) = (setting("BLOCKLOOM_KILLS", IMPORTS), setting("BLOCKLOOM_SEED", 1));
    println!("BLOCKLOOM_KILLS={kills} BLOCKLOOM_SEED={seed} cargo nextest run -p blockloom crash");
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (dump, db) = (path("state.jsonl"), path("db"));
    let (chain, straight) = (demo(), path("straight"));
    run_ok(["replay", chain.to_str().unwrap(), "--db", &straight]);
    run_ok(["db", "export", "--db", &straight, "--out", &dump]);
    let (mut n_none, mut n_unfinished, mut n_whole) = (0, 0, 0);
    for kill in 0..kills {
        let moment = Moment::early(seed, kill);
        kill_at(&moment, &["db", "import", &dump, "--db", &db]);
        let tip = tip_of(&db);
        println!("kill {kill}: {moment:?}, tip {tip:?}");
        if tip.is_some() {
            run_ok(["db", "verify", "--db", &db]);
            fs::remove_dir_all(&db).unwrap();
            n_whole += 1;
        } else if Path::new(&db).exists() {
            n_unfinished += 1;
        } else {
            n_none += 1;
        }
    }
    println!("{n_none} left nothing, {n_unfinished} an unfinished store, {n_whole} a whole one");
    if tip_of(&db).is_none() {
        run_ok(["db", "import", &dump, "--db", &db]);
    }
    let export = |db: &str| run_ok(["db", "export", "--db", db]).stdout;
    assert_eq!(export(&db), export(&straight), "not the same bytes");
}

/// Where the store stands, which must open unless there is none yet.
fn tip_of(db: &str) -> Option<u64> {
    let is_vacant = Store::is_vacant(db).expect("the folder can be read");
    (!is_vacant).then(|| Store::open(db).expect("it opens").tip().number)
}
