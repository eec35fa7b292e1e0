//! Replays blocks one by one, each on a state of its own: from files or from a
//! node.
//!
//! There is no chain between them, so nothing is committed, and of the header
//! only what the block itself must fulfil is checked. The state root is
//! checked where a Merkle witness comes along. With `--witness` that witness
//! is all there is: the block runs on what it proves, and reading anything
//! else is an error.

use super::{
    executor::{Executor, Run, invalid, record, refused},
    totals::{BlockRecord, ReplayTotals, Tally, timed},
};
use crate::{
    CliError, Console, ReplayArgs,
    console::Unit,
    fetch::{BlockRange, Fetcher},
    rejection::{check_body_without_ommers, check_root},
    verify::spec_of,
};
use alloy_primitives::B256;
use blockloom_engine::{ChainSpec, RecoveredBlock, validate_body, validate_output};
use blockloom_fixtures::{
    GenesisBlock,
    mainnet::{MainnetBlock, Witness, load_file},
};
use blockloom_state::{MemoryState, ProvenState};
use std::path::{Path, PathBuf};

/// Replays the blocks in `files`, in that order.
pub(super) fn replay(
    args: &ReplayArgs,
    files: &[PathBuf],
    console: &mut Console<'_>,
) -> Result<ReplayTotals, CliError> {
    if args.db.is_some() {
        return Err(CliError::StoreForBlockFiles);
    }
    let config = args.genesis.as_deref().map(GenesisBlock::load).transpose()?;
    let config = config.map(|genesis| Box::new(genesis.config));
    let witness = args.witness.as_ref().map(|place| WitnessPlace::of(place.as_deref(), files));
    let files = witness.as_ref().map_or_else(|| files.to_vec(), |place| place.select(files));
    let blocks = files.iter().map(|path| {
        let mut block = load_file(path)?;
        block.config = config.clone().or(block.config);
        if let Some(place) = &witness {
            block.witness = Some(place.load(path, &block)?);
        }
        Ok(block)
    });
    replay_each(args, blocks, files.len() as u64, console)
}

/// Replays `blocks` of the node at `url`, each as it is fetched.
pub(super) fn replay_node(
    args: &ReplayArgs,
    url: &str,
    blocks: BlockRange,
    console: &mut Console<'_>,
) -> Result<ReplayTotals, CliError> {
    if args.db.is_some() {
        return Err(CliError::StoreForNode);
    }
    let fetcher = Fetcher::connect(url, args.genesis.as_deref(), &args.node)?;
    let fetched = blocks.iter().map(|number| fetcher.fetch(number).map(|fetched| fetched.block));
    replay_each(args, fetched, blocks.len(), console)
}

fn replay_each(
    args: &ReplayArgs,
    mut blocks: impl Iterator<Item = Result<MainnetBlock, CliError>>,
    n_blocks: u64,
    console: &mut Console<'_>,
) -> Result<ReplayTotals, CliError> {
    let executor = Executor::new(args)?;
    let mut tally = Tally::start();
    let bar = console.bar(Some(n_blocks), Unit::Items);
    let mut tip = (0, B256::ZERO, B256::ZERO);
    while let Some(block) = timed(&mut tally.stages.decode, || blocks.next()) {
        let block = block?;
        tip = (block.number, block.hash, block.block.header.state_root);
        let record = execute(&executor, block, args.witness.is_some(), &mut tally)?;
        tally.add(record, console)?;
        bar.inc(1);
        bar.set_message(format!("block {}", tip.0));
    }
    bar.finish_and_clear();
    tally.end(tip, console)
}

/// Where the witnesses of some blocks are.
enum WitnessPlace {
    /// All in one folder, each named after its block.
    Folder(PathBuf),
    /// Beside each block, in `../witness`.
    Beside,
    /// The witness of the only block.
    File(PathBuf),
}

impl WitnessPlace {
    /// What `--witness` says.
    fn of(place: Option<&Path>, files: &[PathBuf]) -> Self {
        match place {
            None => Self::Beside,
            Some(path) if path.is_dir() || files.len() > 1 => Self::Folder(path.to_owned()),
            Some(path) => Self::File(path.to_owned()),
        }
    }

