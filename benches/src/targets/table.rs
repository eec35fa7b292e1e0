//! The table of targets.

use super::{Bound, Scope, Setting, Target};

const fn named(
    what: &'static str,
    setting: Setting,
    workload: &'static str,
    bound: Bound,
) -> Target {
    Target { what, setting, scope: Scope::Named(workload), workers: 2, bound }
}

const NEVER_SLOWER: Bound = Bound::Ratio(0.97);
const LITTLE_MORE_CPU: Bound = Bound::CpuRatio(1.15);
const SMALL_TAX: Bound = Bound::Ratio(0.95);

/// The table.
pub const TARGETS: &[Target] = &[
    named("independent ERC-20", Setting::Ordinary, "erc20_independent", Bound::Ratio(1.85)),
    named("independent ERC-20", Setting::Huge, "erc20_independent", Bound::Ratio(1.95)),
    named("swaps, many pools", Setting::Ordinary, "amm_many_pools", Bound::Ratio(1.85)),
    named("swaps, many pools", Setting::Huge, "amm_many_pools", Bound::Ratio(1.95)),
    named("independent transfers", Setting::Ordinary, "independent_transfers", Bound::Ratio(1.8)),
    named("independent transfers", Setting::Huge, "independent_transfers", Bound::Ratio(1.8)),
    named("same recipient", Setting::Ordinary, "same_recipient", Bound::Ratio(1.8)),
    named("same recipient", Setting::Huge, "same_recipient", Bound::Ratio(1.8)),
    named("same sender", Setting::Ordinary, "same_sender", Bound::Ratio(1.8)),
    named("same sender", Setting::Huge, "same_sender", Bound::Ratio(1.8)),
    named("10 accounts", Setting::Ordinary, "ten_accounts", Bound::Ratio(1.8)),
    named("10 accounts", Setting::Huge, "ten_accounts", Bound::Ratio(1.8)),
    named("one long chain", Setting::Ordinary, "transfer_chain", NEVER_SLOWER),
    named("one long chain", Setting::Ordinary, "transfer_chain", LITTLE_MORE_CPU),
    named("one long chain", Setting::Huge, "transfer_chain", NEVER_SLOWER),
    named("one long chain", Setting::Huge, "transfer_chain", LITTLE_MORE_CPU),
    named("one hot slot", Setting::Ordinary, "hot_slot", NEVER_SLOWER),
    named("one hot slot", Setting::Ordinary, "hot_slot", LITTLE_MORE_CPU),
    named("one hot slot", Setting::Huge, "hot_slot", NEVER_SLOWER),
    named("one hot slot", Setting::Huge, "hot_slot", LITTLE_MORE_CPU),
    named("swaps, one pool", Setting::Ordinary, "amm_one_pool", NEVER_SLOWER),
    named("swaps, one pool", Setting::Ordinary, "amm_one_pool", LITTLE_MORE_CPU),
    named("swaps, one pool", Setting::Huge, "amm_one_pool", NEVER_SLOWER),
    named("swaps, one pool", Setting::Huge, "amm_one_pool", LITTLE_MORE_CPU),
    Target {
        what: "above 5 Mgas, geometric mean",
        setting: Setting::Mainnet,
        scope: Scope::Large,
        workers: 2,
        bound: Bound::MeanRatio(1.75),
    },
    Target {
        what: "above 5 Mgas, each",
        setting: Setting::Mainnet,
        scope: Scope::Large,
        workers: 2,
        bound: NEVER_SLOWER,
    },
    named("a small block", Setting::Ordinary, "small", NEVER_SLOWER),
    named("an empty block", Setting::Ordinary, "empty", NEVER_SLOWER),
    Target {
        what: "swaps, many pools, 64 workers",
        setting: Setting::SlowReads,
        scope: Scope::Named("amm_many_pools"),
        workers: 64,
        bound: Bound::Ratio(25.0),
    },
    Target {
        what: "any workload, one worker",
        setting: Setting::Ordinary,
        scope: Scope::All,
        workers: 1,
        bound: SMALL_TAX,
    },
    Target {
        what: "any workload, one worker",
        setting: Setting::Huge,
        scope: Scope::All,
        workers: 1,
        bound: SMALL_TAX,
    },
    Target {
        what: "any workload, one worker",
        setting: Setting::Forced,
        scope: Scope::All,
        workers: 1,
        bound: SMALL_TAX,
    },
    Target {
        what: "any block, one worker",
        setting: Setting::Mainnet,
        scope: Scope::All,
        workers: 1,
        bound: SMALL_TAX,
    },
];
