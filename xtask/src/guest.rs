//! The guest: a stock kernel in QEMU, what it is told to do, and whether that went well.
//!
//! The kernel's log and the guest's own output travel on two serial ports, so that neither garbles the other.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure, Context, Result};

use crate::accelerator::Accelerator;
use crate::complaints::complaints;
use crate::kernel::Kernel;
use crate::root::Root;

const PROCESSORS: &str = "2";
const MEMORY: &str = "2G";
const CONSOLE_LOG: &str = "console.log";
const MONITOR: &str = "monitor";
/// What a guest prints last, followed by an exit status.
const VERDICT: &str = "VERDICT ";

/// What the guest is to do.
pub enum Mode {
    /// Say that it is there.
    Probe,
    /// Play the statement's Listing 2.
    Demo,
    /// Run the tests whose names contain the filter.
    Test(Option<String>),
    /// Give the user a shell.
    Shell,
}

/// How long a guest may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// In all.
    pub total: Duration,
    /// Without a line of output.
    pub silence: Duration,
}

/// A guest that can be booted.
pub struct Machine<'a> {
    /// The tools to boot it with.
    pub root: &'a Root,
    /// The kernel to boot.
    pub kernel: &'a Kernel,
    /// A directory that holds the initramfs.
    pub files: PathBuf,
    /// The name of the initramfs there.
    pub initramfs: String,
    /// Where the logs go.
    pub logs: PathBuf,
}

impl Machine<'_> {
    /// Boots and waits until the guest is done; returns its verdict. `each_line` gets what it prints.
    ///
    /// Fails when the guest gives no verdict in time, or when its kernel complained, whatever the verdict says.
    pub fn run(
        &self,
        accelerator: Accelerator,
        mode: &Mode,
        limits: Limits,
        mut each_line: impl FnMut(&str),
    ) -> Result<i32> {
        let mut command = self.qemu(accelerator, mode, "stdio,id=guest,signal=off");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.qemu_log()?)
            .spawn()
            .context("cannot start QEMU")?;
        let lines = line_channel(child.stdout.take().context("QEMU's output is a pipe")?);
        let ended = follow(&lines, limits, &mut each_line);
        if ended.is_err() {
            self.stop(&mut child);
        }
        let status = child.wait()?;
        let verdict = ended.and_then(|verdict| {
            verdict.with_context(|| {
                format!(
                    "the guest ended without a verdict (QEMU ended with {status}); {}",
                    self.last_lines()
                )
            })
        });
        match (self.check_kernel_log(), verdict) {
            (Ok(()), verdict) => {
                verdict.map_err(|end| anyhow!("{end:#}; {}", self.describe_logs()))
            }
            (Err(complaints), Ok(_)) => Err(complaints),
            (Err(complaints), Err(end)) => Err(complaints.context(end.to_string())),
        }
    }

    /// Boots with the guest's shell on this terminal; returns when the user leaves it.
    pub fn interact(&self, accelerator: Accelerator) -> Result<()> {
        // A second way out (Ctrl-A X), in case that the guest hangs.
        let mut command = self.qemu(
            accelerator,
            &Mode::Shell,
            "stdio,id=guest,signal=off,mux=on",
        );
        let status = command
            .stderr(self.qemu_log()?)
            .status()
            .context("cannot start QEMU")?;
        self.check_kernel_log()?;
        ensure!(
            status.success(),
            "QEMU ended with {status}; {}",
            self.describe_logs()
        );
        Ok(())
    }

    fn qemu(&self, accelerator: Accelerator, mode: &Mode, terminal: &str) -> Command {
        let chroot = self
            .kernel
            .chroot(self.root)
            .bind(&self.files, "files")
            .bind(&self.logs, "logs");
        let mut command = chroot.command("qemu-system-x86_64");
        command
            .args(accelerator.options())
            .args(["-smp", PROCESSORS, "-m", MEMORY])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .arg("-serial")
            .arg(format!("file:/mnt/logs/{CONSOLE_LOG}"))
            .args(["-chardev", terminal, "-serial", "chardev:guest"])
            .arg("-monitor")
            .arg(format!("unix:/mnt/files/{MONITOR},server=on,wait=off"))
            .args(["-kernel", &self.kernel.image()])
            .args(["-initrd", &format!("/mnt/files/{}", self.initramfs)])
            .args(["-append", &kernel_arguments(mode)]);
        command
    }

    fn qemu_log(&self) -> Result<std::fs::File> {
        let path = self.logs.join("qemu.log");
        std::fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))
    }

    /// Ends a QEMU that is under way. It may be sudo's child, which no signal of ours reaches.
    fn stop(&self, child: &mut Child) {
        let quit = UnixStream::connect(self.files.join(MONITOR))
            .and_then(|mut monitor| monitor.write_all(b"quit\n"));
        if quit.is_err() {
            // It may have ended meanwhile, which is what is wanted.
            let _ = child.kill();
        }
    }

    fn kernel_log(&self) -> String {
        std::fs::read(self.logs.join(CONSOLE_LOG))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn check_kernel_log(&self) -> Result<()> {
        let log = self.kernel_log();
        let found = complaints(&log);
        ensure!(
            found.is_empty(),
            "the guest's kernel complained:\n  {}\n  {}",
            found.join("\n  "),
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
        format!(
            "logs: {} (kernel), {} (QEMU)",
            self.logs.join(CONSOLE_LOG).display(),
            self.logs.join("qemu.log").display()
        )
    }
}

/// Passes on the guest's lines until they end; returns the verdict among them, if there was one.
fn follow(
    lines: &Receiver<String>,
    limits: Limits,
    each_line: &mut impl FnMut(&str),
) -> Result<Option<i32>> {
    let end = Instant::now() + limits.total;
    let mut verdict = None;
    let mut last = String::from("nothing");
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left.min(limits.silence)) {
            Ok(line) => {
                match line.strip_prefix(VERDICT) {
                    Some(status) => {
                        let status = status.trim().parse();
                        verdict = Some(status.with_context(|| format!("not a verdict: {line:?}"))?);
                    }
                    None => each_line(&line),
                }
                last = line;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(verdict),
            Err(RecvTimeoutError::Timeout) if left <= limits.silence => bail!(
                "the guest was not done after {} s; the last it said: {last}",
                limits.total.as_secs()
            ),
            Err(RecvTimeoutError::Timeout) => bail!(
                "the guest was silent for {} s; the last it said: {last}",
                limits.silence.as_secs()
            ),
        }
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
    let mut arguments = String::from(
        "console=ttyS0 loglevel=7 panic=-1 oops=panic mitigations=off tsc=reliable transparent_hugepage=madvise",
    );
    match mode {
        Mode::Probe => arguments.push_str(" guest.run=probe"),
        Mode::Demo => arguments.push_str(" guest.run=demo"),
        Mode::Test(filter) => {
            arguments.push_str(" guest.run=test");
            if let Some(filter) = filter {
                arguments.push_str(&format!(" guest.filter={filter}"));
            }
        }
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
