//! What a replay did, block by block and in all.

use super::shadow::Shadowed;
use crate::{CliError, Console, console::table};
use alloy_primitives::B256;
use serde::{Serialize, Serializer};
use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

/// One block that was executed and verified.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BlockRecord {
    /// Block number.
    pub block: u64,
    /// Block hash.
    pub hash: B256,
    /// Transactions in the block.
    pub txs: usize,
    /// Gas used.
    pub gas: u64,
    /// Time of execution (in parallel, unless `--sequential`).
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub time: Duration,
    /// Time of the sequential run, with `--compare`.
    #[serde(serialize_with = "as_some_seconds", rename = "sequential_seconds")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential_time: Option<Duration>,
    /// Times a transaction was run, whatever came of it.
    pub executions: usize,
    /// Whether the state root was computed; if it was, it is the header's.
    pub root_verified: bool,
    /// What running it sequentially, too, came to, with `--shadow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadowed>,
}

impl BlockRecord {
    /// Executions beyond one per transaction.
    pub(crate) const fn re_executions(&self) -> usize {
        self.executions.saturating_sub(self.txs)
    }
}

/// Time by stage, over all blocks. Where stages overlap, a stage counts also
/// while its thread waits for a core, so the sum is more than the run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stages {
    /// Reading and decoding.
    #[serde(serialize_with = "as_seconds")]
    pub decode: Duration,
    /// Hashing the header and recovering senders; with overlapping stages also
    /// reading ahead what senders and recipients have.
    #[serde(serialize_with = "as_seconds")]
    pub recover: Duration,
    /// Checks of header, body, ommers and result.
    #[serde(serialize_with = "as_seconds")]
    pub check: Duration,
    /// Execution.
    #[serde(serialize_with = "as_seconds")]
    pub execute: Duration,
    /// The sequential run of `--compare`.
    #[serde(serialize_with = "as_seconds")]
    pub sequential: Duration,
    /// State roots.
    #[serde(serialize_with = "as_seconds")]
    pub root: Duration,
    /// Commits to the store.
    #[serde(serialize_with = "as_seconds")]
    pub commit: Duration,
}

impl Stages {
    /// Each stage with its name for people, in the order in which a block takes
    /// them.
    pub(crate) const fn by_name(&self) -> [(&'static str, Duration); 7] {
        [
            ("decode", self.decode),
            ("recover senders", self.recover),
            ("check", self.check),
            ("execute", self.execute),
            ("execute sequentially", self.sequential),
            ("state root", self.root),
            ("commit", self.commit),
        ]
    }
}

impl AddAssign for Stages {
    fn add_assign(&mut self, other: Self) {
        let Self { decode, recover, check, execute, sequential, root, commit } = other;
        self.decode += decode;
        self.recover += recover;
        self.check += check;
        self.execute += execute;
        self.sequential += sequential;
        self.root += root;
        self.commit += commit;
    }
}

/// Where a replay ended and what it took; the last line of its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayTotals {
    /// Number of the last block.
    pub tip: u64,
    /// Its hash.
    pub hash: B256,
    /// State root after it.
    pub root: B256,
    /// Blocks executed by this run; those the store had already do not count.
    pub blocks: u64,
    /// Transactions in them.
    pub txs: u64,
    /// Gas they used.
    pub gas: u64,
    /// Wall time of the run.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub time: Duration,
    /// Times a transaction was run, whatever came of it.
    pub executions: u64,
    /// What went into the store's log; 0 in memory.
    pub bytes_written: u64,
    /// Blocks that ran sequentially, too, with `--shadow`.
    pub shadowed: u64,
    /// Those of them whose parallel run differed.
    pub divergences: u64,
    /// Where the time went.
    pub stages: Stages,
}

/// Counts blocks and keeps what the final tables show.
#[derive(Debug)]
pub(crate) struct Tally {
    started: Instant,
    pub(crate) stages: Stages,
    blocks: u64,
    txs: u64,
    gas: u64,
    executions: u64,
    bytes_written: u64,
    shadowed: u64,
    divergences: u64,
    /// Kept for `--compare` only: a long chain would fill memory.
    compared: Vec<BlockRecord>,
}

