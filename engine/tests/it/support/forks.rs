//! The forks the tests run on.

use alloy_hardforks::EthereumHardfork;
use blockloom_engine::ChainSpec;

/// A fork; forks are ordered by age.
pub(crate) type Fork = EthereumHardfork;

/// Every fork that changes execution. Constantinople without Petersburg is not
/// among them: alloy-evm runs it as Byzantium.
pub(crate) const FORKS: [Fork; 15] = [
    Fork::Frontier,
    Fork::Homestead,
    Fork::Tangerine,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::Berlin,
    Fork::London,
    Fork::Paris,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
    Fork::Amsterdam,
];

/// The forks from `first` on.
pub(crate) fn since(first: Fork) -> impl Iterator<Item = Fork> {
    FORKS.into_iter().filter(move |fork| *fork >= first)
}

/// The test chain's id.
pub(crate) const fn chain_id() -> u64 {
    1
}

/// The rules of a chain that starts at `fork` and stays there.
pub(crate) fn spec(fork: Fork) -> ChainSpec {
    let name = if fork == Fork::Petersburg { "ConstantinopleFix" } else { fork.name() };
    network(name)
}

/// The rules of a test network.
pub(crate) fn network(name: &str) -> ChainSpec {
    ChainSpec::for_network(name, chain_id(), None).expect("the network is known")
}
