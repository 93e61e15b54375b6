//! The module against the oracle: mappings of files.

use super::memory::agrees;
use crate::case::Case;
use crate::shapes;
use anyhow::{ensure, Context, Result};
use std::path::Path;

pub const CASES: &[Case] = &[
    Case::new("files::in_memory", || mapped(Path::new("/tmp"))),
    Case::new("files::on_the_root", || mapped(Path::new("/"))),
];

/// Read-only mappings, shared and private, of a file in `directory`.
fn mapped(directory: &Path) -> Result<()> {
    let file = tempfile::NamedTempFile::new_in(directory)
        .with_context(|| format!("cannot make a file in {}", directory.display()))?;
    std::fs::write(file.path(), shapes::file_contents())?;
    let line = agrees("file", &file.path().to_string_lossy())?;
    ensure!(line.may_be_shared >= 15, "pages of the file: {line:?}");
    Ok(())
}
