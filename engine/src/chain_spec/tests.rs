use super::*;
use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_genesis::ChainConfig;
use std::collections::BTreeMap;

fn header(number: u64, timestamp: u64) -> Header {
    Header { number, timestamp, ..Header::default() }
}

#[test]
fn mainnet_follows_history() {
    let spec = ChainSpec::mainnet();
    assert_eq!(spec.spec_id(&header(1_149_999, 0)), SpecId::FRONTIER);
    assert_eq!(spec.spec_id(&header(1_150_000, 0)), SpecId::HOMESTEAD);
    assert_eq!(spec.spec_id(&header(15_537_393, 0)), SpecId::LONDON);
    assert_eq!(spec.spec_id(&header(15_537_394, 0)), SpecId::MERGE);
    assert_eq!(spec.spec_id(&header(24_000_000, 1_767_747_671)), SpecId::OSAKA);
    assert!(spec.is_active(EthereumHardfork::Dao, &header(1_920_000, 0)));
    assert_eq!(spec.blob_params_at(1_710_338_134), None);
    assert_eq!(spec.blob_params_at(1_710_338_135), Some(BlobParams::cancun()));
    assert_eq!(spec.blob_params_at(1_764_798_551), Some(BlobParams::osaka()));
    assert_eq!(spec.blob_params_at(1_765_290_071), Some(BlobParams::bpo1()));
    assert_eq!(spec.blob_params_at(u64::MAX), Some(BlobParams::bpo2()));
}

#[test]
fn networks_of_one_fork_hold_it_at_genesis() {
    let cases = [
        ("Frontier", SpecId::FRONTIER),
        ("Homestead", SpecId::HOMESTEAD),
        ("EIP150", SpecId::TANGERINE),
        ("TangerineWhistle", SpecId::TANGERINE),
        ("EIP158", SpecId::SPURIOUS_DRAGON),
        ("SpuriousDragon", SpecId::SPURIOUS_DRAGON),
        ("Byzantium", SpecId::BYZANTIUM),
        ("ConstantinopleFix", SpecId::PETERSBURG),
        ("Istanbul", SpecId::ISTANBUL),
        ("MuirGlacier", SpecId::ISTANBUL),
        ("Berlin", SpecId::BERLIN),
        ("London", SpecId::LONDON),
        ("ArrowGlacier", SpecId::LONDON),
        ("GrayGlacier", SpecId::LONDON),
        ("Paris", SpecId::MERGE),
        ("Merge", SpecId::MERGE),
        ("Shanghai", SpecId::SHANGHAI),
        ("Cancun", SpecId::CANCUN),
        ("Prague", SpecId::PRAGUE),
        ("Osaka", SpecId::OSAKA),
        ("BPO2", SpecId::OSAKA),
        ("Amsterdam", SpecId::AMSTERDAM),
    ];
    for (name, expected) in cases {
        let spec = ChainSpec::for_network(name, 1, None).unwrap();
        assert_eq!(spec.spec_id(&header(0, 0)), expected, "{name}");
    }
    let constantinople = ChainSpec::for_network("Constantinople", 1, None).unwrap();
    assert!(constantinople.is_constantinople_active_at_block(0));
    assert!(!constantinople.is_petersburg_active_at_block(u64::MAX));
}

#[test]
fn transitions_happen_on_time() {
    let spec = ChainSpec::for_network("FrontierToHomesteadAt5", 1, None).unwrap();
    assert_eq!(spec.spec_id(&header(4, u64::MAX)), SpecId::FRONTIER);
    assert_eq!(spec.spec_id(&header(5, 0)), SpecId::HOMESTEAD);

    let spec = ChainSpec::for_network("ByzantiumToConstantinopleFixAt5", 1, None).unwrap();
    assert_eq!(spec.spec_id(&header(5, 0)), SpecId::PETERSBURG);

    let spec = ChainSpec::for_network("HomesteadToDaoAt5", 1, None).unwrap();
    assert_eq!(spec.ethereum_fork_activation(EthereumHardfork::Dao), ForkCondition::Block(5));
    assert_eq!(spec.spec_id(&header(5, 0)), SpecId::HOMESTEAD);

    let spec = ChainSpec::for_network("CancunToPragueAtTime15k", 1, None).unwrap();
    assert_eq!(spec.spec_id(&header(9, 14_999)), SpecId::CANCUN);
    assert_eq!(spec.spec_id(&header(9, 15_000)), SpecId::PRAGUE);
    assert_eq!(spec.blob_params_at(14_999), Some(BlobParams::cancun()));
    assert_eq!(spec.blob_params_at(15_000), Some(BlobParams::prague()));

    let spec = ChainSpec::for_network("BPO2ToAmsterdamAtTime15k", 1, None).unwrap();
    assert_eq!(spec.spec_id(&header(9, 14_999)), SpecId::OSAKA);
    assert_eq!(spec.spec_id(&header(9, 15_000)), SpecId::AMSTERDAM);
    assert_eq!(spec.blob_params_at(15_000), Some(BlobParams::bpo2()));
}

