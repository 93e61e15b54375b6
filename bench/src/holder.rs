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
        let mut holder = Self::begin(name, prepare, serve)?;
        holder.wait_for_answer()?;
        Ok(holder)
    }

    /// As [`Self::start`], without waiting: the first answer is for the preparation.
    pub fn begin<T>(
        name: &CStr,
        prepare: impl FnOnce() -> Result<T>,
        serve: impl FnMut(&mut T, u8) -> Result<u64>,
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
        let mut answer = [0; 8];
        self.from
            .read_exact(&mut answer)
            .context("a process of the bench failed or died")?;
        Ok(u64::from_le_bytes(answer))
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
    mut serve: impl FnMut(&mut T, u8) -> Result<u64>,
) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        bail!("the bench is gone");
    }
    prctl::set_name(name)?;
    let mut held = prepare()?;
    answers.write_all(&[0; 8])?;
    let mut command = [0];
    while commands.read(&mut command)? == 1 {
        let answer = serve(&mut held, command[0])?;
        answers.write_all(&answer.to_le_bytes())?;
    }
    Ok(())
}
