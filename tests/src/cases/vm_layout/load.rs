// SPDX-License-Identifier: GPL-2.0-only

//! The report that a load writes to the kernel log, and loads that must fail.

use crate::case::{cases, check_eq, check_text};
use crate::helper::Helper;
use crate::kernel::log::KernelLog;
use crate::kernel::setting::Setting;
use crate::module::VM_LAYOUT;
use crate::vm_layout;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

cases! {
    logs_at_load,
    logs_50000_areas_whole (300 s),
    logs_long_paths_whole,
    logs_nothing_without_pid,
    bad_pids_fail_to_load,
    bad_parameters_fail_to_load,
}

/// Loads the module for a stopped process and returns the report that it logged, with the lines joined that were split.
fn logged(pid: i32) -> Result<Vec<u8>> {
    // Printing thousands of lines on an emulated serial line is slow; warnings and errors are still printed.
    let _console = Setting::set("/proc/sys/kernel/printk", "5")?;
    let log = KernelLog::from_now()?;
    let (loaded, records) =
        log.follow_during("vm_layout: ", || VM_LAYOUT.load_with(&format!("pid={pid}")))?;
    let module = loaded?;
    let mut text = Vec::new();
    let (last, lines) = records.split_last().context("the load logged nothing")?;
    for line in lines {
        match line.strip_prefix(b"+") {
            Some(rest) => {
                ensure!(text.pop().is_some(), "the first line continues another one");
                text.extend(rest);
            }
            None => text.extend(line),
        }
        text.push(b'\n');
    }
    let end = format!("end of the report: {} lines", lines.len());
    check_text("the last line of the report", last, end)?;
    let answer = vm_layout::FILE.answer(format!("{pid}\n"))?;
    check_text(
        "the report in the log is the one in the file",
        &text,
        answer,
    )?;
    module.unload()?;
    Ok(text)
}

fn logs_at_load() -> Result<()> {
    let helper = Helper::worker("logged", "patterns", Some("1 2 3"))?;
    vm_layout::oracle::check(&vm_layout::parse_text(&logged(helper.pid())?)?)
}

fn logs_50000_areas_whole() -> Result<()> {
    let helper = Helper::worker("logged", "many-areas", Some("50000"))?;
    let report = vm_layout::parse_text(&logged(helper.pid())?)?;
    ensure!(
        report.areas.len() > 50_000,
        "the report has only {} areas",
        report.areas.len()
    );
    vm_layout::oracle::check(&report)
}

/// The paths are longer than three records of the log, or contain bytes that the log or the report escapes.
fn logs_long_paths_whole() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut long = directory.path().to_owned();
    for _ in 0..13 {
        long.push("\u{fc}".repeat(127));
    }
    let odd: [&[u8]; 5] = [
        b"a\nnew\nline",
        b"\xff\xfe not UTF-8",
        b"back\\slash\ttab \\013",
        b"esc \x1b[31m csi \x9b31m \x07\r",
        "csi \u{9b}31m \u{e4}".as_bytes(),
    ];
    let odd = odd.map(|name| directory.path().join(std::ffi::OsStr::from_bytes(name)));
    for directory in odd.iter().chain([&long]) {
        std::fs::create_dir_all(directory)?;
        let path = directory.join("program");
        std::fs::copy("/usr/bin/sleep", &path)?;
        let text = program_is_logged(&path).with_context(|| format!("{}", path.display()))?;
        let text = String::from_utf8(text).context("the report is not UTF-8")?;
        ensure!(
            !text.contains(|character: char| character.is_control() && character != '\n'),
            "the report has control characters: {text:?}"
        );
    }
    Ok(())
}

/// Returns the report in the log about a program at this path.
fn program_is_logged(path: &PathBuf) -> Result<Vec<u8>> {
    let program = Helper::stopped(Command::new(path).arg("1000"), "program")?;
    let text = logged(program.pid())?;
    let report = vm_layout::parse_text(&text)?;
    vm_layout::oracle::check(&report)?;
    let end = &path.as_os_str().as_bytes()[path.as_os_str().len() - 8..];
    let found = report.areas.iter().any(|area| area.name.ends_with(end));
    ensure!(
        found,
        "the report lacks the areas of the program: {report:?}"
    );
    std::fs::remove_file(path)?;
    let module = VM_LAYOUT.load()?;
    vm_layout::oracle::check(&vm_layout::parse_text(
        &vm_layout::FILE.answer(format!("{}", program.pid()))?,
    )?)?;
    module.unload()?;
    Ok(text)
}

