//! A chain export with its genesis file: every fork from Frontier to BPO2 in
//! one chain, merge by total difficulty included.

use super::data;
use crate::{
    block::Block,
    chain_spec::ChainSpec,
    consensus::{validate_body, validate_header},
};
use alloy_genesis::Genesis;
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::U256;
use alloy_rlp::Decodable;
use std::fs;

#[test]
fn a_chain_export_follows_its_genesis_file() {
    let Some(folder) = data::folder("rpc_compat") else { return };
    let genesis = fs::read(folder.join("genesis.json")).expect("a readable genesis file");
    let genesis: Genesis = serde_json::from_slice(&genesis).expect("a genesis file");
    let declared = ChainSpec::from_genesis(&genesis.config).expect("supported rules");
    let export = fs::read(folder.join("chain.rlp")).expect("a readable export");

    let mut rest = export.as_slice();
    // The genesis block's hash needs its state, so the first block is believed.
    let mut parent = Block::decode(&mut rest).expect("a first block");
    let mut parent_hash = parent.header.hash_slow();
    let mut total_difficulty = genesis.difficulty + parent.header.difficulty;
    let mut tracked = declared.clone();
    let mut merged_at = None;
    while !rest.is_empty() {
        let block = Block::decode(&mut rest).expect("a block");
        let number = block.header.number;
        tracked = tracked.for_child_of(parent.header.number, total_difficulty);
        if merged_at.is_none() && tracked.is_paris_active_at_block(number) {
            merged_at = Some(number);
        }
        for spec in [&declared, &tracked] {
            let outcome = validate_header(spec, &block.header, &parent.header, parent_hash);
            assert_eq!(outcome, Ok(()), "{number}");
            assert_eq!(validate_body(spec, &block), Ok(()), "{number}");
        }
        total_difficulty += block.header.difficulty;
        parent_hash = block.header.hash_slow();
        parent = block;
    }
    println!("{} blocks follow each other", parent.header.number - 1);
    assert_eq!(merged_at, genesis.config.merge_netsplit_block);
    assert_eq!(declared.terminal_total_difficulty(), Some(U256::from(4_732_352)));
}
