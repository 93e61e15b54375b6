// SPDX-License-Identifier: GPL-2.0-only

//! Thousands of processes that cost little: they share an address space, but each is a process with a name of its own.

use crate::holder::Holder;
use crate::pages::Mapping;
use anyhow::{ensure, Result};
use nix::errno::Errno;
use nix::sys::mman::ProtFlags;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::ffi::{c_int, c_void, CString};

/// Bytes of a process's stack: it makes two system calls.
const STACK: usize = 16 << 10;

/// The processes; they end when this goes.
pub struct Crowd {
    nest: Holder,
}

/// What is alive in the nest.
struct Nest {
    pids: Vec<Pid>,
    _stacks: Mapping,
    names: Vec<CString>,
}

impl Crowd {
    /// Starts `count` processes with these names.
    pub fn start(count: usize, name: impl Fn(usize) -> String) -> Result<Self> {
        let nest = Holder::start(
            c"bench-nest",
            || Nest::new(count, name),
            |nest, _| nest.clear(),
        )?;
        Ok(Self { nest })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        if let Err(error) = self.nest.ask(0) {
            eprintln!("a crowd did not end: {error:#}");
        }
    }
}

impl Nest {
    fn new(count: usize, name: impl Fn(usize) -> String) -> Result<Self> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let stacks = Mapping::reserve(count * STACK, protection)?;
        let names: Vec<CString> = (0..count)
            .map(|index| CString::new(name(index)))
            .collect::<Result<_, _>>()?;
        let mut pids = Vec::with_capacity(count);
        for (index, name) in names.iter().enumerate() {
            // SAFETY: the end of this process's own part of the stacks, which live as long as it does, as its name
            // does.
            let pid = unsafe {
                libc::clone(
                    be_in_crowd,
                    stacks.start().byte_add((index + 1) * STACK).as_ptr(),
                    libc::CLONE_VM | libc::SIGCHLD,
                    name.as_ptr().cast_mut().cast(),
                )
            };
            pids.push(Pid::from_raw(Errno::result(pid)?));
        }
        let nest = Self {
            pids,
            _stacks: stacks,
            names,
        };
        nest.wait_for_names()?;
        Ok(nest)
    }

    /// Waits until the last one has its name; it got its turn last.
    fn wait_for_names(&self) -> Result<()> {
        for (pid, name) in self.pids.iter().zip(&self.names) {
            let path = format!("/proc/{pid}/comm");
            while std::fs::read(&path)?.trim_ascii_end() != name.as_bytes() {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<u64> {
        for pid in &self.pids {
            kill(*pid, Signal::SIGKILL)?;
        }
        for pid in self.pids.drain(..) {
            let status = waitpid(pid, None)?;
            ensure!(
                status.pid() == Some(pid),
                "a process of a crowd ended with {status:?}"
            );
        }
        Ok(0)
    }
}

/// Runs in an address space that is others' too: calls the kernel only.
extern "C" fn be_in_crowd(name: *mut c_void) -> c_int {
    // SAFETY: system calls with a string that outlives this process; they touch no memory of the parent's but errno.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, name);
        loop {
            libc::pause();
        }
    }
}
