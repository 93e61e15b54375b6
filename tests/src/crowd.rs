// SPDX-License-Identifier: GPL-2.0-only

//! Tiny programs under any names, by the thousand.

use crate::helper::Helper;
use crate::tiny_elf::{self, Class};
use anyhow::Result;
use std::process::Command;

/// Starts a tiny program once under each name; its read-only data pages are filled with the given bytes.
pub fn crowd(data: &[u8], names: impl Iterator<Item = String>) -> Result<Vec<Helper>> {
    crowd_of(Class::Elf64, data, names)
}

/// [`crowd`] of 32-bit or 64-bit programs.
pub fn crowd_of(
    class: Class,
    data: &[u8],
    names: impl Iterator<Item = String>,
) -> Result<Vec<Helper>> {
    let directory = tempfile::tempdir()?;
    let program = directory.path().join(".program");
    tiny_elf::write(&program, class, data)?;
    let crowd = names.map(|name| {
        let path = directory.path().join(&name);
        if !path.exists() {
            std::fs::hard_link(&program, &path)?;
        }
        Helper::start(&mut Command::new(&path), format!("program {name}"))
    });
    let crowd = crowd.collect::<Result<Vec<_>>>()?;
    crowd.iter().try_for_each(Helper::wait_until_stopped)?;
    Ok(crowd)
}

/// Starts one tiny program.
pub fn one(name: &str, data: &[u8]) -> Result<Helper> {
    Ok(crowd(data, std::iter::once(name.to_owned()))?.remove(0))
}
