// SPDX-License-Identifier: GPL-2.0-only

//! Processes that hold memory, and do with it what they are asked to.

use anyhow::{bail, Context, Result};
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, getpid, getppid, pipe2, ForkResult, Pid};
use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};

/// A forked process; it is killed when this goes.
pub struct Holder {
    pid: Pid,
    to: File,
    from: File,
}

impl Holder {
    /// Forks a process called `name`, which prepares something and then does with it, for each byte that it is
    /// asked, what `serve` says. Returns when all is prepared. It answers with a number.
    pub fn start<T>(
        name: &CStr,
        prepare: impl FnOnce() -> Result<T>,
        serve: impl FnMut(&mut T, u8) -> Result<u64>,
    ) -> Result<Self> {
        let mut serve = serve;
        Self::start_telling(name, prepare, move |held, command| {
            Ok(serve(held, command)?.to_le_bytes().into())
        })
    }

    /// The same with answers of any bytes.
    pub fn start_telling<T>(
        name: &CStr,
        prepare: impl FnOnce() -> Result<T>,
        serve: impl FnMut(&mut T, u8) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let mut holder = Self::begin(name, prepare, serve)?;
        holder.wait_for_bytes()?;
        Ok(holder)
    }

    /// Starts it without waiting: the first answer is for the preparation.
    fn begin<T>(
        name: &CStr,
        prepare: impl FnOnce() -> Result<T>,
        serve: impl FnMut(&mut T, u8) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let (commands, to) = pipe2(OFlag::O_CLOEXEC)?;
        let (from, answers) = pipe2(OFlag::O_CLOEXEC)?;
        let parent = getpid();
        // SAFETY: the bench has one thread whenever it starts processes.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Parent { child } => Ok(Self {
                pid: child,
                to: File::from(to),
                from: File::from(from),
            }),
            ForkResult::Child => {
                drop((to, from));
                let served = be_holder(
                    name,
                    parent,
                    File::from(commands),
                    File::from(answers),
                    prepare,
                    serve,
                );
                if let Err(error) = &served {
                    eprintln!("{}: {error:#}", name.to_string_lossy());
                }
                // SAFETY: ends this process without the parent's exit handlers.
                unsafe { libc::_exit(i32::from(served.is_err())) }
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Has it do something, without waiting for that.
    pub fn tell(&mut self, command: u8) -> Result<()> {
        Ok(self.to.write_all(&[command])?)
    }

    /// Waits until it did what it was told; returns its answer.
    pub fn wait_for_answer(&mut self) -> Result<u64> {
        let bytes = self.wait_for_bytes()?;
        let bytes = bytes.try_into().ok().context("an answer is a number")?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The same for an answer of any bytes.
    pub fn wait_for_bytes(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        let mut bytes = Vec::new();
        self.from
            .read_exact(&mut length)
            .and_then(|()| {
                bytes.resize(u32::from_le_bytes(length) as usize, 0);
                self.from.read_exact(&mut bytes)
            })
            .context("a process of the bench failed or died")?;
        Ok(bytes)
    }

    /// Has it do something; returns its answer.
    pub fn ask(&mut self, command: u8) -> Result<u64> {
        self.tell(command)?;
        self.wait_for_answer()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have died already.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

fn be_holder<T>(
    name: &CStr,
    parent: Pid,
    mut commands: File,
    mut answers: File,
    prepare: impl FnOnce() -> Result<T>,
    mut serve: impl FnMut(&mut T, u8) -> Result<Vec<u8>>,
) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        bail!("the bench is gone");
    }
    prctl::set_name(name)?;
    let mut held = prepare()?;
    let mut answer = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        answers.write_all(&[&length.to_le_bytes(), bytes].concat())
    };
    answer(&[])?;
    let mut command = [0];
    while commands.read(&mut command)? == 1 {
        answer(&serve(&mut held, command[0])?)?;
    }
    Ok(())
}
