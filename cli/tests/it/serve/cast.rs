//! A client that is not ours: cast reads what `serve` serves, and what it makes
//! of the answers is held against the chain itself.

use super::{Home, Status, branch::state_after};
use crate::data::brought;
use alloy_primitives::{Address, Bytes, U256, keccak256};
use blockloom_fixtures::demo::{DemoChain, DemoParams};
use serde_json::Value;
use std::{path::PathBuf, process::Command};

const BLOCKS: u64 = 4;

struct Cast {
    program: PathBuf,
    url: String,
}

impl Cast {
    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let output = Command::new(&self.program)
            .args(args)
            .args(["--rpc-url", &self.url])
            .env_remove("ETH_RPC_URL")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cast {args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let text = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("cast {args:?}: {error}: {text}"))
    }
}

/// Code that answers a call with the word in its slot 1.
const READER: [u8; 10] = [0x60, 0x01, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0x00];

#[test]
fn cast_reads_blocks_accounts_and_proofs_and_runs_calls() {
    let Some(program) = brought("anvil.sh", &["cast"]) else { return };
    let params = DemoParams { blocks: BLOCKS, txs_per_block: 20, ..DemoParams::default() };
    let chain = DemoChain::generate(&params).unwrap();
    let home = Home::new(&chain.genesis_json());
    let served = home.serve(&[]);
    for (block, outcome) in chain.blocks.iter().zip(&chain.outcomes) {
        let requests: Vec<Bytes> = outcome.requests.iter().cloned().collect();
        let hash = block.header.hash_slow();
        assert_eq!(served.new_payload(block, &requests), Status::valid(hash));
        assert_eq!(served.choose(hash), Status::valid(hash));
    }
    let state = state_after(&chain);
    let cast = Cast { program, url: format!("http://127.0.0.1:{}", served.http) };

    assert_eq!(cast.run(&["block-number"]), BLOCKS.to_string());
    assert_eq!(cast.run(&["chain-id"]), chain.genesis.config.chain_id.to_string());
    for block in &chain.blocks {
        let seen = cast.json(&["block", &block.header.number.to_string()]);
        assert_eq!(seen["hash"], format!("{}", block.header.hash_slow()));
        assert_eq!(seen["stateRoot"], format!("{}", block.header.state_root));
        let hashes: Vec<_> =
            block.body.transactions.iter().map(|tx| tx.tx_hash().to_string()).collect();
        assert_eq!(seen["transactions"], serde_json::json!(hashes));
        for (transaction, receipt) in block
            .body
            .transactions
            .iter()
            .zip(&chain.outcomes[usize::try_from(block.header.number).unwrap() - 1].receipts)
        {
            let hash = transaction.tx_hash().to_string();
            let seen = cast.json(&["receipt", &hash]);
            assert_eq!(seen["status"], format!("{:#x}", u8::from(receipt.success)), "{hash}");
            assert_eq!(seen["cumulativeGasUsed"], format!("{:#x}", receipt.cumulative_gas_used));
            assert_eq!(seen["logs"].as_array().unwrap().len(), receipt.logs.len(), "{hash}");
        }
    }

    // A few accounts of each kind: what they have, and that it is proven.
    let with_slots = state.accounts().filter(|(_, account)| account.slots().next().is_some());
    let others = state.accounts().filter(|(_, account)| account.slots().next().is_none());
    for (address, account) in with_slots.take(4).chain(others.take(4)) {
        let basics = account.basics();
        let text = address.to_string();
        assert_eq!(cast.run(&["balance", &text]), basics.balance.to_string());
        assert_eq!(cast.run(&["nonce", &text]), basics.nonce.to_string());
        let code: Bytes = cast.run(&["code", &text]).parse().unwrap();
        assert_eq!(keccak256(&code), basics.code_hash);
        let proof = cast.json(&["proof", &text]);
        assert_eq!(proof["storageHash"], format!("{}", account.storage_root()));
        let root: Bytes = serde_json::from_value(proof["accountProof"][0].clone()).unwrap();
        assert_eq!(keccak256(&root), chain.blocks.last().unwrap().header.state_root);
        for (slot, value) in account.slots().take(2) {
            let seen: U256 = cast.run(&["storage", &text, &slot.to_string()]).parse().unwrap();
            assert_eq!(seen, value, "slot {slot} of {text}");
        }
    }

    let (owner, value) = state
        .accounts()
        .find_map(|(address, account)| {
            let value = account.slot(U256::from(1));
            (!value.is_zero()).then_some((address, value))
        })
        .expect("some account has slot 1");
    let code = Bytes::from(READER.to_vec()).to_string();
    let overridden = format!("{owner}:{code}");
    let seen: U256 =
        cast.run(&["call", &owner.to_string(), "--override-code", &overridden]).parse().unwrap();
    assert_eq!(seen, value);
    let nobody = Address::repeat_byte(0xee).to_string();
    assert_eq!(cast.run(&["estimate", &nobody]), "21000");
}
