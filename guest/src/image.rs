// SPDX-License-Identifier: GPL-2.0-only

//! The memory in which a program was started: its code, its constants, and what the kernel maps beside them.

use anyhow::{Context, Result};
use nix::sys::mman::{mprotect, ProtFlags};
use std::ffi::c_void;
use std::ptr::NonNull;

/// Areas whose pages the kernel inserts one by one. They cannot become writable, and count as memory without contents.
const INSERTED: [&str; 3] = ["[vvar]", "[vvar_vclock]", "[vsyscall]"];

/// Makes all readable memory of this process writable, so that only pages that it maps afterwards are read-only.
///
/// A process that did this has as many read-only pages as it wants to, and knows the contents of all of them.
pub fn make_writable() -> Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps").context("cannot read /proc/self/maps")?;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(permissions)) = (fields.next(), fields.next()) else {
            continue;
        };
        let is_inserted = fields.last().is_some_and(|name| INSERTED.contains(&name));
        if is_inserted || !permissions.starts_with("r-") {
            continue;
        }
        let (start, end) = range.split_once('-').context("a range has two ends")?;
        let start = usize::from_str_radix(start, 16)?;
        let length = usize::from_str_radix(end, 16)? - start;
        let mut protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        protection.set(ProtFlags::PROT_EXEC, permissions.as_bytes()[2] == b'x');
        let start = NonNull::new(start as *mut c_void).context("nothing is mapped at address 0")?;
        // SAFETY: The range was just listed as mapped memory of this process. It keeps the permissions that it has, so
        // that every access that is valid now stays valid.
        unsafe { mprotect(start, length, protection) }
            .with_context(|| format!("cannot make the memory writable: {line}"))?;
    }
    Ok(())
}
