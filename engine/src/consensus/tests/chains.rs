//! Every chain of the official suites: valid blocks pass, and a block that a
//! rule of this module forbids is refused by that rule.

use super::{
    data,
    exceptions::{Refusal, means, needs_execution},
};
use crate::{
    block::Block,
    chain_spec::ChainSpec,
    consensus::{Ancestor, validate_body, validate_header, validate_ommers},
};
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{B256, Bytes, U64, U256};
use alloy_rlp::Decodable;
use rayon::prelude::*;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Add,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    network: String,
    #[serde(rename = "genesisRLP")]
    genesis_rlp: Bytes,
    #[serde(default)]
    config: Config,
    blocks: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    blob_schedule: BTreeMap<String, Blobs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blobs {
    target: U64,
    max: U64,
    base_fee_update_fraction: U64,
}

#[derive(Deserialize)]
struct Entry {
    rlp: String,
    /// Holds `blockHeader` if the block is valid, and if not, perhaps
    /// `expectException`, plain or followed by a network's name or "ALL".
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

impl Entry {
    fn expected_exception(&self, network: &str) -> Option<&str> {
        let keys = ["", "ALL", network].map(|suffix| format!("expectException{suffix}"));
        keys.iter().find_map(|key| self.others.get(key)).and_then(serde_json::Value::as_str)
    }
}

struct Known {
    block: Block,
    total_difficulty: U256,
}

/// What a run over fixtures checked.
#[derive(Default)]
struct Tally {
    valid: usize,
    refused: usize,
    /// Invalid by what only execution can tell.
    left_to_execution: usize,
    /// Invalid by their proof of work, which nobody checks.
    unsealed: usize,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            valid: self.valid + other.valid,
            refused: self.refused + other.refused,
            left_to_execution: self.left_to_execution + other.left_to_execution,
            unsealed: self.unsealed + other.unsealed,
        }
    }
}

fn spec_of(case: &Case) -> ChainSpec {
    let schedule: BTreeMap<_, _> = case
        .config
        .blob_schedule
        .iter()
        .map(|(fork, blobs)| {
            let params = BlobParams {
                target_blob_count: blobs.target.to(),
                max_blob_count: blobs.max.to(),
                update_fraction: blobs.base_fee_update_fraction.to(),
                ..BlobParams::cancun()
            };
            (fork.clone(), params)
        })
        .collect();
    ChainSpec::for_network(&case.network, 1, Some(&schedule)).expect("a known network")
}

/// The ancestors of a child of `parent`, parent first, seven at most.
fn ancestors(known: &HashMap<B256, Known>, parent: B256) -> Vec<Ancestor<'_>> {
    let mut ancestors = Vec::new();
    let mut hash = parent;
    while let Some(Known { block, .. }) = known.get(&hash)
        && ancestors.len() < 7
    {
        ancestors.push(Ancestor { header: &block.header, hash, ommers: &block.body.ommers });
        hash = block.header.parent_hash;
    }
    ancestors
}

fn check_block(
    spec: &ChainSpec,
    known: &HashMap<B256, Known>,
    rlp: &str,
) -> Result<Known, Refusal> {
    let bytes: Bytes = rlp.parse().map_err(|_| Refusal::Undecodable)?;
    let block = alloy_rlp::decode_exact::<Block>(&bytes).map_err(|_| Refusal::Undecodable)?;
    let parent_hash = block.header.parent_hash;
    let parent = known.get(&parent_hash).ok_or(Refusal::UnknownParent)?;
    let spec = spec.for_child_of(parent.block.header.number, parent.total_difficulty);
    validate_header(&spec, &block.header, &parent.block.header, parent_hash)?;
    validate_body(&spec, &block)?;
    validate_ommers(&spec, &block, &ancestors(known, parent_hash))?;
    let total_difficulty = parent.total_difficulty + block.header.difficulty;
    Ok(Known { block, total_difficulty })
}

fn check_case(name: &str, case: &Case, spec: &ChainSpec) -> Tally {
    let genesis = Block::decode(&mut case.genesis_rlp.as_ref()).expect("a genesis block");
    let total_difficulty = genesis.header.difficulty;
    let root = (genesis.header.hash_slow(), Known { block: genesis, total_difficulty });
    let mut known = HashMap::from([root]);
    let mut tally = Tally::default();
    for (position, entry) in case.blocks.iter().enumerate() {
        let exception = entry.expected_exception(&case.network);
        let is_valid = exception.is_none() && entry.others.contains_key("blockHeader");
        let place = || format!("{name}, block entry {position}");
        match (check_block(spec, &known, &entry.rlp), exception) {
            (Ok(block), _) if is_valid => {
                tally.valid += 1;
                known.insert(block.block.header.hash_slow(), block);
            }
            (Err(refusal), _) if is_valid => panic!("{}: refused by {refusal:?}", place()),
            (Ok(_), None) => panic!("{}: passed, is invalid", place()),
            (Err(_), None) => tally.refused += 1,
            (Ok(_), Some("InvalidBlockNonce")) => tally.unsealed += 1,
            (Ok(_), Some(exception)) => {
                let needs_execution = needs_execution(exception, &case.network);
                assert!(needs_execution, "{}: passed, {exception} expected", place());
                tally.left_to_execution += 1;
            }
            (Err(refusal), Some(exception)) => {
                let meant = means(exception, &refusal);
                assert!(meant, "{}: {exception} expected, got {refusal:?}", place());
                tally.refused += 1;
            }
        }
    }
    tally
}

fn check_suite(suite: &str, adapt: fn(ChainSpec) -> ChainSpec) {
    let Some(folder) = data::folder(&format!("conformance/blockchain_tests/{suite}")) else {
        return;
    };
    let check_file = |path| {
        let cases: BTreeMap<String, Case> = data::read(path);
        let tallies =
            cases.iter().map(|(name, case)| check_case(name, case, &adapt(spec_of(case))));
        tallies.fold(Tally::default(), Tally::add)
    };
    let files = data::files(&folder);
    let tally = files.par_iter().map(|path| check_file(path)).reduce(Tally::default, Tally::add);
    let Tally { valid, refused, left_to_execution, unsealed } = &tally;
    println!(
        "{suite}: {valid} valid blocks pass, {refused} invalid ones are refused, \
         {left_to_execution} are left to execution, {unsealed} have a bad seal only"
    );
    assert!(*valid > 0, "{suite} holds no valid block");
}

#[test]
fn legacy_chains() {
    check_suite("legacytests", |spec| spec);
}

#[test]
fn chains_of_every_fork() {
    check_suite("eest_bal_v5.7.0", |spec| spec);
}

#[test]
fn amsterdam_chains() {
    check_suite("eest_bal_v5.1.0_amsterdam_osaka_gas", |spec| spec);
    check_suite("eest_zkevm_v0.3.3_witness", |spec| spec);
}

#[test]
fn chains_with_access_lists_only() {
    check_suite("eels_bal_only_amsterdam", ChainSpec::with_access_lists_only);
}

#[test]
fn benchmark_chains() {
    check_suite("eest_benchmark_v0.0.7", |spec| spec);
}