fn logs_nothing_without_pid() -> Result<()> {
    let log = KernelLog::from_now()?;
    let (loaded, records) = log.follow_during("vm_layout: ", || VM_LAYOUT.load())?;
    let module = loaded?;
    ensure!(records.is_empty(), "a load without pid logged {records:?}");
    check_text(
        "the file before the first command",
        vm_layout::FILE.read()?,
        "",
    )?;
    module.unload()
}

/// A child process that exited and was not waited for. Dropping it waits for it.
pub struct Zombie(Child);

impl Zombie {
    /// Starts a process and waits until it is a zombie.
    pub fn make() -> Result<Self> {
        let zombie = Self(Command::new("true").spawn()?);
        let stat = format!("/proc/{}/stat", zombie.0.id());
        while !std::fs::read_to_string(&stat)?.contains(") Z ") {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(zombie)
    }

    /// Returns the process id of the zombie.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Zombie {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

/// Returns a process id that is not in use.
pub fn unused_pid() -> Result<i32> {
    (300_000..)
        .find(|pid| !Path::new(&format!("/proc/{pid}")).exists())
        .context("all process ids are in use")
}

/// Process id of kthreadd, the kernel thread that starts all others.
pub const KTHREADD: i32 = 2;

fn bad_pids_fail_to_load() -> Result<()> {
    let zombie = Zombie::make()?;
    let thread = Helper::worker("threads", "threads", None)?;
    let tids = std::fs::read_dir(format!("/proc/{}/task", thread.pid()))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().parse()?))
        .collect::<Result<Vec<i32>>>()?;
    let tid = tids.into_iter().find(|tid| *tid != thread.pid());
    let none = "there is no process with this id";
    let positive = "a process id is greater than 0";
    for (pid, errno, sentence) in [
        (i64::from(unused_pid()?), Errno::ESRCH, none),
        (
            i64::from(tid.context("the process has no second thread")?),
            Errno::ESRCH,
            none,
        ),
        (4_194_305, Errno::ESRCH, none),
        (i64::from(i32::MAX), Errno::ESRCH, none),
        (i64::from(i32::MAX) + 1, Errno::ESRCH, none),
        (1 << 32 | 1, Errno::ESRCH, none),
        (i64::MAX, Errno::ESRCH, none),
        (0, Errno::EINVAL, positive),
        (-1, Errno::EINVAL, positive),
        (i64::from(i32::MIN), Errno::EINVAL, positive),
        (i64::MIN + 1, Errno::EINVAL, positive),
        (
            i64::from(KTHREADD),
            Errno::EINVAL,
            "this is a kernel thread, which has no memory of its own",
        ),
        (
            i64::from(zombie.pid()),
            Errno::ESRCH,
            "this process has exited, and its memory is gone",
        ),
    ] {
        let mut log = KernelLog::from_now()?;
        let loaded = VM_LAYOUT.try_load(&format!("pid={pid}"))?.map(drop);
        check_eq(&format!("loading with pid={pid}"), loaded, Err(errno))?;
        let expected = format!("vm_layout: pid={pid}: {sentence}");
        check_eq("errors in the log", log.errors()?, vec![expected])?;
        VM_LAYOUT.check_gone()?;
    }
    Ok(())
}

fn bad_parameters_fail_to_load() -> Result<()> {
    for parameters in [
        "pid=",
        "pid=one",
        "pid=1.5",
        "pid=1,2",
        "pid=0x",
        "pid=9223372036854775808",
        "pid",
        "mode=0777",
        "mode=01600",
        "mode=-1",
        "mode=rw",
        "pid=1 mode=0777",
    ] {
        let loaded = VM_LAYOUT.try_load(parameters)?.map(drop);
        check_eq(
            &format!("loading with '{parameters}'"),
            loaded,
            Err(Errno::EINVAL),
        )?;
        VM_LAYOUT.check_gone()?;
    }
    Ok(())
}
