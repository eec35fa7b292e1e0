//! `blockloom db export` and `import`: a state as JSON lines.
//!
//! The first line says which chain and block the state is of and has the RLP
//! of the headers a store needs to go on. Each further line is an account as a
//! genesis file has it (`balance`, `nonce`, `code`, `storage`), except that the
//! account and its slots go by their hashes: a store does not know what was
//! hashed. Lines come in the order of hashes, so equal states give equal files.

use super::{failed, open};
use crate::{CliError, Console, ExportArgs, ImportArgs};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, Sealed, U64, U256, keccak256};
use blockloom_state::{AccountBasics, HashedAccount, Import, ImportError, Store};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write, stdin},
    path::Path,
};

/// Version of the format.
const FORMAT: u64 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HeadLine {
    blockloom_state: u64,
    chain_id: u64,
    genesis_hash: B256,
    number: u64,
    hash: B256,
    state_root: B256,
    /// RLP, oldest first; the last is that of the block above.
    headers: Vec<Bytes>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AccountLine {
    /// keccak-256 of the address.
    key: B256,
    balance: U256,
    nonce: U64,
    #[serde(default, skip_serializing_if = "is_no_code")]
    code: Bytes,
    /// Values by keccak-256 of the slot.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, U256>,
}

fn is_no_code(code: &Bytes) -> bool {
    code.is_empty()
}

pub(super) fn export(args: &ExportArgs, results: &mut dyn Write) -> Result<(), CliError> {
    let store = open(&args.db)?;
    let Some(out) = &args.out else { return write_state(&store, args, results) };
    let written = |source| CliError::WriteFile { path: out.clone(), source };
    let mut file = BufWriter::new(File::create_new(out).map_err(written)?);
    write_state(&store, args, &mut file)?;
    file.into_inner().map_err(|error| written(error.into_error()))?.sync_all().map_err(written)
}

fn write_state(store: &Store, args: &ExportArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let failed = failed(&args.db);
    let import = store.import_header().map_err(&failed)?;
    let tip = store.tip();
    let headers = import.headers.iter().map(|header| alloy_rlp::encode(header.inner()).into());
    let head = HeadLine {
        blockloom_state: FORMAT,
        chain_id: import.chain_id,
        genesis_hash: import.genesis_hash,
        number: tip.number,
        hash: tip.hash,
        state_root: tip.root,
        headers: headers.collect(),
    };
    let mut out = BufWriter::new(out);
    write_line(&mut out, &head)?;
    let walked = store.for_each_account(|account| {
        let HashedAccount { key, basics, code, slots } = account;
        let AccountBasics { balance, nonce, .. } = basics;
        let storage = slots.into_iter().collect();
        let line = AccountLine { key, balance, nonce: U64::from(nonce), code, storage };
        write_line(&mut out, &line).map_err(|error| WalkError::Cli(Box::new(error)))
    });
    walked.map_err(|error| match error {
        WalkError::Store(source) => failed(source),
        WalkError::Cli(error) => *error,
    })?;
    Ok(out.flush()?)
}

/// Why a walk through a store's accounts ended early.
enum WalkError {
    Store(blockloom_state::StoreError),
    Cli(Box<CliError>),
}

impl From<blockloom_state::StoreError> for WalkError {
    fn from(source: blockloom_state::StoreError) -> Self {
        Self::Store(source)
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), CliError> {
    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

#[derive(Debug, Serialize)]
struct Imported {
    accounts: u64,
    tip: u64,
    hash: B256,
    root: B256,
}

pub(super) fn import(args: &ImportArgs, results: &mut dyn Write) -> Result<(), CliError> {
    let path = &args.source;
    let reader: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(BufReader::new(stdin()))
    } else {
        let file = File::open(path).map_err(|source| CliError::read(path, source))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let mut lines = Lines { path, reader, line: 0, text: String::new() };
    let head = lines.next_line::<HeadLine>()?.ok_or_else(|| lines.wrong("the file is empty"))?;
    let header = to_import(&head).map_err(|reason| lines.wrong(reason))?;
    let mut n_accounts = 0;
    let accounts = std::iter::from_fn(|| {
        let account = lines.next_line::<AccountLine>().transpose()?;
        n_accounts += 1;
        Some(account.map(to_account))
    });
    let store = Store::import(&args.store.db, &header, accounts).map_err(|error| match error {
        ImportError::Source(error) => error,
        ImportError::Store(source) => failed(&args.store.db)(source),
        error => CliError::Import { path: path.clone(), source: error.to_string().into() },
    })?;
    let tip = store.tip();
    let mut console = Console::new(results, args.store.json, true);
    let (number, hash) = (tip.number, tip.hash);
    console.record(&Imported { accounts: n_accounts, tip: number, hash, root: tip.root })?;
    console.line(&format!("block {number} ({hash}), {n_accounts} accounts"))
}

/// What the first line says, if it agrees with itself.
fn to_import(head: &HeadLine) -> Result<Import, &'static str> {
    if head.blockloom_state != FORMAT {
        return Err("this version of the format is not known");
    }
    let decode = |rlp: &Bytes| {
        let header = alloy_rlp::decode_exact::<Header>(rlp).map_err(|_| "a header is not RLP")?;
        Ok(Sealed::new_unchecked(header, keccak256(rlp)))
    };
    let headers = head.headers.iter().map(decode).collect::<Result<Vec<_>, &str>>()?;
    let tip = headers.last().map(|tip| (tip.number, tip.hash(), tip.state_root));
    if tip != Some((head.number, head.hash, head.state_root)) {
        return Err("the last header is not that of the block the state is of");
    }
    Ok(Import { chain_id: head.chain_id, genesis_hash: head.genesis_hash, headers })
}

fn to_account(line: AccountLine) -> HashedAccount {
    let AccountLine { key, balance, nonce, code, storage } = line;
    let basics = AccountBasics { balance, nonce: nonce.to(), code_hash: keccak256(&code) };
    HashedAccount { key, basics, code, slots: storage.into_iter().collect() }
}

/// Reads JSON line by line.
struct Lines<'a> {
    path: &'a Path,
    reader: Box<dyn BufRead>,
    line: u64,
    text: String,
}

impl Lines<'_> {
    /// The next line; `None` at the end.
    fn next_line<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CliError> {
        self.text.clear();
        let n_read = self.reader.read_line(&mut self.text);
        if n_read.map_err(|source| CliError::read(self.path, source))? == 0 {
            return Ok(None);
        }
        self.line += 1;
        serde_json::from_str(&self.text).map(Some).map_err(|error| self.wrong(error))
    }

    fn wrong(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CliError {
        CliError::DumpLine { path: self.path.to_owned(), line: self.line, source: source.into() }
    }
}
