// SPDX-License-Identifier: GPL-2.0-only

//! Sets of several processes, and all processes of the machine, compared with the oracle.

use super::memory::agrees;
use crate::case::{cases, check_eq, skip};
use crate::helper::crowd;
use crate::helper::tiny_elf::Class;
use crate::helper::Helper;
use crate::memory_info::oracle::{self, Line};
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Context, Result};
use std::process::Command;

cases! {
    forked_children_that_did_not_exec,
    copy_on_write_does_not_count => || agrees("copy-on-write", "").map(drop),
    identical_pages_in_several_processes,
    pages_of_other_names_do_not_count,
    threads => || agrees("threads", "").map(drop),
    leader_exited,
    vfork,
    clone_vm,
    in_a_pid_namespace,
    programs_of_32_bits,
    dynamically_linked_programs,
    all_processes_of_the_machine (180 s),
}

/// Returns the only line.
fn single(mut lines: Vec<Line>) -> Result<Line> {
    ensure!(lines.len() == 1, "the oracle finds {} sets", lines.len());
    Ok(lines.remove(0))
}

fn forked_children_that_did_not_exec() -> Result<()> {
    let _helper = Helper::worker("forks", "forks", Some("3"))?;
    let _module = MEMORY_INFO.load()?;
    let line = single(oracle::agree_on(&["forks"])?)?;
    check_eq("processes", line.pids.len(), 4)?;
    ensure!(
        line.may_be_shared >= 4 * 5 + 3 * 4,
        "too few pages are shared with forked children: {line:?}"
    );
    Ok(())
}

fn identical_pages_in_several_processes() -> Result<()> {
    let start = |name, each: [[u8; 4]; 3]| -> Result<Vec<Helper>> {
        each.iter().map(|data| crowd::one(name, data)).collect()
    };
    let _same = start("same", [[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 2, 6]])?;
    // The pages of this set differ, so that its identical pages are those of the program itself.
    let _differ = start(
        "differ",
        [[11, 12, 13, 14], [21, 22, 23, 24], [31, 32, 33, 34]],
    )?;
    let _module = MEMORY_INFO.load()?;
    let lines = oracle::agree_on(&["same", "differ"])?;
    let find = |name: &[u8]| {
        lines
            .iter()
            .find(|line| line.name == name)
            .context("the oracle does not find a set")
    };
    let (same, differ) = (find(b"same")?, find(b"differ")?);
    check_eq("processes", same.pids.len(), 3)?;
    // Identical pages with the contents 1 1 1, 2 2 2 2 and 3 3.
    check_eq(
        "shareable pages",
        same.may_be_shared,
        differ.may_be_shared + 9,
    )?;
    check_eq("groups", same.nb_group, differ.nb_group + 3)
}

fn pages_of_other_names_do_not_count() -> Result<()> {
    let _here = Helper::worker("here", "patterns", Some("1 2 3 4"))?;
    let _module = MEMORY_INFO.load()?;
    let alone = single(oracle::agree_on(&["here"])?)?;
    let _there = Helper::worker("there", "patterns", Some("1 2 3 4"))?;
    let beside = single(oracle::agree_on(&["here"])?)?;
    check_eq(
        "the line of a set beside a set of another name with the same pages",
        beside,
        alone,
    )
}

fn leader_exited() -> Result<()> {
    let line = agrees("leader-exited", "")?;
    ensure!(
        line.total > 5 && line.may_be_shared >= 4,
        "the memory of the remaining thread is missing: {line:?}"
    );
    Ok(())
}

fn vfork() -> Result<()> {
    let _helper = Helper::worker("vfork", "vfork", None)?;
    let _module = MEMORY_INFO.load()?;
    let line = single(oracle::agree_on(&["vfork"])?)?;
    check_eq(
        "processes: parent, child, and its vfork child",
        line.pids.len(),
        3,
    )
}

