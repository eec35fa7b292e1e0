//! Which rules hold where: fork activations, blob schedule, deposit contract.

mod config;
mod error;
mod genesis;
mod network;
#[cfg(test)]
mod tests;

pub use error::ChainSpecError;

use alloy_consensus::Header;
use alloy_eips::{
    eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS,
    eip7594::MAX_BLOBS_PER_TX_FUSAKA,
    eip7840::{BLOB_BASE_COST, BlobParams},
};
use alloy_evm::{
    EvmEnv,
    eth::spec::{EthExecutorSpec, EthSpec},
    spec_by_timestamp_and_block_number,
};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition, ethereum::mainnet};
use alloy_primitives::{Address, U256};
use revm::primitives::hardfork::SpecId;

/// The rules of one chain.
///
/// Every fork has an activation; a timestamp decides from Shanghai on, a block
/// number before. The merge is the odd one out: the protocol ties it to total
/// difficulty, which no header states. The activation held here is therefore a
/// declared block (from mainnet's history, a genesis file or a test network's
/// name), and [`Self::for_child_of`] replaces the declaration by the protocol's
/// own rule for whoever keeps count of total difficulty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    chain_id: u64,
    /// One condition per fork, indexed by the fork's place in
    /// [`EthereumHardfork::VARIANTS`].
    forks: Vec<ForkCondition>,
    /// Parameters and the timestamp they start at, ascending; the last one
    /// that started is in force.
    blob_schedule: Vec<(u64, BlobParams)>,
    deposit_contract: Option<Address>,
    /// Whether EIP-7928 starts at Amsterdam's activation without the rest of
    /// Amsterdam.
    access_lists_only: bool,
}

impl ChainSpec {
    /// Ethereum mainnet, Frontier to BPO2, DAO fork included.
    #[must_use]
    pub fn mainnet() -> Self {
        let spec = EthSpec::mainnet();
        let forks = EthereumHardfork::VARIANTS
            .iter()
            .map(|fork| spec.ethereum_fork_activation(*fork))
            .collect();
        let blob_schedule = vec![
            (mainnet::MAINNET_CANCUN_TIMESTAMP, BlobParams::cancun()),
            (mainnet::MAINNET_PRAGUE_TIMESTAMP, BlobParams::prague()),
            (mainnet::MAINNET_OSAKA_TIMESTAMP, BlobParams::osaka()),
            (mainnet::MAINNET_BPO1_TIMESTAMP, BlobParams::bpo1()),
            (mainnet::MAINNET_BPO2_TIMESTAMP, BlobParams::bpo2()),
        ];
        let deposit_contract = Some(MAINNET_DEPOSIT_CONTRACT_ADDRESS);
        Self { chain_id: 1, forks, blob_schedule, deposit_contract, access_lists_only: false }
    }

    /// The chain's id, as the CHAINID instruction and EIP-155 see it.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Total difficulty after which proof of stake takes over; `None` if the
    /// chain never merges, zero if it was born merged.
    #[must_use]
    pub fn terminal_total_difficulty(&self) -> Option<U256> {
        self.ethereum_fork_activation(EthereumHardfork::Paris).ttd()
    }

    /// These rules as they hold for the children of one block, given the total
    /// difficulty up to and including that block.
    ///
    /// Only the merge can differ: the child is proof of stake exactly if the
    /// terminal total difficulty is reached (EIP-3675). Branches of one chain
    /// may merge at different heights, so keep the result with the branch.
    #[must_use]
    pub fn for_child_of(&self, parent_number: u64, parent_total_difficulty: U256) -> Self {
        let paris = self.ethereum_fork_activation(EthereumHardfork::Paris);
        let ForkCondition::TTD { activation_block_number, fork_block, total_difficulty } = paris
        else {
            return self.clone();
        };
        let child = parent_number.saturating_add(1);
        let activation_block_number = if parent_total_difficulty >= total_difficulty {
            activation_block_number.min(child)
        } else if activation_block_number <= child {
            u64::MAX
        } else {
            activation_block_number
        };
        let mut spec = self.clone();
        spec.forks[position(EthereumHardfork::Paris)] =
            ForkCondition::TTD { activation_block_number, fork_block, total_difficulty };
        spec
    }

    /// These rules with Amsterdam cut down to block access lists (EIP-7928):
    /// execution stays on the rules before it.
    ///
    /// Amsterdam was first tested that way, and its gas schedule kept moving
    /// long after its lists had settled.
    #[must_use]
    pub const fn with_access_lists_only(mut self) -> Self {
        self.access_lists_only = true;
        self
    }

    /// Whether blocks at `timestamp` commit to a block access list (EIP-7928).
    #[must_use]
    pub fn has_access_list_at(&self, timestamp: u64) -> bool {
        self.forks[position(EthereumHardfork::Amsterdam)].active_at_timestamp(timestamp)
    }

