// SPDX-License-Identifier: GPL-2.0-only

//! Commands: malformed input, errors, who may use the file, and which answer a reader gets.

use super::load::{unused_pid, Zombie, KTHREADD};
use crate::case::{cases, check_eq, check_text};
use crate::helper::Helper;
use crate::kernel::log::KernelLog;
use crate::module::VM_LAYOUT;
use crate::privileges::{open_as_nobody, open_in_other_pid_namespace};
use crate::shell::{bash, Session};
use crate::vm_layout::{self, BAD_ADDRESS, INVALID, NO_PROCESS};
use anyhow::Result;
use nix::errno::Errno;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

cases! {
    malformed_input,
    processes_without_memory,
    bad_pointers,
    each_shell_reads_its_own_answer,
    the_file_has_the_mode_of_the_parameter,
    other_users_and_namespaces_may_not_open_the_file,
}

/// Whole answer to a command about a kernel thread.
const KERNEL_THREAD: &str = "[ERROR]: Kernel thread\n";
/// Whole answer to a command about a zombie.
const EXITED: &str = "[ERROR]: Process has exited\n";

/// Requires that a command fails with this error number, answer and line in the kernel log.
fn fails(command: &[u8], errno: Errno, message: &str) -> Result<()> {
    let what = format!("\"{}\"", command[..command.len().min(80)].escape_ascii());
    let mut log = KernelLog::from_now()?;
    let reply = vm_layout::FILE.ask(command)?;
    check_eq(&what, reply.write, Err(errno))?;
    check_text(&what, reply.text, message)?;
    let expected = format!("vm_layout: {}", message.trim_end());
    check_eq(&what, log.errors()?, vec![expected])
}

fn malformed_input() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let commands: [&[u8]; 32] = [
        b"\n",
        b" ",
        b"0",
        b"0\n",
        b"00\n",
        b"01\n",
        b"-1\n",
        b"+1\n",
        b" 1\n",
        b"1 \n",
        b"1\n\n",
        b"1\n1\n",
        b"\n1",
        b"1\r\n",
        b"1\0",
        b"1\0\n",
        b"\0",
        b"0x1\n",
        b"1.0\n",
        b"1,2\n",
        b"self\n",
        b"ALL\n",
        b"1 json\n",
        b"1 json=\n",
        b"1 json=2\n",
        b"1 json=01\n",
        b"1  json=1\n",
        b"1 json=1 \n",
        b"1 JSON=1\n",
        b"json=1 1\n",
        b"json=1\n",
        b"\xff\xfe\n",
    ];
    for command in commands {
        fails(command, Errno::EINVAL, INVALID)?;
    }
    for length in [65, 4096, 4097, 1 << 20] {
        fails(&vec![b'1'; length], Errno::EINVAL, INVALID)?;
    }
    fails(&[b'9'; 64], Errno::ESRCH, NO_PROCESS)?;
    let own = std::process::id() as i32;
    for command in [
        format!("{own}"),
        format!("{own}\n"),
        format!("{own} json=0\n"),
    ] {
        let answer = vm_layout::FILE.answer(&command)?;
        check_eq(&command, vm_layout::parse_text(&answer)?.pid, own)?;
    }
    Ok(())
}

fn processes_without_memory() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    for command in [
        format!("{}", unused_pid()?),
        "4194305".into(),
        "2147483648".into(),
        "4294967297".into(),
        "18446744073709551617".into(),
    ] {
        fails(command.as_bytes(), Errno::ESRCH, NO_PROCESS)?;
    }
    fails(
        format!("{KTHREADD}\n").as_bytes(),
        Errno::EINVAL,
        KERNEL_THREAD,
    )?;
    let zombie = Zombie::make()?;
    let pid = zombie.pid();
    fails(format!("{pid} json=1\n").as_bytes(), Errno::ESRCH, EXITED)?;
    drop(zombie);
    fails(format!("{pid}\n").as_bytes(), Errno::ESRCH, NO_PROCESS)
}

fn bad_pointers() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let file = vm_layout::FILE.open()?;
    for count in [1, 64] {
        let unmapped = std::ptr::without_provenance(8);
        // SAFETY: By the contract of write(2), it checks the address and only reads.
        let written = Errno::result(unsafe { libc::write(file.as_raw_fd(), unmapped, count) });
        check_eq(
            "writing from an address that is not mapped",
            written,
            Err(Errno::EFAULT),
        )?;
        check_text("the answer", vm_layout::FILE.read()?, BAD_ADDRESS)?;
    }
    Ok(())
}

fn each_shell_reads_its_own_answer() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let (first, second) = (
        Helper::worker("first", "plain", None)?,
        Helper::worker("second", "plain", None)?,
    );
    let (mut a, mut b) = (Session::start()?, Session::start()?);
    a.run(&format!("echo {} > /proc/vm_layout", first.pid()))?;
    b.run(&format!("echo '{} json=1' > /proc/vm_layout", second.pid()))?;
    for _ in 0..3 {
        let of_a = vm_layout::parse_text(a.run("cat /proc/vm_layout")?.as_bytes())?;
        let of_b = vm_layout::parse_json(b.run("cat /proc/vm_layout")?.as_bytes())?;
        check_text("shell a", of_a.name, "first")?;
        check_text("shell b", of_b.name, "second")?;
    }
    a.end()?;
    b.end()?;
    let line = bash(&format!(
        "echo {} > /proc/vm_layout && head -n 1 /proc/vm_layout",
        first.pid()
    ))?;
    check_text(
        "the first line of the report",
        line,
        format!("process {} (first)\n", first.pid()),
    )
}

fn the_file_has_the_mode_of_the_parameter() -> Result<()> {
    for (parameters, mode) in [("", 0o600), ("mode=0640", 0o640), ("pid=1", 0o600)] {
        let module = VM_LAYOUT.load_with(parameters)?;
        let file = std::fs::metadata(VM_LAYOUT.proc_path())?;
        check_eq(parameters, file.mode() & 0o7777, mode)?;
        check_eq("owner", (file.uid(), file.gid()), (0, 0))?;
        module.unload()?;
    }
    Ok(())
}

fn other_users_and_namespaces_may_not_open_the_file() -> Result<()> {
    let file = vm_layout::FILE;
    let module = VM_LAYOUT.load()?;
    check_eq(
        "opening without privileges",
        open_as_nobody(&file)?,
        Err(Errno::EACCES),
    )?;
    let elsewhere = open_in_other_pid_namespace(&file)?;
    check_eq(
        "opening in another pid namespace",
        elsewhere,
        Err(Errno::EPERM),
    )?;
    module.unload()?;
    let _module = VM_LAYOUT.load_with("mode=0666")?;
    check_eq(
        "opening without privileges with mode=0666",
        open_as_nobody(&file)?,
        Err(Errno::EPERM),
    )
}
