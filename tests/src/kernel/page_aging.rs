// SPDX-License-Identifier: GPL-2.0-only

//! Aging of pages by the multi-generational LRU, which clears the accessed bits in page tables.
//!
//! Kernel documentation: `Documentation/admin-guide/mm/multigen_lru.rst`.

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use std::fs::File;
use std::io::Write;
use std::path::Path;

const FILE: &str = "/sys/kernel/debug/lru_gen";

/// The pages of the root memory cgroup on the first node.
pub struct PageAging {
    file: File,
    command: String,
}

impl PageAging {
    /// Opens the kernel's interface. The inner error is the reason why this kernel does not have it.
    pub fn open() -> Result<Result<Self, String>> {
        if !Path::new(FILE).exists() {
            return Ok(Err(format!(
                "aging pages on request needs {FILE}, which does not exist"
            )));
        }
        let text = std::fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
        let Some((memcg, node, newest)) = first_generations(&text) else {
            bail!("{FILE} lists no generations: {text:?}");
        };
        let file = File::options()
            .write(true)
            .open(FILE)
            .with_context(|| format!("cannot write {FILE}"))?;
        // The kernel replaces the number of a generation that is older than the newest one. The last number asks it to skip
        // the parts of an address space that were not accessed, as it does without being asked.
        let command = format!("+ {memcg} {node} {newest} 200 0\n");
        Ok(Ok(Self { file, command }))
    }

    /// Makes a new generation: looks for accessed pages in all page tables that are in use, and clears their accessed
    /// bits and those of the tables.
    ///
    /// # Errors
    ///
    /// Returns the error of write(2).
    pub fn age(&mut self) -> Result<(), Errno> {
        match self.file.write(self.command.as_bytes()) {
            // The error means that the kernel makes a generation at this moment.
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => {
                Err(guest::child::errno_of(error))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the numbers of the first memory cgroup, of its first node, and of the newest generation there.
fn first_generations(text: &str) -> Option<(u64, u64, u64)> {
    let mut lines = text.lines().map(|line| line.split_whitespace());
    let number_after = |mut words: std::str::SplitWhitespace, word: &str| -> Option<u64> {
        (words.next()? == word).then(|| words.next()?.parse().ok())?
    };
    let memcg = number_after(lines.next()?, "memcg")?;
    let node = number_after(lines.next()?, "node")?;
    let newest = lines
        .map_while(|mut words| words.next()?.parse().ok())
        .last()?;
    Some((memcg, node, newest))
}

#[cfg(test)]
mod tests {
    use super::first_generations;

    #[test]
    fn the_newest_generation_is_found() {
        let text = "memcg     1 /\n node     0\n          0     147     0      40 \n          \
                    1     140     12    3\nmemcg  9 /other\n node 0\n 7 1 1 1\n";
        assert_eq!(first_generations(text), Some((1, 0, 1)));
        assert_eq!(first_generations("memcg 1 /\n node 0\n"), None);
    }
}
