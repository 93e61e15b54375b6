// SPDX-License-Identifier: GPL-2.0-only

//! The machine: boots a kernel in QEMU or User-mode Linux, gives it a task, and collects the result.
//!
//! The kernel's log and the output of the guest's programs use separate terminals, so that their lines do not mix.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure, Context, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::guest::accelerator::Accelerator;
use crate::guest::complaints::complaints;
use crate::host::root::Root;
use crate::kernels::kernel::Kernel;

const PROCESSORS: &str = "2";
const MEMORY: &str = "2G";
const CONSOLE_LOG: &str = "console.log";
const QEMU_LOG: &str = "qemu.log";
const MONITOR: &str = "monitor";
/// Longest kernel log in bytes. A faulty kernel may log without end and fill the disk.
const LONGEST_LOG: u64 = 256 << 20;
const LOG_CHECK_EVERY: Duration = Duration::from_secs(2);
/// Prefix of the line that a guest prints last; an exit status follows.
const VERDICT: &str = "VERDICT ";

/// The task of the guest.
pub enum Mode {
    /// Print a verdict at once, to show that the guest boots.
    Probe,
    /// Run the demo, Listing 2 of the module's task (docs/tasks.md).
    Demo,
    /// Run the tests whose names contain all of these strings.
    Test(Vec<String>),
    /// Run the stress program with these arguments.
    Stress(Vec<String>),
    /// Run the bench with these arguments.
    Bench(Vec<String>),
    /// Run the experiments of vm_layout.
    Plot,
    /// Run an interactive shell.
    Shell,
}

/// The time limits of a guest.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Time from the boot to the end of the guest.
    pub total: Duration,
    /// Time without a line of output.
    pub silence: Duration,
}

impl Limits {
    /// Returns the limits for a guest that is slower by `factor`.
    pub fn times(self, factor: u32) -> Self {
        Self {
            total: self.total * factor,
            silence: self.silence * factor,
        }
    }
}

/// The result of a guest that has ended.
pub struct GuestResult {
    /// The exit status in the guest's last line, or the reason why there is none.
    pub verdict: Result<i32>,
    /// The lines of the kernel's log that report an error.
    pub complaints: Vec<String>,
    /// The paths of the logs, as text for messages.
    pub logs: String,
}

/// A guest that can be booted.
pub struct Machine<'a> {
    /// The root that contains QEMU.
    pub root: &'a Root,
    /// The kernel to boot.
    pub kernel: &'a Kernel,
    /// The directory of the initramfs.
    pub files: PathBuf,
    /// The file name of the initramfs.
    pub initramfs: String,
    /// The directory of the logs.
    pub logs: PathBuf,
    /// The guest's memory as QEMU spells it, if it is not the default of the kernel.
    pub memory: Option<&'static str>,
}