/// An address space that several processes share is counted once in each set.
fn clone_vm() -> Result<()> {
    let _helper = Helper::worker("sharers", "clone-vm", Some("sharer-b"))?;
    let _module = MEMORY_INFO.load()?;
    let lines = oracle::agree_on(&["sharers", "sharer-b"])?;
    check_eq("sets", lines.len(), 2)?;
    check_eq("processes of the first name", lines[0].pids.len(), 2)?;
    check_eq("processes of the other name", lines[1].pids.len(), 1)?;
    check_eq("pages of both sets", lines[0].total, lines[1].total)
}

/// Processes of other pid namespaces are listed with the pids that they have for the reader.
fn in_a_pid_namespace() -> Result<()> {
    let helper = Helper::worker("contained", "namespace", None)?;
    let _module = MEMORY_INFO.load()?;
    let line = single(oracle::agree_on(&["contained"])?)?;
    check_eq(
        "processes: the creator of the namespace and its process 1",
        line.pids.len(),
        2,
    )?;
    ensure!(
        line.pids.contains(&helper.pid()),
        "pid {} is missing: {line:?}",
        helper.pid()
    );
    Ok(())
}

fn programs_of_32_bits() -> Result<()> {
    let pair = ["x86-32", "x86-32"].map(str::to_owned).into_iter();
    let pair = crowd::crowd_of(Class::Elf32, &[1, 1, 1, 2, 2, 3], pair);
    if let Err(error) = &pair {
        let refused = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error);
        if refused == Some(libc::ENOEXEC) {
            return skip("this kernel cannot run 32-bit programs");
        }
    }
    let _pair = pair?;
    let _module = MEMORY_INFO.load()?;
    let line = single(oracle::agree_on(&["x86-32"])?)?;
    check_eq("processes", line.pids.len(), 2)?;
    ensure!(
        line.may_be_shared >= 12,
        "two processes have six data pages each: {line:?}"
    );
    Ok(())
}

/// Starts real programs that wait for input or sleep, and stops them.
fn programs() -> Result<Vec<Helper>> {
    let mut helpers = Vec::new();
    for _ in 0..2 {
        helpers.push(Helper::stopped(&mut Command::new("bash"), "bash")?);
        helpers.push(Helper::stopped(&mut Command::new("cat"), "cat")?);
        helpers.push(Helper::stopped(
            Command::new("busybox").args(["sh"]),
            "busybox",
        )?);
    }
    helpers.push(Helper::stopped(Command::new("sleep").arg("1000"), "sleep")?);
    Ok(helpers)
}

fn dynamically_linked_programs() -> Result<()> {
    let _programs = programs()?;
    let _module = MEMORY_INFO.load()?;
    let lines = oracle::agree_on(&["bash", "cat", "busybox"])?;
    let bash = lines
        .iter()
        .find(|line| line.name == b"bash")
        .context("the oracle finds no set named bash")?;
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", bash.pids[0]))?;
    ensure!(
        maps.contains("libc.so"),
        "bash is not dynamically linked on this machine, so nothing was tested"
    );
    Ok(())
}

fn all_processes_of_the_machine() -> Result<()> {
    let _programs = programs()?;
    let shapes = [
        ("patterns", Some("1 1 2 3")),
        ("zero-pages", None),
        ("protections", None),
        ("holes", None),
        ("forks", Some("3")),
        ("copy-on-write", None),
        ("threads", None),
        ("leader-exited", None),
        ("vfork", None),
        ("clone-vm", Some("clone-vm-b")),
    ];
    let helpers = shapes.map(|(shape, argument)| Helper::worker(shape, shape, argument));
    let _helpers = helpers.into_iter().collect::<Result<Vec<_>>>()?;
    let _module = MEMORY_INFO.load()?;
    let lines = oracle::agree_on_everything()?;
    ensure!(
        lines.len() >= shapes.len() + 5,
        "only {} sets were compared",
        lines.len()
    );
    ensure!(
        lines.iter().any(|line| line.pids.contains(&1)),
        "process 1 was not compared"
    );
    Ok(())
}
