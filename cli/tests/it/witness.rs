//! `blockloom replay --witness`: blocks on nothing but what is proven.

use crate::{
    data::shared,
    program::{Finished, run, run_ok},
};
use alloy_primitives::{Bytes, hex, keccak256};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tempfile::{TempDir, tempdir};

/// A small block whose witness is in the data set.
const BLOCK: u64 = 22_615_247;

/// A block that pays nothing to an account that never was, which its witness
/// does not prove.
const UNPROVEN: (u64, &str) = (22_188_088, "0xc83f7D9F2D4A76E81145849381ABA02602373723");

/// Blocks of the data set that have a witness.
const N_WITNESSES: usize = 15;

/// The data set, and a witness to damage.
struct Case {
    set: PathBuf,
    witness: Value,
    folder: TempDir,
}

impl Case {
    fn new() -> Option<Self> {
        let set = shared("mainnet")?;
        let path = set.join(format!("witness/{BLOCK}.json.gz"));
        let witness = serde_json::from_reader(GzDecoder::new(File::open(path).unwrap())).unwrap();
        Some(Self { set, witness, folder: tempdir().unwrap() })
    }

    fn block(&self) -> String {
        self.set.join(format!("blocks/{BLOCK}.json.gz")).to_str().unwrap().to_owned()
    }

    /// Replays the block on this witness.
    fn replay(&self, witness: &str) -> Finished {
        let path = self.folder.path().join("witness.json");
        fs::write(&path, witness).unwrap();
        run(["replay", &self.block(), &format!("--witness={}", path.display()), "--json"])
    }

    fn nodes(&self) -> &Vec<Value> {
        self.witness["nodes"].as_array().unwrap()
    }

    fn with_nodes(&self, nodes: Vec<Value>) -> String {
        let mut witness = self.witness.clone();
        witness["nodes"] = nodes.into();
        witness.to_string()
    }
}

#[test]
fn proven_mainnet_blocks_run_on_their_witness_alone() {
    let Some(case) = Case::new() else { return };
    // Those with a witness but the one that is not enough, and one without.
    let set = case.folder.path().join("set");
    fs::create_dir_all(set.join("blocks")).unwrap();
    for name in ["witness", "codes.json.gz"] {
        symlink(case.set.join(name), set.join(name)).unwrap();
    }
    let witnesses = fs::read_dir(case.set.join("witness")).unwrap();
    let names = witnesses.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unproven = format!("{}.json.gz", UNPROVEN.0);
    let names = names.filter(|name| *name != unproven).chain(["19910734.json.gz".to_owned()]);
    for name in names {
        let block = Path::new("blocks").join(name);
        symlink(case.set.join(&block), set.join(&block)).unwrap();
    }
    let set = set.to_str().unwrap();
    for options in [&["--compare"][..], &["--sequential"]] {
        let finished = run_ok(["replay", set, "--witness", "--json"].iter().chain(options));
        let lines = finished.json();
        let (totals, blocks) = lines.split_last().unwrap();
        assert_eq!((blocks.len(), &totals["blocks"]), (N_WITNESSES - 1, &(N_WITNESSES - 1).into()));
        assert!(blocks.iter().all(|block| block["root_verified"] == true), "{finished:?}");
        assert!(finished.stderr.contains("1 of 15 blocks have no witness"), "{finished:?}");
    }
}

#[test]
fn what_a_block_reads_beyond_its_witness_is_named() {
    let Some(case) = Case::new() else { return };
    let (number, address) = UNPROVEN;
    let block = case.set.join(format!("blocks/{number}.json.gz"));
    for workers in ["1", "4"] {
        let args = ["replay", block.to_str().unwrap(), "--witness", "--workers", workers];
        let words = ["the witness is not enough", "transaction 19", address, "is missing"];
        run(args).assert_refused(2, &words);
    }
}

/// Every node is there for a reason: without it the block fails to run or its
/// root fails to be found, and the message says where.
#[test]
fn a_missing_node_is_an_error_that_names_the_place() {
    let Some(case) = Case::new() else { return };
    assert_eq!(case.replay(&case.witness.to_string()).code, Some(0));
    let root = case.witness["parentStateRoot"].as_str().unwrap();
    let n_nodes = case.nodes().len();
    // Some of hundreds, the root among them wherever it is.
    let is_root =
        |node: &Value| keccak256(hex::decode(node.as_str().unwrap()).unwrap()).to_string() == root;
    let root_at = case.nodes().iter().position(is_root).unwrap();
    for left_out in [0, n_nodes / 3, n_nodes / 2, n_nodes - 1, root_at] {
        let mut nodes = case.nodes().clone();
        nodes.remove(left_out);
        let words: &[&str] = if left_out == root_at {
            &["22615247", "the parent's state root", root]
        } else {
            &["block 22615247: the witness is not enough", "is missing", "at path"]
        };
        case.replay(&case.with_nodes(nodes)).assert_refused(2, words);
    }
}

#[test]
fn a_forged_or_foreign_witness_is_refused() {
    let Some(case) = Case::new() else { return };
    // A node that was tampered with has another hash, so it is not found.
    let mut nodes = case.nodes().clone();
    for node in &mut nodes {
        let mut bytes = hex::decode(node.as_str().unwrap()).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        *node = json!(Bytes::from(bytes));
    }
    case.replay(&case.with_nodes(nodes)).assert_refused(2, &["the parent's state root"]);

    let mut other = case.witness.clone();
    other["number"] = 1.into();
    case.replay(&other.to_string()).assert_refused(2, &["of block 1, not 22615247"]);
    case.replay("{").assert_refused(2, &["parsing", "witness.json"]);
    let headers = json!({"state": [], "codes": [], "keys": [], "headers": ["0xdead"]});
    case.replay(&headers.to_string()).assert_refused(2, &["headers[0]", "22615247"]);
}

#[test]
fn a_witness_that_is_not_there_is_told() {
    let Some(case) = Case::new() else { return };
    let nowhere = format!("--witness={}", case.folder.path().join("none.json").display());
    run(["replay", &case.block(), &nowhere]).assert_refused(2, &["no witness at", "none.json"]);
    let unproven = case.set.join("blocks/19910734.json.gz");
    assert!(unproven.is_file());
    run([Path::new("replay"), &unproven, Path::new("--witness")])
        .assert_refused(2, &["block 19910734", "no witness at"]);
    let demo = crate::data::demo();
    run([Path::new("replay"), &demo, Path::new("--witness")])
        .assert_refused(2, &["--witness is for block files"]);
}
