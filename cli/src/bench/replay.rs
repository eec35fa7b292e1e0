//! `blockloom bench replay`: a whole chain into two stores, pipelined, and
//! strictly one stage after another.
//!
//! Both sides read the same bytes, decode, recover senders, check, execute,
//! check again, compute the state root, and commit to RocksDB of the same
//! settings, durably: a block counts when it is synced. One side does this in
//! one thread, one block after another, with stock revm, and syncs each block;
//! the other is what `blockloom replay` does. All of it is inside the timer;
//! generating the chain and opening the stores are not. The two take turns every
//! [`CHUNK`] blocks, so that what else the machine does hits both, and each
//! finds its pipeline empty at the beginning of a turn.

use crate::{
    BenchArgs, CliError, Console,
    console::{Unit, table},
    replay::{ChainReplay, DecodedBlocks, Executor, Keep, Overlap, Stages},
};
use alloy_rlp::Encodable;
use blockloom_benches::{ENVIRONMENT, PeakMeter};
use blockloom_engine::{ChainSpec, Mode};
use blockloom_fixtures::{
    ChainReader, GenesisBlock,
    demo::{LongChain, LongParams, Shape},
};
use blockloom_state::Durability;
use serde::{Deserialize, Serialize};
use std::{
    env,
    fs::File,
    io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};

/// Blocks each side replays at a turn: two seconds or so.
const CHUNK: usize = 250;

/// Undo records kept, as `blockloom replay` does.
const UNDO_DEPTH: u64 = 128;

/// The chains, by the names they have on the command line.
const CHAINS: [(&str, Shape); 2] = [("mixed", Shape::Mixed), ("one_chain", Shape::OneChain)];

/// What became of one chain.
#[derive(Debug, Serialize)]
struct Outcome {
    chain: &'static str,
    blocks: u64,
    txs: u64,
    workers: usize,
    sequential_s: f64,
    pipelined_s: f64,
    /// Sequential by pipelined time.
    ratio: f64,
    /// The highest resident size of a process that replays the chain pipelined,
    /// less that before it begins; `null` where the system does not tell.
    peak_bytes: Option<u64>,
    /// Log bytes per block; those of both sides are equal.
    bytes_per_block: u64,
    /// Time by stage.
    sequential_stages: Stages,
    /// The same while stages overlap: waiting for a core counts.
    pipelined_stages: Stages,
}

/// Whether the arguments ask for this, and for which chains.
pub(super) fn asked(args: &BenchArgs) -> Result<Option<Vec<(&'static str, Shape)>>, CliError> {
    let Some((first, names)) = args.workloads.split_first() else { return Ok(None) };
    if first.as_os_str() != "replay" {
        return Ok(None);
    }
    if names.is_empty() {
        return Ok(Some(CHAINS.to_vec()));
    }
    let chain = |name: &std::path::PathBuf| {
        let found = CHAINS.into_iter().find(|(chain, _)| name.as_os_str() == *chain);
        found.ok_or_else(|| CliError::UnknownWorkload {
            name: name.display().to_string(),
            suggestion: None,
        })
    };
    names.iter().map(chain).collect::<Result<_, _>>().map(Some)
}

