//! Another client that is not ours: viem reads the chain of the JSON-RPC
//! conformance set, and makes of our answers what it makes of geth's.

use super::{Home, rpc_compat::finalize};
use crate::data::{brought, in_repository, shared};
use serde_json::Value;
use std::{fs, process::Command};

#[test]
fn viem_makes_of_answers_what_it_makes_of_those_of_geth() {
    let Some(folder) = shared("rpc_compat") else { return };
    let Some(modules) = brought("viem.sh", &[]) else { return };
    let home = Home::new(&fs::read(folder.join("genesis.json")).unwrap());
    let served = home.serve(&["--import", folder.join("chain.rlp").to_str().unwrap()]);
    finalize(&served, &folder);
    let read = Command::new("node")
        .arg(in_repository("cli/tests/viem/read.cjs"))
        .arg(format!("http://127.0.0.1:{}", served.http))
        .arg(&folder)
        .env("NODE_PATH", modules)
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let compared: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert!(compared["cases"].as_u64() >= Some(29), "{compared}");
    assert!(compared["transactions"].as_u64() >= Some(200), "{compared}");
}
