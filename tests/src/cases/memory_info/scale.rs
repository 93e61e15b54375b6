// SPDX-License-Identifier: GPL-2.0-only

//! Many processes with the same name, many names, and many commands at once.

use super::descriptor::read_in_pieces;
use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::helper::crowd::crowd;
use crate::helper::Helper;
use crate::memory_info;
use crate::memory_info::oracle;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Result};
use guest::child;
use guest::listing::Line;
use nix::errno::Errno;
use nix::sys::wait::{waitpid, WaitStatus};
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

cases! {
    many_processes_of_one_name (240 s),
    many_names (240 s),
    concurrent_resets_share_scans (120 s),
}

/// Number of processes, limited by 2 GiB of memory and an emulated processor.
const MANY: usize = 1500;

/// Requires that a new file reads as `text`, with reads of any size.
fn same_in_pieces(text: &[u8]) -> Result<()> {
    for size in [1, 7, 4096, 1 << 20] {
        let read = read_in_pieces(&File::open(memory_info::PATH)?, size)?;
        ensure!(
            read == text,
            "{} bytes in reads of {size} bytes differ from the answer",
            read.len()
        );
    }
    Ok(())
}

fn many_processes_of_one_name() -> Result<()> {
    let crowd = crowd(&[1, 1, 2], (0..MANY).map(|_| "crowd".into()))?;
    let _module = MEMORY_INFO.load()?;
    let lines = oracle::agree_on(&["crowd"])?;
    check_eq("sets", lines.len(), 1)?;
    check_eq("processes of the set", lines[0].pids.len(), MANY)?;
    ensure!(
        lines[0].may_be_shared >= 3 * MANY as u64,
        "three data pages of each process may be shared, but only {} may be",
        lines[0].may_be_shared
    );
    let mut pids: Vec<i32> = crowd.iter().map(Helper::pid).collect();
    pids.sort_unstable();
    check_eq("pids", &lines[0].pids, &pids)?;
    let text = memory_info::filter("crowd")?;
    same_in_pieces(&text)
}

fn many_names() -> Result<()> {
    let name = |index: usize| format!("name-{index:04}");
    let crowd = crowd(&[1, 1, 2], (0..MANY).map(name))?;
    let _module = MEMORY_INFO.load()?;
    let lines = memory_info::all()?;
    let text = memory_info::answer("ALL\n")?;
    same_in_pieces(&text)?;
    let ours: Vec<&Line> = lines
        .iter()
        .filter(|line| line.name.starts_with(b"name-"))
        .collect();
    check_eq("sets", ours.len(), MANY)?;
    ours.iter().try_for_each(|line| line.check())?;
    for (index, helper) in crowd.iter().enumerate().step_by(97) {
        let line = memory_info::line_of(name(index))?;
        check_eq(
            &format!("the pids of {}", name(index)),
            line.pids,
            vec![helper.pid()],
        )?;
    }
    // Deleting every second set leaves the others.
    for index in (0..MANY).step_by(2) {
        let answer = memory_info::answer(format!("DEL|{}\n", name(index)))?;
        check_text(
            &format!("DEL|{}", name(index)),
            answer,
            memory_info::SUCCESS,
        )?;
    }
    let left: Vec<Line> = memory_info::all()?;
    check_eq(
        "sets after deleting half of them",
        left.len(),
        lines.len() - MANY / 2,
    )?;
    oracle::agree_on(&["name-0000", "name-0777", "name-1499"]).map(drop)
}

/// RESETs that wait at the same time cost two scans at most.
fn concurrent_resets_share_scans() -> Result<()> {
    const CONCURRENT: u32 = 16;
    let pages: Vec<u8> = (0..64).collect();
    let _crowd = crowd(&pages, (0..400).map(|_| "crowd".into()))?;
    let _module = MEMORY_INFO.load()?;
    let start = Instant::now();
    for _ in 0..4 {
        memory_info::reset()?;
    }
    let single = start.elapsed() / 4;

    let (mut wait, mut go) = child::pipe()?;
    let mut children = Vec::new();
    for _ in 0..CONCURRENT {
        let file = memory_info::open()?;
        children.push(child::start(|| {
            wait.read_exact(&mut [0]).map_err(|_| Errno::EPIPE)?;
            command_file::write(&file, b"RESET\n").map(drop)
        })?);
    }
    let start = Instant::now();
    go.write_all(&[0; CONCURRENT as usize])?;
    for child in children {
        let status = waitpid(child, None)?;
        ensure!(
            matches!(status, WaitStatus::Exited(_, 0)),
            "a concurrent RESET failed: {status:?}"
        );
    }
    let together = start.elapsed();
    // The limit is high, since without sharing this takes sixteen times as long as one RESET.
    ensure!(
        together < 6 * single + Duration::from_millis(50),
        "{CONCURRENT} concurrent RESETs took {together:?}, one takes {single:?}"
    );
    Ok(())
}
