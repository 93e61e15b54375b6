// SPDX-License-Identifier: GPL-2.0-only

//! Helper processes: forked processes that prepare something, such as memory, and then serve requests of the bench.

use anyhow::{Context, Result};
use guest::child;
use nix::sys::prctl;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};

/// A forked process, which is killed when this is dropped.
///
/// A request is one byte, and a reply is a number or any bytes. The process serves one request after the other.
pub struct HelperProcess {
    pid: Pid,
    requests: File,
    replies: File,
}

impl HelperProcess {
    /// Forks a process with the name `name` that calls `prepare`, and then `serve` for each request with what it
    /// prepared. Returns when the preparation is done.
    pub fn start<T>(
        name: &CStr,
        prepare: impl FnOnce() -> Result<T>,
        mut serve: impl FnMut(&mut T, u8) -> Result<u64>,
    ) -> Result<Self> {
        Self::start_with_bytes(name, prepare, move |prepared, request| {
            Ok(serve(prepared, request)?.to_le_bytes().into())
        })
    }

    /// Forks a process as [`Self::start`] does, whose replies are any bytes.
    pub fn start_with_bytes<T>(
        name: &CStr,
        prepare: impl FnOnce() -> Result<T>,
        serve: impl FnMut(&mut T, u8) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let (requests_of_child, requests) = child::pipe()?;
        let (replies, replies_of_child) = child::pipe()?;
        let mut ends_of_parent = Some((requests, replies));
        let pid = child::start_with_status(|| {
            // The child would never see the end of requests if it kept their writing end open.
            ends_of_parent = None;
            let served = run(name, requests_of_child, replies_of_child, prepare, serve);
            if let Err(error) = &served {
                eprintln!("{}: {error:#}", name.to_string_lossy());
            }
            i32::from(served.is_err())
        })
        .context("cannot fork")?;
        let (requests, replies) = ends_of_parent.context("only the child closes these ends")?;
        let mut process = Self {
            pid,
            requests,
            replies,
        };
        // The first reply says that the preparation is done.
        process.receive_bytes()?;
        Ok(process)
    }

    /// Returns the process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a request without waiting for the reply.
    pub fn send(&mut self, request: u8) -> Result<()> {
        Ok(self.requests.write_all(&[request])?)
    }

    /// Waits for the reply to the oldest request that was sent, and returns its number.
    pub fn receive(&mut self) -> Result<u64> {
        let bytes = self.receive_bytes()?;
        let bytes = bytes
            .try_into()
            .ok()
            .context("the reply of a helper process is not a number")?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Waits for the reply to the oldest request that was sent, and returns its bytes.
    pub fn receive_bytes(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        let mut bytes = Vec::new();
        self.replies
            .read_exact(&mut length)
            .and_then(|()| {
                bytes.resize(u32::from_le_bytes(length) as usize, 0);
                self.replies.read_exact(&mut bytes)
            })
            .context("a helper process of the bench failed or died")?;
        Ok(bytes)
    }

    /// Sends a request, waits for the reply, and returns its number.
    pub fn request(&mut self, request: u8) -> Result<u64> {
        self.send(request)?;
        self.receive()
    }
}

impl Drop for HelperProcess {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

/// Serves requests in the helper process until the bench closes the pipe.
fn run<T>(
    name: &CStr,
    mut requests: File,
    mut replies: File,
    prepare: impl FnOnce() -> Result<T>,
    mut serve: impl FnMut(&mut T, u8) -> Result<Vec<u8>>,
) -> Result<()> {
    prctl::set_name(name)?;
    let mut prepared = prepare()?;
    let mut reply = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        replies.write_all(&[&length.to_le_bytes(), bytes].concat())
    };
    reply(&[])?;
    let mut request = [0];
    while requests.read(&mut request)? == 1 {
        reply(&serve(&mut prepared, request[0])?)?;
    }
    Ok(())
}
