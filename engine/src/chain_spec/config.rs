//! A chain's rules as the `config` object of a genesis file.

use super::{ChainSpec, default_blob_params, is_optional};
use alloy_eips::eip7840::BlobParams;
use alloy_genesis::ChainConfig;
use alloy_hardforks::{EthereumHardfork as Fork, EthereumHardforks, ForkCondition};
use std::collections::BTreeMap;

impl ChainSpec {
    /// These rules as a genesis file sets them; [`ChainSpec::from_genesis`]
    /// reads them back.
    ///
    /// A genesis file cannot say that Constantinople stands without
    /// Petersburg, which is put off to the end of time instead, nor that
    /// Amsterdam has block access lists only: those rules come out as all of
    /// Amsterdam.
    #[must_use]
    pub fn to_config(&self) -> ChainConfig {
        let block = |fork| match self.ethereum_fork_activation(fork) {
            ForkCondition::Block(number) => Some(number),
            _ => None,
        };
        let time = |fork| self.ethereum_fork_activation(fork).as_timestamp();
        let (merge_netsplit_block, terminal_total_difficulty) = match self
            .ethereum_fork_activation(Fork::Paris)
        {
            ForkCondition::TTD { activation_block_number, total_difficulty, .. } => {
                let known = (activation_block_number != u64::MAX && !total_difficulty.is_zero())
                    .then_some(activation_block_number);
                (known, Some(total_difficulty))
            }
            _ => (None, None),
        };
        ChainConfig {
            chain_id: self.chain_id,
            homestead_block: block(Fork::Homestead),
            dao_fork_block: block(Fork::Dao),
            dao_fork_support: block(Fork::Dao).is_some(),
            eip150_block: block(Fork::Tangerine),
            eip155_block: block(Fork::SpuriousDragon),
            eip158_block: block(Fork::SpuriousDragon),
            byzantium_block: block(Fork::Byzantium),
            constantinople_block: block(Fork::Constantinople),
            petersburg_block: block(Fork::Petersburg)
                .or_else(|| block(Fork::Constantinople).map(|_| u64::MAX)),
            istanbul_block: block(Fork::Istanbul),
            muir_glacier_block: block(Fork::MuirGlacier),
            berlin_block: block(Fork::Berlin),
            london_block: block(Fork::London),
            arrow_glacier_block: block(Fork::ArrowGlacier),
            gray_glacier_block: block(Fork::GrayGlacier),
            merge_netsplit_block,
            terminal_total_difficulty,
            terminal_total_difficulty_passed: terminal_total_difficulty
                .is_some_and(|total| total.is_zero()),
            shanghai_time: time(Fork::Shanghai),
            cancun_time: time(Fork::Cancun),
            prague_time: time(Fork::Prague),
            osaka_time: time(Fork::Osaka),
            bpo1_time: time(Fork::Bpo1),
            bpo2_time: time(Fork::Bpo2),
            bpo3_time: time(Fork::Bpo3),
            bpo4_time: time(Fork::Bpo4),
            bpo5_time: time(Fork::Bpo5),
            amsterdam_time: time(Fork::Amsterdam),
            bogota_time: time(Fork::Bogota),
            blob_schedule: self.named_blob_params().collect(),
            deposit_contract_address: self.deposit_contract,
            ..ChainConfig::default()
        }
    }

    /// The blob schedule by fork. It does not say who brought which parameters;
    /// of forks that start together those are asked first that bring some of
    /// their own accord, and the youngest has the last word anyway.
    fn named_blob_params(&self) -> impl Iterator<Item = (String, BlobParams)> + '_ {
        let forks = Fork::VARIANTS.iter().copied().filter(|fork| *fork >= Fork::Cancun);
        let mut by_start = BTreeMap::<u64, Vec<Fork>>::new();
        for fork in forks {
            if let Some(start) = self.ethereum_fork_activation(fork).as_timestamp() {
                by_start.entry(start).or_default().push(fork);
            }
        }
        by_start.into_iter().flat_map(move |(start, forks)| {
            let entries = self.blob_schedule.iter().filter(move |(at, _)| *at == start);
            let count = entries.clone().count();
            let brings = |fork: &Fork| default_blob_params(*fork).is_some() || is_optional(*fork);
            let bringers: Vec<_> = forks.iter().copied().filter(brings).collect();
            let named = if bringers.len() == count {
                bringers
            } else {
                forks[forks.len().saturating_sub(count)..].to_vec()
            };
            let names = named.into_iter().map(|fork| fork.name().to_lowercase());
            names.zip(entries.map(|(_, params)| *params))
        })
    }
}
