// SPDX-License-Identifier: GPL-2.0-only

//! A report is of one moment and of one program.

use crate::case::{cases, check_eq};
use crate::helper::Helper;
use crate::module::VM_LAYOUT;
use crate::vm_layout::{self, Report};
use anyhow::{ensure, Context, Result};
use guest::child;
use guest::mapping::{Mapping, PAGE, RW};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use std::process::Command;

cases! {
    the_areas_add_up_to_total_vm_beside_munmap (120 s),
    name_and_areas_are_of_one_program (120 s),
}

/// Number of reports that are looked at.
const REPORTS: usize = 300;

fn report(pid: i32) -> Result<Report> {
    vm_layout::parse_text(&vm_layout::FILE.answer(format!("{pid}\n"))?)
}

fn the_areas_add_up_to_total_vm_beside_munmap() -> Result<()> {
    const PAGES: usize = (400 << 20) / PAGE;
    let _module = VM_LAYOUT.load()?;
    let child = child::start(|| loop {
        let area = Mapping::anonymous(PAGES, RW).map_err(|_| Errno::ENOMEM)?;
        area.part(0..1).touch_for_writing(0);
    })?;
    let mut sizes = [0; 2];
    for _ in 0..REPORTS {
        let report = report(child.as_raw())?;
        let areas: u64 = report.areas.iter().map(|area| area.span.size).sum();
        let total_vm = report.usage["total_vm"];
        check_eq("the areas and total_vm", areas, total_vm * PAGE as u64)?;
        sizes[usize::from(total_vm as usize > PAGES)] += 1;
    }
    kill(child, Signal::SIGKILL)?;
    waitpid(child, None)?;
    ensure!(
        sizes.iter().all(|count| *count > 0),
        "the process did not change: {sizes:?}"
    );
    Ok(())
}

/// Two programs that execute each other.
fn name_and_areas_are_of_one_program() -> Result<()> {
    const PROGRAMS: [&str; 2] = ["one-program", "the-other"];
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    for name in PROGRAMS {
        std::fs::copy("/bin/bash", path(name)).context("cannot copy bash")?;
    }
    let script = path("script");
    std::fs::write(
        &script,
        format!(
            "cd {}; case $BASH in *other) exec ./one-program script;; *) exec ./the-other script;; esac\n",
            directory.path().display()
        ),
    )?;
    let _module = VM_LAYOUT.load()?;
    let helper = Helper::start(
        Command::new(path(PROGRAMS[0])).arg(&script),
        "programs that execute each other".into(),
    )?;
    let mut seen = [0; 2];
    for _ in 0..REPORTS {
        let reply = vm_layout::FILE.ask(format!("{}\n", helper.pid()))?;
        // The process may be executing for long, or have left the address space that was found.
        if matches!(reply.write, Err(Errno::EAGAIN | Errno::ESRCH)) {
            continue;
        }
        let report = vm_layout::parse_text(&reply.text)?;
        let maps = |name: &str| {
            let mut areas = report.areas.iter();
            areas.any(|area| area.name.ends_with(format!("/{name}").as_bytes()))
        };
        for (index, name) in PROGRAMS.into_iter().enumerate() {
            let other = PROGRAMS[1 - index];
            if report.name == name.as_bytes() {
                ensure!(!maps(other), "{name} maps {other}: {report:?}");
                seen[index] += usize::from(maps(name));
            }
        }
    }
    ensure!(
        seen.iter().all(|count| *count > REPORTS / 20),
        "the programs were seen {seen:?} times"
    );
    Ok(())
}
