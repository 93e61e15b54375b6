// SPDX-License-Identifier: GPL-2.0-only

//! Processes that never hold still, for what must survive that.

use super::area::{has_transparent_huge_pages, Area, HUGE, PAGE, RO, RW};
use crate::case::check_text;
use crate::helper::worker_command;
use crate::proc_file;
use crate::report::{self, Line};
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::sys::mman::{MmapAdvise, ProtFlags};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};
use std::fs::OpenOptions;
use std::io::Read;
use std::time::{Duration, Instant};

/// For as many seconds as `argument` says: forks children that remap their memory, rename themselves,
/// exec, exit or are killed; then ends with success.
pub fn churn(argument: &str) -> Result<()> {
    let end = deadline(argument)?;
    let mut round = 0;
    while Instant::now() < end {
        round += 1;
        // SAFETY: this process has one thread, so the child may do what it could do.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Child => {
                remap(round)?;
                match round % 3 {
                    0 => std::process::exit(0),
                    1 => {
                        use std::os::unix::process::CommandExt;
                        let error = worker_command("churned", "churn", Some("0"))?.exec();
                        bail!("cannot exec: {error}");
                    }
                    _ => loop {
                        std::thread::park();
                    },
                }
            }
            ForkResult::Parent { child } => {
                if round % 3 == 2 {
                    std::thread::sleep(Duration::from_millis(round % 7));
                    kill(child, Signal::SIGKILL)?;
                }
                match waitpid(child, None)? {
                    WaitStatus::Exited(_, 0) | WaitStatus::Signaled(_, Signal::SIGKILL, _) => {}
                    status => bail!("a child failed: {status:?}"),
                }
            }
        }
    }
    std::process::exit(0)
}

fn remap(round: u64) -> Result<()> {
    let small = Area::small_pages(64)?;
    small.fill_all(|index| index as u64 % (round % 5 + 1));
    let huge = Area::huge_aligned(1)?;
    if has_transparent_huge_pages() {
        huge.advise(MmapAdvise::MADV_HUGEPAGE)?;
    }
    huge.fill(0, round);
    for step in 0..8 {
        small.protect(if step % 2 == 0 { RO } else { RW })?;
        huge.part(step * 8..HUGE / PAGE / 2).protect(RO)?;
        super::rename(format!("churn-{}", (round + step as u64) % 4).as_bytes())?;
        small
            .part(step * 4..step * 4 + 2)
            .advise(MmapAdvise::MADV_DONTNEED)?;
        Area::anonymous(16, ProtFlags::PROT_READ)?.touch();
    }
    small.unmap()?;
    huge.part(0..17).unmap()
}

/// For as many seconds as `argument` says: gives every command, and requires an answer that fits it.
pub fn storm(argument: &str) -> Result<()> {
    let end = deadline(argument)?;
    while Instant::now() < end {
        proc_file::reset()?;
        for line in proc_file::all()? {
            line.check()?;
        }
        let answer = proc_file::filter("churn-1")?;
        ensure!(
            answer == proc_file::NO_PROCESS.as_bytes() || answer.starts_with(b"churn-1, total: "),
            "FILTER|churn-1 was answered \"{}\"",
            answer.escape_ascii()
        );
        let answer = proc_file::answer("DEL|churn-2\n")?;
        ensure!(
            [
                proc_file::NO_PROCESS.as_bytes(),
                proc_file::SUCCESS.as_bytes()
            ]
            .contains(&&answer[..]),
            "DEL|churn-2 was answered \"{}\"",
            answer.escape_ascii()
        );
    }
    std::process::exit(0)
}

/// For as many seconds as `argument` says: commands while the module comes and goes. What is answered is
/// whole; else the file is missing or dead.
pub fn asker(argument: &str) -> Result<()> {
    let end = deadline(argument)?;
    // The last is for a command that was under way.
    let gone = [Errno::ENOENT, Errno::EIO, Errno::ENODEV];
    let mut answers = 0;
    while Instant::now() < end {
        let file = match OpenOptions::new()
            .read(true)
            .write(true)
            .open(proc_file::PATH)
        {
            Ok(file) => file,
            Err(error) => {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                ensure!(gone.contains(&errno), "opening failed: {error}");
                continue;
            }
        };
        for command in ["RESET\n", "ALL\n"] {
            let mut text = Vec::new();
            let read = proc_file::write(&file, command.as_bytes()).and_then(|_| {
                (&file)
                    .read_to_end(&mut text)
                    .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
            });
            match read {
                Ok(_) if command == "RESET\n" => {
                    check_text("the answer to RESET", text, proc_file::SUCCESS)?;
                }
                Ok(_) => report::parse(&text)?.iter().try_for_each(Line::check)?,
                Err(errno) => ensure!(gone.contains(&errno), "{command:?} failed: {errno}"),
            }
            answers += u32::from(read.is_ok());
        }
    }
    ensure!(answers > 0, "not one command was answered");
    std::process::exit(0)
}

pub(super) fn deadline(argument: &str) -> Result<Instant> {
    let seconds = argument
        .parse()
        .context("churn takes a number of seconds")?;
    Ok(Instant::now() + Duration::from_secs(seconds))
}
