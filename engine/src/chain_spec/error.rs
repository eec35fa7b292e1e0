//! Why a description of a chain's rules is refused.

use alloy_hardforks::EthereumHardfork;

/// Why no [`ChainSpec`](super::ChainSpec) can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainSpecError {
    /// No test network goes by this name.
    #[error("unknown network {0:?}")]
    UnknownNetwork(String),
    /// A transition goes back in time or nowhere.
    #[error("network {network:?} does not lead to a younger fork")]
    BackwardTransition {
        /// The network's name.
        network: String,
    },
    /// A transition brings in a fork that goes by something else: block number
    /// before Paris, total difficulty for it, timestamp after.
    #[error("network {network:?}: {fork} is not activated that way")]
    WrongActivation {
        /// The network's name.
        network: String,
        /// The fork that does not fit.
        fork: EthereumHardfork,
    },
    /// A fork is scheduled although one it builds on is not.
    #[error("{later} is scheduled, but {missing}, which it builds on, is not")]
    MissingFork {
        /// The fork without activation.
        missing: EthereumHardfork,
        /// The younger fork that has one.
        later: EthereumHardfork,
    },
    /// A fork is scheduled before one it builds on.
    #[error("{later} at {later_at} precedes {earlier} at {earlier_at}, which it builds on")]
    ForkOrder {
        /// The older fork.
        earlier: EthereumHardfork,
        /// Its block number or timestamp.
        earlier_at: u64,
        /// The younger fork.
        later: EthereumHardfork,
        /// Its block number or timestamp.
        later_at: u64,
    },
    /// EIP-155 and EIP-158 are scheduled apart, which no release of the
    /// protocol ever did.
    #[error("EIP-155 at {eip155:?} and EIP-158 at {eip158:?} do not form one Spurious Dragon")]
    SplitSpuriousDragon {
        /// Block of EIP-155.
        eip155: Option<u64>,
        /// Block of EIP-158.
        eip158: Option<u64>,
    },
    /// A fork that sets blob parameters comes without any, and none are known.
    #[error("no blob parameters for {0}")]
    MissingBlobParams(EthereumHardfork),
    /// Blob parameters no chain can run on.
    #[error("blob parameters of {fork}: target {target}, max {max}, fraction {update_fraction}")]
    InvalidBlobParams {
        /// The fork that sets them.
        fork: EthereumHardfork,
        /// Target number of blobs per block.
        target: u64,
        /// Most blobs per block.
        max: u64,
        /// Base fee update fraction.
        update_fraction: u128,
    },
    /// The proof of the chain is a committee's signature, which is not checked
    /// here.
    #[error("consensus engine {0} is not supported")]
    UnsupportedConsensus(&'static str),
}
