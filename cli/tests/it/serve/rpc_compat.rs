//! The official JSON-RPC conformance set: geth's answers about a chain through
//! every fork, compared with ours as whole values.

use super::{Home, Served, Status, files_below};
use crate::data::shared;
use alloy_primitives::Bytes;
use blockloom_engine::{ChainSpec, Config, Engine};
use blockloom_fixtures::{ChainReader, GenesisBlock};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufReader, Write},
    path::Path,
};

/// Methods that are not served, and why.
const NOT_SERVED: [(&str, &str); 6] = [
    ("eth_capabilities", "young and in flux"),
    ("eth_config", "young and in flux"),
    ("eth_sendRawTransaction", "there is no pool"),
    ("eth_simulateV1", "it builds blocks"),
    ("testing_buildBlockV1", "it builds blocks"),
    ("txpool_content", "there is no pool"),
];

/// Cases whose answers differ, and why.
const KNOWN: [(&str, &str); 0] = [];

/// One request and what geth answers.
struct Pair {
    request: Value,
    answer: Value,
}

fn pairs(path: &Path) -> Vec<Pair> {
    let text = fs::read_to_string(path).unwrap();
    let json = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let requests = text.lines().filter_map(|line| line.strip_prefix(">> ").map(json));
    let answers = text.lines().filter_map(|line| line.strip_prefix("<< ").map(json));
    let (requests, answers): (Vec<_>, Vec<_>) = (requests.collect(), answers.collect());
    assert_eq!(requests.len(), answers.len(), "{}", path.display());
    let pair = |(request, answer)| Pair { request, answer };
    requests.into_iter().zip(answers).map(pair).collect()
}

/// What differs between two answers; of errors only the code counts.
fn difference(expected: &Value, got: &Value) -> Option<String> {
    match (expected.get("error"), got.get("error")) {
        (Some(expected), Some(got)) => {
            let same = expected["code"] == got["code"] && expected.get("data") == got.get("data");
            (!same).then(|| format!("error {got}, geth says {expected}"))
        }
        (None, None) => first_difference("result", &expected["result"], &got["result"]),
        (Some(expected), None) => Some(format!("no error, geth says {expected}")),
        (None, Some(got)) => Some(format!("error {got}")),
    }
}

fn first_difference(at: &str, expected: &Value, got: &Value) -> Option<String> {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let names = expected.keys().chain(got.keys());
            names.into_iter().find_map(|name| {
                let at = format!("{at}.{name}");
                match (expected.get(name), got.get(name)) {
                    (Some(expected), Some(got)) => first_difference(&at, expected, got),
                    (Some(expected), None) => Some(format!("{at} is missing, geth: {expected}")),
                    (None, got) => Some(format!("{at} is too much: {got:?}")),
                }
            })
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => (0..)
            .zip(expected)
            .find_map(|(i, expected)| first_difference(&format!("{at}[{i}]"), expected, &got[i])),
        (expected, got) if expected == got => None,
        (expected, got) => Some(format!("{at} is {got}, geth: {expected}")),
    }
}

/// Brings the chain from the first block of proof of stake on to `served`, as a
/// consensus client does.
fn follow(served: &Served, folder: &Path) -> u64 {
    let genesis = GenesisBlock::load(&folder.join("genesis.json")).unwrap();
    let spec = ChainSpec::from_genesis(&genesis.config).unwrap();
    // The export holds requests by their hash only; stock revm says what they are.
    let engine = Engine::new(Config { workers: 1, ..Config::default() }).unwrap();
    let mut state = genesis.state;
    let mut n_payloads = 0;
    for block in ChainReader::open(&folder.join("chain.rlp")).unwrap() {
        let block = engine.recover(block.unwrap()).unwrap();
        let output = engine.execute_sequential(&spec, &block, &state).unwrap().output;
        state.apply(&output.changes);
        state.set_block_hash(block.header().number, block.hash);
        if !block.header().difficulty.is_zero() {
            continue;
        }
        let requests: Vec<Bytes> = output.requests.iter().cloned().collect();
        assert_eq!(served.new_payload(&block.block, &requests), Status::valid(block.hash));
        assert_eq!(served.choose(block.hash), Status::valid(block.hash));
        n_payloads += 1;
    }
    n_payloads
}

