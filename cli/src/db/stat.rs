//! `blockloom db stat`.

use super::{failed, open};
use crate::{CliError, Console, StoreArgs, console::table};
use alloy_primitives::B256;
use blockloom_state::{CacheUse, FamilySize};
use serde::Serialize;
use std::io::Write;

#[derive(Debug, Serialize)]
struct StatRecord {
    chain_id: u64,
    genesis_hash: B256,
    tip: u64,
    hash: B256,
    root: B256,
    /// Lowest block that `unwind` can go back to.
    oldest_target: u64,
    families: Vec<FamilyRecord>,
    block_cache: CacheRecord,
    node_cache: CacheRecord,
}

#[derive(Debug, Serialize)]
struct FamilyRecord {
    name: &'static str,
    entries: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

#[derive(Debug, Serialize)]
struct CacheRecord {
    bytes: u64,
    hits: u64,
    misses: u64,
    hit_rate: Option<f64>,
}

impl From<&FamilySize> for FamilyRecord {
    fn from(size: &FamilySize) -> Self {
        let FamilySize { name, n_entries: entries, file_bytes, memory_bytes } = *size;
        Self { name, entries, file_bytes, memory_bytes }
    }
}

impl From<CacheUse> for CacheRecord {
    fn from(cache: CacheUse) -> Self {
        let CacheUse { bytes, hits, misses } = cache;
        Self { bytes, hits, misses, hit_rate: cache.hit_rate() }
    }
}

pub(super) fn stat(args: &StoreArgs, results: &mut dyn Write) -> Result<(), CliError> {
    let store = open(&args.db)?;
    let stats = store.stats().map_err(failed(&args.db))?;
    let tip = store.tip();
    let record = StatRecord {
        chain_id: store.chain_id(),
        genesis_hash: store.genesis_hash(),
        tip: tip.number,
        hash: tip.hash,
        root: tip.root,
        oldest_target: store.oldest_target(),
        families: stats.families.iter().map(FamilyRecord::from).collect(),
        block_cache: stats.block_cache.into(),
        node_cache: stats.node_cache.into(),
    };
    let mut console = Console::new(results, args.json, true);
    console.record(&record)?;
    console.line(&format!("chain {}, genesis {}", record.chain_id, record.genesis_hash))?;
    console.line(&format!("block {} ({})", record.tip, record.hash))?;
    console.line(&format!("root {}", record.root))?;
    console.line(&format!("can be unwound to block {}", record.oldest_target))?;
    let mut families = table(["family", "entries (estimate)", "bytes in files", "bytes in memory"]);
    for family in &record.families {
        families.add_row([
            family.name.to_owned(),
            family.entries.to_string(),
            family.file_bytes.to_string(),
            family.memory_bytes.to_string(),
        ]);
    }
    console.line(&format!("\n{families}\n"))?;
    for (name, cache) in [("block", &record.block_cache), ("node", &record.node_cache)] {
        let rate = cache.hit_rate.map_or("-".to_owned(), |rate| format!("{:.1} %", 100.0 * rate));
        let CacheRecord { bytes, hits, misses, .. } = cache;
        console.line(&format!(
            "{name} cache: {bytes} bytes, {hits} hits, {misses} misses, hit rate {rate}"
        ))?;
    }
    Ok(())
}
