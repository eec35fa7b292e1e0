//! The Engine API: payloads good and bad, reorganisations, who may speak.

use super::{Home, SECRET, Served, Status, branch::Branch, forkchoice, payload, request, token};
use crate::http::post_with;
use alloy_primitives::{B256, Bytes, U256, bytes};
use blockloom_engine::{Block, ChainSpec};
use blockloom_fixtures::{
    GenesisBlock,
    demo::{DemoChain, DemoParams},
};
use serde_json::{Value, json};

const BLOCKS: u64 = 6;

/// A chain of Prague and Osaka blocks, full of conflicts and requests.
struct Demo {
    home: Home,
    blocks: Vec<(Block, Vec<Bytes>)>,
    genesis: GenesisBlock,
}

impl Demo {
    fn new() -> Self {
        let params = DemoParams { blocks: BLOCKS, txs_per_block: 30, ..DemoParams::default() };
        let chain = DemoChain::generate(&params).unwrap();
        let home = Home::new(&chain.genesis_json());
        let requests = chain.outcomes.iter().map(|outcome| outcome.requests.iter().cloned());
        let blocks = chain.blocks.iter().cloned().zip(requests.map(Iterator::collect)).collect();
        Self { home, blocks, genesis: GenesisBlock::from_genesis(chain.genesis).unwrap() }
    }

    fn hash(&self, number: u64) -> B256 {
        match number {
            0 => self.genesis.hash,
            number => self.block(number).0.header.hash_slow(),
        }
    }

    fn block(&self, number: u64) -> &(Block, Vec<Bytes>) {
        &self.blocks[usize::try_from(number).unwrap() - 1]
    }

    /// Sends block `number` and expects it to be right.
    #[track_caller]
    fn send(&self, served: &Served, number: u64) {
        let (block, requests) = self.block(number);
        assert_eq!(served.new_payload(block, requests), Status::valid(self.hash(number)));
    }

    /// A chain that goes along this one up to block `number`.
    fn branch(&self, number: u64) -> Branch {
        let spec = ChainSpec::from_genesis(&self.genesis.config).unwrap();
        let genesis = (self.genesis.header.clone(), self.genesis.hash);
        let mut branch = Branch::new(spec, genesis, self.genesis.state.clone());
        (1..=number).for_each(|number| branch.pass(&self.block(number).0));
        branch
    }
}

/// What a reader sees of the chain.
#[track_caller]
fn sight(served: &Served) -> Value {
    let blocks: Vec<_> = (0..=BLOCKS + 2)
        .map(|number| served.call("eth_getBlockByNumber", &json!([U256::from(number), true])))
        .collect();
    let receipts: Vec<_> = (0..=BLOCKS + 2)
        .map(|number| served.call("eth_getBlockReceipts", &json!([U256::from(number)])))
        .collect();
    json!([served.call("eth_blockNumber", &json!([])), blocks, receipts])
}

#[track_caller]
fn tip(served: &Served) -> B256 {
    let block = served.call("eth_getBlockByNumber", &json!(["latest", false]));
    block["hash"].as_str().unwrap().parse().unwrap()
}

#[test]
fn payloads_move_the_chain_only_when_they_are_chosen() {
    let demo = Demo::new();
    let served = demo.home.serve(&[]);
    assert_eq!(tip(&served), demo.hash(0));
    // Ahead of the head: a child needs no canonical parent.
    (1..=3).for_each(|number| demo.send(&served, number));
    assert_eq!(tip(&served), demo.hash(0));
    assert_eq!(served.choose(demo.hash(2)), Status::valid(demo.hash(2)));
    assert_eq!(tip(&served), demo.hash(2));
    assert_eq!(served.choose(demo.hash(3)), Status::valid(demo.hash(3)));
    // An ancestor of the head changes nothing.
    assert_eq!(served.choose(demo.hash(1)), Status::valid(demo.hash(1)));
    assert_eq!(tip(&served), demo.hash(3));
    // What is not known yet.
    let (block, requests) = demo.block(5);
    assert_eq!(served.new_payload(block, requests), Status::syncing());
    assert_eq!(served.choose(demo.hash(5)), Status::syncing());
    assert_eq!(tip(&served), demo.hash(3));
    // Once more is fine.
    demo.send(&served, 3);
    (4..=BLOCKS).for_each(|number| demo.send(&served, number));
    assert_eq!(served.choose(demo.hash(BLOCKS)), Status::valid(demo.hash(BLOCKS)));
    let before = sight(&served);
    assert_eq!(served.interrupt(), (Some(0), String::new()));
    let served = demo.home.serve(&[]);
    assert_eq!(served.listening["tip"], BLOCKS);
    assert_eq!(sight(&served), before);
}