/// Measures `chains` and reports each.
pub(super) fn bench(
    args: &BenchArgs,
    chains: &[(&'static str, Shape)],
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    for (name, shape) in chains {
        let outcome = measure(args, name, *shape, console)?;
        console.record(&outcome)?;
        console.line(&text(&outcome))?;
    }
    Ok(())
}

/// A generated chain on disk.
struct Chain {
    folder: TempDir,
    /// Where every chunk begins, and the end.
    offsets: Vec<u64>,
}

fn generate(
    args: &BenchArgs,
    shape: Shape,
    bar: &indicatif::ProgressBar,
) -> Result<Chain, CliError> {
    let txs_per_block = args.txs.unwrap_or(200);
    let seed = args.seed.unwrap_or(1);
    let chain = LongChain::new(&LongParams { seed, blocks: args.blocks, txs_per_block, shape })?;
    let folder = tempdir()?;
    let path = folder.path().join("genesis.json");
    let json = serde_json::to_vec(chain.genesis()).map_err(std::io::Error::from)?;
    std::fs::write(&path, json).map_err(|source| CliError::write(&path, source))?;
    let path = folder.path().join("chain.rlp");
    let failed = |source| CliError::write(&path, source);
    let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
    let (mut offsets, mut offset, mut encoded) = (Vec::new(), 0, Vec::new());
    for (idx, block) in chain.enumerate() {
        if idx % CHUNK == 0 {
            offsets.push(offset);
        }
        encoded.clear();
        block?.encode(&mut encoded);
        file.write_all(&encoded).map_err(failed)?;
        offset += encoded.len() as u64;
        bar.inc(1);
    }
    offsets.push(offset);
    file.flush().map_err(failed)?;
    Ok(Chain { folder, offsets })
}

/// One side of the comparison.
struct Side {
    replay: ChainReplay,
    time: Duration,
    stages: Stages,
    blocks: u64,
    txs: u64,
    bytes: u64,
}

impl Side {
    fn open(folder: &Path, db: &str, workers: usize, overlap: Overlap) -> Result<Self, CliError> {
        let genesis = GenesisBlock::load(&folder.join("genesis.json"))?;
        let spec = ChainSpec::from_genesis(&genesis.config)
            .map_err(|source| CliError::ChainSpec { path: folder.join("genesis.json"), source })?;
        let executor = match overlap {
            Overlap::InTurn => Executor::with(1, Mode::Sequential, false)?,
            Overlap::Pipelined => Executor::with(workers, Mode::Adaptive, false)?,
        };
        let db = folder.join(db);
        let keep = Keep { db: Some(&db), undo_depth: UNDO_DEPTH, durability: Durability::Synced };
        let replay = ChainReplay::open(spec, executor, keep, overlap, genesis)?;
        let (time, stages) = (Duration::ZERO, Stages::default());
        Ok(Self { replay, time, stages, blocks: 0, txs: 0, bytes: 0 })
    }

    /// Replays the blocks from one offset to another.
    fn run(&mut self, folder: &Path, from: u64, to: u64) -> Result<(), CliError> {
        let path = folder.join("chain.rlp");
        let failed = |source| CliError::read(&path, source);
        let mut file = File::open(&path).map_err(failed)?;
        file.seek(SeekFrom::Start(from)).map_err(failed)?;
        let blocks = DecodedBlocks(ChainReader::new(BufReader::with_capacity(
            1 << 20,
            file.take(to - from),
        )));
        let start = Instant::now();
        let Self { replay, stages, blocks: n_blocks, txs, bytes, .. } = self;
        replay.run(blocks, &|| false, |report| {
            *stages += report.stages;
            *bytes += report.bytes_written;
            *n_blocks += 1;
            *txs += report.record.map_or(0, |record| record.txs as u64);
            Ok(())
        })?;
        self.time += start.elapsed();
        Ok(())
    }
}

fn measure(
    args: &BenchArgs,
    name: &'static str,
    shape: Shape,
    console: &Console<'_>,
) -> Result<Outcome, CliError> {
    let workers = args.workers.iter().copied().max().unwrap_or(1);
    let bar = console.bar(Some(4 * args.blocks), Unit::Items);
    bar.set_message(name);
    let chain = generate(args, shape, &bar)?;
    let folder = chain.folder.path();
    let mut one = Side::open(folder, "sequential", 1, Overlap::InTurn)?;
    let mut other = Side::open(folder, "pipelined", workers, Overlap::Pipelined)?;
    for (turn, range) in chain.offsets.windows(2).enumerate() {
        // Neither always goes first.
        let sides = if turn % 2 == 0 { [&mut one, &mut other] } else { [&mut other, &mut one] };
        for side in sides {
            let before = side.blocks;
            side.run(folder, range[0], range[1])?;
            bar.inc(side.blocks - before);
        }
    }
    let blocks = other.blocks;
    let (tips, bytes) = ([one.replay.tip(), other.replay.tip()], [one.bytes, other.bytes]);
    if tips[0] != tips[1] || bytes[0] != bytes[1] || blocks != args.blocks {
        return Err(CliError::Unequal {
            workload: name.to_owned(),
            workers,
            difference: format!("tips {tips:?}, bytes written {bytes:?}"),
        });
    }
    let (sequential, pipelined) = (one.time.as_secs_f64(), other.time.as_secs_f64());
    let outcome = Outcome {
        chain: name,
        blocks,
        txs: other.txs,
        workers,
        sequential_s: sequential,
        pipelined_s: pipelined,
        ratio: sequential / pipelined,
        peak_bytes: None,
        bytes_per_block: other.bytes / blocks.max(1),
        sequential_stages: one.stages,
        pipelined_stages: other.stages,
    };
    drop((one, other));
    let peak_bytes = if args.no_memory { None } else { peak(folder, workers)? };
    bar.finish_and_clear();
    Ok(Outcome { peak_bytes, ..outcome })
}

/// What a child prints.
#[derive(Debug, Serialize, Deserialize)]
struct Peak {
    peak_bytes: u64,
}

/// Peak memory of replaying the chain in `folder`, in a process of its own.
fn peak(folder: &Path, workers: usize) -> Result<Option<u64>, CliError> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["bench", "replay", "--json", "--peak-of", &workers.to_string()]);
    command.arg("--peak-chain").arg(folder);
    let output = command.envs(ENVIRONMENT).stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    // The same chain has just been replayed here, so that a child fails means
    // that the system does not let it look at its memory.
    Ok(serde_json::from_slice::<Peak>(&output.stdout).ok().map(|peak| peak.peak_bytes))
}

