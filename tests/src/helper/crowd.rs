// SPDX-License-Identifier: GPL-2.0-only

//! Crowds: up to thousands of processes with given names, which run tiny programs.

use crate::helper::tiny_elf::{self, Class};
use crate::helper::Helper;
use anyhow::Result;
use std::process::Command;

/// Starts a 64-bit process under each of `names`. It has one read-only data page for each byte of `data`, filled with that
/// byte.
pub fn crowd(data: &[u8], names: impl Iterator<Item = String>) -> Result<Vec<Helper>> {
    crowd_of(Class::Elf64, data, names)
}

/// Starts processes like [`crowd`] that run 32-bit or 64-bit programs.
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

/// Starts a single process like [`crowd`].
pub fn one(name: &str, data: &[u8]) -> Result<Helper> {
    Ok(crowd(data, std::iter::once(name.to_owned()))?.remove(0))
}
