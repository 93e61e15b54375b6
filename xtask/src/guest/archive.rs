// SPDX-License-Identifier: GPL-2.0-only

//! The cpio archives that an initramfs is made of.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use cpio::newc::{self, ModeFileType};

/// An archive in memory. Adding a member also adds its parent directories.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    members: BTreeSet<String>,
    inode: u32,
}

impl Archive {
    /// Returns true if the archive has the member `path`.
    pub fn has(&self, path: &str) -> bool {
        self.members.contains(path)
    }

    /// Adds an executable file with the contents of `source`.
    pub fn program(&mut self, path: &str, source: &Path) -> Result<()> {
        let contents =
            fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        self.member(path, ModeFileType::Regular, 0o755, &contents, (0, 0))
    }

    /// Adds the symbolic link `path`, which points to `target`.
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.member(
            path,
            ModeFileType::Symlink,
            0o777,
            target.as_bytes(),
            (0, 0),
        )
    }

    /// Adds an empty directory.
    pub fn directory(&mut self, path: &str) -> Result<()> {
        self.member(path, ModeFileType::Directory, 0o755, &[], (0, 0))
    }

    /// Adds the character device `path` with the device number `major`:`minor`.
    pub fn character_device(&mut self, path: &str, major: u32, minor: u32) -> Result<()> {
        self.member(path, ModeFileType::Char, 0o600, &[], (major, minor))
    }

    /// Returns the finished archive, padded so that another archive may follow it in an initramfs.
    pub fn finish(self) -> Result<Vec<u8>> {
        let mut bytes = newc::trailer(self.bytes)?;
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        Ok(bytes)
    }

    fn member(
        &mut self,
        path: &str,
        kind: ModeFileType,
        mode: u32,
        contents: &[u8],
        device: (u32, u32),
    ) -> Result<()> {
        let path = path.trim_start_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/') {
            if !self.has(parent) {
                self.directory(parent)?;
            }
        }
        if !self.members.insert(path.to_owned()) {
            return Ok(());
        }
        self.inode += 1;
        let size = u32::try_from(contents.len())
            .with_context(|| format!("{path} is too big for an archive"))?;
        let mut writer = newc::Builder::new(path)
            .ino(self.inode)
            .nlink(1)
            .mode(mode)
            .set_mode_file_type(kind)
            .rdev_major(device.0)
            .rdev_minor(device.1)
            .write(std::mem::take(&mut self.bytes), size);
        writer.write_all(contents)?;
        self.bytes = writer.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn directories_come_before_their_members_and_once() {
        let mut archive = Archive::default();
        archive.link("/usr/bin/a", "b").unwrap();
        archive.link("usr/bin/c", "b").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 512, 0);
        let mut names = Vec::new();
        let mut rest = bytes.as_slice();
        loop {
            let reader = cpio::NewcReader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            names.push(reader.entry().name().to_owned());
            rest = reader.finish().unwrap();
        }
        assert_eq!(names, ["usr", "usr/bin", "usr/bin/a", "usr/bin/c"]);
    }
}