/// The child's part.
pub(super) fn measure_peak(
    folder: &Path,
    workers: usize,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let meter = PeakMeter::start()?;
    let mut side = Side::open(folder, "peak", workers, Overlap::Pipelined)?;
    side.run(folder, 0, u64::MAX)?;
    console.record(&Peak { peak_bytes: meter.bytes()? })
}

fn text(outcome: &Outcome) -> String {
    let mut rows = table(["stage", "sequential ms/block", "share", "pipelined ms/block", "share"]);
    let (one, other) = (outcome.sequential_stages.by_name(), outcome.pipelined_stages.by_name());
    let total = |stages: &[(&str, Duration)]| -> f64 {
        stages.iter().map(|(_, time)| time.as_secs_f64()).sum()
    };
    let totals = (total(&one), total(&other));
    let per_block = |time: Duration| time.as_secs_f64() * 1e3 / outcome.blocks.max(1) as f64;
    let share = |time: Duration, total: f64| format!("{:.0} %", time.as_secs_f64() / total * 1e2);
    for ((stage, sequential), (_, pipelined)) in one.into_iter().zip(other) {
        if !sequential.is_zero() || !pipelined.is_zero() {
            rows.add_row([
                stage.to_owned(),
                format!("{:.2}", per_block(sequential)),
                share(sequential, totals.0),
                format!("{:.2}", per_block(pipelined)),
                share(pipelined, totals.1),
            ]);
        }
    }
    let peak = outcome.peak_bytes.map_or_else(
        || "not measured".to_owned(),
        |bytes| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)),
    );
    format!(
        "{}: {} blocks, {} transactions, {} workers\n{rows}\n\
         sequential {:.2} s, pipelined {:.2} s: {:.2}x\n\
         peak memory {peak}, {} bytes written per block",
        outcome.chain,
        outcome.blocks,
        outcome.txs,
        outcome.workers,
        outcome.sequential_s,
        outcome.pipelined_s,
        outcome.ratio,
        outcome.bytes_per_block,
    )
}
