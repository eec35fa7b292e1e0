//! `unwind` and `db`: what is in a store.

use alloy_primitives::{Address, B256, U256};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `blockloom unwind`.
#[derive(Clone, Debug, Args)]
pub struct UnwindArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Block to go back to; its state becomes the store's.
    #[arg(long, value_name = "N")]
    pub to: u64,
}

/// Which store, and how to print results.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    pub db: PathBuf,
    /// Print JSON, one object per line.
    #[arg(long)]
    pub json: bool,
}

/// What `blockloom db` does.
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Print tip, root, the size of each column family, and cache use since this command began.
    Stat(StoreArgs),
    /// Print one account, slot, code or proof.
    #[command(subcommand)]
    Get(GetCommand),
    /// Recompute every root and hash in the store and compare.
    Verify(StoreArgs),
    /// Write the tip's state as JSON lines: a header, then one account each, by hashed address.
    Export(ExportArgs),
    /// Create a store from the JSON lines that `export` wrote.
    Import(ImportArgs),
}

/// What `blockloom db get` looks for.
#[derive(Clone, Debug, Subcommand)]
pub enum GetCommand {
    /// Balance, nonce, code hash and storage root of an account.
    Account {
        /// The account's address.
        address: Address,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Value of one storage slot.
    Slot {
        /// The account's address.
        address: Address,
        /// Number of the slot, decimal or 0x hex.
        slot: U256,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Code by its hash, or of the account at an address.
    Code {
        /// keccak-256 of the code (32 bytes), or an address (20 bytes).
        #[arg(value_name = "HASH|ADDRESS", value_parser = code_of)]
        of: CodeOf,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Merkle proof of an account and slots, as `eth_getProof` gives it.
    Proof {
        /// The account's address.
        address: Address,
        /// Numbers of the slots, decimal or 0x hex.
        slots: Vec<U256>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Which code is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOf {
    /// The code with this hash.
    Hash(B256),
    /// That of the account here.
    Address(Address),
}

fn code_of(text: &str) -> Result<CodeOf, String> {
    if let Ok(hash) = text.parse() {
        return Ok(CodeOf::Hash(hash));
    }
    let address = text.parse().map(CodeOf::Address);
    address.map_err(|_| "neither a hash of 32 bytes nor an address of 20".to_owned())
}

/// Arguments of `blockloom db export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Folder of the store.
    #[arg(long, value_name = "DIR")]
    pub db: PathBuf,
    /// File to write, which must not exist [default: stdout].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `blockloom db import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// JSON lines that `export` wrote; `-` reads them from stdin.
    pub source: PathBuf,
    /// The store to create, and how to print the result.
    #[command(flatten)]
    pub store: StoreArgs,
}
