//! What `replay` was pointed at.

use crate::{
    CliError,
    verify::{case_files, is_mainnet_set},
};
use std::path::{Path, PathBuf};

/// What there is to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A chain, block after block, on one state.
    Chain {
        /// Where the blocks come from.
        blocks: ChainInput,
        /// The file that says where the chain begins.
        genesis: PathBuf,
    },
    /// Single mainnet blocks, each on the state in its own file.
    BlockFiles(Vec<PathBuf>),
}

/// Where the blocks of a chain come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChainInput {
    /// A chain export on disk.
    File(PathBuf),
    /// A chain export on standard input, uncompressed.
    Stdin,
}

impl Source {
    /// Tells by name what `path` is: `-` is a chain on standard input, `*.json`
    /// and `*.json.gz` are block files, a folder is a chain if it holds
    /// `chain.rlp`, else block files, and any other file is a chain.
    ///
    /// Without `genesis`, a chain's genesis is `genesis.json` beside it.
    pub(crate) fn detect(path: &Path, genesis: Option<&Path>) -> Result<Self, CliError> {
        if path.as_os_str() == "-" {
            let genesis = genesis.ok_or(CliError::GenesisNeeded)?.to_owned();
            return Ok(Self::Chain { blocks: ChainInput::Stdin, genesis });
        }
        let metadata = path.metadata().map_err(|source| CliError::read(path, source))?;
        if metadata.is_dir() {
            let chain = path.join("chain.rlp");
            return if chain.is_file() {
                Self::chain(&chain, genesis)
            } else {
                Self::block_files(path, path)
            };
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".json") || name.ends_with(".json.gz") {
            Self::block_files(path, path)
        } else {
            Self::chain(path, genesis)
        }
    }

    fn chain(path: &Path, genesis: Option<&Path>) -> Result<Self, CliError> {
        let beside = || {
            let candidate = path.with_file_name("genesis.json");
            candidate.is_file().then_some(candidate)
        };
        let genesis = genesis.map(Path::to_owned).or_else(beside).ok_or(CliError::GenesisNeeded)?;
        Ok(Self::Chain { blocks: ChainInput::File(path.to_owned()), genesis })
    }

    fn block_files(path: &Path, named: &Path) -> Result<Self, CliError> {
        let folder = if is_mainnet_set(path) { path.join("blocks") } else { path.to_owned() };
        let files = case_files(&[folder])?;
        let mut blocks: Vec<_> = files.into_iter().map(|file| file.path).collect();
        if blocks.is_empty() {
            return Err(CliError::NothingToRun { path: named.to_owned() });
        }
        // Numbers order the blocks of a chain, names only those of equal length.
        blocks.sort_by_key(|path| (block_number(path), path.clone()));
        Ok(Self::BlockFiles(blocks))
    }
}

/// The number a block file is named after; files named otherwise come last.
fn block_number(path: &Path) -> u64 {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn sources_are_told_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for file in [
            "chain/chain.rlp",
            "chain/genesis.json",
            "set/codes.json.gz",
            "set/blocks/9.json.gz",
            "set/blocks/10.json.gz",
        ] {
            fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            fs::write(at(file), "").unwrap();
        }
        let chain = Source::Chain {
            blocks: ChainInput::File(at("chain/chain.rlp")),
            genesis: at("chain/genesis.json"),
        };
        assert_eq!(Source::detect(&at("chain"), None).unwrap(), chain);
        assert_eq!(Source::detect(&at("chain/chain.rlp"), None).unwrap(), chain);
        let blocks = vec![at("set/blocks/9.json.gz"), at("set/blocks/10.json.gz")];
        assert_eq!(Source::detect(&at("set"), None).unwrap(), Source::BlockFiles(blocks.clone()));
        assert_eq!(
            Source::detect(&blocks[1], None).unwrap(),
            Source::BlockFiles(vec![blocks[1].clone()])
        );
        let stdin = Source::detect(Path::new("-"), Some(&at("chain/genesis.json"))).unwrap();
        assert!(matches!(stdin, Source::Chain { blocks: ChainInput::Stdin, .. }));
    }

    #[test]
    fn a_chain_without_genesis_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let chain = folder.path().join("blocks.rlp");
        fs::write(&chain, "").unwrap();
        assert!(matches!(Source::detect(&chain, None), Err(CliError::GenesisNeeded)));
        assert!(matches!(Source::detect(Path::new("-"), None), Err(CliError::GenesisNeeded)));
    }
}
