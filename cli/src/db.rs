//! `blockloom db`: what is in a store.

mod dump;
mod get;
mod stat;

use crate::{CliError, Console, DbCommand, StoreArgs};
use blockloom_state::{Store, StoreError};
use serde::Serialize;
use std::{io::Write, path::Path};

/// Does what `command` asks for and writes the result to `results`.
///
/// # Errors
///
/// [`CliError`] if the store cannot be read, lacks what was asked for, or,
/// while it is verified, turns out damaged.
pub fn db(command: &DbCommand, results: &mut dyn Write) -> Result<(), CliError> {
    match command {
        DbCommand::Stat(args) => stat::stat(args, results),
        DbCommand::Get(what) => get::get(what, results),
        DbCommand::Verify(args) => verify(args, results),
        DbCommand::Export(args) => dump::export(args, results),
        DbCommand::Import(args) => dump::import(args, results),
    }
}

/// The store at `path`.
pub(crate) fn open(path: &Path) -> Result<Store, CliError> {
    Store::open(path).map_err(failed(path))
}

/// An error of the store at `path`.
fn failed(path: &Path) -> impl Fn(StoreError) -> CliError {
    move |source| CliError::Store { path: path.to_owned(), source }
}

#[derive(Debug, Serialize)]
struct VerifiedRecord {
    tip: u64,
    root: alloy_primitives::B256,
    accounts: u64,
    slots: u64,
    codes: u64,
    nodes: u64,
    headers: u64,
    undo: u64,
    archived: u64,
}

fn verify(args: &StoreArgs, results: &mut dyn Write) -> Result<(), CliError> {
    let store = open(&args.db)?;
    let tip = store.tip();
    let found = store.verify().map_err(|source| match source {
        StoreError::Corrupt { .. }
        | StoreError::Missing { .. }
        | StoreError::Trie { .. }
        | StoreError::WrongRoot { .. } => CliError::Damaged { path: args.db.clone(), source },
        source => failed(&args.db)(source),
    })?;
    let record = VerifiedRecord {
        tip: tip.number,
        root: tip.root,
        accounts: found.n_accounts,
        slots: found.n_slots,
        codes: found.n_codes,
        nodes: found.n_nodes,
        headers: found.n_headers,
        undo: found.n_undo,
        archived: found.n_archived,
    };
    let mut console = Console::new(results, args.json, true);
    console.record(&record)?;
    console.line(&format!("block {}, root {}: in order", tip.number, tip.root))?;
    console.line(&format!(
        "{} accounts, {} slots, {} codes, {} trie nodes, {} headers, {} undo records, {} archived blocks",
        record.accounts, record.slots, record.codes, record.nodes, record.headers, record.undo, record.archived
    ))
}
