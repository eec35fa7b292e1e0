//! Which blocks a run measures.

use crate::{
    CliError,
    verify::{FileKind, case_files},
};
use blockloom_fixtures::{
    mainnet::{MainnetBlock, MainnetSet, load_file},
    workload::{Recipe, catalogue, find},
};
use std::path::{Path, PathBuf};

/// Likeness from which on a name may be what was meant, from 0 to 1.
const LIKE: f64 = 0.7;

/// One block to measure.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// A generated one.
    Generated(&'static Recipe),
    /// The mainnet block in this file.
    File(PathBuf),
}

/// The blocks that `arguments` name: workloads, block files, folders of them;
/// all generated workloads if there are none. Names win over files.
pub(crate) fn jobs(arguments: &[PathBuf]) -> Result<Vec<Job>, CliError> {
    if arguments.is_empty() {
        return Ok(catalogue().iter().map(Job::Generated).collect());
    }
    let mut jobs = Vec::new();
    for argument in arguments {
        match argument.to_str().and_then(find) {
            Some(recipe) => jobs.push(Job::Generated(recipe)),
            None if argument.is_dir() => jobs.extend(folder(argument)?),
            None if argument.is_file() => jobs.push(Job::File(argument.clone())),
            None => return Err(unknown(&argument.to_string_lossy())),
        }
    }
    Ok(jobs)
}

/// The recipe called `name`.
pub(crate) fn recipe(name: &str) -> Result<&'static Recipe, CliError> {
    find(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> CliError {
    let likeness = |recipe: &Recipe| strsim::jaro(name, recipe.name());
    let closest = catalogue().iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let suggestion = closest.filter(|recipe| likeness(recipe) > LIKE).map(Recipe::name);
    CliError::UnknownWorkload { name: name.to_owned(), suggestion }
}

/// The mainnet blocks below `path`, in the order of their numbers.
fn folder(path: &Path) -> Result<Vec<Job>, CliError> {
    let mut files: Vec<_> = case_files(&[path.to_owned()])?
        .into_iter()
        .filter(|file| file.kind == FileKind::MainnetBlock)
        .map(|file| file.path)
        .collect();
    if files.is_empty() {
        return Err(CliError::NothingToRun { path: path.to_owned() });
    }
    files.sort_by_key(|file| (number(file), file.clone()));
    Ok(files.into_iter().map(Job::File).collect())
}

/// The block number that names a file.
fn number(file: &Path) -> Option<u64> {
    file.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

/// Loads block files; keeps the set of the last one open, because reading all
/// code of a set for each block would take longer than measuring it.
#[derive(Debug, Default)]
pub(crate) struct Loader {
    open: Option<(PathBuf, MainnetSet)>,
}

impl Loader {
    /// The block in `path`.
    pub(crate) fn load(&mut self, path: &Path) -> Result<MainnetBlock, CliError> {
        let folder = path.parent().and_then(Path::parent);
        let (Some(folder), Some(number)) = (folder, number(path)) else {
            return Ok(load_file(path)?);
        };
        let set = match self.open.take() {
            Some((open, set)) if open == folder => set,
            _ if folder.join("index.json").is_file() => MainnetSet::open(folder)?,
            _ => return Ok(load_file(path)?),
        };
        let is_listed = set.path(number) == path;
        let (_, set) = self.open.insert((folder.to_owned(), set));
        Ok(if is_listed { set.load(number)? } else { load_file(path)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_gets_a_suggestion() {
        let error = unknown("same_sendr");
        assert!(error.to_string().contains("same_sender"), "{error}");
        let error = unknown("xyz");
        assert!(!error.to_string().contains("did you mean"), "{error}");
        assert!(error.to_string().contains("--list"), "{error}");
    }

    #[test]
    fn without_arguments_everything_generated_is_measured() {
        assert_eq!(jobs(&[]).unwrap().len(), catalogue().len());
    }
}
