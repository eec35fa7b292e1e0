//! The folder that fetched blocks are written to.

use super::Fetched;
use crate::CliError;
use alloy_genesis::ChainConfig;
use blockloom_fixtures::mainnet::{write_chain, write_json};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A set of blocks, laid out as [`blockloom_fixtures::mainnet`] reads it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder where needed.
    pub(super) fn prepare(path: &Path, config: Option<&ChainConfig>) -> Result<Self, CliError> {
        for folder in ["blocks", "witness"] {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(|source| CliError::write(&folder, source))?;
        }
        write_chain(path, config)?;
        Ok(Self { path: path.to_owned() })
    }

    fn block(&self, number: u64) -> PathBuf {
        self.path.join("blocks").join(format!("{number}.json.gz"))
    }

    /// Whether block `number` is there; whole, because files get their name
    /// last.
    pub(super) fn has(&self, number: u64) -> bool {
        self.block(number).is_file()
    }

    /// Writes a block, its witness first: the block's file says that all is
    /// there.
    pub(super) fn write(&self, fetched: &Fetched) -> Result<(), CliError> {
        let number = fetched.document.number;
        if let Some(witness) = &fetched.witness {
            let path = self.path.join("witness").join(format!("{number}.json.gz"));
            write_json(&path, witness)?;
        }
        Ok(fetched.document.write(&self.block(number))?)
    }

    /// Writes the table of contents: every block that is there.
    pub(super) fn write_index(&self) -> Result<(), CliError> {
        let blocks = self.path.join("blocks");
        let failed = |source| CliError::read(&blocks, source);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&blocks).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json.gz"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        let rows: Vec<_> = numbers.iter().map(|number| json!({ "number": number })).collect();
        Ok(write_json(&self.path.join("index.json"), &rows)?)
    }
}
