//! Input that is wrong: a clear message, the right exit status, no panic, and
//! a store that stays as it was.

use crate::{
    data::{demo, shared},
    program::{Finished, command, run, run_ok},
};
use alloy_rlp::Encodable;
use blockloom_fixtures::{Block, ChainReader};
use blockloom_state::{Store, Tip};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};
use tempfile::{TempDir, tempdir};

/// A folder with a copy of the demo chain, to damage.
struct Copy {
    folder: TempDir,
    blocks: Vec<Block>,
}

impl Copy {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        for file in ["chain.rlp", "genesis.json"] {
            fs::copy(demo().join(file), folder.path().join(file)).unwrap();
        }
        let blocks = ChainReader::open(&demo().join("chain.rlp")).unwrap();
        Self { blocks: blocks.collect::<Result<_, _>>().unwrap(), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write_chain(&self, blocks: &[Block]) {
        let mut rlp = Vec::new();
        blocks.iter().for_each(|block| block.encode(&mut rlp));
        fs::write(self.path("chain.rlp"), rlp).unwrap();
    }

    fn write_genesis(&self, change: impl FnOnce(&mut Value)) {
        let mut genesis: Value =
            serde_json::from_slice(&fs::read(self.path("genesis.json")).unwrap()).unwrap();
        change(&mut genesis);
        fs::write(self.path("genesis.json"), genesis.to_string()).unwrap();
    }

    /// Replays the chain as it is now into the store `db`.
    fn replay(&self) -> Finished {
        run(["replay", &self.text("chain.rlp"), "--db", &self.text("db"), "--json"])
    }

    /// The store's tip, after a look at all it holds.
    fn tip(&self) -> Tip {
        let store = Store::open(self.path("db")).unwrap();
        store.verify().unwrap();
        store.tip()
    }
}

#[test]
fn usage_errors_exit_with_two() {
    for args in [
        &["replay"][..],
        &["verify"],
        &["replay", "--no-such-option", "x"],
        &["verify", "x", "--workers", "0"],
        &["verify", "x", "--workers", "one"],
        &["replay", "x", "--sequential", "--compare"],
    ] {
        run(args).assert_refused(2, &["error:"]);
    }
    let help = run_ok(["help", "replay"]).stdout;
    for option in ["--genesis", "--db", "--workers", "--sequential", "--compare", "--json"] {
        assert!(help.contains(option), "{option}");
    }
    assert!(run_ok(["completions", "bash"]).stdout.contains("_blockloom"));
}

#[test]
fn absent_files_are_named() {
    run(["replay", "no/such/chain.rlp"]).assert_refused(2, &["no/such/chain.rlp"]);
    run(["verify", "no/such/folder"]).assert_refused(2, &["no/such/folder"]);
    let empty = tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    run(["verify", empty]).assert_refused(2, &[empty, "nothing to run"]);
    run(["replay", empty]).assert_refused(2, &[empty, "nothing to run"]);
}

#[test]
fn a_chain_without_genesis_is_refused() {
    let copy = Copy::new();
    fs::remove_file(copy.path("genesis.json")).unwrap();
    copy.replay().assert_refused(2, &["--genesis"]);
    assert!(!copy.path("db").exists());
    run(["replay", "-"]).assert_refused(2, &["--genesis"]);
}

#[test]
fn a_truncated_chain_is_replayed_up_to_the_cut() {
    let copy = Copy::new();
    let bytes = fs::read(copy.path("chain.rlp")).unwrap();
    fs::write(copy.path("chain.rlp"), &bytes[..bytes.len() - 1]).unwrap();
    copy.replay().assert_refused(2, &["truncated", "1 more byte"]);
    let last_whole = &copy.blocks[copy.blocks.len() - 2].header;
    assert_eq!(copy.tip().hash, last_whole.hash_slow());

    // Whole again, it goes on where it was.
    fs::write(copy.path("chain.rlp"), &bytes).unwrap();
    assert_eq!(copy.replay().totals()["blocks"], 1);
}

#[test]
fn a_chain_that_is_none_is_refused() {
    let copy = Copy::new();
    fs::write(copy.path("chain.rlp"), "no chain at all").unwrap();
    copy.replay().assert_refused(2, &["no block at byte 0"]);
    assert_eq!(copy.tip().number, 0);
}

#[test]
fn wrong_json_is_refused() {
    let copy = Copy::new();
    fs::write(copy.path("genesis.json"), "{\"config\": 7}").unwrap();
    copy.replay().assert_refused(2, &["genesis.json", "line 1"]);
    assert!(!copy.path("db").exists());

    fs::write(copy.path("case.json"), "[]").unwrap();
    run(["verify", &copy.text("case.json")]).assert_refused(2, &["case.json"]);
}

#[test]
fn forks_that_make_no_chain_are_refused() {
    let copy = Copy::new();
    copy.write_genesis(|genesis| genesis["config"]["clique"] = json!({"period": 5, "epoch": 9}));
    copy.replay().assert_refused(2, &["genesis.json", "clique"]);
    assert!(!copy.path("db").exists());
}

#[test]
fn a_test_of_an_unknown_fork_is_refused() {
    let copy = Copy::new();
    let genesis = &copy.blocks[0];
    let case = json!({"a case": {
        "network": "Atlantis",
        "genesisBlockHeader": {"hash": genesis.header.hash_slow()},
        "genesisRLP": format!("0x{}", alloy_primitives::hex::encode(alloy_rlp::encode(genesis))),
        "pre": {},
        "postState": {},
        "blocks": [],
        "lastblockhash": genesis.header.hash_slow(),
    }});
    fs::write(copy.path("case.json"), case.to_string()).unwrap();
    let refused = run(["verify", &copy.text("case.json")]);
    refused.assert_refused(2, &["case.json", "a case", "Atlantis"]);
}

#[test]
fn a_block_with_a_wrong_root_is_a_mismatch_and_leaves_no_trace() {
    let mut copy = Copy::new();
    let good = copy.blocks[2].header.hash_slow();
    copy.blocks[3].header.state_root.0[0] ^= 1;
    copy.write_chain(&copy.blocks[..5]);
    copy.replay().assert_refused(1, &["block 4", "state root"]);
    let tip = copy.tip();
    assert_eq!((tip.number, tip.hash), (3, good));
}

#[test]
fn an_invalid_transaction_is_a_mismatch_and_leaves_no_trace() {
    let mut copy = Copy::new();
    // The same transaction twice: the second has a nonce too low.
    let body = &mut copy.blocks[1].body;
    body.transactions.insert(1, body.transactions[0].clone());
    let root = alloy_consensus::proofs::calculate_transaction_root(&body.transactions);
    copy.blocks[1].header.transactions_root = root;
    copy.write_chain(&copy.blocks[..2]);
    for engine in ["--workers=4", "--sequential"] {
        let chain = copy.text("chain.rlp");
        let refused = run(["replay", &chain, "--db", &copy.text("db"), engine]);
        refused.assert_refused(1, &["block 2", "transaction 1", "nonce"]);
        assert_eq!(copy.tip().hash, copy.blocks[0].header.hash_slow());
    }
}

#[test]
fn a_gap_in_the_chain_is_refused() {
    let copy = Copy::new();
    copy.write_chain(&[copy.blocks[0].clone(), copy.blocks[2].clone()]);
    copy.replay().assert_refused(2, &["block 2 is next", "block 3"]);
    assert_eq!(copy.tip().number, 1);
}

#[test]
fn a_foreign_folder_is_left_alone() {
    let copy = Copy::new();
    fs::create_dir(copy.path("db")).unwrap();
    fs::write(copy.path("db").join("letter.txt"), "mine").unwrap();
    copy.replay().assert_refused(2, &["not a blockloom store"]);
    let left: Vec<_> = fs::read_dir(copy.path("db")).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(fs::read(copy.path("db").join("letter.txt")).unwrap(), b"mine");
}

#[test]
fn a_store_of_another_chain_is_refused() {
    let copy = Copy::new();
    copy.write_chain(&copy.blocks[..2]);
    assert_eq!(copy.replay().code, Some(0));
    let tip = copy.tip();
    copy.write_genesis(|genesis| genesis["config"]["chainId"] = json!(77));
    copy.replay().assert_refused(2, &["another chain", "chain id 77"]);
    assert_eq!(copy.tip(), tip);
}

#[test]
fn a_chain_that_left_the_stored_one_is_refused() {
    let mut copy = Copy::new();
    copy.write_chain(&copy.blocks[..3]);
    assert_eq!(copy.replay().code, Some(0));
    let tip = copy.tip();
    copy.blocks[1].header.extra_data = vec![1].into();
    copy.write_chain(&copy.blocks);
    copy.replay().assert_refused(2, &["block 2", "the store holds"]);
    assert_eq!(copy.tip(), tip);
}

#[test]
fn a_store_in_use_is_refused() {
    let copy = Copy::new();
    assert_eq!(copy.replay().code, Some(0));
    let store = Store::open(copy.path("db")).unwrap();
    copy.replay().assert_refused(2, &["in use"]);
    drop(store);
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let chain = demo();
    let mut command = command(["replay", chain.to_str().unwrap(), "--json"]);
    command.stdout(fs::File::options().write(true).open(full).unwrap());
    Finished::from(command.output().unwrap()).assert_refused(2, &["writing results"]);
}

#[test]
fn a_block_file_without_one_of_its_accounts_is_a_mismatch() {
    let Some(set) = shared("mainnet") else { return };
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("blocks")).unwrap();
    fs::copy(set.join("codes.json.gz"), folder.path().join("codes.json.gz")).unwrap();
    let mut text = String::new();
    let file = fs::File::open(set.join("blocks/46147.json.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut block: Value = serde_json::from_str(&text).unwrap();
    let sender = block["block"]["transactions"][0]["from"].as_str().unwrap().to_owned();
    block["preState"].as_object_mut().unwrap().remove(&sender).unwrap();
    let path = folder.path().join("blocks/46147.json.gz");
    let mut writer = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
    writer.write_all(block.to_string().as_bytes()).unwrap();
    writer.finish().unwrap();

    let refused = run(["replay", path.to_str().unwrap()]);
    refused.assert_refused(1, &["block 46147", "transaction 0"]);
    let with_db = run(["replay", path.to_str().unwrap(), "--db", "unused"]);
    with_db.assert_refused(2, &["--db"]);
}
