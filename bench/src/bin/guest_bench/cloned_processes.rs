// SPDX-License-Identifier: GPL-2.0-only

//! Thousands of processes that cost little: they share an address space (`CLONE_VM`), but each is a process with a name
//! of its own.

use crate::helper_process::HelperProcess;
use anyhow::{ensure, Result};
use guest::mapping::{Mapping, PAGE, RW};
use nix::errno::Errno;
use nix::sys::mman::MapFlags;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::ffi::{c_int, c_void, CString};

/// Pages of a process's stack, on which it makes two system calls.
const STACK_PAGES: usize = 4;

/// The processes, which end when this is dropped. They are children of a helper process, whose address space they
/// share.
pub struct ClonedProcesses {
    parent: HelperProcess,
}

/// State of the helper process.
struct Parent {
    pids: Vec<Pid>,
    _stacks: Mapping,
    names: Vec<CString>,
}

impl ClonedProcesses {
    /// Starts `count` processes; `name` returns the name of each.
    pub fn start(count: usize, name: impl Fn(usize) -> String) -> Result<Self> {
        let parent = HelperProcess::start(
            c"bench-parent",
            || Parent::new(count, name),
            |parent, _| parent.kill_all(),
        )?;
        Ok(Self { parent })
    }
}

impl Drop for ClonedProcesses {
    fn drop(&mut self) {
        if let Err(error) = self.parent.request(0) {
            eprintln!("cannot end the cloned processes: {error:#}");
        }
    }
}

impl Parent {
    fn new(count: usize, name: impl Fn(usize) -> String) -> Result<Self> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        let stacks = Mapping::anonymous_with(count * STACK_PAGES, RW, flags)?;
        let names: Vec<CString> = (0..count)
            .map(|index| CString::new(name(index)))
            .collect::<Result<_, _>>()?;
        let mut pids = Vec::with_capacity(count);
        for (index, name) in names.iter().enumerate() {
            // SAFETY: The stack is this process's own part of a mapping that lives as long as the process, as the name
            // does; the offset is within that mapping or at its end.
            let pid = unsafe {
                libc::clone(
                    be_cloned_process,
                    stacks
                        .start()
                        .byte_add((index + 1) * STACK_PAGES * PAGE)
                        .as_ptr(),
                    libc::CLONE_VM | libc::SIGCHLD,
                    name.as_ptr().cast_mut().cast(),
                )
            };
            pids.push(Pid::from_raw(Errno::result(pid)?));
        }
        let parent = Self {
            pids,
            _stacks: stacks,
            names,
        };
        parent.wait_for_names()?;
        Ok(parent)
    }

    /// Waits until all processes have their names.
    fn wait_for_names(&self) -> Result<()> {
        for (pid, name) in self.pids.iter().zip(&self.names) {
            let path = format!("/proc/{pid}/comm");
            while std::fs::read(&path)?.trim_ascii_end() != name.as_bytes() {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    fn kill_all(&mut self) -> Result<u64> {
        for pid in &self.pids {
            kill(*pid, Signal::SIGKILL)?;
        }
        for pid in self.pids.drain(..) {
            let status = waitpid(pid, None)?;
            ensure!(
                status.pid() == Some(pid),
                "a cloned process ended with {status:?}"
            );
        }
        Ok(0)
    }
}

/// Takes its name and waits for a signal. Only calls the kernel, since it shares the address space of its parent.
extern "C" fn be_cloned_process(name: *mut c_void) -> c_int {
    // SAFETY: By the call of clone(2) above, `name` is a string that outlives this process. The system calls change no
    // memory of the parent but errno.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, name);
        loop {
            libc::pause();
        }
    }
}
