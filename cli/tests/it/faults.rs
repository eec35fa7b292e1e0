//! Fetching from a node that fails in all the ways nodes do.
//!
//! The node is a server in this process: it answers with real blocks of the
//! test data, and fails exactly when it is told to.

use crate::{
    data::shared,
    http::{answer, receive},
    program::{Finished, run, run_ok},
};
use blockloom_fixtures::mainnet::MainnetSet;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};

/// A small block of Cancun, with its whole pre-state proven.
const BLOCK: u64 = 22_188_088;

/// A way to fail one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// An HTTP error.
    Status(&'static str),
    /// A body that ends before its length.
    Truncated,
    /// A body that is not JSON.
    NotJson,
    /// No answer, on a connection that stays open.
    Silence,
    /// A JSON-RPC error with this code.
    Error(i64),
}

/// What the server knows and was told.
#[derive(Default)]
struct Script {
    /// The block file.
    file: Value,
    codes: Value,
    /// Faults of the next requests, first to last.
    faults: VecDeque<Fault>,
    /// Number of requests that are answered before the node is lost.
    answers: Option<usize>,
    /// Whether tracers are offered.
    traces: bool,
    /// Hash that receipts claim their block has, if not its own.
    other_hash: Option<Value>,
    /// Each request's method and when it came.
    requests: Vec<(String, Instant)>,
    /// Connections that get no answer.
    silent: Vec<TcpStream>,
}

/// A node on loopback that serves one block.
struct FakeNode {
    url: String,
    script: Arc<Mutex<Script>>,
    folder: TempDir,
}

impl FakeNode {
    fn start() -> Option<Self> {
        let set = shared("mainnet")?;
        let file = read(&set.join(format!("blocks/{BLOCK}.json.gz")));
        let codes = read(&set.join("codes.json.gz"));
        let script = Arc::new(Mutex::new(Script { file, codes, ..Script::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/secret-key", listener.local_addr().unwrap());
        let shared_script = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let script = Arc::clone(&shared_script);
                thread::spawn(move || serve(stream.unwrap(), &script));
            }
        });
        Some(Self { url, script, folder: tempdir().unwrap() })
    }

    fn tell(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// Requests since the last call, and how many are of `method`.
    fn requests(&self, method: &str) -> (usize, usize) {
        let requests = std::mem::take(&mut self.script.lock().unwrap().requests);
        (requests.len(), requests.iter().filter(|(name, _)| name == method).count())
    }

    fn out(&self) -> String {
        self.folder.path().join("out").to_str().unwrap().to_owned()
    }

    fn args<'a>(&'a self, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let blocks = "22188088";
        let fixed = ["fetch", "--rpc", &self.url, "--blocks", blocks, "--out", out, "--json"];
        let pause = ["--retry-pause", "0.001"];
        fixed.into_iter().chain(pause).chain(more.iter().copied()).collect()
    }

    fn fetch(&self, more: &[&str]) -> Finished {
        run(self.args(&self.out(), more))
    }

    fn fetch_ok(&self, more: &[&str]) -> Finished {
        run_ok(self.args(&self.out(), more))
    }

    fn forget(&self) {
        fs::remove_dir_all(self.out()).unwrap();
    }

    /// Names in the folder of blocks.
    fn blocks(&self) -> Vec<String> {
        let entries = fs::read_dir(Path::new(&self.out()).join("blocks")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_reader(GzDecoder::new(File::open(path).unwrap())).unwrap()
}

fn serve(stream: TcpStream, script: &Mutex<Script>) {
    let Some((_, body)) = receive(&stream) else { return };
    let request: Value = serde_json::from_str(&body).unwrap();
    let mut script = script.lock().unwrap();
    let method = request["method"].as_str().unwrap();
    script.requests.push((method.to_owned(), Instant::now()));
    let respond = |result: Result<Value, i64>| {
        let text = match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
            Err(code) => json!({"jsonrpc": "2.0", "id": request["id"],
                                "error": {"code": code, "message": "no such luck"}}),
        };
        text.to_string()
    };
    if let Some(left) = &mut script.answers {
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => return answer(&stream, "503 Service Unavailable", 4, "gone"),
        }
    }
    let good = respond(script.answer(method, &request["params"]));
    match script.faults.pop_front() {
        None => answer(&stream, "200 OK", good.len(), &good),
        Some(Fault::Status(status)) => answer(&stream, status, 4, "busy"),
        Some(Fault::Truncated) => answer(&stream, "200 OK", good.len(), &good[..good.len() / 2]),
        Some(Fault::NotJson) => answer(&stream, "200 OK", 6, "<html>"),
        Some(Fault::Silence) => script.silent.push(stream),
        Some(Fault::Error(code)) => {
            let text = respond(Err(code));
            answer(&stream, "200 OK", text.len(), &text);
        }
    }
}