    /// Path of the witness of the block in `file`, which is named after its
    /// number; packed or not, whichever is there.
    fn path(&self, file: &Path) -> PathBuf {
        let folder = match self {
            Self::File(path) => return path.clone(),
            Self::Folder(folder) => folder.clone(),
            Self::Beside => file.parent().unwrap_or(Path::new("")).join("../witness"),
        };
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.split('.').next().unwrap_or_default();
        let packed = folder.join(format!("{number}.json.gz"));
        let plain = folder.join(format!("{number}.json"));
        if plain.is_file() { plain } else { packed }
    }

    /// The blocks that are to be replayed: of a folder, those with a witness.
    /// If none has one, all, so that the first can say so.
    fn select(&self, files: &[PathBuf]) -> Vec<PathBuf> {
        let proven: Vec<_> =
            files.iter().filter(|file| self.path(file).is_file()).cloned().collect();
        if proven.is_empty() {
            return files.to_vec();
        }
        let n_left = files.len() - proven.len();
        if n_left > 0 {
            tracing::warn!("{n_left} of {} blocks have no witness and are left out", files.len());
        }
        proven
    }

    fn load(&self, file: &Path, block: &MainnetBlock) -> Result<Witness, CliError> {
        let path = self.path(file);
        if !path.is_file() {
            return Err(CliError::NoWitness { number: block.number, path });
        }
        Ok(Witness::load(&path, block.number, block.block.header.parent_hash)?)
    }
}

/// What a block runs on.
enum BaseState {
    /// The state in its file.
    Given(Box<MemoryState>),
    /// What its witness proves.
    Proven(Box<ProvenState>),
}

fn execute(
    executor: &Executor,
    file: MainnetBlock,
    on_witness: bool,
    tally: &mut Tally,
) -> Result<BlockRecord, CliError> {
    let stages = &mut tally.stages;
    let spec = spec_of(&file).map_err(|source| CliError::ChainSpec {
        path: format!("chain of block {}", file.number).into(),
        source,
    })?;
    let MainnetBlock {
        number, hash, block, pre_state, ommer_hashes, witness, block_hashes, ..
    } = file;
    let recovered = timed(&mut stages.recover, || executor.engine.recover(block))
        .map_err(|error| refused(number, hash, error))?;
    let check_body =
        if ommer_hashes.is_empty() { validate_body } else { check_body_without_ommers };
    timed(&mut stages.check, || check_body(&spec, &recovered.block))
        .map_err(|error| invalid(&recovered, error.into()))?;
    let proven = witness
        .map(|witness| witness.into_state(pre_state.codes().map(|(_, code)| code), block_hashes))
        .transpose()
        .map_err(|error| unproven(number, error))?;
    let base = match &proven {
        Some(proven) if on_witness => BaseState::Proven(Box::new(proven.clone())),
        _ => BaseState::Given(Box::new(pre_state)),
    };
    let run = run(executor, &spec, &recovered, &base, tally)?;
    let stages = &mut tally.stages;
    let output = &run.executed.output;
    timed(&mut stages.check, || validate_output(&spec, recovered.header(), output))
        .map_err(|error| invalid(&recovered, error.into()))?;
    let root = timed(&mut stages.root, || {
        proven.map(|proven| proven.root_after(&output.changes)).transpose()
    })
    .map_err(|error| unproven(number, error))?;
    if let Some(root) = root {
        check_root(&recovered, root).map_err(|error| invalid(&recovered, error))?;
    }
    Ok(record(&recovered, &run, root.is_some()))
}

fn run(
    executor: &Executor,
    spec: &ChainSpec,
    block: &RecoveredBlock,
    base: &BaseState,
    tally: &mut Tally,
) -> Result<Run, CliError> {
    match base {
        BaseState::Given(state) => executor.run(spec, block, &**state, &mut tally.stages),
        BaseState::Proven(state) => {
            executor.run(spec, block, &**state, &mut tally.stages).map_err(|error| match error {
                // Nothing but the witness can fail here.
                CliError::Internal { number, source } => CliError::Witness { number, source },
                other => other,
            })
        }
    }
}

fn unproven(number: u64, error: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::Witness { number, source: Box::new(error) }
}
