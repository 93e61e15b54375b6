// SPDX-License-Identifier: GPL-2.0-only

//! The source of the capabilities that a Debian root needs: mounts, `chroot`, files of several owners.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{bail, Result};
use nix::fcntl::{fcntl, FcntlArg, FdFlag};
use nix::unistd;

/// The source of root's capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// The caller is root.
    Root,
    /// A user namespace in which the caller is root, with the ids of `/etc/subuid` and `/etc/subgid` mapped too.
    UserNamespace,
    /// The program sudo, which may ask for a password.
    Sudo,
}

/// Options of `unshare(1)` that map the caller to root and the caller's subordinate ids to the ids after it.
const UNSHARE: [&str; 4] = ["--user", "--map-root-user", "--map-auto", "--"];

const NO_PRIVILEGE: &str =
    "the Debian root with the tools needs one of these: unprivileged user namespaces (packages \
    uidmap and util-linux, a line for the user in /etc/subuid and /etc/subgid), sudo, or root";

/// Returns the source that this machine allows: the caller if it is root, else a user namespace, else sudo. The first
/// call tries them; later calls return the same answer.
pub fn get() -> Result<Privilege> {
    static FOUND: OnceLock<Option<Privilege>> = OnceLock::new();
    match FOUND.get_or_init(find) {
        Some(found) => Ok(*found),
        None => bail!("{NO_PRIVILEGE}"),
    }
}

fn find() -> Option<Privilege> {
    if unistd::geteuid().is_root() {
        return Some(Privilege::Root);
    }
    let mut probe = Privilege::UserNamespace.command(&[]);
    probe
        .args([
            "enter",
            "--caller",
            &std::process::id().to_string(),
            "--",
            "true",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Some(Privilege::UserNamespace);
    }
    // Ask for the password now: a progress line would hide the prompt later.
    let sudo = Command::new("sudo").arg("--validate").status();
    sudo.is_ok_and(|status| status.success())
        .then_some(Privilege::Sudo)
}

impl Privilege {
    /// Returns this program with root's capabilities; sudo leaves it the variables `environment`.
    pub fn command(self, environment: &[&str]) -> Command {
        // Through /proc, because cargo may have replaced the file that this process was started from.
        let this = format!("/proc/{}/exe", std::process::id());
        match self {
            Privilege::Root => Command::new(this),
            Privilege::UserNamespace => {
                let mut command = Command::new("unshare");
                command.args(UNSHARE).arg(inherited_self().unwrap_or(this));
                command
            }
            Privilege::Sudo => {
                let mut command = Command::new("sudo");
                command
                    .arg(format!("--preserve-env={}", environment.join(",")))
                    .arg(this);
                command
            }
        }
    }
}

/// Returns a path by which a child of this process finds this program. A process in a user namespace may not follow
/// `/proc/<pid>/exe` of a process outside, so the child inherits an open file.
fn inherited_self() -> Option<String> {
    static FILE: OnceLock<Option<File>> = OnceLock::new();
    let open = || {
        let file = File::open("/proc/self/exe").ok()?;
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).ok()?;
        Some(file)
    };
    let file = FILE.get_or_init(open).as_ref()?;
    Some(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
