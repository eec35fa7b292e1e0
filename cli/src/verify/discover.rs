//! Which files a run consists of.

use crate::{CliError, recorded::SUFFIX};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One file with cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaseFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub kind: FileKind,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// One mainnet block: the file is in the `blocks` folder of a set.
    MainnetBlock,
    /// Official blockchain tests.
    BlockchainTests,
    /// Official state tests: the file is below a folder `state_tests`.
    StateTests,
    /// A divergence on file, by its name.
    Recorded,
}

/// Every file with cases under `paths`: the paths in the order given, the
/// content of each folder sorted by path. A file named twice runs once.
pub(crate) fn case_files(paths: &[PathBuf]) -> Result<Vec<CaseFile>, CliError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        let mut files = Vec::new();
        if path.is_dir() {
            collect(path, &mut files)?;
            files.sort_unstable();
        } else {
            fs::metadata(path).map_err(|source| CliError::read(path, source))?;
            files.push(path.clone());
        }
        for path in files {
            if seen.insert(path.clone()) {
                found.push(CaseFile { kind: kind(&path), path });
            }
        }
    }
    Ok(found)
}

/// Adds the case files below `folder`. Ends because a folder tree is finite:
/// links to folders are not followed.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let failed = |source| CliError::read(folder, source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let file_type = entry.file_type().map_err(failed)?;
        if file_type.is_dir() {
            // Trie nodes beside the blocks belong to them and are no cases.
            if !(entry.file_name() == "witness" && is_mainnet_set(folder)) {
                collect(&path, files)?;
            }
        } else if is_case_file(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether `path` is JSON with cases, by name: sets keep a table of contents,
/// shared code and their chain beside them.
fn is_case_file(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let is_json = name.ends_with(".json") || name.ends_with(".json.gz");
    is_json && !["index.json", "codes.json.gz", "chain.json"].contains(&name)
}

fn kind(path: &Path) -> FileKind {
    let name = path.file_name().and_then(|name| name.to_str());
    if name.is_some_and(|name| name.ends_with(SUFFIX)) {
        return FileKind::Recorded;
    }
    let folder = path.parent();
    let in_blocks = folder.and_then(Path::file_name).is_some_and(|name| name == "blocks");
    match folder.and_then(Path::parent) {
        Some(set) if in_blocks && is_mainnet_set(set) => FileKind::MainnetBlock,
        _ if is_below_state_tests(path) => FileKind::StateTests,
        _ => FileKind::BlockchainTests,
    }
}

/// The nearest folder with a telling name decides: suites of blockchain tests
/// have folders of converted state tests.
fn is_below_state_tests(path: &Path) -> bool {
    let mut names = path.ancestors().skip(1).filter_map(Path::file_name);
    let telling = names.find(|name| {
        *name == "state_tests" || *name == "blockchain_tests" || *name == "BlockchainTests"
    });
    telling.is_some_and(|name| name == "state_tests")
}

/// Whether `folder` is a set of mainnet blocks.
pub(crate) fn is_mainnet_set(folder: &Path) -> bool {
    folder.join("codes.json.gz").is_file() && folder.join("blocks").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn folders_are_searched_in_path_order_without_side_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            "mainnet/codes.json.gz",
            "mainnet/index.json",
            "mainnet/witness/7.json.gz",
            "mainnet/blocks/7.json.gz",
            "tests/b.json",
            "tests/a/z.json.gz",
            "tests/readme.txt",
        ] {
            touch(&at(name));
        }
        let files = case_files(&[at("tests"), at("mainnet"), at("tests/b.json")]).unwrap();
        let expected = [
            ("tests/a/z.json.gz", FileKind::BlockchainTests),
            ("tests/b.json", FileKind::BlockchainTests),
            ("mainnet/blocks/7.json.gz", FileKind::MainnetBlock),
        ];
        let expected = expected.map(|(name, kind)| CaseFile { path: at(name), kind });
        assert_eq!(files, expected);
    }

    #[test]
    fn absent_path_is_an_error() {
        let error = case_files(&[PathBuf::from("no/such/file.json")]).unwrap_err();
        assert!(error.to_string().contains("no/such/file.json"), "{error}");
    }
}