#[test]
fn a_reorganisation_leads_to_the_other_branch_and_back() {
    let demo = Demo::new();
    let served = demo.home.serve(&[]);
    (1..=BLOCKS).for_each(|number| demo.send(&served, number));
    served.choose(demo.hash(BLOCKS));
    let before = sight(&served);

    // A longer branch from block 3 on, all of it while the other is canonical.
    let mut branch = demo.branch(3);
    let mut head = B256::ZERO;
    for _ in 0..4 {
        let (block, requests) = branch.add("other");
        head = block.header.hash_slow();
        assert_eq!(served.new_payload(&block, &requests), Status::valid(head));
    }
    assert_eq!(sight(&served), before);
    assert_eq!(served.choose(head), Status::valid(head));
    assert_eq!(tip(&served), head);
    let gone = demo.block(5).0.body.transactions[0].tx_hash();
    assert_eq!(served.call("eth_getTransactionByHash", &json!([gone])), Value::Null);
    let kept = demo.block(3).0.body.transactions[0].tx_hash();
    assert_eq!(served.call("eth_getTransactionReceipt", &json!([kept]))["blockNumber"], "0x3");

    // Back; then as if nothing had been.
    assert_eq!(served.choose(demo.hash(BLOCKS)), Status::valid(demo.hash(BLOCKS)));
    assert_eq!(sight(&served), before);
    assert_eq!(served.interrupt().0, Some(0));
    let db = demo.home.path("db");
    let verified = crate::program::run_ok(["db", "verify", "--db", db.to_str().unwrap()]);
    assert!(verified.stdout.contains("in order"), "{verified:?}");
}

#[test]
fn what_is_invalid_is_refused_and_its_children_with_it() {
    let demo = Demo::new();
    let served = demo.home.serve(&[]);
    (1..=2).for_each(|number| demo.send(&served, number));
    served.choose(demo.hash(2));
    let before = sight(&served);
    let (good, requests) = demo.block(3);
    let parent = Some(demo.hash(2));

    let mut block = good.clone();
    block.header.state_root = B256::repeat_byte(1);
    served.new_payload(&block, requests).assert_invalid(parent, "state root is");
    // The same answer again, and for a child of it.
    served.new_payload(&block, requests).assert_invalid(parent, "state root is");
    let invalid = block.header.hash_slow();
    let (mut child, child_requests) = demo.block(4).clone();
    child.header.parent_hash = invalid;
    served.new_payload(&child, &child_requests).assert_invalid(parent, "state root is");
    let chosen = served.choose(invalid);
    chosen.assert_invalid(parent, "state root is");

    let mut block = good.clone();
    block.header.gas_used += 1;
    served.new_payload(&block, requests).assert_invalid(parent, "gas");
    let mut block = good.clone();
    block.header.base_fee_per_gas = Some(1);
    served.new_payload(&block, requests).assert_invalid(parent, "base fee");
    let mut block = good.clone();
    block.body.transactions.swap(0, 1);
    block.header.transactions_root =
        alloy_consensus::proofs::calculate_transaction_root(&block.body.transactions);
    assert_eq!(served.new_payload(&block, requests).status, "INVALID");
    // Requests that are not the block's: it is another block then.
    served.new_payload(good, &[bytes!("01ff")]).assert_invalid(None, "hash");

    assert_eq!(sight(&served), before);
    demo.send(&served, 3);
}

/// Error code of an answer.
#[track_caller]
fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {answer}"))
}

