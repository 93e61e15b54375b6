// SPDX-License-Identifier: GPL-2.0-only

//! The user's cache: entries keyed by what they were made from, each made once and then only read.
//!
//! Lock order: the cache's own lock (shared by every run, exclusive for `clean --cache`), then one
//! entry's lock while that entry is made. An entry is made under a temporary name and renamed when it
//! is whole, so an entry that exists is usable and an interrupted one is never mistaken for it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use etcetera::BaseStrategy;
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::host::chroot;

const NAME: &str = "rust-memory-modules";

/// The cache, held open (locked shared) for as long as this value lives.
pub struct Cache {
    dir: PathBuf,
    logs: PathBuf,
    _in_use: Flock<File>,
}

impl Cache {
    /// Opens the cache, waiting for a `clean --cache` that is under way.
    pub fn open() -> Result<Self> {
        let dir = dir()?;
        let in_use =
            lock_directory(&dir, FlockArg::LockShared)?.expect("a lock that waits is always got");
        for sub in ["locks", "logs"] {
            create_dir(&dir.join(sub))?;
        }
        let logs = new_log_dir(&dir.join("logs"))?;
        Ok(Self {
            dir,
            logs,
            _in_use: in_use,
        })
    }

    /// Returns the path of the log of this run's step `name`.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Creates a directory for the logs of this run's guest `name`.
    pub fn dir_for_logs(&self, name: &str) -> Result<PathBuf> {
        let dir = self.logs.join(name);
        create_dir(&dir)?;
        Ok(dir)
    }

    /// Returns the path of the small cache file `name`, which is written with [`replace_file`].
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Takes the exclusive lock `name`; if it is held, prints that the program waits for `what`.
    pub fn lock(&self, name: &str, what: &str) -> Result<Flock<File>> {
        lock_file(&self.dir.join("locks").join(name), what)
    }

    /// Returns the directory of entry `name`. If the entry does not exist, `make` fills a temporary directory first, which
    /// is renamed when `make` succeeds.
    pub fn entry(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let done = self.dir.join(name);
        if done.exists() {
            return Ok(done);
        }
        let _made_by_one = self.lock(name, name)?;
        if done.exists() {
            return Ok(done);
        }
        let partial = self.dir.join(format!("partial-{name}"));
        if partial.exists() {
            chroot::remove_tree(&partial)?;
        }
        create_dir(&partial)?;
        make(&partial)?;
        fs::rename(&partial, &done).with_context(|| {
            format!("cannot rename {} to {}", partial.display(), done.display())
        })?;
        Ok(done)
    }
}

/// The cache, locked exclusively: no other run uses it while this value lives.
pub struct ExclusiveCache {
    dir: PathBuf,
    _lock: Flock<File>,
}

impl ExclusiveCache {
    /// Locks the cache; fails if another run uses it.
    pub fn take() -> Result<Self> {
        let dir = dir()?;
        let Some(lock) = lock_directory(&dir, FlockArg::LockExclusiveNonblock)? else {
            bail!(
                "{} is in use by another run of cargo xtask: wait for it to end, then clean again",
                dir.display()
            );
        };
        Ok(Self { dir, _lock: lock })
    }

    /// Removes the cache; returns its directory.
    pub fn remove(self) -> Result<PathBuf> {
        chroot::remove_tree(&self.dir)?;
        Ok(self.dir)
    }
}

/// Returns a short hash of `parts`, for the name of a cache entry that is made from them.
pub fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Replaces `path` in one step, so that a concurrent reader sees the old or the new contents.
pub fn replace_file(path: &Path, contents: &str) -> Result<()> {
    let dir = path.parent().context("a file in a directory")?;
    let file = tempfile::NamedTempFile::new_in(dir)?;
    fs::write(file.path(), contents)?;
    file.persist(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Takes the exclusive lock `path`, and prints `what` on standard error if it has to wait.
pub fn lock_file(path: &Path, what: &str) -> Result<Flock<File>> {
    let open = || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open the lock file {}", path.display()))
    };
    match Flock::lock(open()?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((file, _busy)) => {
            eprintln!("waiting for another run that is making {what}");
            Flock::lock(file, FlockArg::LockExclusive)
                .map_err(|(_, errno)| errno)
                .with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Creates `dir` and its parents.
pub fn create_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)
        .with_context(|| format!("cannot create the directory {}", dir.display()))
}

fn dir() -> Result<PathBuf> {
    let base = etcetera::choose_base_strategy()
        .context("no home directory: set HOME or XDG_CACHE_HOME")?;
    Ok(base.cache_dir().join(NAME))
}

/// Locks the cache directory itself; returns `None` if `how` does not wait and another process holds it.
fn lock_directory(dir: &Path, how: FlockArg) -> Result<Option<Flock<File>>> {
    loop {
        create_dir(dir)?;
        let Ok(file) = File::open(dir) else { continue };
        match Flock::lock(file, how) {
            Ok(lock) => {
                // `clean --cache` may have removed the directory during the wait. Then the lock is on a deleted
                // directory, and the new one has to be locked.
                let ours = lock.metadata()?.ino();
                if fs::metadata(dir).is_ok_and(|now| now.ino() == ours) {
                    return Ok(Some(lock));
                }
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, errno)) => {
                return Err(errno).with_context(|| format!("cannot lock {}", dir.display()))
            }
        }
    }
}

/// Creates a log directory for this run and removes the directories of the oldest runs.
fn new_log_dir(logs: &Path) -> Result<PathBuf> {
    const KEPT: usize = 30;
    let mut old: Vec<_> = fs::read_dir(logs)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    old.sort();
    for dir in old.iter().rev().skip(KEPT) {
        // Another run may be removing the same one.
        let _ = fs::remove_dir_all(dir);
    }
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let dir = logs.join(format!("{}-{}", seconds.as_secs(), std::process::id()));
    create_dir(&dir)?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_tell_where_parts_end() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
    }
}
