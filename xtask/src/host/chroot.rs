// SPDX-License-Identifier: GPL-2.0-only

//! Running programs inside the Debian root, in namespaces of their own.
//!
//! `cargo xtask enter …` (hidden) does the part that needs root's capabilities, in two processes. The outer one gets
//! new mount and process namespaces and watches over them. The inner one, process 1 there, mounts what the program
//! needs, changes root, drops to the calling user where root is not needed, and runs the program. The mounts end with
//! the namespace, so none is ever left on the host for a removal to go through; the processes end with it too, so
//! nothing that an interrupted run started goes on writing. [`privilege`] finds the source of the capabilities.

use std::ffi::OsString;
use std::os::unix::fs::chroot;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::mount::{mount, MsFlags};
use nix::sched::{unshare, CloneFlags};
use nix::sys::prctl;
use nix::sys::signal::{kill, Signal};
use nix::sys::statvfs::{statvfs, FsFlags};
use nix::unistd::{self, Gid, Pid, Uid};

use crate::host::privilege::{self, Privilege};

/// Environment variables that a program in the root inherits; all others are cleared.
const KEPT_ENVIRONMENT: [&str; 5] = ["TERM", "http_proxy", "https_proxy", "no_proxy", "MAKEFLAGS"];

/// A Debian root with directories bound into it.
pub struct Chroot {
    root: PathBuf,
    privilege: Privilege,
    binds: Vec<OsString>,
}

impl Chroot {
    /// Describes the Debian root in the directory `root`, with no mounts but `/proc`, `/sys`, `/dev` and name resolution.
    pub fn new(root: &Path, privilege: Privilege) -> Self {
        Self {
            root: root.to_owned(),
            privilege,
            binds: Vec::new(),
        }
    }

    /// Makes `outside` visible as `/mnt/<name>`, writable.
    pub fn bind(self, outside: &Path, name: &str) -> Self {
        self.add(outside, name, "rw")
    }

    /// Makes `outside` visible as `/mnt/<name>`, read-only.
    pub fn bind_read_only(self, outside: &Path, name: &str) -> Self {
        self.add(outside, name, "ro")
    }

    fn add(mut self, outside: &Path, name: &str, access: &str) -> Self {
        let mut bind = OsString::from(format!("{access}:{name}:"));
        bind.push(outside);
        self.binds.push(bind);
        self
    }

    /// Returns a command that runs `program` inside the root as the calling user. The caller adds the arguments.
    pub fn command(&self, program: &str) -> Command {
        self.enter(program, false)
    }

    /// Returns a command that runs `program` inside the root as its root user.
    pub fn root_command(&self, program: &str) -> Command {
        self.enter(program, true)
    }

    fn enter(&self, program: &str, as_root: bool) -> Command {
        let mut command = privileged_self(self.privilege);
        command.arg("--root").arg(&self.root);
        for bind in &self.binds {
            command.arg("--bind").arg(bind);
        }
        let (uid, gid) = (unistd::getuid(), unistd::getgid());
        if !as_root && self.privilege == Privilege::Sudo {
            let groups = unistd::getgroups().unwrap_or_default();
            let groups: Vec<_> = groups.iter().map(ToString::to_string).collect();
            command
                .args(["--uid", &uid.to_string(), "--gid", &gid.to_string()])
                .args(["--groups", &groups.join(",")]);
        }
        command.arg("--").arg(program);
        command
    }
}

/// Returns a command that runs `program` on the host as root (or as root of a user namespace), in new mount and process
/// namespaces.
pub fn host_root_command(privilege: Privilege, program: &str) -> Command {
    let mut command = privileged_self(privilege);
    command.arg("--").arg(program);
    command
}

/// Removes the tree `dir` as root, because several users own its files. Does not cross into other file systems.
pub fn remove_tree(dir: &Path) -> Result<()> {
    let status = host_root_command(privilege::get()?, "rm")
        .args(["-rf", "--one-file-system", "--"])
        .arg(dir)
        .stdin(Stdio::null())
        .status()
        .context("cannot run rm")?;
    if !status.success() {
        bail!("cannot remove {}: rm ended with {status}", dir.display());
    }
    Ok(())
}

/// Returns a command that runs the hidden command `enter` of this program with root's capabilities.
fn privileged_self(privilege: Privilege) -> Command {
    let mut command = privilege.command(&KEPT_ENVIRONMENT);
    command
        .arg("enter")
        .arg("--caller")
        .arg(std::process::id().to_string());
    command
}

/// Arguments of the hidden command `enter`, which runs a program in new namespaces.
#[derive(clap::Args)]
pub struct Enter {
    /// Process whose end kills the program
    #[arg(long)]
    caller: i32,
    /// Be process 1 of the new namespaces, not the one that makes them
    #[arg(long)]
    inner: bool,
    /// Change to this root; without it, only the namespaces are new
    #[arg(long)]
    root: Option<PathBuf>,
    /// `ro|rw:<name>:<directory outside>`, shown as /mnt/<name>
    #[arg(long)]
    bind: Vec<String>,
    /// Drop to this user
    #[arg(long, requires = "gid")]
    uid: Option<u32>,
    /// Drop to this group
    #[arg(long)]
    gid: Option<u32>,
    /// Supplementary groups to keep, separated by commas
    #[arg(long, value_delimiter = ',')]
    groups: Vec<u32>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

impl Enter {
    /// Runs the program and returns the exit status.
    pub fn run(self) -> Result<u8> {
        if self.inner {
            self.run_inner()
        } else {
            self.run_outer()
        }
    }

