//! How the engine was set up, as it is written down.

use blockloom_engine::{Config, Limits, Mode, Sharing, Worth};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Everything about an execution that must not change its result.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    /// Worker threads.
    pub workers: usize,
    #[serde(with = "ModeText")]
    mode: Mode,
    #[serde(with = "SharingText")]
    sharing: Sharing,
    #[serde(with = "LimitsText")]
    limits: Limits,
    #[serde(with = "WorthText")]
    worth: Worth,
    /// Whether an access list was built where the fork has none.
    access_list: bool,
    /// Seed of the delays with which the base state answered, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delays: Option<u64>,
}

impl Settings {
    /// Those of an engine of `config` with so many workers.
    pub(crate) const fn of(config: Config, workers: usize, delays: Option<u64>) -> Self {
        let Config { mode, sharing, limits, worth, access_list, .. } = config;
        Self { workers, mode, sharing, limits, worth, access_list, delays }
    }

    /// The same for the engine.
    pub(crate) const fn config(&self) -> Config {
        let Self { workers, mode, sharing, limits, worth, access_list, .. } = *self;
        Config { workers, mode, sharing, limits, worth, access_list }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mode", rename_all = "lowercase")]
enum ModeText {
    Adaptive,
    Parallel,
    Sequential,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Sharing", rename_all = "lowercase")]
enum SharingText {
    Adaptive,
    News,
    Memory,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Limits", rename_all = "camelCase")]
struct LimitsText {
    attempts: u32,
    window: u32,
    fixed_window: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Worth", rename_all = "camelCase")]
struct WorthText {
    gas: u64,
    gas_per_transaction: u64,
    time_left: Duration,
    time_per_transaction: Duration,
}