impl Tally {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            stages: Stages::default(),
            blocks: 0,
            txs: 0,
            gas: 0,
            executions: 0,
            bytes_written: 0,
            shadowed: 0,
            divergences: 0,
            compared: Vec::new(),
        }
    }

    /// Counts what went into the store's log for a block.
    pub(crate) const fn wrote(&mut self, bytes: u64) {
        self.bytes_written += bytes;
    }

    /// Counts a verified block and reports it.
    pub(crate) fn add(
        &mut self,
        record: BlockRecord,
        console: &mut Console<'_>,
    ) -> Result<(), CliError> {
        self.blocks += 1;
        self.txs += record.txs as u64;
        self.gas += record.gas;
        self.executions += record.executions as u64;
        self.shadowed += u64::from(record.shadow.is_some());
        self.divergences += u64::from(record.shadow == Some(Shadowed::Diverged));
        console.record(&record)?;
        if record.sequential_time.is_some() {
            self.compared.push(record);
        }
        Ok(())
    }

    /// Reports the totals of a run that ended at this tip.
    pub(crate) fn end(
        self,
        tip: (u64, B256, B256),
        console: &mut Console<'_>,
    ) -> Result<ReplayTotals, CliError> {
        let totals = ReplayTotals {
            tip: tip.0,
            hash: tip.1,
            root: tip.2,
            blocks: self.blocks,
            txs: self.txs,
            gas: self.gas,
            time: self.started.elapsed(),
            executions: self.executions,
            bytes_written: self.bytes_written,
            shadowed: self.shadowed,
            divergences: self.divergences,
            stages: self.stages,
        };
        if !console.is_json() {
            if !self.compared.is_empty() {
                console.line(&compared_table(&self.compared))?;
            }
            console.line(&totals_text(&totals))?;
        }
        console.record(&totals)?;
        Ok(totals)
    }
}

fn compared_table(records: &[BlockRecord]) -> String {
    let titles =
        ["block", "txs", "gas", "sequential ms", "parallel ms", "speedup", "re-executed", "root"];
    let mut table = table(titles);
    for record in records {
        let root = if record.root_verified { "verified" } else { "not given" };
        table.add_row(compared_row(record.block.to_string(), std::slice::from_ref(record), root));
    }
    table.add_row(compared_row("total".to_owned(), records, ""));
    table.to_string()
}

/// The sums over `records` as one row of the table.
fn compared_row(name: String, records: &[BlockRecord], root: &str) -> [String; 8] {
    let sequential: Duration = records.iter().filter_map(|record| record.sequential_time).sum();
    let parallel: Duration = records.iter().map(|record| record.time).sum();
    let speedup = sequential.as_secs_f64() / parallel.as_secs_f64();
    [
        name,
        records.iter().map(|record| record.txs).sum::<usize>().to_string(),
        records.iter().map(|record| record.gas).sum::<u64>().to_string(),
        format!("{:.2}", milliseconds(sequential)),
        format!("{:.2}", milliseconds(parallel)),
        format!("{speedup:.2}x"),
        records.iter().map(BlockRecord::re_executions).sum::<usize>().to_string(),
        root.to_owned(),
    ]
}

fn totals_text(totals: &ReplayTotals) -> String {
    let ReplayTotals { tip, hash, root, blocks, txs, gas, time, executions, stages, .. } = totals;
    let seconds = time.as_secs_f64();
    let per_second = |count: u64| count as f64 / seconds;
    let re_executed = executions.saturating_sub(*txs);
    let mut times = table(["stage", "ms"]);
    for (stage, time) in stages.by_name() {
        if !time.is_zero() {
            times.add_row([stage.to_owned(), format!("{:.2}", milliseconds(time))]);
        }
    }
    let shadow = match totals.shadowed {
        0 => String::new(),
        shadowed => format!("{shadowed} blocks shadowed, {} differed\n", totals.divergences),
    };
    format!(
        "{times}\n\
         {blocks} blocks, {txs} transactions, {:.2} Mgas in {seconds:.2} s\n\
         {:.1} blocks/s, {:.0} tx/s, {:.1} Mgas/s, {re_executed} re-executions\n\
         {shadow}tip {tip} {hash}\n\
         root {root}",
        *gas as f64 / 1e6,
        per_second(*blocks),
        per_second(*txs),
        per_second(*gas) / 1e6,
    )
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Runs `work` and adds the time it took to `total`.
pub(crate) fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *total += start.elapsed();
    result
}

fn as_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

fn as_some_seconds<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}
