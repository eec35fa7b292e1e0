//! The traits against the engine's own interface.

use super::*;
use crate::verify::between_results;
use blockloom_engine::{Block, Config, Engine, Mode, client::AheadConfig};
use blockloom_fixtures::{
    GenesisBlock,
    demo::{DemoChain, DemoParams},
    handmade::{Faulty, Key},
};
use blockloom_state::{ErasedReader, MemoryState};
use parking_lot::RwLock;
use std::sync::Arc;

/// A chain, and both ways to execute its blocks.
struct Rig {
    engine: Engine,
    factory: Factory,
    /// The state after the last block.
    state: Arc<RwLock<Arc<MemoryState>>>,
}

impl Rig {
    fn new(genesis: GenesisBlock) -> Self {
        let state = Arc::new(RwLock::new(Arc::new(genesis.state)));
        let config = AheadConfig { workers: 3, mode: Mode::Parallel, ..AheadConfig::default() };
        let offered = Arc::clone(&state);
        let ahead =
            Ahead::new(config).unwrap().with_snapshots(move |_| Ok(Arc::clone(&*offered.read())));
        let spec = ChainSpec::from_genesis(&genesis.config).unwrap();
        let engine = Engine::new(Config { workers: 1, ..Config::default() }).unwrap();
        Self { engine, factory: factory(ahead, spec), state }
    }

    /// Executes `block` both ways, where `broken` cannot be read, and gives the
    /// result, which must be the same.
    #[track_caller]
    fn check(&self, block: &Block, broken: &[Key]) -> Result<BlockOutput, BlockError> {
        let block = self.engine.recover(block.clone()).unwrap();
        let state = Arc::clone(&*self.state.read());
        let base = ErasedReader(Faulty::new(&state, broken.to_vec()));
        let base: AnyBase<'_> = &base;
        // The engine wraps its base state's errors once more.
        let wrapped = ErasedReader(base);
        let spec = self.factory.inner().spec();
        let expected = self.engine.execute_sequential(spec, &block, &base);
        let expected = expected.map(|executed| executed.output);
        for snapshot in [Some(block.header().parent_hash), None] {
            let job = Job { block: &block, base: &wrapped, snapshot, access_list: false };
            let differences = between_results(&job.execute(&self.factory), &expected);
            assert!(differences.is_empty(), "{snapshot:?}: {differences:?}");
        }
        expected
    }
}

#[test]
fn blocks_and_their_errors_are_those_of_the_engine() {
    let params = DemoParams { blocks: 6, txs_per_block: 40, ..DemoParams::default() };
    let chain = DemoChain::generate(&params).unwrap();
    let rig = Rig::new(GenesisBlock::from_genesis(chain.genesis).unwrap());
    for block in &chain.blocks {
        let mut swapped = block.clone();
        swapped.body.transactions.reverse();
        rig.check(&swapped, &[]).unwrap_err();
        let mut short = block.clone();
        short.header.gas_limit = block.header.gas_used / 2;
        rig.check(&short, &[]).unwrap_err();
        let sender = rig.engine.recover(block.clone()).unwrap().senders[5];
        rig.check(block, &[Key::Account(sender)]).unwrap_err();

        let output = rig.check(block, &[]).unwrap();
        let mut state = rig.state.write();
        let state = Arc::make_mut(&mut state);
        state.apply(&output.changes);
        state.set_block_hash(block.header.number, block.header.hash_slow());
        assert_eq!(state.root(), block.header.state_root);
    }
}