impl Script {
    /// The answer of a good node, or the code of its error.
    fn answer(&self, method: &str, params: &Value) -> Result<Value, i64> {
        let block = &self.file["block"];
        let account = || params[0].as_str().map(|name| &self.file["preState"][name]).unwrap();
        let or_zero = |value: &Value| if value.is_null() { json!("0x0") } else { value.clone() };
        let code = |hash: &Value| hash.as_str().map_or(json!("0x"), |h| self.codes[h].clone());
        Ok(match method {
            "eth_chainId" => json!("0x1"),
            "eth_getBlockByNumber" if params[0] == block["number"] => block.clone(),
            "eth_getBlockByNumber" => self.ancestor(params),
            "eth_getBlockReceipts" => self.receipts(),
            "eth_getProof" => {
                let account = account();
                let empty = format!("{:#x}", alloy_primitives::KECCAK256_EMPTY);
                let hash = account.get("codeHash").cloned().unwrap_or_else(|| empty.into());
                json!({
                    "balance": or_zero(&account["balance"]), "nonce": or_zero(&account["nonce"]),
                    "codeHash": hash, "accountProof": [], "storageProof": [],
                })
            }
            "eth_getCode" => code(&account()["codeHash"]),
            "eth_getStorageAt" => self.slot(params),
            "debug_traceBlockByNumber" if self.traces => {
                let mut prestate = self.file["preState"].clone();
                for account in prestate.as_object_mut().unwrap().values_mut() {
                    account["code"] = code(&account["codeHash"]);
                }
                json!([{ "result": prestate }])
            }
            _ => return Err(-32_601),
        })
    }

    /// Hash of a block that BLOCKHASH is asked for.
    fn ancestor(&self, params: &Value) -> Value {
        let number: alloy_primitives::U64 = serde_json::from_value(params[0].clone()).unwrap();
        let hash = self.file["blockHashes"].get(number.to_string());
        hash.map_or(Value::Null, |hash| json!({ "hash": hash }))
    }

    fn slot(&self, params: &Value) -> Value {
        let slot: alloy_primitives::U256 = serde_json::from_value(params[1].clone()).unwrap();
        let storage = &self.file["preState"][params[0].as_str().unwrap()]["storage"];
        let found = storage.as_object().into_iter().flatten();
        let mut found = found.filter(|(key, _)| key.parse() == Ok(slot));
        found.next().map_or_else(|| json!("0x0"), |(_, value)| value.clone())
    }

    fn receipts(&self) -> Value {
        let hash = self.other_hash.as_ref().unwrap_or(&self.file["block"]["hash"]);
        let receipts = self.file["expected"]["receipts"].as_array().unwrap();
        let receipt = |receipt: &Value| {
            json!({
                "blockHash": hash, "logs": receipt["logs"],
                "status": if receipt["succeeded"] == true { "0x1" } else { "0x0" },
                "cumulativeGasUsed": receipt["cumulativeGasUsed"],
            })
        };
        receipts.iter().map(receipt).collect()
    }
}

#[test]
fn what_passes_is_tried_again() {
    let Some(node) = FakeNode::start() else { return };
    let faults = [
        Fault::Status("429 Too Many Requests"),
        Fault::Status("500 Internal Server Error"),
        Fault::Truncated,
        Fault::NotJson,
        Fault::Error(-32_005),
    ];
    for fault in faults {
        node.tell(|script| script.faults = [fault; 3].into());
        let totals = node.fetch_ok(&["--retries", "3"]).totals();
        assert_eq!(totals["fetched"], 1, "{fault:?}");
        node.forget();
    }
    node.tell(|script| script.faults = [Fault::Silence].into());
    node.fetch_ok(&["--retries", "1", "--timeout", "1"]);
}

#[test]
fn what_does_not_pass_is_told() {
    let Some(node) = FakeNode::start() else { return };
    let cases: [(Fault, &[&str]); 6] = [
        (
            Fault::Status("429 Too Many Requests"),
            &["given up after 3 attempts", "status 429: busy"],
        ),
        (Fault::Status("404 Not Found"), &["eth_chainId", "status 404"]),
        (Fault::Truncated, &["given up after 3 attempts", "eth_chainId"]),
        (Fault::NotJson, &["given up after 3 attempts", "no JSON-RPC", "<html>"]),
        (Fault::Silence, &["given up after 3 attempts", "no answer in time"]),
        (Fault::Error(-32_000), &["the node says: no such luck (code -32000)"]),
    ];
    for (fault, words) in cases {
        node.tell(|script| script.faults = [fault; 3].into());
        let finished = node.fetch(&["--retries", "2", "--timeout", "0.3"]);
        finished.assert_refused(2, words);
        assert!(!finished.stderr.contains("secret-key"), "{fault:?}: {finished:?}");
        node.tell(|script| script.faults.clear());
    }
    // Nobody listens on the port of a listener that is gone.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/secret-key");
    let finished = run(["replay", "--rpc", &url, "--blocks", "1", "--retries", "0"]);
    finished.assert_refused(2, &["eth_chainId", "the connection failed"]);
    assert!(!finished.stderr.contains("secret-key"), "{finished:?}");
    run(["replay", "--rpc", "nowhere", "--blocks", "1"]).assert_refused(2, &["is no URL"]);
    run(["replay", "--rpc", &url, "--blocks", "1", "--db", "x"]).assert_refused(2, &["--db"]);
    run(["replay", "--rpc", &url, "--blocks", "3..2"]).assert_refused(2, &["3..2", "before"]);
    run(["replay", "--rpc", &url]).assert_refused(2, &["--blocks"]);
    run(["replay"]).assert_refused(2, &["SOURCE"]);
}