    fn run_outer(self) -> Result<u8> {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)
            .context("cannot create mount and process namespaces")?;
        let mut child = Command::new("/proc/self/exe")
            .args(["enter", "--inner"])
            .args(std::env::args_os().skip(2))
            .spawn()
            .context("cannot start process 1 of the new namespaces")?;
        let caller = Pid::from_raw(self.caller);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status_byte(status));
            }
            // sudo may be the parent, so a parent-death signal does not report the caller's end.
            if kill(caller, None) == Err(Errno::ESRCH) {
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn run_inner(self) -> Result<u8> {
        mount_at(None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE)
            .context("cannot make the mount namespace private")?;
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]);
        match &self.root {
            Some(root) => {
                self.mount_all(root)?;
                chroot(root)
                    .with_context(|| format!("cannot change root to {}", root.display()))?;
                std::env::set_current_dir("/")?;
                clear_environment(&mut command);
            }
            None => mount_proc(Path::new("/proc"))?,
        }
        if let (Some(uid), Some(gid)) = (self.uid, self.gid) {
            let groups: Vec<_> = self.groups.iter().copied().map(Gid::from_raw).collect();
            unistd::setgroups(&groups)?;
            unistd::setgid(Gid::from_raw(gid))?;
            unistd::setuid(Uid::from_raw(uid))?;
        }
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        let program = self.program[0].to_string_lossy();
        let status = command
            .status()
            .with_context(|| format!("cannot run {program}"))?;
        Ok(status_byte(status))
    }

    fn mount_all(&self, root: &Path) -> Result<()> {
        mount_proc(&root.join("proc"))?;
        for dir in ["/sys", "/dev"] {
            bind(Path::new(dir), &root.join(&dir[1..]))?;
        }
        for dir in ["tmp", "mnt"] {
            let target = root.join(dir);
            mount(
                Some("tmpfs"),
                &target,
                Some("tmpfs"),
                MsFlags::empty(),
                Some("mode=1777"),
            )
            .with_context(|| format!("cannot mount a tmpfs on {}", target.display()))?;
        }
        for file in ["etc/resolv.conf", "etc/hosts"] {
            let outside = Path::new("/").join(file);
            if outside.exists() && root.join(file).is_file() {
                bind(&outside, &root.join(file))?;
            }
        }
        for spec in &self.bind {
            let mut parts = spec.splitn(3, ':');
            let (Some(access), Some(name), Some(outside)) =
                (parts.next(), parts.next(), parts.next())
            else {
                bail!("--bind {spec}: not of the form ro|rw:<name>:<directory>");
            };
            let target = root.join("mnt").join(name);
            std::fs::create_dir(&target)?;
            bind(Path::new(outside), &target)?;
            if access == "ro" {
                let flags = MsFlags::MS_BIND
                    | MsFlags::MS_REMOUNT
                    | MsFlags::MS_RDONLY
                    | locked_flags(&target)?;
                mount_at(None, &target, None, flags)
                    .with_context(|| format!("cannot make {} read-only", target.display()))?;
            }
        }
        Ok(())
    }
}

fn clear_environment(command: &mut Command) {
    command.env_clear();
    for name in KEPT_ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/tmp")
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive");
}

/// Returns a status as a shell reports it: 128 plus the number of the signal for a program that a signal killed.
fn status_byte(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}

fn mount_proc(target: &Path) -> Result<()> {
    mount_at(
        Some(Path::new("proc")),
        target,
        Some("proc"),
        MsFlags::empty(),
    )
    .with_context(|| format!("cannot mount proc on {}", target.display()))
}

fn bind(outside: &Path, target: &Path) -> Result<()> {
    mount_at(
        Some(outside),
        target,
        None,
        MsFlags::MS_BIND | MsFlags::MS_REC,
    )
    .with_context(|| format!("cannot bind {} to {}", outside.display(), target.display()))
}

/// Returns the flags of the mount at `target` that a remount in a user namespace has to keep.
///
/// The kernel locks these flags (mount_namespaces(7)): a remount without one of them fails with EPERM.
fn locked_flags(target: &Path) -> Result<MsFlags> {
    let mounted = statvfs(target)
        .with_context(|| format!("cannot read the mount flags of {}", target.display()))?
        .flags();
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let kept = pairs.iter().filter(|(flag, _)| mounted.contains(*flag));
    Ok(kept.map(|(_, flag)| *flag).collect())
}

fn mount_at<T: nix::NixPath + ?Sized>(
    source: Option<&Path>,
    target: &T,
    kind: Option<&str>,
    flags: MsFlags,
) -> nix::Result<()> {
    mount(source, target, kind, flags, None::<&str>)
}
