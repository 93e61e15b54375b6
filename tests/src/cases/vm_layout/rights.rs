// SPDX-License-Identifier: GPL-2.0-only

//! Who may see what: capabilities decide, whatever the permission bits of the file are.

use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::module::VM_LAYOUT;
use crate::privileges::{become_nobody_with, has_capability, without_capabilities, Capability};
use crate::vm_layout::{self, Report};
use anyhow::{ensure, Context, Result};
use guest::child::{self, errno_of, Outcome};
use nix::errno::Errno;
use std::fs::File;
use std::io::{self, Read, Write};

cases! {
    root_without_cap_sys_ptrace_may_not_open,
    a_descriptor_that_was_passed_on_is_not_enough,
    frames_are_hidden_without_cap_sys_admin,
    frames_are_hidden_if_the_opener_may_not_see_them,
    a_user_with_cap_sys_ptrace_asks_for_itself,
    another_users_report_is_not_read,
}

const NOT_PERMITTED: &str = "[ERROR]: Operation not permitted\n";

fn root_without_cap_sys_ptrace_may_not_open() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let opened = child::run(|| {
        without_capabilities(&[Capability::SysPtrace])?;
        vm_layout::FILE.try_open().map(drop)
    })?;
    check_eq("opening without CAP_SYS_PTRACE", opened, Err(Errno::EPERM))?;
    let opened = child::run(|| {
        without_capabilities(&[Capability::SysPtrace])?;
        File::open("/proc/vm_layout").map(drop).map_err(errno_of)
    })?;
    check_eq("opening for reading only", opened, Err(Errno::EPERM))
}

fn a_descriptor_that_was_passed_on_is_not_enough() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let (written, text) = child::capture(|to| {
        let mut file = vm_layout::FILE.try_open()?;
        without_capabilities(&[Capability::SysPtrace])?;
        let written = command_file::write(&file, b"1\n");
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        to.write_all(&text)?;
        written.map(drop).map_err(io::Error::from)
    })?;
    let errno = written.map_err(errno_of);
    check_eq("writing without CAP_SYS_PTRACE", errno, Err(Errno::EPERM))?;
    check_text("the answer", text, NOT_PERMITTED)
}

/// Asks about process 1 through this file and returns the answer.
fn ask(mut file: File, to: &mut File) -> io::Result<()> {
    command_file::write(&file, b"1\n")?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    to.write_all(&text)
}

/// Requires that a report shows the page table's entries without addresses.
fn hides_frames(text: &[u8]) -> Result<Report> {
    let report = vm_layout::parse_text(text)?;
    ensure!(
        report.entries.len() > 3 && report.entries.iter().all(|entry| entry.table == 0),
        "the entries must have no address: {:?}",
        report.entries
    );
    for entry in &report.entries {
        check_eq("the first flag", entry.flags[0].as_str(), "PRESENT")?;
    }
    Ok(report)
}

fn frames_are_hidden_without_cap_sys_admin() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let whole = vm_layout::parse_text(&vm_layout::FILE.answer("1\n")?)?;
    ensure!(
        whole.entries.iter().all(|entry| entry.table != 0),
        "root must see addresses: {:?}",
        whole.entries
    );
    for after_opening in [false, true] {
        let (asked, text) = child::capture(|to| {
            let file = after_opening.then(|| vm_layout::FILE.try_open());
            without_capabilities(&[Capability::SysAdmin])?;
            ask(file.unwrap_or_else(|| vm_layout::FILE.try_open())?, to)
        })?;
        asked.context("asking without CAP_SYS_ADMIN")?;
        let report = hides_frames(&text)?;
        let numbers = |report: &Report| -> Vec<usize> {
            report.entries.iter().map(|entry| entry.index).collect()
        };
        check_eq("the used entries", numbers(&report), numbers(&whole))?;
    }
    Ok(())
}

fn frames_are_hidden_if_the_opener_may_not_see_them() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let (asked, text) = child::capture(|to| {
        has_capability(Capability::SysAdmin, false)?;
        let file = vm_layout::FILE.try_open()?;
        has_capability(Capability::SysAdmin, true)?;
        ask(file, to)
    })?;
    asked?;
    hides_frames(&text).map(drop)
}

fn a_user_with_cap_sys_ptrace_asks_for_itself() -> Result<()> {
    let _module = VM_LAYOUT.load_with("mode=0666")?;
    let (asked, text) = child::capture(|to| {
        become_nobody_with(Capability::SysPtrace)?;
        ask(vm_layout::FILE.try_open()?, to)
    })?;
    asked?;
    hides_frames(&text).map(drop)
}

fn another_users_report_is_not_read() -> Result<()> {
    let _module = VM_LAYOUT.load_with("mode=0666")?;
    let own = vm_layout::FILE.answer("1\n")?;
    ensure!(!own.is_empty(), "root reads its own report");
    // The children are relatives of the writer.
    let read = |privileges: fn() -> Outcome| -> Result<Vec<u8>> {
        let (read, text) = child::capture(|to| {
            privileges()?;
            to.write_all(&vm_layout::FILE.read().map_err(io::Error::other)?)
        })?;
        read?;
        Ok(text)
    };
    check_text("read by root's child", read(|| Ok(()))?, &own)?;
    let text = read(|| become_nobody_with(Capability::SysPtrace))?;
    check_text("read by another user", text, "")
}
