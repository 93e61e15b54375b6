// SPDX-License-Identifier: GPL-2.0-only

//! The example of the module's task (docs/tasks.md), and what holds for the answers to ALL and FILTER.

use crate::case::{cases, check_eq, check_text};
use crate::helper::Helper;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use crate::shell;
use anyhow::{ensure, Result};
use guest::listing;
use std::collections::HashSet;

cases! {
    the_example_of_the_task,
    empty_before_the_first_command,
    all_is_well_formed,
    filter_answers_with_the_line_of_all,
    only_load_and_reset_scan,
    del_lasts_until_reset,
    the_newline_may_be_missing,
}

fn the_example_of_the_task() -> Result<()> {
    let sshd = [(); 3].map(|()| Helper::worker("sshd", "plain", None));
    let sshd = sshd.into_iter().collect::<Result<Vec<_>>>()?;
    let _cron = Helper::worker("cron", "plain", None)?;
    let _module = MEMORY_INFO.load()?;
    let printed = shell::bash(
        r#"
        # Display the memory information of all processes
        echo "ALL" > /proc/memory_info && cat /proc/memory_info
        echo --
        # Search and display the memory information of "sshd" processes
        echo "FILTER|sshd" > /proc/memory_info && cat /proc/memory_info
        echo --
        # Search and delete the memory information of "sshd" processes
        echo "DEL|sshd" > /proc/memory_info && cat /proc/memory_info
        echo --
        # Does not exist anymore, so we should have an error
        echo "FILTER|sshd" > /proc/memory_info && cat /proc/memory_info
        echo --
        # Reset the data structure and populate it with the name of
        # all currently running processes and their memory information
        echo "RESET" > /proc/memory_info && cat /proc/memory_info
        echo --
        echo "FILTER|sshd" > /proc/memory_info && cat /proc/memory_info
        "#,
    )?;
    let parts: Vec<&str> = printed.split("--\n").collect();
    check_eq("the number of answers", parts.len(), 6)?;
    let all = listing::parse(parts[0].as_bytes())?;
    let sets: Vec<_> = all.iter().filter(|line| line.name == b"sshd").collect();
    check_eq("the number of lines of sshd in ALL", sets.len(), 1)?;
    ensure!(
        all.iter().any(|line| line.name == b"cron"),
        "ALL does not list cron:\n{}",
        parts[0]
    );
    check_text("FILTER|sshd", parts[1], sets[0].print())?;
    let mut pids: Vec<i32> = sshd.iter().map(Helper::pid).collect();
    pids.sort_unstable();
    check_eq("the pids of sshd", &sets[0].pids, &pids)?;
    check_text("DEL|sshd", parts[2], memory_info::SUCCESS)?;
    check_text("FILTER|sshd after DEL", parts[3], memory_info::NO_PROCESS)?;
    check_text("RESET", parts[4], memory_info::SUCCESS)?;
    check_text("FILTER|sshd after RESET", parts[5], sets[0].print())
}

fn empty_before_the_first_command() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    check_text(
        "the file before the first command",
        memory_info::read()?,
        "",
    )
}

fn all_is_well_formed() -> Result<()> {
    let helpers = ["one", "two", "two", "three"].map(|comm| Helper::worker(comm, "plain", None));
    let _helpers = helpers.into_iter().collect::<Result<Vec<_>>>()?;
    let _module = MEMORY_INFO.load()?;
    let lines = memory_info::all()?;
    let (mut names, mut pids) = (HashSet::new(), HashSet::new());
    for line in &lines {
        line.check()?;
        ensure!(
            names.insert(&line.name),
            "two lines for {}",
            line.name.escape_ascii()
        );
        for pid in &line.pids {
            ensure!(pids.insert(*pid), "pid {pid} is listed twice");
        }
    }
    ensure!(
        lines.is_sorted_by_key(|line| line.pids[0]),
        "sets are not ordered by their lowest pid"
    );
    ensure!(pids.contains(&1), "process 1 is missing");
    ensure!(
        pids.contains(&(std::process::id() as i32)),
        "this process is missing"
    );
    ensure!(!pids.contains(&2), "the kernel thread kthreadd is listed");
    Ok(())
}

fn filter_answers_with_the_line_of_all() -> Result<()> {
    let _helper = Helper::worker("filtered", "patterns", Some("1 1 2"))?;
    let _module = MEMORY_INFO.load()?;
    for line in memory_info::all()? {
        check_text(
            "FILTER and ALL differ",
            memory_info::filter(&line.name)?,
            line.print(),
        )?;
    }
    Ok(())
}

fn only_load_and_reset_scan() -> Result<()> {
    let early = Helper::worker("early", "plain", None)?;
    let _module = MEMORY_INFO.load()?;
    let before = memory_info::filter("early")?;
    drop(early);
    let _late = Helper::worker("late", "plain", None)?;
    check_text(
        "a process that exited stays listed until RESET",
        memory_info::filter("early")?,
        before,
    )?;
    check_text(
        "a process started after loading",
        memory_info::filter("late")?,
        memory_info::NO_PROCESS,
    )?;
    memory_info::reset()?;
    check_text(
        "a process that exited is not listed after RESET",
        memory_info::filter("early")?,
        memory_info::NO_PROCESS,
    )?;
    memory_info::line_of("late").map(drop)
}

fn del_lasts_until_reset() -> Result<()> {
    let _helper = Helper::worker("deleted", "plain", None)?;
    let _module = MEMORY_INFO.load()?;
    let before = memory_info::all()?;
    check_text(
        "DEL",
        memory_info::answer("DEL|deleted\n")?,
        memory_info::SUCCESS,
    )?;
    check_text(
        "a second DEL",
        memory_info::answer("DEL|deleted\n")?,
        memory_info::NO_PROCESS,
    )?;
    let others: Vec<_> = before
        .into_iter()
        .filter(|line| line.name != b"deleted")
        .collect();
    check_eq("the answer to ALL after DEL", memory_info::all()?, others)?;
    memory_info::reset()?;
    memory_info::line_of("deleted").map(drop)
}

fn the_newline_may_be_missing() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    check_text(
        "RESET without newline",
        memory_info::answer("RESET")?,
        memory_info::SUCCESS,
    )?;
    let all = memory_info::answer("ALL\n")?;
    check_text("ALL without newline", memory_info::answer("ALL")?, &all)?;
    let comm = std::fs::read("/proc/self/comm")?;
    let command = [b"FILTER|", comm.trim_ascii_end()].concat();
    let with_newline = memory_info::filter(comm.trim_ascii_end())?;
    check_text(
        "FILTER without newline",
        memory_info::answer(command)?,
        with_newline,
    )
}