#[test]
fn access_lists_may_come_alone() {
    let full = ChainSpec::for_network("BPO2ToAmsterdamAtTime15k", 1, None).unwrap();
    let lists = full.clone().with_access_lists_only();
    for spec in [&full, &lists] {
        assert!(!spec.has_access_list_at(14_999));
        assert!(spec.has_access_list_at(15_000));
    }
    assert_eq!(lists.spec_id(&header(9, 15_000)), SpecId::OSAKA);
    assert!(!lists.is_amsterdam_active_at_timestamp(15_000));
}

#[test]
fn total_difficulty_decides_the_merge() {
    let spec = ChainSpec::for_network("ArrowGlacierToParisAtDiffC0000", 1, None).unwrap();
    assert_eq!(spec.terminal_total_difficulty(), Some(U256::from(0xc0000)));
    assert!(!spec.is_paris_active_at_block(5));
    assert!(spec.is_paris_active_at_block(6));
    // A heavier branch gets there sooner, and stays there.
    let early = spec.for_child_of(2, U256::from(0xc0000));
    assert!(!early.is_paris_active_at_block(2) && early.is_paris_active_at_block(3));
    assert!(early.for_child_of(3, U256::from(0xc0000)).is_paris_active_at_block(3));
    // A declaration that comes too early is not believed.
    let late = spec.for_child_of(5, U256::from(0xbffff));
    assert!(!late.is_paris_active_at_block(6));
    assert!(late.for_child_of(6, U256::from(0xc0001)).is_paris_active_at_block(7));
}

#[test]
fn blob_schedules_are_keyed_by_fork() {
    let doubled = BlobParams { target_blob_count: 12, max_blob_count: 24, ..BlobParams::bpo2() };
    let schedule = BTreeMap::from([("BPO2".to_owned(), doubled), ("bpo3".to_owned(), doubled)]);
    let spec = ChainSpec::for_network("BPO3", 1, Some(&schedule)).unwrap();
    assert_eq!(spec.blob_params_at(0), Some(doubled));
    assert!(spec.is_active(EthereumHardfork::Bpo3, &header(0, 0)));

    let broken = BlobParams { max_blob_count: 5, target_blob_count: 6, ..BlobParams::cancun() };
    let schedule = BTreeMap::from([("Cancun".to_owned(), broken)]);
    assert!(matches!(
        ChainSpec::for_network("Cancun", 1, Some(&schedule)),
        Err(ChainSpecError::InvalidBlobParams { fork: EthereumHardfork::Cancun, .. })
    ));
}

#[test]
fn networks_that_mean_nothing_are_refused() {
    let unknown = |name: &str| ChainSpecError::UnknownNetwork(name.to_owned());
    for name in ["", "Atlantis", "At5", "ToAt5", "FrontierToHomesteadAt", "LondonAtTime15k"] {
        assert_eq!(ChainSpec::for_network(name, 1, None), Err(unknown(name)));
    }
    assert!(matches!(
        ChainSpec::for_network("HomesteadToFrontierAt5", 1, None),
        Err(ChainSpecError::BackwardTransition { .. })
    ));
    for name in ["ParisToShanghaiAt5", "BerlinToParisAtDiff1", "LondonToShanghaiAtTime15k"] {
        assert!(
            matches!(
                ChainSpec::for_network(name, 1, None),
                Err(ChainSpecError::WrongActivation { .. })
            ),
            "{name}"
        );
    }
    assert_eq!(
        ChainSpec::for_network("BPO5", 1, None),
        Err(ChainSpecError::MissingBlobParams(EthereumHardfork::Bpo5))
    );
}

/// Every fork up to London at genesis, Paris behind `ttd`.
fn london_config(ttd: Option<u64>) -> ChainConfig {
    ChainConfig {
        chain_id: 7,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: None,
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        terminal_total_difficulty: ttd.map(U256::from),
        ..ChainConfig::default()
    }
}

#[test]
fn genesis_files_set_forks_and_merge() {
    let spec = ChainSpec::from_genesis(&london_config(None)).unwrap();
    assert_eq!(spec.chain_id(), 7);
    assert_eq!(spec.deposit_contract_address(), None);
    assert_eq!(spec.spec_id(&header(9, u64::MAX)), SpecId::LONDON);
    assert!(spec.is_petersburg_active_at_block(0));

    let spec = ChainSpec::from_genesis(&london_config(Some(0))).unwrap();
    assert_eq!(spec.spec_id(&header(0, 0)), SpecId::MERGE);

    let config = ChainConfig { merge_netsplit_block: Some(36), ..london_config(Some(9)) };
    let spec = ChainSpec::from_genesis(&config).unwrap();
    assert_eq!(spec.spec_id(&header(35, 0)), SpecId::LONDON);
    assert_eq!(spec.spec_id(&header(36, 0)), SpecId::MERGE);

    let spec = ChainSpec::from_genesis(&london_config(Some(9))).unwrap();
    assert_eq!(spec.spec_id(&header(1_000_000, 0)), SpecId::LONDON);
    let merged = spec.for_child_of(35, U256::from(9));
    assert_eq!(merged.spec_id(&header(36, 0)), SpecId::MERGE);
}

