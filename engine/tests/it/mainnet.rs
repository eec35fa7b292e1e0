//! Real blocks: what the header promises, and the same on both paths.

use crate::support::{check, data};
use blockloom_engine::{ChainSpec, RecoveredBlock, receipts_root_and_bloom};
use blockloom_fixtures::mainnet::MainnetSet;

#[test]
fn mainnet_blocks_agree_with_their_headers_and_with_sequential() {
    let Some(folder) = data("mainnet") else { return };
    let set = MainnetSet::open(&folder).expect("the set opens");
    let spec = ChainSpec::mainnet();
    let mut aborts = 0;
    for number in set.numbers() {
        let fixture = set.load(*number).expect("the block loads");
        let block =
            RecoveredBlock { hash: fixture.hash, block: fixture.block, senders: fixture.senders };
        println!("block {number}");
        let (output, stats) = check(&spec, &block, &fixture.pre_state);
        let output = output.expect("a real block is valid");
        let header = block.header();
        assert_eq!(output.gas_used, header.gas_used, "gas of block {number}");
        let (root, bloom) = receipts_root_and_bloom(&output.receipts);
        assert_eq!(bloom, header.logs_bloom, "bloom of block {number}");
        if fixture.expected.receipts_root.is_some() {
            assert_eq!(root, header.receipts_root, "receipts root of block {number}");
        }
        aborts += stats.aborts;
    }
    assert!(aborts > 0, "real blocks have conflicts");
}
