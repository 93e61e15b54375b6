// SPDX-License-Identifier: GPL-2.0-only

//! A process that asks `vm_layout` about everybody.

use super::churn::deadline;
use crate::layout;
use crate::proc_file;
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use std::fs::OpenOptions;
use std::io::Read;
use std::time::Instant;

const PAGE: u64 = 4096;

/// For as many seconds as `argument` says: asks about all processes there are, in both forms, while the
/// module may come and go. Whatever is answered is of one moment, or an error that fits.
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
    ensure!(reports > 0, "not one report came");
    std::process::exit(0)
}

/// Whether there was a report.
fn ask(pid: i32, json: bool) -> Result<bool> {
    let errno = |error: &std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    // The module is gone, or goes.
    let gone = [Errno::ENOENT, Errno::EIO, Errno::ENODEV];
    let path = proc_file::VM_LAYOUT.path();
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if gone.contains(&errno(&error)) => return Ok(false),
        Err(error) => bail!("opening failed: {error}"),
    };
    let command = format!("{pid} json={}\n", u8::from(json));
    let written = proc_file::write(&file, command.as_bytes());
    let mut text = Vec::new();
    match file.read_to_end(&mut text).map_err(|error| errno(&error)) {
        Ok(_) => {}
        Err(errno) if gone.contains(&errno) => return Ok(false),
        Err(errno) => bail!("reading failed: {errno}"),
    }
    let kernel_thread: &[u8] = b"[ERROR]: Kernel thread\n";
    match written {
        Ok(_) => {
            let report = match json {
                true => layout::parse_json(&text)?,
                false => layout::parse_text(&text)?,
            };
            one_moment(&report)?;
            Ok(true)
        }
        Err(Errno::EINVAL) if text == kernel_thread => Ok(false),
        Err(Errno::ESRCH) if text.starts_with(b"[ERROR]: ") => Ok(false),
        Err(errno) if gone.contains(&errno) => Ok(false),
        Err(errno) => bail!("failed with {errno}: {}", text.escape_ascii()),
    }
}

/// What holds at each moment, and would not if parts were of different ones.
fn one_moment(report: &layout::Report) -> Result<()> {
    let ascending = report.areas.is_sorted_by(|a, b| a.span.end <= b.span.start);
    ensure!(ascending, "areas overlap: {report:?}");
    let pages: u64 = report.areas.iter().map(|area| area.span.size / PAGE).sum();
    ensure!(
        pages == report.usage["total_vm"],
        "areas have {pages} pages, total_vm is another: {report:?}"
    );
    for entry in report.entries.iter().filter(|entry| entry.index < 256) {
        let mut areas = report.areas.iter().map(|area| area.span);
        ensure!(
            areas.any(|span| span.start <= entry.covers.1 && span.end > entry.covers.0),
            "entry {} covers no area: {report:?}",
            entry.index
        );
    }
    Ok(())
}
