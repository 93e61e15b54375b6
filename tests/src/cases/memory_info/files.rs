// SPDX-License-Identifier: GPL-2.0-only

//! Mappings of files, compared with the oracle.

use super::memory::agrees;
use crate::case::{cases, skip};
use crate::kernel::mount::Tmpfs;
use crate::shapes;
use anyhow::{ensure, Context, Result};
use guest::mapping::has_transparent_huge_pages;
use std::path::Path;

cases! {
    in_memory => || mapped(Path::new("/tmp")),
    huge,
    on_the_root => || mapped(Path::new("/")),
}

/// Compares shared and private read-only mappings of a file in `directory`.
fn mapped(directory: &Path) -> Result<()> {
    let file = tempfile::NamedTempFile::new_in(directory)
        .with_context(|| format!("cannot make a file in {}", directory.display()))?;
    std::fs::write(file.path(), shapes::file_contents())?;
    let line = agrees("file", &file.path().to_string_lossy())?;
    ensure!(
        line.may_be_shared >= 15,
        "too few pages of the file may be shared: {line:?}"
    );
    Ok(())
}

/// The file is in a memory file system that uses huge pages.
fn huge() -> Result<()> {
    if !has_transparent_huge_pages() {
        return skip("this kernel does not have transparent huge pages");
    }
    let file_system = Tmpfs::mount("huge=always")?;
    let path = file_system.path().join("file");
    std::fs::write(&path, b"")?;
    let line = agrees("huge-file", &path.to_string_lossy())?;
    ensure!(
        line.may_be_shared >= 1024,
        "fewer than the 1024 pages of the file may be shared: {line:?}"
    );
    Ok(())
}