    /// Blob parameters in force at `timestamp`; `None` before Cancun.
    ///
    /// Limits, fee update fraction, least fee, blobs per transaction and
    /// EIP-7918's base cost all follow the fork.
    #[must_use]
    pub fn blob_params_at(&self, timestamp: u64) -> Option<BlobParams> {
        let started = self.blob_schedule.iter().rev().find(|(start, _)| *start <= timestamp);
        started.map(|(_, params)| *params)
    }

    /// The EVM's configuration and block environment for executing under
    /// `header`.
    ///
    /// The gas schedule is built anew each time, so ask once per block.
    #[must_use]
    pub fn evm_env(&self, header: &Header) -> EvmEnv {
        let blob_params = self.blob_params_at(header.timestamp);
        let mut env = EvmEnv::for_eth_block(header, self, self.chain_id, blob_params);
        // alloy-evm prices blobs itself and leaves revm's own fraction unset;
        // whoever derives a price from the configuration gets the right one.
        env.cfg_env.blob_base_fee_update_fraction =
            blob_params.and_then(|params| u64::try_from(params.update_fraction).ok());
        env
    }

    /// revm's name for the rules `header` is executed under.
    #[must_use]
    pub fn spec_id(&self, header: &Header) -> SpecId {
        spec_by_timestamp_and_block_number(self, header.timestamp, header.number)
    }

    /// Whether `fork` is in force for `header`, by number or by timestamp,
    /// whichever the fork goes by.
    #[must_use]
    pub fn is_active(&self, fork: EthereumHardfork, header: &Header) -> bool {
        self.ethereum_fork_activation(fork)
            .active_at_timestamp_or_number(header.timestamp, header.number)
    }
}

impl EthereumHardforks for ChainSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        if fork >= EthereumHardfork::Amsterdam && self.access_lists_only {
            return ForkCondition::Never;
        }
        self.forks.get(position(fork)).copied().unwrap_or_default()
    }
}

impl EthExecutorSpec for ChainSpec {
    /// `None` where the chain names none; alloy-evm then takes mainnet's.
    fn deposit_contract_address(&self) -> Option<Address> {
        self.deposit_contract
    }
}

/// A fork's place in [`EthereumHardfork::VARIANTS`], which lists them by age.
const fn position(fork: EthereumHardfork) -> usize {
    fork as usize
}

/// Makes a schedule of `entries` (one per fork that sets parameters, in the
/// order they start), after checking that the arithmetic of blob fees is safe with each.
///
/// Formats carry target, maximum and update fraction only; what else belongs
/// to a set of parameters follows from whether Osaka is active by then.
fn blob_schedule(
    entries: impl IntoIterator<Item = (EthereumHardfork, u64, BlobParams)>,
) -> Result<Vec<(u64, BlobParams)>, ChainSpecError> {
    let mut schedule = Vec::new();
    for (fork, start, mut params) in entries {
        // 65,535 keeps every product of blob counts and blob gas below 2^64.
        let counts_fit = (1..=u64::from(u16::MAX)).contains(&params.max_blob_count)
            && params.target_blob_count <= params.max_blob_count;
        if !counts_fit || params.update_fraction == 0 {
            return Err(ChainSpecError::InvalidBlobParams {
                fork,
                target: params.target_blob_count,
                max: params.max_blob_count,
                update_fraction: params.update_fraction,
            });
        }
        if fork >= EthereumHardfork::Osaka {
            params.max_blobs_per_tx = MAX_BLOBS_PER_TX_FUSAKA;
            params.blob_base_cost = BLOB_BASE_COST;
        } else {
            params.max_blobs_per_tx = params.max_blob_count;
            params.blob_base_cost = 0;
        }
        schedule.push((start, params));
    }
    Ok(schedule)
}

/// The parameters `fork` brings on mainnet, if it brings any.
const fn default_blob_params(fork: EthereumHardfork) -> Option<BlobParams> {
    match fork {
        EthereumHardfork::Cancun => Some(BlobParams::cancun()),
        EthereumHardfork::Prague => Some(BlobParams::prague()),
        EthereumHardfork::Osaka => Some(BlobParams::osaka()),
        EthereumHardfork::Bpo1 => Some(BlobParams::bpo1()),
        EthereumHardfork::Bpo2 => Some(BlobParams::bpo2()),
        _ => None,
    }
}

/// Whether younger forks do without `fork`.
const fn is_optional(fork: EthereumHardfork) -> bool {
    matches!(
        fork,
        EthereumHardfork::Dao
            | EthereumHardfork::MuirGlacier
            | EthereumHardfork::ArrowGlacier
            | EthereumHardfork::GrayGlacier
            | EthereumHardfork::Bpo1
            | EthereumHardfork::Bpo2
            | EthereumHardfork::Bpo3
            | EthereumHardfork::Bpo4
            | EthereumHardfork::Bpo5
    )
}
