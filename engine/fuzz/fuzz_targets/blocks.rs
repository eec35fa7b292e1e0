//! Blocks that a fuzzer's bytes spell out, in parallel and sequentially.
//!
//! The bytes go through the grammar of `blockloom_fixtures::random`, so that
//! whatever the fuzzer changes is another block and not another way to be
//! malformed. The first byte chooses how the parallel run is set up.

#![no_main]

use alloy_primitives::B256;
use blockloom_engine::{
    BlockError, BlockOutput, ChainSpec, Config, Engine, Executed, Mode, RecoveredBlock, Sharing,
    Worth,
};
use blockloom_fixtures::{
    handmade::{CHAIN_ID, Jitter, network},
    random::{Draft, Entropy},
};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| {
    let forced = Config { mode: Mode::Parallel, worth: Worth::NOTHING, ..Config::default() };
    let configs = [1, 2, 4].into_iter().flat_map(|workers| {
        let news = Config { workers, sharing: Sharing::News, ..forced };
        [news, Config { sharing: Sharing::Memory, ..news }, Config { mode: Mode::Adaptive, ..news }]
    });
    configs.map(|config| Engine::new(config).expect("threads can be started")).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((first, choices)) = bytes.split_first() else { return };
    let drafted = Draft::any(&mut Entropy::from_bytes(choices), None).build();
    let spec = ChainSpec::for_network(network(drafted.fork), CHAIN_ID, None)
        .expect("every fork that blocks are made for is a test network");
    let hash = B256::repeat_byte(0xb1);
    let block = RecoveredBlock { hash, block: drafted.block, senders: drafted.senders };
    let engine = &ENGINES[usize::from(*first) % ENGINES.len()];
    let base = Jitter::new(&drafted.state, u64::from(*first), block.senders.first().copied());
    let sequential = answer(engine.execute_sequential(&spec, &block, &drafted.state));
    let parallel = answer(engine.execute(&spec, &block, &base));
    assert_eq!(parallel, sequential, "{:?}", engine.config());
});

/// A result, or its error in full.
fn answer(result: Result<Executed, BlockError>) -> Result<BlockOutput, String> {
    result.map(|executed| executed.output).map_err(|error| format!("{error:?}"))
}