#[test]
fn a_chain_that_changes_meanwhile_is_noticed() {
    let Some(node) = FakeNode::start() else { return };
    node.tell(|script| script.other_hash = Some(json!(alloy_primitives::B256::repeat_byte(7))));
    node.fetch(&[]).assert_refused(2, &["the chain changed meanwhile", "22188088"]);
    node.tell(|script| {
        script.other_hash = None;
        script.file["expected"]["receipts"][3]["cumulativeGasUsed"] = json!("0x1");
    });
    node.fetch(&[]).assert_refused(1, &["receipt 3 differs from the node's"]);
    let blocks = ["replay", "--rpc", &node.url, "--blocks", "5"];
    run(blocks).assert_refused(2, &["the node has no block 5"]);
}

#[test]
fn tracers_save_requests_and_change_nothing() {
    let Some(node) = FakeNode::start() else { return };
    node.fetch_ok(&[]);
    let (without, slots) = node.requests("eth_getStorageAt");
    assert!(slots > 50, "{slots}");
    let file = || fs::read(Path::new(&node.out()).join("blocks/22188088.json.gz")).unwrap();
    let untraced = file();
    node.forget();
    node.tell(|script| script.traces = true);
    node.fetch_ok(&[]);
    let (with, _) = node.requests("eth_getStorageAt");
    assert!(with * 4 < without, "{with} of {without} requests");
    assert!(untraced == file(), "the files differ");

    // A tracer that lies costs the time it would have saved.
    node.forget();
    node.tell(|script| {
        let first = script.file["block"]["transactions"][0]["from"].as_str().unwrap().to_owned();
        script.file["preState"][first]["nonce"] = json!("0x0");
    });
    node.fetch(&[]).assert_refused(1, &["nonce"]);
}

#[test]
fn a_run_that_failed_goes_on_and_leaves_nothing_half_done() {
    let Some(node) = FakeNode::start() else { return };
    node.fetch_ok(&[]);
    let (needed, _) = node.requests("");
    node.forget();
    for n_answered in [1, needed / 2, needed - 1] {
        node.tell(|script| script.answers = Some(n_answered));
        node.fetch(&["--retries", "0"]).assert_refused(2, &["status 503"]);
        assert!(node.blocks().is_empty(), "{n_answered} of {needed}: {:?}", node.blocks());
    }
    node.tell(|script| script.answers = None);
    let totals = node.fetch_ok(&[]).totals();
    assert_eq!((&totals["fetched"], &totals["kept"]), (&1.into(), &0.into()));
    assert_eq!(node.blocks(), ["22188088.json.gz"]);
    node.requests("");
    let totals = node.fetch_ok(&[]).totals();
    assert_eq!((&totals["fetched"], &totals["kept"]), (&0.into(), &1.into()));
    assert_eq!(node.requests("eth_chainId"), (1, 1));
}

#[test]
fn requests_keep_to_their_rate() {
    let Some(node) = FakeNode::start() else { return };
    node.tell(|script| script.traces = true);
    node.fetch_ok(&["--rate", "20"]);
    let script = node.script.lock().unwrap();
    let times: Vec<_> = script.requests.iter().map(|(_, time)| *time).collect();
    assert!(times.len() > 5, "{}", times.len());
    // A request may be late, and the next on time; never so that many are.
    let least = Duration::from_millis(50) * u32::try_from(times.len() - 2).unwrap();
    let took = *times.last().unwrap() - times[0];
    assert!(took >= least, "{} requests in {took:?}", times.len());
}

#[test]
fn a_fetched_block_is_the_one_of_the_data_set() {
    let Some(node) = FakeNode::start() else { return };
    node.fetch_ok(&[]);
    let out = Path::new(&node.out()).to_owned();
    let fetched = MainnetSet::open(&out).unwrap().load(BLOCK).unwrap();
    let known = MainnetSet::open(&shared("mainnet").unwrap()).unwrap().load(BLOCK).unwrap();
    assert_eq!((fetched.hash, &fetched.block), (known.hash, &known.block));
    assert_eq!(fetched.senders, known.senders);
    assert_eq!(fetched.expected.receipts, known.expected.receipts);
    assert_eq!(fetched.fork, known.fork);
    for (address, account) in fetched.pre_state.accounts() {
        let known = known.pre_state.account(&address).unwrap();
        assert_eq!(account.basics(), known.basics(), "{address}");
    }
    run_ok(["verify", out.to_str().unwrap(), "--workers", "2"]);
    run_ok(["replay", out.to_str().unwrap(), "--compare"]);
}