#[test]
fn blob_parameter_forks_come_when_needed() {
    let more = BlobParams { target_blob_count: 20, max_blob_count: 30, ..BlobParams::cancun() };
    let config = ChainConfig {
        shanghai_time: Some(1),
        cancun_time: Some(1),
        prague_time: Some(1),
        osaka_time: Some(2),
        amsterdam_time: Some(3),
        bpo3_time: Some(4),
        blob_schedule: BTreeMap::from([("bpo3".to_owned(), more)]),
        ..london_config(Some(0))
    };
    let spec = ChainSpec::from_genesis(&config).unwrap();
    assert_eq!(spec.blob_params_at(0), None);
    assert_eq!(spec.blob_params_at(1), Some(BlobParams::prague()));
    assert_eq!(spec.blob_params_at(3), Some(BlobParams::osaka()));
    let scheduled = spec.blob_params_at(4).unwrap();
    assert_eq!((scheduled.max_blob_count, scheduled.max_blobs_per_tx), (30, 6));
    assert_eq!(scheduled.blob_base_cost, 1 << 13);

    let early = ChainConfig { bpo3_time: Some(1), ..config.clone() };
    assert!(matches!(
        ChainSpec::from_genesis(&early),
        Err(ChainSpecError::ForkOrder { later: EthereumHardfork::Bpo3, .. })
    ));
    let unknown = ChainConfig { blob_schedule: BTreeMap::new(), ..config };
    assert_eq!(
        ChainSpec::from_genesis(&unknown),
        Err(ChainSpecError::MissingBlobParams(EthereumHardfork::Bpo3))
    );
}

#[test]
fn genesis_files_out_of_order_are_refused() {
    let config = ChainConfig { istanbul_block: None, ..london_config(None) };
    assert_eq!(
        ChainSpec::from_genesis(&config),
        Err(ChainSpecError::MissingFork {
            missing: EthereumHardfork::Istanbul,
            later: EthereumHardfork::Berlin
        })
    );
    let config = ChainConfig { berlin_block: Some(3), ..london_config(None) };
    assert_eq!(
        ChainSpec::from_genesis(&config),
        Err(ChainSpecError::ForkOrder {
            earlier: EthereumHardfork::Berlin,
            earlier_at: 3,
            later: EthereumHardfork::London,
            later_at: 0
        })
    );
    let config = ChainConfig { shanghai_time: Some(3), ..london_config(None) };
    assert!(matches!(
        ChainSpec::from_genesis(&config),
        Err(ChainSpecError::MissingFork { missing: EthereumHardfork::Paris, .. })
    ));
    let config = ChainConfig { eip155_block: None, ..london_config(None) };
    assert!(matches!(
        ChainSpec::from_genesis(&config),
        Err(ChainSpecError::SplitSpuriousDragon { eip155: None, eip158: Some(0) })
    ));
}

#[test]
fn evm_env_prices_blobs_by_the_forks_fraction() {
    let spec = ChainSpec::for_network("PragueToOsakaAtTime15k", 5, None).unwrap();
    let header = Header {
        number: 3,
        timestamp: 15_000,
        excess_blob_gas: Some(20_000_000),
        blob_gas_used: Some(0),
        difficulty: U256::from(7),
        mix_hash: EMPTY_ROOT_HASH,
        ..Header::default()
    };
    let env = spec.evm_env(&header);
    assert_eq!(env.cfg_env.chain_id, 5);
    assert_eq!(env.cfg_env.max_blobs_per_tx, Some(6));
    assert_eq!(env.cfg_env.tx_gas_limit_cap, Some(1 << 24));
    assert_eq!(env.cfg_env.blob_base_fee_update_fraction, Some(5_007_716));
    assert_eq!(env.block_env.difficulty, U256::ZERO);
    assert_eq!(env.block_env.prevrandao, Some(EMPTY_ROOT_HASH));
    let price = env.block_env.blob_excess_gas_and_price.unwrap().blob_gasprice;
    // e^(20,000,000 / 5,007,716) = 54.2...
    assert_eq!(price, 54);
}

/// What is written down for a block that went wrong must be the rules it went
/// wrong under.
#[test]
fn rules_survive_as_a_genesis_config() {
    let names = [
        "Frontier",
        "Homestead",
        "EIP150",
        "EIP158",
        "Byzantium",
        "ConstantinopleFix",
        "Istanbul",
        "Berlin",
        "London",
        "Paris",
        "Shanghai",
        "Cancun",
        "Prague",
        "Osaka",
        "BPO1",
        "BPO2",
        "Amsterdam",
        "HomesteadToDaoAt5",
        "CancunToPragueAtTime15k",
        "ParisToShanghaiAtTime15k",
    ];
    let networks = names.map(|name| ChainSpec::for_network(name, 5, None).unwrap());
    for spec in networks.into_iter().chain([ChainSpec::mainnet()]) {
        let text = serde_json::to_string(&spec.to_config()).unwrap();
        let config = serde_json::from_str(&text).unwrap();
        assert_eq!(ChainSpec::from_genesis(&config).unwrap(), spec, "{text}");
    }
}
