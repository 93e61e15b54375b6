// SPDX-License-Identifier: GPL-2.0-only

//! A file whose contents come from a process of the test, or never: a FUSE file system that consists of the file alone.
//!
//! C header: `include/uapi/linux/fuse.h`.

use super::Helper;
use anyhow::{Context, Result};
use guest::child::{errno_of, Outcome};
use nix::errno::Errno;
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use tempfile::NamedTempFile;

/// Device through which the kernel asks the file system.
const DEVICE: &str = "/dev/fuse";
/// Size of a page in bytes.
const PAGE: usize = 4096;
/// Mode of the file: a regular file that its owner may read.
const MODE: u32 = 0o100_400;

// Operations.
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const INIT: u32 = 26;
const FORGET: u32 = 2;
const BATCH_FORGET: u32 = 42;
const INTERRUPT: u32 = 36;

/// What happens to a process that needs contents of the file.
#[derive(Clone, Copy)]
pub enum Reads {
    /// It gets pages that are all different.
    Answered,
    /// It waits until the file system goes away.
    Stuck,
}

/// The mounted file. Dropping it fails all reads that wait, and unmounts it.
pub struct FuseFile {
    server: Option<Helper>,
    mounted_on: NamedTempFile,
}

impl FuseFile {
    /// Mounts the file system, which has no directory: its root is the file, of `pages` pages. The inner error is the reason
    /// why this kernel cannot have it.
    pub fn mount(pages: usize, reads: Reads) -> Result<Result<Self, String>> {
        let device = match File::options().read(true).write(true).open(DEVICE) {
            Ok(device) => device,
            Err(error) => return Ok(Err(format!("cannot open {DEVICE}: {error}"))),
        };
        let mounted_on = NamedTempFile::new()?;
        let options = format!(
            "fd={},rootmode={MODE:o},user_id=0,group_id=0",
            device.as_raw_fd()
        );
        mount(
            Some("fuse-file"),
            mounted_on.path(),
            Some("fuse"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .context("cannot mount a FUSE file system")?;
        // The device must be open nowhere but in the server, so that all requests fail when it is killed.
        let server = Helper::fork("server of the file", || {
            Server { pages, reads }.serve(&device)
        })?;
        drop(device);
        Ok(Ok(Self {
            server: Some(server),
            mounted_on,
        }))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        self.mounted_on.path()
    }

    /// Fails all reads that wait, now and in the future.
    pub fn fail_reads(&mut self) {
        self.server = None;
    }
}

impl Drop for FuseFile {
    fn drop(&mut self) {
        self.fail_reads();
        if let Err(errno) = umount2(self.path(), MntFlags::MNT_DETACH) {
            eprintln!("cannot unmount the file system: {errno}");
        }
    }
}

struct Server {
    pages: usize,
    reads: Reads,
}

impl Server {
    /// Answers requests until the process is killed.
    fn serve(&self, mut device: &File) -> Outcome {
        let mut request = vec![0; 1 << 17];
        loop {
            let length = match device.read(&mut request) {
                Ok(length) => length,
                // The request was withdrawn.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
                Err(error) => return Err(errno_of(error)),
            };
            let request = &request[..length];
            let Some((operation, number)) = header(request) else {
                return Err(Errno::EPROTO);
            };
            if let Some((error, body)) = self.answer(operation, request) {
                let length = 16 + body.len() as u32;
                let mut answer = length.to_ne_bytes().to_vec();
                answer.extend((-error).to_ne_bytes());
                answer.extend(number.to_ne_bytes());
                answer.extend(body);
                match device.write(&answer) {
                    Ok(_) => {}
                    // The process that waited for the answer was killed.
                    Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                    Err(error) => return Err(errno_of(error)),
                }
            }
        }
    }

    /// Returns the error (0 for success) and the body of the answer, or nothing for what is not answered.
    fn answer(&self, operation: u32, request: &[u8]) -> Option<(libc::c_int, Vec<u8>)> {
        match (operation, self.reads) {
            (READ, Reads::Answered) => Some((0, self.read(request))),
            (READ | FORGET | BATCH_FORGET | INTERRUPT, _) => None,
            (INIT, _) => Some((0, init())),
            (GETATTR, _) => Some((0, attributes(self.pages))),
            (OPEN, _) => Some((0, vec![0; 16])),
            _ => Some((libc::ENOSYS, Vec::new())),
        }
    }

    /// Returns the contents that a request (`struct fuse_read_in`) asks for: each page begins with its number.
    fn read(&self, request: &[u8]) -> Vec<u8> {
        let word = |at: usize| {
            request
                .get(at..at + 8)?
                .try_into()
                .ok()
                .map(u64::from_ne_bytes)
        };
        let offset = word(48).unwrap_or(0) as usize;
        let length = word(56).unwrap_or(0) as u32 as usize;
        let length = length.min((self.pages * PAGE).saturating_sub(offset));
        let mut contents = vec![0; length];
        for (index, page) in contents.chunks_mut(PAGE).enumerate() {
            if let Some(start) = page.first_chunk_mut() {
                *start = (offset / PAGE + index).to_ne_bytes();
            }
        }
        contents
    }
}

/// Returns the operation and the number of a request (`struct fuse_in_header`).
fn header(request: &[u8]) -> Option<(u32, u64)> {
    let operation = u32::from_ne_bytes(request.get(4..8)?.try_into().ok()?);
    let number = u64::from_ne_bytes(request.get(8..16)?.try_into().ok()?);
    Some((operation, number))
}

/// Returns a `struct fuse_init_out` of protocol 7.31. Reads are asynchronous, so that a page fault waits for its page and not
/// for an answer, which a signal could end.
fn init() -> Vec<u8> {
    let mut body = vec![0; 64];
    body[..4].copy_from_slice(&7u32.to_ne_bytes());
    body[4..8].copy_from_slice(&31u32.to_ne_bytes());
    // Bytes to read ahead, and the flag FUSE_ASYNC_READ.
    body[8..12].copy_from_slice(&(1u32 << 17).to_ne_bytes());
    body[12..16].copy_from_slice(&1u32.to_ne_bytes());
    // The longest write.
    body[20..24].copy_from_slice(&4096u32.to_ne_bytes());
    body
}

/// Returns a `struct fuse_attr_out` that is valid for an hour.
fn attributes(pages: usize) -> Vec<u8> {
    let size = (pages * PAGE) as u64;
    let mut body = 3600u64.to_ne_bytes().to_vec();
    body.extend([0; 8]);
    // Inode, size, blocks and three times.
    for word in [1, size, size / 512, 0, 0, 0] {
        body.extend(word.to_ne_bytes());
    }
    // Nanoseconds of the times, mode, links, owner, group, device, block size and flags.
    for word in [0, 0, 0, MODE, 1, 0, 0, 0, 4096, 0] {
        body.extend(word.to_ne_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::{attributes, init, Reads, Server, GETATTR, INIT, PAGE, READ};

    #[test]
    fn answers_have_the_sizes_of_the_kernels_structures() {
        let stuck = Server {
            pages: 1,
            reads: Reads::Stuck,
        };
        assert_eq!(init().len(), 64);
        assert_eq!(attributes(1).len(), 104);
        assert_eq!(stuck.answer(INIT, &[]), Some((0, init())));
        assert_eq!(stuck.answer(GETATTR, &[]), Some((0, attributes(1))));
        assert_eq!(stuck.answer(READ, &[]), None);
        assert_eq!(stuck.answer(1, &[]), Some((libc::ENOSYS, Vec::new())));
    }

    #[test]
    fn pages_differ_and_the_file_ends() {
        let server = Server {
            pages: 3,
            reads: Reads::Answered,
        };
        let mut request = vec![0; 80];
        request[48..56].copy_from_slice(&(PAGE as u64).to_ne_bytes());
        request[56..60].copy_from_slice(&(4 * PAGE as u32).to_ne_bytes());
        let contents = server.read(&request);
        assert_eq!(contents.len(), 2 * PAGE);
        assert_eq!((contents[0], contents[PAGE]), (1, 2));
    }
}
