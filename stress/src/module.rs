//! Loading and unloading the module under test.

use crate::board::Board;
use anyhow::{Context, Result};
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Loads the module unless its file is there.
pub fn ensure_loaded(file: &Path) -> Result<()> {
    if Path::new(crate::FILE).exists() {
        return Ok(());
    }
    load(file)
}

/// Unloads the module, leaves it out for `pause`, and loads it again.
pub fn reload(board: Board, file: &Path, pause: Duration) -> Result<()> {
    board.turn_epoch();
    delete_module(c"memory_info", DeleteModuleFlags::O_NONBLOCK)
        .context("cannot unload memory_info")?;
    std::thread::sleep(pause);
    load(file)?;
    board.turn_epoch();
    Ok(())
}

fn load(file: &Path) -> Result<()> {
    let shown = file.display();
    let opened = File::open(file).with_context(|| {
        format!("memory_info is not loaded and cannot be: no module {shown}; name it by --module")
    })?;
    finit_module(&opened, c"", ModuleInitFlags::empty())
        .with_context(|| format!("cannot load {shown}"))
}
