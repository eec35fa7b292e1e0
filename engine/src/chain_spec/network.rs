//! A chain's rules from the name official test fixtures give them.

use super::{ChainSpec, ChainSpecError, default_blob_params, is_optional};
use alloy_eips::{eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, eip7840::BlobParams};
use alloy_hardforks::{EthereumHardfork as Fork, ForkCondition};
use alloy_primitives::U256;
use std::collections::BTreeMap;

/// Least difficulty of a block; divides a terminal total difficulty into the
/// most blocks it can take.
const MIN_DIFFICULTY: U256 = U256::from_limbs([0x2_0000, 0, 0, 0]);

impl ChainSpec {
    /// The rules of the test network `name`: one fork from genesis on
    /// ("Berlin"), or two with the second taking over at a block
    /// ("FrontierToHomesteadAt5"), a time ("CancunToPragueAtTime15k") or a
    /// total difficulty in hexadecimal ("ArrowGlacierToParisAtDiffC0000").
    ///
    /// `blob_schedule` is keyed by fork name in any case; forks without an
    /// entry have mainnet's parameters. The deposit contract is mainnet's.
    /// A merge by total difficulty is declared for the block at which a chain
    /// of least difficulty gets there; [`ChainSpec::for_child_of`] is exact.
    ///
    /// # Errors
    ///
    /// [`ChainSpecError`] for a name that means nothing, and for unusable blob
    /// parameters.
    pub fn for_network(
        name: &str,
        chain_id: u64,
        blob_schedule: Option<&BTreeMap<String, BlobParams>>,
    ) -> Result<Self, ChainSpecError> {
        let network = Network::parse(name)?;
        let given = |fork: Fork| {
            let entries = blob_schedule.into_iter().flatten();
            let mut matching = entries.filter(|(key, _)| key.eq_ignore_ascii_case(fork.name()));
            matching.next().map(|(_, params)| *params)
        };
        let forks: Vec<_> = Fork::VARIANTS
            .iter()
            .map(|fork| network.activation(*fork, given(*fork).is_some()))
            .collect();
        let entries = Fork::VARIANTS.iter().zip(&forks).filter_map(|(fork, condition)| {
            let params = given(*fork).or_else(|| default_blob_params(*fork))?;
            Some((*fork, condition.as_timestamp()?, params))
        });
        let blob_schedule = super::blob_schedule(entries)?;
        for fork in [network.from, network.to] {
            let is_bpo = Fork::bpo_variants().contains(&fork);
            if is_bpo && given(fork).or_else(|| default_blob_params(fork)).is_none() {
                return Err(ChainSpecError::MissingBlobParams(fork));
            }
        }
        let deposit_contract = Some(MAINNET_DEPOSIT_CONTRACT_ADDRESS);
        Ok(Self { chain_id, forks, blob_schedule, deposit_contract, access_lists_only: false })
    }
}

/// A network's name, understood.
struct Network {
    /// Newest fork at genesis.
    from: Fork,
    /// Newest fork in the end.
    to: Fork,
    /// When the forks after `from`, up to `to`, take over.
    at: ForkCondition,
}

impl Network {
    fn parse(name: &str) -> Result<Self, ChainSpecError> {
        let unknown = || ChainSpecError::UnknownNetwork(name.to_owned());
        if let Some(fork) = fork_named(name) {
            return Ok(Self { from: fork, to: fork, at: ForkCondition::Never });
        }
        let (forks, at) = name.rsplit_once("At").ok_or_else(unknown)?;
        let (from, to) = forks.split_once("To").ok_or_else(unknown)?;
        let from = fork_named(from).ok_or_else(unknown)?;
        let to = fork_named(to).ok_or_else(unknown)?;
        let at = condition(at).ok_or_else(unknown)?;
        if to <= from {
            return Err(ChainSpecError::BackwardTransition { network: name.to_owned() });
        }
        let mut mandatory = Fork::VARIANTS
            .iter()
            .filter(|fork| **fork > from && **fork <= to)
            .filter(|fork| **fork == to || !is_optional(**fork));
        if let Some(fork) = mandatory.find(|fork| !fits(**fork, at)) {
            return Err(ChainSpecError::WrongActivation { network: name.to_owned(), fork: *fork });
        }
        Ok(Self { from, to, at })
    }

    /// When `fork` starts on this network. `has_blob_params` tells whether the
    /// test sets parameters for it.
    fn activation(&self, fork: Fork, has_blob_params: bool) -> ForkCondition {
        // Only mainnet's history has the DAO; it is in the tests that name it.
        if fork > self.to || (fork == Fork::Dao && self.to != Fork::Dao) {
            return ForkCondition::Never;
        }
        // No chain has seen the third blob parameter fork yet, so younger
        // forks do not imply it.
        let is_future_bpo = matches!(fork, Fork::Bpo3 | Fork::Bpo4 | Fork::Bpo5);
        if is_future_bpo && !has_blob_params {
            return ForkCondition::Never;
        }
        if fork <= self.from {
            return at_genesis(fork);
        }
        // A bomb delay passed over on the way to the merge stays out.
        if fits(fork, self.at) { self.at } else { ForkCondition::Never }
    }
}

/// The fork a fixture calls `name`.
fn fork_named(name: &str) -> Option<Fork> {
    Some(match name {
        "EIP150" | "TangerineWhistle" => Fork::Tangerine,
        "EIP158" => Fork::SpuriousDragon,
        "ConstantinopleFix" => Fork::Petersburg,
        "Merge" => Fork::Paris,
        "BPO1" => Fork::Bpo1,
        "BPO2" => Fork::Bpo2,
        "BPO3" => Fork::Bpo3,
        "BPO4" => Fork::Bpo4,
        "BPO5" => Fork::Bpo5,
        "DAOFork" => Fork::Dao,
        _ => return Fork::VARIANTS.iter().copied().find(|fork| fork.name() == name),
    })
}

/// The condition under which `fork` holds from the first block on.
fn at_genesis(fork: Fork) -> ForkCondition {
    match fork {
        Fork::Paris => merge_at(0, U256::ZERO),
        fork if fork < Fork::Paris => ForkCondition::ZERO_BLOCK,
        _ => ForkCondition::ZERO_TIMESTAMP,
    }
}

/// Whether `fork` goes by what `condition` goes by.
fn fits(fork: Fork, condition: ForkCondition) -> bool {
    match condition {
        ForkCondition::Block(_) => fork < Fork::Paris,
        ForkCondition::TTD { .. } => fork == Fork::Paris,
        ForkCondition::Timestamp(_) => fork > Fork::Paris,
        ForkCondition::Never => false,
    }
}

/// The condition behind a name's "At".
fn condition(at: &str) -> Option<ForkCondition> {
    if let Some(time) = at.strip_prefix("Time") {
        let seconds = match time.strip_suffix('k') {
            Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1000)?,
            None => time.parse().ok()?,
        };
        return Some(ForkCondition::Timestamp(seconds));
    }
    if let Some(difficulty) = at.strip_prefix("Diff") {
        let total_difficulty = U256::from_str_radix(difficulty, 16).ok()?;
        let blocks = total_difficulty.div_ceil(MIN_DIFFICULTY).saturating_to();
        return Some(merge_at(blocks, total_difficulty));
    }
    Some(ForkCondition::Block(at.parse().ok()?))
}

/// A merge whose first proof-of-stake block is `activation_block_number`.
const fn merge_at(activation_block_number: u64, total_difficulty: U256) -> ForkCondition {
    ForkCondition::TTD { activation_block_number, fork_block: None, total_difficulty }
}