impl Machine<'_> {
    /// Returns true if the guest is User-mode Linux, which runs as a program of the host.
    pub fn is_user_mode(&self) -> bool {
        self.kernel.recipe().is_some_and(|recipe| recipe.user_mode)
    }

    /// Boots the guest, waits until it ends, and returns its verdict. Calls `each_line` with each line of its output.
    ///
    /// Fails if the guest gives no verdict within `limits`, or if its kernel logged an error, even if the verdict is 0.
    pub fn run(
        &self,
        accelerator: Accelerator,
        mode: &Mode,
        limits: Limits,
        each_line: impl FnMut(&str),
    ) -> Result<i32> {
        let ended = self.watch(accelerator, mode, limits, each_line)?;
        match (self.check(&ended.complaints), ended.verdict) {
            (Ok(()), verdict) => verdict.map_err(|end| anyhow!("{end:#}; {}", ended.logs)),
            (Err(complaints), Ok(_)) => Err(complaints),
            (Err(complaints), Err(end)) => Err(complaints.context(end.to_string())),
        }
    }

    /// Boots the guest, waits until it ends, and returns the verdict together with the errors that its kernel logged.
    pub fn watch(
        &self,
        accelerator: Accelerator,
        mode: &Mode,
        limits: Limits,
        mut each_line: impl FnMut(&str),
    ) -> Result<GuestResult> {
        let mut command = self.command(accelerator, mode, "stdio,id=guest,signal=off");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.error_output(accelerator)?)
            .spawn()
            .context("cannot start the guest")?;
        let lines = line_channel(
            child
                .stdout
                .take()
                .context("the guest's output is a pipe")?,
        );
        let ended = follow(&lines, limits, &mut each_line, || self.check_log_length());
        if ended.is_err() {
            self.stop(&mut child);
        }
        let status = child.wait()?;
        let verdict = ended.and_then(|verdict| {
            verdict.with_context(|| {
                format!(
                    "the guest ended with {status} and without a verdict; {}",
                    self.last_lines()
                )
            })
        });
        Ok(GuestResult {
            verdict,
            complaints: self.complaints(),
            logs: self.describe_logs(),
        })
    }

    /// Boots the guest with its shell on this terminal; returns when the user leaves the shell.
    pub fn interact(&self, accelerator: Accelerator) -> Result<()> {
        // The multiplexer lets the user quit QEMU with Ctrl-A X if the guest hangs.
        let mut command = self.command(
            accelerator,
            &Mode::Shell,
            "stdio,id=guest,signal=off,mux=on",
        );
        let status = command
            .stderr(self.error_output(accelerator)?)
            .status()
            .context("cannot start the guest")?;
        self.check(&self.complaints())?;
        ensure!(
            status.success(),
            "the guest ended with {status}; {}",
            self.describe_logs()
        );
        Ok(())
    }

    fn command(&self, accelerator: Accelerator, mode: &Mode, terminal: &str) -> Command {
        let chroot = self
            .kernel
            .chroot(self.root)
            .bind(&self.files, "files")
            .bind(&self.logs, "logs");
        let default = self.kernel.recipe().map_or(MEMORY, |recipe| recipe.memory);
        let memory = self.memory.unwrap_or(default);
        let initramfs = format!("/mnt/files/{}", self.initramfs);
        let arguments = kernel_arguments(mode);
        if accelerator == Accelerator::Native {
            let mut command = chroot.command(&self.kernel.image());
            let input = match mode {
                Mode::Shell => "fd:0",
                _ => "null",
            };
            command
                .args([&format!("mem={memory}"), &format!("initrd={initramfs}")])
                .arg("noreboot")
                // User-mode Linux has several processors only in seccomp mode.
                .args(["seccomp=on", &format!("ncpus={PROCESSORS}")])
                .args(["con=null", &format!("con0={input},fd:1"), "con1=null,fd:2"])
                .args(["console=tty1", "guest.terminal=tty0"])
                .args(arguments.split(' '));
            return command;
        }
        let mut command = chroot.command("qemu-system-x86_64");
        command
            .args(accelerator.options())
            .args(["-smp", PROCESSORS, "-m", memory])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .arg("-serial")
            .arg(format!("file:/mnt/logs/{CONSOLE_LOG}"))
            .args(["-chardev", terminal, "-serial", "chardev:guest"])
            .arg("-monitor")
            .arg(format!("unix:/mnt/files/{MONITOR},server=on,wait=off"))
            .args(["-kernel", &self.kernel.image()])
            .args(["-initrd", &initramfs])
            .arg("-append")
            .arg(format!("console=ttyS0 tsc=reliable {arguments}"));
        command
    }

    /// Creates the file for the standard error: QEMU's messages, or the kernel's log for User-mode Linux.
    fn error_output(&self, accelerator: Accelerator) -> Result<std::fs::File> {
        let path = self.logs.join(match accelerator {
            Accelerator::Native => CONSOLE_LOG,
            Accelerator::Kvm | Accelerator::Tcg | Accelerator::TcgFiveLevels => QEMU_LOG,
        });
        std::fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))
    }

    /// Ends a running guest. It may be a child of sudo, which this process cannot signal.
    fn stop(&self, child: &mut Child) {
        let quit = UnixStream::connect(self.files.join(MONITOR))
            .and_then(|mut monitor| monitor.write_all(b"quit\n"));
        if quit.is_err() {
            kill_descendants(child.id());
            // An error means that it has ended already.
            let _ = child.kill();
        }
    }

    fn check_log_length(&self) -> Result<()> {
        let length = std::fs::metadata(self.logs.join(CONSOLE_LOG)).map_or(0, |file| file.len());
        ensure!(
            length <= LONGEST_LOG,
            "the kernel's log grew beyond the limit of {} MiB",
            LONGEST_LOG >> 20
        );
        Ok(())
    }

    fn kernel_log(&self) -> String {
        std::fs::read(self.logs.join(CONSOLE_LOG))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn complaints(&self) -> Vec<String> {
        let log = self.kernel_log();
        complaints(&log).into_iter().map(str::to_owned).collect()
    }

    fn check(&self, complaints: &[String]) -> Result<()> {
        ensure!(
            complaints.is_empty(),
            "the guest's kernel reported errors:\n  {}\n  {}",
            complaints.join("\n  "),
            self.describe_logs()
        );
        Ok(())
    }

    fn last_lines(&self) -> String {
        let log = self.kernel_log();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(10)..];
        format!("last lines of the kernel's log:\n  {}", last.join("\n  "))
    }

    fn describe_logs(&self) -> String {
        let kernel = format!("logs: {} (kernel)", self.logs.join(CONSOLE_LOG).display());
        let qemu = self.logs.join(QEMU_LOG);
        if qemu.exists() {
            format!("{kernel}, {} (QEMU)", qemu.display())
        } else {
            kernel
        }
    }
}

