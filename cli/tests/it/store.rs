//! `blockloom unwind` and `blockloom db` on stores that `replay` made.

use crate::{
    data::{demo, shared},
    program::{Finished, command, run, run_ok},
};
use blockloom_state::{AccountBasics, AccountChange, BlockChanges, NewBlock, Store};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, io::Write, path::Path, process::Stdio};
use tempfile::{TempDir, tempdir};

/// A store of the chain in a folder.
struct Replayed {
    folder: TempDir,
    totals: Value,
}

impl Replayed {
    fn new(chain: &Path, options: &[&str]) -> Self {
        let folder = tempdir().unwrap();
        let db = folder.path().join("db").to_str().unwrap().to_owned();
        let args = ["replay", chain.to_str().unwrap(), "--db", &db, "--json"];
        let totals = run_ok(args.iter().chain(options)).totals();
        Self { folder, totals }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn db(&self, args: &[&str]) -> Finished {
        run(["db"].iter().chain(args).chain(&["--db", &self.path("db")]))
    }

    fn db_ok(&self, args: &[&str]) -> Finished {
        let finished = self.db(args);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished
    }

    fn unwind(&self, to: u64) -> Finished {
        run(["unwind", "--db", &self.path("db"), "--to", &to.to_string(), "--json"])
    }

    fn export(&self) -> String {
        self.db_ok(&["export"]).stdout
    }
}

/// Goes back by `n` blocks and on again, which must change nothing.
fn there_and_back(chain: &Path, n: u64) {
    let replayed = Replayed::new(chain, &[]);
    let (straight, tip) = (replayed.export(), replayed.totals["tip"].as_u64().unwrap());
    let unwound = replayed.unwind(tip - n);
    assert_eq!(unwound.code, Some(0), "{unwound:?}");
    let unwound = unwound.totals();
    assert_eq!((&unwound["from"], &unwound["tip"]), (&tip.into(), &(tip - n).into()));
    assert_eq!(replayed.db_ok(&["verify", "--json"]).totals()["root"], unwound["root"]);
    assert_ne!(replayed.export(), straight);
    let db = replayed.path("db");
    let again = run_ok(["replay", chain.to_str().unwrap(), "--db", &db, "--json"]).totals();
    assert_eq!((&again["blocks"], &again["root"]), (&n.into(), &replayed.totals["root"]));
    assert_eq!(replayed.export(), straight);
    replayed.db_ok(&["verify"]);
}

#[test]
fn an_unwound_demo_chain_is_replayed_to_the_same_state() {
    there_and_back(&demo(), 3);
}

#[test]
fn an_unwound_rpc_compat_chain_is_replayed_to_the_same_state() {
    if let Some(folder) = shared("rpc_compat") {
        there_and_back(&folder, 30);
    }
}

#[test]
fn unwinding_says_how_far_it_can_go() {
    let replayed = Replayed::new(&demo(), &["--undo-depth", "2"]);
    let tip = replayed.totals["tip"].as_u64().unwrap();
    let before = replayed.export();
    let oldest = format!("reach to block {}", tip - 2);
    replayed.unwind(tip - 3).assert_refused(2, &["cannot go back", &oldest]);
    replayed.unwind(tip + 1).assert_refused(2, &["above the tip"]);
    assert_eq!(replayed.export(), before);
    assert_eq!(replayed.unwind(tip - 2).totals()["tip"], tip - 2);
    let absent = replayed.path("absent");
    run(["unwind", "--db", &absent, "--to", "0"]).assert_refused(2, &["no store", &absent]);
}

#[test]
fn stat_names_tip_root_and_every_family() {
    let replayed = Replayed::new(&demo(), &[]);
    let stat = replayed.db_ok(&["stat", "--json"]).totals();
    for (theirs, ours) in [("tip", "tip"), ("hash", "hash"), ("root", "root")] {
        assert_eq!(stat[theirs], replayed.totals[ours], "{theirs}");
    }
    let names: Vec<_> = stat["families"].as_array().unwrap().iter().map(|f| &f["name"]).collect();
    let families = "accounts slots code trie_accounts trie_slots headers archive lookup undo meta";
    assert_eq!(names, families.split(' ').collect::<Vec<_>>());
    let accounts = &stat["families"][0];
    let bytes =
        accounts["file_bytes"].as_u64().unwrap() + accounts["memory_bytes"].as_u64().unwrap();
    assert!(bytes > 1000, "{stat}");
    assert!(stat["block_cache"]["misses"].is_u64() && stat["node_cache"]["misses"].is_u64());
    let text = replayed.db_ok(&["stat"]).stdout;
    for word in ["trie_slots", "hit rate", stat["root"].as_str().unwrap()] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

/// The answers of another client to `eth_getProof`, and what they say about
/// accounts, slots and code.
#[test]
fn proofs_are_those_of_another_client() {
    let Some(folder) = shared("rpc_compat") else { return };
    let replayed = Replayed::new(&folder, &[]);
    let mut n_slots = 0;
    for case in fs::read_dir(folder.join("eth_getProof")).unwrap() {
        let text = fs::read_to_string(case.unwrap().path()).unwrap();
        let line = |start: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(start)).unwrap();
            serde_json::from_str::<Value>(line).unwrap()
        };
        let (request, response) = (line(">> "), line("<< "));
        let (address, expected) = (request["params"][0].as_str().unwrap(), &response["result"]);
        let slots = request["params"][1].as_array().unwrap().iter().map(|s| s.as_str().unwrap());
        let args: Vec<_> = ["get", "proof", address].into_iter().chain(slots).collect();
        assert_eq!(&replayed.db_ok(&args).totals(), expected, "{address}");

        let account = replayed.db_ok(&["get", "account", address, "--json"]).totals();
        for field in ["balance", "nonce", "codeHash", "storageHash"] {
            assert_eq!(account[field], expected[field], "{field}");
        }
        for slot in expected["storageProof"].as_array().unwrap() {
            let number = slot["key"].as_str().unwrap();
            let found = replayed.db_ok(&["get", "slot", address, number, "--json"]).totals();
            assert_eq!(found["value"], slot["value"]);
            n_slots += 1;
        }
        let by_address = replayed.db_ok(&["get", "code", address, "--json"]).totals();
        assert_eq!(by_address["codeHash"], expected["codeHash"]);
        let hash = expected["codeHash"].as_str().unwrap();
        assert_eq!(replayed.db_ok(&["get", "code", hash, "--json"]).totals(), by_address);
    }
    assert!(n_slots > 0, "no case is about a slot");
}

