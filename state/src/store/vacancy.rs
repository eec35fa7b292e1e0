//! Folders in which a store can be made, and marks on those where one is being
//! made.
//!
//! ```text
//! vacant --begin--> marked --finish--> a store
//!   ^                 |
//!   '---- the program ends, or fails
//! ```
//!
//! A marked folder was empty when it was marked, so the database files in it
//! are those of the attempt; the next one removes them, and nothing else. Whoever
//! makes a store holds a lock on its folder, which the system lets go of when the
//! program ends, however it does.

use super::{Store, StoreError, open};
use rocksdb::{DB, Options};
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// The file that marks a store as unfinished.
const MARK: &str = "UNFINISHED";

impl Store {
    /// Whether a store can be created at `path`: nothing is there, an empty
    /// folder, or one where a creation was cut short.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn is_vacant(path: impl AsRef<Path>) -> Result<bool, StoreError> {
        is_vacant(path.as_ref())
    }
}

pub(super) fn is_vacant(path: &Path) -> Result<bool, StoreError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none() || is_unfinished(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(source) => Err(failed("looking into", path)(source)),
    }
}

/// Whether a store was begun at `path` and not finished.
pub(super) fn is_unfinished(path: &Path) -> Result<bool, StoreError> {
    match path.join(MARK).try_exists() {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        found => found.map_err(failed("looking into", path)),
    }
}

/// A folder where a store is being made by this process.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
    /// Locked. Unlike the mark, the folder stays, so there is one lock only.
    folder: File,
}

impl Unfinished {
    /// Marks a vacant folder, and clears it of what an earlier attempt left.
    pub(super) fn begin(path: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(failed("creating", path))?;
        let folder = File::open(path).map_err(failed("opening", path))?;
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Unfinished(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("locking", path)(source)),
        }
        if !is_vacant(path)? {
            return Err(StoreError::NotEmpty(path.to_owned()));
        }
        if is_unfinished(path)? {
            // Removes files with RocksDB's names only.
            DB::destroy(&Options::default(), path).map_err(|source| open::opening(path, source))?;
        }
        let mark = path.join(MARK);
        let mark = File::create(&mark).map_err(failed("writing", &mark))?;
        let unfinished = Self { path: path.to_owned(), folder };
        unfinished.check_clear()?;
        // The mark must be on disk before anything it is about.
        mark.sync_all().map_err(failed("syncing", path))?;
        unfinished.sync()?;
        Ok(unfinished)
    }

    /// There must be nothing beside the mark.
    fn check_clear(&self) -> Result<(), StoreError> {
        let looking = failed("looking into", &self.path);
        for entry in fs::read_dir(&self.path).map_err(&looking)? {
            if entry.map_err(&looking)?.file_name() != MARK {
                return Err(StoreError::NotEmpty(self.path.clone()));
            }
        }
        Ok(())
    }

    /// The store is whole and on disk.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        let mark = self.path.join(MARK);
        fs::remove_file(&mark).map_err(failed("removing", &mark))?;
        self.sync()?;
        let path = self.path.canonicalize().map_err(failed("looking for", &self.path))?;
        let Some(parent) = path.parent() else { return Ok(()) };
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(failed("syncing", parent))
    }

    /// Waits until what was created in or removed from the folder is on disk.
    fn sync(&self) -> Result<(), StoreError> {
        self.folder.sync_all().map_err(failed("syncing", &self.path))
    }
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { doing, path: path.clone(), source }
}
