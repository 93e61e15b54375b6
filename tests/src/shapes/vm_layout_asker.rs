// SPDX-License-Identifier: GPL-2.0-only

//! A process that asks `vm_layout` about all processes.

use super::churn::deadline;
use super::MODULE_IS_GONE;
use crate::command_file;
use crate::vm_layout;
use anyhow::{bail, ensure, Context, Result};
use guest::child::errno_of;
use nix::errno::Errno;
use std::io::Read;
use std::time::Instant;

/// Size of a page in bytes.
const PAGE: u64 = 4096;

/// Asks for reports about all processes, in both forms, while the module may be loaded and unloaded. Requires consistent
/// reports, or errors that fit. Exits with success after `argument` seconds.
pub fn asker(argument: &str) -> Result<()> {
    let end = deadline(argument)?;
    let (mut reports, mut form) = (0, 0);
    while Instant::now() < end {
        let listed = std::fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        for pid in listed.collect::<Vec<i32>>() {
            form += 1;
            let answered = ask(pid, form % 2 == 0);
            reports += u32::from(answered.with_context(|| format!("process {pid}"))?);
            if Instant::now() >= end {
                break;
            }
        }
    }
    ensure!(reports > 0, "no report came");
    std::process::exit(0)
}

/// Asks for a report about the process `pid` and returns true if it came.
fn ask(pid: i32, json: bool) -> Result<bool> {
    let mut file = match vm_layout::FILE.try_open() {
        Ok(file) => file,
        Err(errno) if MODULE_IS_GONE.contains(&errno) => return Ok(false),
        Err(errno) => bail!("opening failed: {errno}"),
    };
    let command = format!("{pid} json={}\n", u8::from(json));
    let written = command_file::write(&file, command.as_bytes());
    let mut text = Vec::new();
    match file.read_to_end(&mut text).map_err(errno_of) {
        Ok(_) => {}
        Err(errno) if MODULE_IS_GONE.contains(&errno) => return Ok(false),
        Err(errno) => bail!("reading failed: {errno}"),
    }
    let kernel_thread: &[u8] = b"[ERROR]: Kernel thread\n";
    match written {
        Ok(_) => {
            let report = match json {
                true => vm_layout::parse_json(&text)?,
                false => vm_layout::parse_text(&text)?,
            };
            check_consistent(&report)?;
            Ok(true)
        }
        Err(Errno::EINVAL) if text == kernel_thread => Ok(false),
        Err(Errno::ESRCH) if text.starts_with(b"[ERROR]: ") => Ok(false),
        Err(errno) if MODULE_IS_GONE.contains(&errno) => Ok(false),
        Err(errno) => bail!("failed with {errno}: {}", text.escape_ascii()),
    }
}

/// Checks what holds for any snapshot of a process, and might not hold if parts of the report were of different moments.
fn check_consistent(report: &vm_layout::Report) -> Result<()> {
    let ascending = report.areas.is_sorted_by(|a, b| a.span.end <= b.span.start);
    ensure!(ascending, "areas overlap: {report:?}");
    let pages: u64 = report.areas.iter().map(|area| area.span.size / PAGE).sum();
    ensure!(
        pages == report.usage["total_vm"],
        "the areas have {pages} pages, which is not total_vm: {report:?}"
    );
    for entry in report.entries.iter().filter(|entry| entry.index < 256) {
        let mut areas = report.areas.iter().map(|area| area.span);
        ensure!(
            areas.any(|span| span.start <= entry.covers.1 && span.end > entry.covers.0),
            "entry {} does not cover any area: {report:?}",
            entry.index
        );
    }
    Ok(())
}