#[test]
fn what_is_not_there_is_said_not_to_be() {
    let replayed = Replayed::new(&demo(), &[]);
    let nobody = "0x00000000000000000000000000000000deadbeef";
    replayed.db(&["get", "account", nobody]).assert_refused(2, &["no account", "DeaD"]);
    replayed.db(&["get", "code", nobody]).assert_refused(2, &["no account"]);
    replayed.db(&["get", "code", &format!("0x{:064x}", 7)]).assert_refused(2, &["no entry"]);
    replayed.db(&["get", "code", "0x12"]).assert_refused(2, &["neither a hash"]);
    let zero = replayed.db_ok(&["get", "slot", nobody, "1", "--json"]).totals();
    assert_eq!(zero["value"], "0x0");
    let proof = replayed.db_ok(&["get", "proof", nobody]).totals();
    assert!(!proof["accountProof"].as_array().unwrap().is_empty());
    assert_eq!((&proof["balance"], &proof["nonce"]), (&json!("0x0"), &json!("0x0")));
}

#[test]
fn an_exported_state_makes_the_same_store_again() {
    let replayed = Replayed::new(&demo(), &[]);
    let dump = replayed.path("state.jsonl");
    replayed.db_ok(&["export", "--out", &dump]);
    assert_eq!(fs::read_to_string(&dump).unwrap(), replayed.export());
    replayed.db(&["export", "--out", &dump]).assert_refused(2, &["writing", "state.jsonl"]);

    let copy = replayed.path("copy");
    let imported = run_ok(["db", "import", &dump, "--db", &copy, "--json"]).totals();
    assert_eq!(imported["root"], replayed.totals["root"]);
    let again = run_ok(["db", "export", "--db", &copy]).stdout;
    assert_eq!(again, replayed.export());
    run_ok(["db", "verify", "--db", &copy]);
    // It is the same chain, so a replay finds nothing left to do.
    let chain = demo();
    let resumed = run_ok(["replay", chain.to_str().unwrap(), "--db", &copy, "--json"]).totals();
    assert_eq!(resumed["blocks"], 0);

    let piped = replayed.path("piped");
    let mut child =
        command(["db", "import", "-", "--db", &piped]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(again.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_dump_with_a_bad_line_is_refused_by_its_number() {
    let replayed = Replayed::new(&demo(), &[]);
    let good: Vec<String> = replayed.export().lines().map(str::to_owned).collect();
    let refuse = |lines: &[String], words: &[&str]| {
        let (dump, copy) = (replayed.path("bad.jsonl"), replayed.path("bad"));
        fs::write(&dump, lines.join("\n")).unwrap();
        run(["db", "import", &dump, "--db", &copy]).assert_refused(2, words);
        assert!(!Path::new(&copy).exists());
    };
    refuse(&[], &["line 0", "empty"]);
    refuse(&good[1..], &["line 1"]);
    refuse(&good[..good.len() - 1], &["state root"]);
    let with = |at: usize, line: &str| {
        let mut lines = good.clone();
        lines[at] = line.to_owned();
        lines
    };
    refuse(&with(2, "{"), &["line 3"]);
    refuse(&with(2, &good[1]), &["comes twice"]);
    refuse(&with(0, &good[0].replace("\"blockloomState\":1", "\"blockloomState\":9")), &["format"]);
    let account: Value = serde_json::from_str(&good[1]).unwrap();
    let mut richer = account.clone();
    richer["balance"] = json!("0x1234567");
    refuse(&with(1, &richer.to_string()), &["state root"]);
    let mut unknown = account;
    unknown["secretKey"] = json!("0x0");
    refuse(&with(1, &unknown.to_string()), &["line 2", "secretKey"]);
}

#[test]
fn verification_of_a_damaged_store_is_a_mismatch() {
    let replayed = Replayed::new(&demo(), &[]);
    // A block whose header lies about everything but the state.
    let store = Store::open(replayed.path("db")).unwrap();
    let tip = store.tip();
    let basics = AccountBasics {
        balance: alloy_primitives::U256::from(1),
        nonce: 0,
        code_hash: alloy_primitives::B256::repeat_byte(7),
    };
    let change = AccountChange { after: Some(basics), wiped: false, slots: BTreeMap::new() };
    let accounts = BTreeMap::from([(alloy_primitives::Address::repeat_byte(7), change)]);
    let changes = BlockChanges { accounts, code: BTreeMap::new() };
    let mut header = store.header(tip.number).unwrap().unwrap().into_inner();
    header.number += 1;
    header.parent_hash = tip.hash;
    header.state_root = store.root_after(&changes).unwrap();
    let hash = header.hash_slow();
    store.commit(&NewBlock { header: &header, hash, changes: &changes }).unwrap();
    drop(store);
    replayed.db(&["verify"]).assert_refused(1, &["damaged", "no entry", "code"]);
}
