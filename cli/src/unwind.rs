//! `blockloom unwind`: back to an earlier block.

use crate::{CliError, Console, UnwindArgs, db::open};
use alloy_primitives::B256;
use serde::Serialize;
use std::io::Write;

#[derive(Debug, Serialize)]
struct Unwound {
    from: u64,
    tip: u64,
    hash: B256,
    root: B256,
}

/// Takes a store back to the block `args` names and reports the new tip to
/// `results`.
///
/// # Errors
///
/// [`CliError`] if there is no way back to that block or the store fails. The
/// store is at a block boundary all the same.
pub fn unwind(args: &UnwindArgs, results: &mut dyn Write) -> Result<(), CliError> {
    let path = &args.store.db;
    let store = open(path)?;
    let from = store.tip().number;
    let failed = |source| CliError::Store { path: path.clone(), source };
    let tip = store.unwind(args.to).map_err(failed)?;
    let mut console = Console::new(results, args.store.json, true);
    console.record(&Unwound { from, tip: tip.number, hash: tip.hash, root: tip.root })?;
    console.line(&format!(
        "block {} ({}), {} blocks unwound",
        tip.number,
        tip.hash,
        from - tip.number
    ))
}