/// Kills the descendants of `process`, except those that this process may not signal.
fn kill_descendants(process: u32) {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        if let Ok(pid) = child.parse::<u32>() {
            kill_descendants(pid);
            // A process of root's (sudo) cannot be signalled; it ends when its child ends.
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
}

/// Calls `each_line` with the guest's lines until they end; returns the verdict, if the guest printed one.
fn follow(
    lines: &Receiver<String>,
    limits: Limits,
    each_line: &mut impl FnMut(&str),
    check: impl Fn() -> Result<()>,
) -> Result<Option<i32>> {
    let end = Instant::now() + limits.total;
    let mut heard = Instant::now();
    let mut verdict = None;
    let mut last = String::from("nothing");
    loop {
        check()?;
        match lines.recv_timeout(LOG_CHECK_EVERY) {
            Ok(line) => {
                heard = Instant::now();
                match line.strip_prefix(VERDICT) {
                    Some(status) => {
                        let status = status.trim().parse();
                        verdict =
                            Some(status.with_context(|| {
                                format!("the verdict {line:?} has no exit status")
                            })?);
                    }
                    None => each_line(&line),
                }
                last = line;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(verdict),
            Err(RecvTimeoutError::Timeout) => {}
        }
        ensure!(
            Instant::now() < end,
            "the guest did not end within {} s; its last line: {last}",
            limits.total.as_secs()
        );
        ensure!(
            heard.elapsed() < limits.silence,
            "the guest printed nothing for {} s; its last line: {last}",
            limits.silence.as_secs()
        );
    }
}

fn line_channel(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            if sender
                .send(text.trim_end_matches(['\r', '\n']).to_owned())
                .is_err()
            {
                return;
            }
            line.clear();
        }
    });
    receiver
}

fn kernel_arguments(mode: &Mode) -> String {
    let mut arguments =
        String::from("loglevel=7 panic=-1 oops=panic mitigations=off transparent_hugepage=madvise");
    match mode {
        Mode::Probe => arguments.push_str(" guest.run=probe"),
        Mode::Demo => arguments.push_str(" guest.run=demo"),
        Mode::Test(filters) => {
            arguments.push_str(" guest.run=test guest.filters=");
            arguments.push_str(&filters.join(","));
        }
        Mode::Stress(options) => {
            arguments.push_str(" guest.run=stress guest.arguments=");
            arguments.push_str(&options.join(","));
        }
        Mode::Bench(options) => {
            arguments.push_str(" guest.run=bench guest.arguments=");
            arguments.push_str(&options.join(","));
        }
        Mode::Plot => arguments.push_str(" guest.run=plot"),
        Mode::Shell => {
            arguments.push_str(" guest.run=shell");
            if let Ok(term) = std::env::var("TERM") {
                arguments.push_str(&format!(" guest.term={term}"));
            }
            if let Some((rows, columns)) = console::Term::stdout().size_checked() {
                arguments.push_str(&format!(" guest.rows={rows} guest.columns={columns}"));
            }
        }
    }
    arguments
}
