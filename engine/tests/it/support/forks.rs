//! The rules of the forks the tests run on.

pub(crate) use blockloom_fixtures::handmade::{FORKS, Fork, since};

use blockloom_engine::ChainSpec;
use blockloom_fixtures::handmade::CHAIN_ID;

/// The rules of a chain that starts at `fork` and stays there.
pub(crate) fn spec(fork: Fork) -> ChainSpec {
    network(blockloom_fixtures::handmade::network(fork))
}

/// The rules of a test network.
pub(crate) fn network(name: &str) -> ChainSpec {
    ChainSpec::for_network(name, CHAIN_ID, None).expect("the network is known")
}
