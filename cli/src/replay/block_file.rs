//! Replays mainnet blocks one by one, each on the state in its own file.
//!
//! There is no chain between them, so nothing is committed, and of the header
//! only what the block itself must fulfil is checked. The state root is
//! checked where a Merkle witness lies beside the block.

use super::{
    executor::{Executor, invalid, record, refused},
    totals::{BlockRecord, ReplayTotals, Tally, timed},
};
use crate::{
    CliError, Console, ReplayArgs,
    console::Unit,
    rejection::{check_body_without_ommers, check_root},
};
use alloy_primitives::B256;
use blockloom_engine::{ChainSpec, validate_body, validate_output};
use blockloom_fixtures::mainnet::{MainnetBlock, load_file};
use blockloom_state::WitnessState;
use std::path::PathBuf;

/// Replays the blocks in `files`, in that order.
pub(super) fn replay(
    args: &ReplayArgs,
    files: &[PathBuf],
    console: &mut Console<'_>,
) -> Result<ReplayTotals, CliError> {
    if args.db.is_some() {
        return Err(CliError::StoreForBlockFiles);
    }
    let spec = ChainSpec::mainnet();
    let executor = Executor::new(args)?;
    let mut tally = Tally::start();
    let bar = console.bar(Some(files.len() as u64), Unit::Items);
    let mut tip = (0, B256::ZERO, B256::ZERO);
    for path in files {
        let block = timed(&mut tally.stages.decode, || load_file(path))?;
        tip = (block.number, block.hash, block.block.header.state_root);
        let record = execute(&spec, &executor, block, &mut tally)?;
        tally.add(record, console)?;
        bar.inc(1);
        bar.set_message(format!("block {}", tip.0));
    }
    bar.finish_and_clear();
    tally.end(tip, console)
}

fn execute(
    spec: &ChainSpec,
    executor: &Executor,
    file: MainnetBlock,
    tally: &mut Tally,
) -> Result<BlockRecord, CliError> {
    let stages = &mut tally.stages;
    let MainnetBlock { number, hash, block, pre_state, ommer_hashes, witness, .. } = file;
    let recovered = timed(&mut stages.recover, || executor.engine.recover(block))
        .map_err(|error| refused(number, hash, error))?;
    let check_body =
        if ommer_hashes.is_empty() { validate_body } else { check_body_without_ommers };
    timed(&mut stages.check, || check_body(spec, &recovered.block))
        .map_err(|error| invalid(&recovered, error.into()))?;
    let run = executor.run(spec, &recovered, &pre_state, stages)?;
    let output = &run.executed.output;
    timed(&mut stages.check, || validate_output(spec, recovered.header(), output))
        .map_err(|error| invalid(&recovered, error.into()))?;
    let root = timed(&mut stages.root, || {
        witness.map(|witness| {
            WitnessState::new(witness.parent_state_root, witness.nodes).apply(&output.changes)
        })
    });
    let root = root
        .transpose()
        .map_err(|source| CliError::Internal { number, source: Box::new(source) })?;
    if let Some(root) = root {
        check_root(&recovered, root).map_err(|error| invalid(&recovered, error))?;
    }
    Ok(record(&recovered, &run, root.is_some()))
}
