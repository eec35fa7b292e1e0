//! Blocks from a real node: anvil, with a chain made for the purpose.

use crate::{
    data::{brought, in_repository},
    http::post,
    program::{run, run_ok},
};
use alloy_primitives::{Address, Bytes, U256, keccak256};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};
use tempfile::tempdir;

/// Accounts anvil starts with that it signs for.
const N_SENDERS: usize = 10;

/// A running anvil, killed when it goes out of scope.
struct Anvil {
    process: Child,
    port: u16,
    senders: Vec<Address>,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have ended by itself, after a failed test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Anvil {
    /// Starts anvil on a port the system chooses. `None`, said loudly, if it
    /// cannot be had; in CI that is a failure.
    fn start() -> Option<Self> {
        let program = brought("anvil.sh", &[])?;
        let mut process = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .args(["--hardfork", "osaka", "--no-mining", "--order", "fifo"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It says where it listens once it does.
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| line.unwrap().strip_prefix("Listening on ").map(str::to_owned))
            .expect("anvil tells its address before it ends");
        let port = address.rsplit(':').next().unwrap().trim().parse().unwrap();
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let mut anvil = Self { process, port, senders: Vec::new() };
        anvil.senders = serde_json::from_value(anvil.call("eth_accounts", &json!([]))).unwrap();
        assert_eq!(anvil.senders.len(), N_SENDERS);
        Some(anvil)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    #[track_caller]
    fn call(&self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = post(self.port, &request.to_string()).expect("anvil answers");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// Puts a transaction into the pool; gas is given, so that what reverts is
    /// not refused.
    fn send(&self, sender: usize, to: Option<Address>, value: u64, data: impl Into<Bytes>) {
        let transaction = json!({
            "from": self.senders[sender], "to": to, "value": U256::from(value),
            "data": data.into(), "gas": "0xf4240",
        });
        self.call("eth_sendTransaction", &json!([transaction]));
    }

    fn mine(&self, n_transactions: usize) -> u64 {
        self.call("evm_mine", &json!([]));
        let block = self.call("eth_getBlockByNumber", &json!(["latest", false]));
        assert_eq!(block["transactions"].as_array().unwrap().len(), n_transactions);
        let number: U256 = serde_json::from_value(block["number"].clone()).unwrap();
        number.to()
    }
}

/// Code that deploys `contract` of the project's own, whose constructors do
/// nothing: it copies all that follows it.
fn deployment(contract: &str) -> Vec<u8> {
    let path = in_repository(&format!("fixtures/contracts/compiled/{contract}.json"));
    let compiled: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let runtime: Bytes = serde_json::from_value(compiled["runtime"].clone()).unwrap();
    let [high, low] = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    let mut code = vec![0x61, high, low, 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    code.extend_from_slice(&runtime);
    code
}

/// A call of `signature` with arguments of one word each.
fn call_of(signature: &str, words: &[U256]) -> Vec<u8> {
    let mut data = keccak256(signature)[..4].to_vec();
    words.iter().for_each(|word| data.extend(word.to_be_bytes::<32>()));
    data
}

fn word(address: Address) -> U256 {
    address.into_word().into()
}

/// Mines a chain in which every block but the first is full of conflicts;
/// gives the number of its last block.
fn make_chain(anvil: &Anvil) -> u64 {
    let counters = anvil.senders[0].create(0);
    let ether = anvil.senders[0].create(1);
    anvil.send(0, None, 0, deployment("Counters"));
    anvil.send(0, None, 0, deployment("WrappedEther"));
    assert_eq!(anvil.mine(2), 1);

    // All deposit into one contract and bump one counter; money goes round.
    for sender in 0..N_SENDERS {
        anvil.send(sender, Some(ether), 1_000, call_of("deposit()", &[]));
        anvil.send(sender, Some(counters), 0, call_of("bump(uint256)", &[U256::from(7)]));
        anvil.send(sender, Some(anvil.senders[(sender + 1) % N_SENDERS]), 5, Vec::new());
    }
    anvil.mine(3 * N_SENDERS);

    // All pay the first, who pays them; some ask for more than they have.
    let pay = "transfer(address,uint256)";
    for sender in 1..N_SENDERS {
        let first = word(anvil.senders[0]);
        anvil.send(sender, Some(ether), 0, call_of(pay, &[first, U256::from(100)]));
        let to = [word(anvil.senders[sender]), U256::from(300)];
        anvil.send(0, Some(ether), 0, call_of(pay, &to));
        anvil.send(sender, Some(ether), 0, call_of(pay, &[first, U256::from(1_000_000)]));
    }
    anvil.mine(3 * (N_SENDERS - 1));

    // A contract that makes another with CREATE2; one that keeps the hash of
    // the grandparent; one that destroys itself later; money for an account
    // that never was.
    anvil.send(1, None, 0, vec![0x61, 0x5f, 0xff, 0x5f, 0x52, 0x60, 0x02, 0x60, 0x1e, 0xf3]);
    anvil.send(2, None, 0, vec![0x60, 0x01, 0x5f, 0x5f, 0x5f, 0xf5, 0x00]);
    anvil.send(3, None, 0, vec![0x60, 0x02, 0x43, 0x03, 0x40, 0x5f, 0x55, 0x00]);
    anvil.send(4, Some(Address::repeat_byte(0xab)), 1, Vec::new());
    for sender in 5..N_SENDERS {
        anvil.send(sender, Some(counters), 0, call_of("bump(uint256)", &[U256::from(7)]));
    }
    anvil.mine(N_SENDERS - 1);

    // The destruction, twice, with the others bumping meanwhile.
    let doomed = anvil.senders[1].create(nonce_of_creation(anvil));
    for sender in 1..N_SENDERS {
        anvil.send(sender, Some(doomed), 3, Vec::new());
        anvil.send(sender, Some(counters), 0, call_of("bump(uint256)", &[U256::from(sender)]));
    }
    anvil.mine(2 * (N_SENDERS - 1))
}

/// Nonce with which sender 1 created its contract: its last by then.
fn nonce_of_creation(anvil: &Anvil) -> u64 {
    let sender = anvil.senders[1];
    let nonce = anvil.call("eth_getTransactionCount", &json!([sender, "latest"]));
    serde_json::from_value::<U256>(nonce).unwrap().to::<u64>() - 1
}

/// The rules anvil's chain follows, as a genesis file has them.
fn genesis(chain_id: u64) -> Value {
    let blocks = [
        "homesteadBlock",
        "eip150Block",
        "eip155Block",
        "eip158Block",
        "byzantiumBlock",
        "constantinopleBlock",
        "petersburgBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
    ];
    let mut config = json!({
        "chainId": chain_id, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true,
        "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0,
    });
    for block in blocks {
        config[block] = 0.into();
    }
    json!({ "config": config })
}

#[test]
fn blocks_of_a_real_node_replay_to_its_roots() {
    let Some(anvil) = Anvil::start() else { return };
    let last = make_chain(&anvil);
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("genesis.json"), genesis(31_337).to_string()).unwrap();
    fs::write(path("other.json"), genesis(5).to_string()).unwrap();
    let (url, genesis, out) = (anvil.url(), path("genesis.json"), path("out"));
    // anvil's block 0 does not say its state root, so nothing proves block 1.
    let range = format!("2..{last}");
    let n_blocks = last - 1;
    let fetch = |more: &[&str]| {
        let args = ["fetch", "--rpc", &url, "--out", &out, "--genesis", &genesis, "--json"];
        run_ok(args.iter().chain(more))
    };

    let totals = fetch(&["--blocks", &range, "--proofs"]).totals();
    assert_eq!(totals["fetched"], n_blocks, "{totals}");
    assert_eq!(totals["roots_verified"], n_blocks, "{totals}");
    let totals = fetch(&["--blocks", &range]).totals();
    assert_eq!((&totals["fetched"], &totals["kept"]), (&0.into(), &n_blocks.into()));

    // The files, on the state in them and on nothing but what is proven.
    for options in [&["--compare"][..], &["--compare", "--witness"], &["--sequential"]] {
        let finished = run_ok(["replay", &out, "--json"].iter().chain(options));
        check_against(&anvil, 2, &finished.json(), true);
    }
    let totals = run_ok(["verify", &out, "--workers", "1,2,4", "--json"]).totals();
    assert_eq!((&totals["passed"], &totals["failed"]), (&n_blocks.into(), &0.into()), "{totals}");

    replay_on_execution_witness(&anvil, &out, 3);

    // Straight from the node, the first block included.
    let all = format!("1..{last}");
    let from_node = ["replay", "--rpc", &url, "--genesis", &genesis, "--compare", "--json"];
    let finished = run_ok(from_node.iter().chain(&["--blocks", all.as_str()]));
    check_against(&anvil, 1, &finished.json(), false);

    // This version of anvil leaves an empty account in its trie where a contract
    // destroys itself while it is created, against EIP-161; that is noticed.
    anvil.send(1, None, 0, vec![0x5f, 0xff]);
    let wrong = anvil.mine(1).to_string();
    run(from_node.iter().chain(&["--blocks", wrong.as_str(), "--proofs"]))
        .assert_refused(1, &["state root is"]);

    let beyond = (last + 2).to_string();
    run(from_node.iter().chain(&["--blocks", beyond.as_str()]))
        .assert_refused(2, &["the node has no block"]);
    run(from_node.iter().chain(&["--blocks", "1", "--proofs"]))
        .assert_refused(2, &["eth_getProof", "not of the parent's state root"]);
    run(["replay", "--rpc", &url, "--blocks", "2"])
        .assert_refused(2, &["chain 31337", "--genesis"]);
    run(["replay", "--rpc", &url, "--blocks", "2", "--genesis", &path("other.json")])
        .assert_refused(2, &["chain 31337", "chain 5"]);
}

/// Replays a fetched block on its nodes and code in the shape that
/// `debug_executionWitness` has, with the parent's header.
fn replay_on_execution_witness(anvil: &Anvil, out: &str, number: u64) {
    let read = |kind: &str| -> Value {
        let path = Path::new(out).join(format!("{kind}/{number}.json.gz"));
        serde_json::from_reader(GzDecoder::new(fs::File::open(path).unwrap())).unwrap()
    };
    let parent = json!([format!("{:#x}", number - 1), false]);
    let parent = anvil.call("eth_getBlockByNumber", &parent);
    let codes: Vec<_> = read("blocks")["codes"].as_object().unwrap().values().cloned().collect();
    let witness = json!({"jsonrpc": "2.0", "id": 1, "result": {
        "state": read("witness")["nodes"], "codes": codes, "keys": [], "headers": [parent],
    }});
    let path = Path::new(out).join("execution-witness");
    fs::write(&path, witness.to_string()).unwrap();
    let block = format!("{out}/blocks/{number}.json.gz");
    let option = format!("--witness={}", path.display());
    let finished = run_ok(["replay", &block, &option, "--compare", "--json"]);
    assert_eq!(finished.json()[0]["root_verified"], true, "{finished:?}");
}

/// Compares what `replay --json` printed, block after block from `first`, with
/// what the node says of them.
#[track_caller]
fn check_against(anvil: &Anvil, first: u64, lines: &[Value], roots: bool) {
    let (totals, blocks) = lines.split_last().unwrap();
    for (number, replayed) in (first..).zip(blocks) {
        let block = anvil.call("eth_getBlockByNumber", &json!([format!("{number:#x}"), false]));
        assert_eq!(replayed["block"], number);
        assert_eq!(replayed["hash"], block["hash"]);
        let gas: U256 = serde_json::from_value(block["gasUsed"].clone()).unwrap();
        assert_eq!(replayed["gas"], gas.to::<u64>());
        let n_transactions = block["transactions"].as_array().unwrap().len();
        assert_eq!(replayed["txs"], n_transactions);
        assert_eq!(replayed["root_verified"], roots, "block {number}");
    }
    assert_eq!(totals["blocks"], blocks.len(), "{totals}");
    assert!(blocks.len() > 1, "{totals}");
}
