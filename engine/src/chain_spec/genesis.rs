//! A chain's rules from the `config` object of its genesis file.

use super::{ChainSpec, ChainSpecError, blob_schedule, default_blob_params, is_optional, position};
use alloy_eips::{eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, eip7840::BlobParams};
use alloy_genesis::ChainConfig;
use alloy_hardforks::{
    EthereumHardfork as Fork, ForkCondition,
    ethereum::{mainnet::MAINNET_PARIS_BLOCK, sepolia::SEPOLIA_PARIS_BLOCK},
};
use alloy_primitives::U256;

impl ChainSpec {
    /// The rules a genesis file sets.
    ///
    /// Forks must come in order, and none may be left out below another, the
    /// DAO fork, the bomb delays (Muir, Arrow and Gray Glacier) and blob
    /// parameter forks excepted. Blob parameters missing from the schedule are
    /// mainnet's.
    ///
    /// A terminal total difficulty above zero does not say at which block it
    /// is reached. For mainnet and Sepolia that block is known; else
    /// `mergeNetsplitBlock` is taken for the first proof-of-stake block; else
    /// the merge lies ahead until [`ChainSpec::for_child_of`] finds it.
    ///
    /// # Errors
    ///
    /// [`ChainSpecError`] for forks out of order, unusable blob parameters, and
    /// chains sealed by a committee (clique, parlia).
    pub fn from_genesis(config: &ChainConfig) -> Result<Self, ChainSpecError> {
        if config.clique.is_some() {
            return Err(ChainSpecError::UnsupportedConsensus("clique"));
        }
        if config.parlia.is_some() {
            return Err(ChainSpecError::UnsupportedConsensus("parlia"));
        }
        if config.eip155_block != config.eip158_block {
            return Err(ChainSpecError::SplitSpuriousDragon {
                eip155: config.eip155_block,
                eip158: config.eip158_block,
            });
        }
        let forks: Vec<_> = Fork::VARIANTS.iter().map(|fork| activation(*fork, config)).collect();
        check_order(&forks)?;
        let deposit_contract = config
            .deposit_contract_address
            .or_else(|| (config.chain_id == 1).then_some(MAINNET_DEPOSIT_CONTRACT_ADDRESS));
        let blob_schedule = blob_schedule(blob_entries(&forks, config)?)?;
        Ok(Self {
            chain_id: config.chain_id,
            forks,
            blob_schedule,
            deposit_contract,
            access_lists_only: false,
        })
    }
}

/// When `fork` starts according to `config`.
fn activation(fork: Fork, config: &ChainConfig) -> ForkCondition {
    let block = |number: Option<u64>| number.map_or(ForkCondition::Never, ForkCondition::Block);
    let time = |start: Option<u64>| start.map_or(ForkCondition::Never, ForkCondition::Timestamp);
    match fork {
        Fork::Frontier => ForkCondition::ZERO_BLOCK,
        Fork::Homestead => block(config.homestead_block),
        Fork::Dao => block(config.dao_fork_block.filter(|_| config.dao_fork_support)),
        Fork::Tangerine => block(config.eip150_block),
        Fork::SpuriousDragon => block(config.eip158_block),
        Fork::Byzantium => block(config.byzantium_block),
        Fork::Constantinople => block(config.constantinople_block),
        // Files older than Petersburg mean both when they name the first.
        Fork::Petersburg => block(config.petersburg_block.or(config.constantinople_block)),
        Fork::Istanbul => block(config.istanbul_block),
        Fork::MuirGlacier => block(config.muir_glacier_block),
        Fork::Berlin => block(config.berlin_block),
        Fork::London => block(config.london_block),
        Fork::ArrowGlacier => block(config.arrow_glacier_block),
        Fork::GrayGlacier => block(config.gray_glacier_block),
        Fork::Paris => paris(config),
        Fork::Shanghai => time(config.shanghai_time),
        Fork::Cancun => time(config.cancun_time),
        Fork::Prague => time(config.prague_time),
        Fork::Osaka => time(config.osaka_time),
        Fork::Bpo1 => time(config.bpo1_time),
        Fork::Bpo2 => time(config.bpo2_time),
        Fork::Bpo3 => time(config.bpo3_time),
        Fork::Bpo4 => time(config.bpo4_time),
        Fork::Bpo5 => time(config.bpo5_time),
        Fork::Amsterdam => time(config.amsterdam_time),
        Fork::Bogota => time(config.bogota_time),
        // The enum may grow; a fork this config has no field for never comes.
        _ => ForkCondition::Never,
    }
}

