//! Blocks of a branch that a test makes for itself.

use alloy_consensus::{Header, proofs::calculate_transaction_root};
use alloy_eips::{eip1559::BaseFeeParams, eip4895::Withdrawals};
use alloy_primitives::{B256, Bytes};
use blockloom_engine::{Block, ChainSpec, Config, Engine, receipts_root_and_bloom};
use blockloom_fixtures::{GenesisBlock, demo::DemoChain};
use blockloom_state::MemoryState;

/// A chain in memory, executed by stock revm, to which empty blocks are added.
pub(super) struct Branch {
    spec: ChainSpec,
    engine: Engine,
    head: (Header, B256),
    state: MemoryState,
}

impl Branch {
    pub(super) fn new(spec: ChainSpec, genesis: (Header, B256), state: MemoryState) -> Self {
        let engine = Engine::new(Config { workers: 1, ..Config::default() }).unwrap();
        Self { spec, engine, head: genesis, state }
    }

    /// Goes along a block that exists.
    pub(super) fn pass(&mut self, block: &Block) {
        let block = self.engine.recover(block.clone()).unwrap();
        let output = self.engine.execute_sequential(&self.spec, &block, &self.state);
        self.state.apply(&output.unwrap().output.changes);
        assert_eq!(self.state.root(), block.header().state_root);
        self.state.set_block_hash(block.header().number, block.hash);
        self.head = (block.header().clone(), block.hash);
    }

    /// Adds a block without transactions, told from others by its extra data.
    pub(super) fn add(&mut self, extra_data: &'static str) -> (Block, Vec<Bytes>) {
        let (parent, parent_hash) = &self.head;
        let params = self.spec.blob_params_at(parent.timestamp + 12).unwrap();
        let mut block = Block::default();
        block.body.withdrawals = Some(Withdrawals::default());
        block.header = Header {
            parent_hash: *parent_hash,
            number: parent.number + 1,
            timestamp: parent.timestamp + 12,
            gas_limit: parent.gas_limit,
            extra_data: Bytes::from_static(extra_data.as_bytes()),
            base_fee_per_gas: parent.next_block_base_fee(BaseFeeParams::ethereum()),
            excess_blob_gas: parent.next_block_excess_blob_gas(params),
            blob_gas_used: Some(0),
            parent_beacon_block_root: Some(B256::repeat_byte(7)),
            withdrawals_root: block.body.calculate_withdrawals_root(),
            transactions_root: calculate_transaction_root(&block.body.transactions),
            ..Header::default()
        };
        let executed = self.engine.recover(block.clone()).unwrap();
        let output = self.engine.execute_sequential(&self.spec, &executed, &self.state);
        let output = output.unwrap().output;
        let mut state = self.state.clone();
        state.apply(&output.changes);
        let header = &mut block.header;
        header.requests_hash = Some(output.requests.requests_hash());
        (header.receipts_root, header.logs_bloom) = receipts_root_and_bloom(&output.receipts);
        header.state_root = state.root();
        self.pass(&block);
        (block, output.requests.iter().cloned().collect())
    }
}

/// The state after `chain`, by stock revm.
pub(super) fn state_after(chain: &DemoChain) -> MemoryState {
    let genesis = GenesisBlock::from_genesis(chain.genesis.clone()).unwrap();
    let spec = ChainSpec::from_genesis(&genesis.config).unwrap();
    let mut branch = Branch::new(spec, (genesis.header, genesis.hash), genesis.state);
    chain.blocks.iter().for_each(|block| branch.pass(block));
    branch.state
}