#[test]
fn bad_requests_get_the_code_the_specification_asks_for() {
    let demo = Demo::new();
    let served = demo.home.serve(&[]);
    demo.send(&served, 1);
    served.choose(demo.hash(1));
    let before = sight(&served);
    let (block, requests) = demo.block(2);
    let (method, params) = payload::of(block, requests);
    assert_eq!(method, "engine_newPayloadV4");
    let [payload, hashes, root, requests] = params.as_array().unwrap().as_slice() else {
        panic!("{params}")
    };

    // A version of another fork, and parameters that are missing or wrong.
    let v3 = json!([payload, hashes, root]);
    assert_eq!(code(&served.tell("engine_newPayloadV3", &v3)), -38005);
    for params in [
        v3,
        json!([payload, hashes, null, requests]),
        json!([payload, hashes, root, null]),
        json!([payload, hashes, root, ["0x00"]]),
        json!([payload, hashes, root, ["0x01aa", "0x00aa"]]),
        json!([{}, hashes, root, requests]),
        json!([]),
        json!("?"),
    ] {
        assert_eq!(code(&served.tell("engine_newPayloadV4", &params)), -32602, "{params}");
    }
    let other = json!([payload, [B256::repeat_byte(1)], root, requests]);
    let status = Status::of(&served.tell("engine_newPayloadV4", &other)["result"]);
    status.assert_invalid(None, "versioned hashes");

    // The head.
    let choose = |params: Value| served.tell("engine_forkchoiceUpdatedV3", &params);
    assert_eq!(code(&choose(json!([forkchoice(B256::ZERO), null]))), -38002);
    let mut foreign = forkchoice(demo.hash(1));
    foreign["finalizedBlockHash"] = json!(B256::repeat_byte(9));
    assert_eq!(code(&choose(json!([foreign, null]))), -38002);
    assert_eq!(code(&choose(json!([forkchoice(demo.hash(1)), { "timestamp": "0x1" }]))), -38003);
    assert_eq!(code(&choose(json!([{}, null]))), -32602);
    assert_eq!(code(&served.tell("engine_getPayloadV4", &json!(["0x0"]))), -32601);
    let bodies = served.tell("engine_getPayloadBodiesByRangeV1", &json!(["0x1", "0x10"]));
    let body = &bodies["result"][0];
    assert_eq!(bodies["result"].as_array().unwrap().len(), 1);
    assert_eq!(
        body["transactions"].as_array().unwrap().len(),
        demo.block(1).0.body.transactions.len()
    );

    // Who may not speak, and what is no request at all.
    let chain_id = request("eth_chainId", &json!([])).to_string();
    for headers in ["", &token(&[1; 32]), "Authorization: Bearer x.y.z\r\n"] {
        let (status, _) = post_with(served.engine, headers, &chain_id).unwrap();
        assert!(status.contains(" 401 "), "{headers}: {status}");
    }
    let (_, answer) = post_with(served.engine, &token(&SECRET), &chain_id).unwrap();
    assert!(answer.contains("0xb10c"), "{answer}");
    let (_, answer) = post_with(served.http, "", "{").unwrap();
    assert!(answer.contains("-32700"), "{answer}");
    // The public port moves nothing.
    assert_eq!(code(&served.ask(&request("engine_forkchoiceUpdatedV3", &json!([])))), -32601);
    assert_eq!(sight(&served), before);
}

#[test]
fn a_store_is_served_once_and_only_as_what_it_is() {
    let demo = Demo::new();
    let served = demo.home.serve(&[]);
    demo.home.refused(&[]).assert_refused(2, &["in use"]);
    drop(served);
    let db = demo.home.path("db");
    let (db, genesis) = (db.to_str().unwrap(), demo.home.path("genesis.json"));
    let genesis = genesis.to_str().unwrap();
    crate::program::run(["serve", "--db", db, "--genesis", genesis])
        .assert_refused(2, &["nothing to serve"]);
    std::fs::write(demo.home.path("jwt.hex"), "0x1234").unwrap();
    demo.home.refused(&[]).assert_refused(2, &["jwt.hex", "32 bytes"]);
}
