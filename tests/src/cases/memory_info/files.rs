// SPDX-License-Identifier: GPL-2.0-only

//! Mappings of files, compared with the oracle.

use super::memory::agrees;
use crate::case::{cases, skip};
use crate::shapes;
use anyhow::{ensure, Context, Result};
use guest::mapping::has_transparent_huge_pages;
use nix::mount::{mount, umount2, MntFlags, MsFlags};
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
    let directory = tempfile::tempdir()?;
    let nothing = None::<&str>;
    mount(
        nothing,
        directory.path(),
        Some("tmpfs"),
        MsFlags::empty(),
        Some("huge=always"),
    )
    .context("cannot mount a tmpfs with huge pages")?;
    let path = directory.path().join("file");
    let outcome = std::fs::write(&path, b"")
        .map_err(anyhow::Error::from)
        .and_then(|()| agrees("huge-file", &path.to_string_lossy()));
    umount2(directory.path(), MntFlags::MNT_DETACH).context("cannot unmount the tmpfs")?;
    let line = outcome?;
    ensure!(
        line.may_be_shared >= 1024,
        "fewer than the 1024 pages of the file may be shared: {line:?}"
    );
    Ok(())
}