/// When the merge happens; see [`ChainSpec::from_genesis`].
fn paris(config: &ChainConfig) -> ForkCondition {
    let passed = config.terminal_total_difficulty_passed.then_some(U256::ZERO);
    let Some(total_difficulty) = config.terminal_total_difficulty.or(passed) else {
        return ForkCondition::Never;
    };
    let activation_block_number = match (total_difficulty.is_zero(), config.chain_id) {
        (true, _) => 0,
        (false, 1) => MAINNET_PARIS_BLOCK,
        (false, 11_155_111) => SEPOLIA_PARIS_BLOCK,
        (false, _) => config.merge_netsplit_block.unwrap_or(u64::MAX),
    };
    ForkCondition::TTD { activation_block_number, fork_block: None, total_difficulty }
}

/// Checks that the scheduled forks are a history that could have happened.
fn check_order(forks: &[ForkCondition]) -> Result<(), ChainSpecError> {
    let mut missing = None;
    let mut previous: Option<(Fork, ForkCondition)> = None;
    for (fork, condition) in Fork::VARIANTS.iter().copied().zip(forks.iter().copied()) {
        // Blob parameter forks come whenever they are needed, from Osaka on.
        let is_bpo = Fork::bpo_variants().contains(&fork);
        let Some(later_at) = start(condition) else {
            if missing.is_none() && !is_optional(fork) {
                missing = Some(fork);
            }
            continue;
        };
        if let Some(missing) = missing {
            return Err(ChainSpecError::MissingFork { missing, later: fork });
        }
        // A number and a timestamp do not compare.
        if let Some((earlier, before)) = previous
            && before.is_timestamp() == condition.is_timestamp()
            && let Some(earlier_at) = start(before)
            && later_at < earlier_at
        {
            return Err(ChainSpecError::ForkOrder { earlier, earlier_at, later: fork, later_at });
        }
        if !is_bpo {
            previous = Some((fork, condition));
        }
    }
    Ok(())
}

/// Block number or timestamp at which `condition` comes true.
const fn start(condition: ForkCondition) -> Option<u64> {
    match condition {
        ForkCondition::Block(at)
        | ForkCondition::Timestamp(at)
        | ForkCondition::TTD { activation_block_number: at, .. } => Some(at),
        ForkCondition::Never => None,
    }
}

/// Scheduled forks that set blob parameters, in the order they start.
fn blob_entries(
    forks: &[ForkCondition],
    config: &ChainConfig,
) -> Result<Vec<(Fork, u64, BlobParams)>, ChainSpecError> {
    let mut entries = Vec::new();
    for fork in Fork::VARIANTS.iter().copied().filter(|fork| *fork >= Fork::Cancun) {
        let Some(at) = forks[position(fork)].as_timestamp() else { continue };
        let named = config
            .blob_schedule
            .iter()
            .find_map(|(name, params)| name.eq_ignore_ascii_case(fork.name()).then_some(*params));
        match named.or_else(|| default_blob_params(fork)) {
            Some(params) => entries.push((fork, at, params)),
            // A blob parameter fork exists only to set them; a full fork may
            // leave them as they are.
            None if is_optional(fork) => return Err(ChainSpecError::MissingBlobParams(fork)),
            None => {}
        }
    }
    // Stable: of forks that start together the youngest has the last word.
    entries.sort_by_key(|(_, at, _)| *at);
    Ok(entries)
}