/// Writes the blocks of proof of work of `chain` to `path`.
fn write_work(chain: &Path, path: &Path) {
    let mut out = File::create(path).unwrap();
    for block in ChainReader::open(chain).unwrap().map(Result::unwrap) {
        if !block.header.difficulty.is_zero() {
            out.write_all(&alloy_rlp::encode(&block)).unwrap();
        }
    }
}

/// Names the consensus client's head, safe and finalized block.
pub(super) fn finalize(served: &Served, folder: &Path) {
    let file = BufReader::new(File::open(folder.join("headfcu.json")).unwrap());
    let request: Value = serde_json::from_reader(file).unwrap();
    let answer = served.tell(request["method"].as_str().unwrap(), &request["params"]);
    assert_eq!(answer["result"]["payloadStatus"]["status"], "VALID", "{answer}");
}

#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    not_served: BTreeMap<String, usize>,
    failed: BTreeMap<String, String>,
}

fn replay(served: &Served, folder: &Path) -> Tally {
    let mut tally = Tally::default();
    for path in files_below(folder, "io") {
        let name = path.strip_prefix(folder).unwrap().with_extension("").display().to_string();
        let mut verdict = None;
        for Pair { request, answer } in pairs(&path) {
            let got = served.ask(&request);
            assert_eq!((&got["id"], &got["jsonrpc"]), (&request["id"], &"2.0".into()), "{got}");
            if got["error"]["code"] == -32601 {
                verdict = Some(Err(request["method"].as_str().unwrap().to_owned()));
                break;
            }
            if let Some(difference) = difference(&answer, &got) {
                verdict = Some(Ok(difference));
                break;
            }
        }
        match verdict {
            None => tally.passed += 1,
            Some(Err(method)) => *tally.not_served.entry(method).or_default() += 1,
            Some(Ok(difference)) => drop(tally.failed.insert(name, difference)),
        }
    }
    tally
}

#[track_caller]
#[expect(clippy::print_stdout, reason = "the tally is for whoever reads the test's output")]
fn check(tally: &Tally) {
    let total: usize = tally.not_served.values().sum();
    println!("passed {}, failed {}, not served {total}", tally.passed, tally.failed.len());
    for (method, count) in &tally.not_served {
        let (_, reason) = NOT_SERVED
            .iter()
            .find(|(served, _)| method.starts_with(served))
            .unwrap_or_else(|| panic!("{method} should be served"));
        println!("not served: {method}, {count} cases: {reason}");
    }
    for (name, difference) in &tally.failed {
        println!("failed: {name}: {difference}");
    }
    let failed: Vec<_> = tally.failed.keys().map(String::as_str).collect();
    let known: Vec<_> = KNOWN.iter().map(|(name, _)| *name).collect();
    assert_eq!(failed, known);
    assert!(tally.passed > 0);
}

#[test]
fn answers_are_those_of_geth_before_and_after_a_restart() {
    let Some(folder) = shared("rpc_compat") else { return };
    let home = Home::new(&fs::read(folder.join("genesis.json")).unwrap());
    let work = home.path("work.rlp");
    write_work(&folder.join("chain.rlp"), &work);
    let served = home.serve(&["--import", work.to_str().unwrap()]);
    assert_eq!(served.listening["tip"], 35);
    assert_eq!(follow(&served, &folder), 19);
    finalize(&served, &folder);
    check(&replay(&served, &folder));
    assert_eq!(served.interrupt(), (Some(0), String::new()));

    let served = home.serve(&[]);
    assert_eq!(served.listening["tip"], 54);
    finalize(&served, &folder);
    check(&replay(&served, &folder));
}
