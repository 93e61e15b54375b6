// SPDX-License-Identifier: GPL-2.0-only

//! Reports about stopped processes of all kinds, compared with the kernel's own files.

use crate::case::{cases, check_eq, skip};
use crate::helper::crowd::crowd_of;
use crate::helper::tiny_elf::Class;
use crate::helper::Helper;
use crate::kernel::setting::Setting;
use crate::module::VM_LAYOUT;
use crate::vm_layout::{self, Report};
use anyhow::{ensure, Context, Result};
use guest::mapping::has_transparent_huge_pages;
use std::process::{Command, Stdio};

cases! {
    agrees_about_static_programs,
    agrees_about_dynamic_programs,
    agrees_about_32_bit_programs,
    agrees_about_memory_of_all_kinds,
    agrees_about_families,
    agrees_about_huge_pages,
    agrees_about_hugetlb,
    agrees_about_50000_areas (240 s),
    agrees_about_a_program_just_executed,
}

/// Returns the report about a stopped process. Requires that the text and the JSON report agree.
pub fn report(pid: i32) -> Result<Report> {
    let text = vm_layout::FILE.answer(format!("{pid}\n"))?;
    let json = vm_layout::FILE.answer(format!("{pid} json=1\n"))?;
    let report = vm_layout::parse_text(&text)?;
    check_eq("the pid of the report", report.pid, pid)?;
    let from_json = vm_layout::parse_json(&json)?;
    ensure!(
        report == from_json,
        "the text and the JSON report differ:\n{}\n{}",
        text.escape_ascii(),
        json.escape_ascii()
    );
    Ok(report)
}

/// Requires that the report about a stopped process is correct, including its page table, and returns it.
pub fn agrees(pid: i32) -> Result<Report> {
    let report = report(pid)?;
    vm_layout::oracle::check(&report).with_context(|| format!("process {pid}"))?;
    vm_layout::page_tables::check(&report)?;
    Ok(report)
}

/// Starts a worker of a shape and requires that the report about it is correct.
fn shape_agrees(shape: &str, argument: Option<&str>) -> Result<Report> {
    let helper = Helper::worker("shaped", shape, argument)?;
    agrees(helper.pid()).with_context(|| format!("shape {shape}"))
}

fn agrees_about_static_programs() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let report = shape_agrees("plain", None)?;
    for segment in vm_layout::SEGMENTS {
        ensure!(
            report.segments[segment].size > 0,
            "the segment {segment} is empty"
        );
    }
    let tiny = crate::helper::crowd::one("tiny", &[1, 2])?;
    agrees(tiny.pid()).map(drop)
}

fn agrees_about_dynamic_programs() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    for (name, argument) in [("sleep", "1000"), ("cat", "-")] {
        let mut command = Command::new(name);
        command.arg(argument).env("SOME", "environment");
        let helper = Helper::stopped(command.stdout(Stdio::null()), name)?;
        let report = agrees(helper.pid())?;
        let has = |what: &[u8]| report.areas.iter().any(|area| area.name.ends_with(what));
        ensure!(has(b"/libc.so.6") && has(b"[vdso]"), "{report:?}");
    }
    Ok(())
}

fn agrees_about_32_bit_programs() -> Result<()> {
    let crowd = crowd_of(Class::Elf32, &[1, 2, 3], ["narrow".to_owned()].into_iter());
    let Ok(crowd) = crowd else {
        return skip("this kernel cannot run 32-bit programs");
    };
    let _module = VM_LAYOUT.load()?;
    for helper in &crowd {
        let report = agrees(helper.pid())?;
        let end = report.areas.last().map_or(0, |area| area.span.end);
        ensure!(end <= 1 << 32, "a 32-bit program ends at {end:x}");
    }
    Ok(())
}

fn agrees_about_memory_of_all_kinds() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    for (shape, argument) in [
        ("patterns", Some("1 1 2 3")),
        ("zero-pages", None),
        ("protections", None),
        ("holes", None),
        ("sparse", Some("3")),
        ("shared", None),
        ("advised", None),
    ] {
        shape_agrees(shape, argument)?;
    }
    Ok(())
}

fn agrees_about_families() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    for (shape, argument) in [
        ("forks", Some("2")),
        ("copy-on-write", None),
        ("threads", None),
        ("clone-vm", Some("other")),
    ] {
        shape_agrees(shape, argument)?;
    }
    // The kernel's files about a leader that exited are empty, so only the report itself is checked.
    let helper = Helper::worker("shaped", "leader-exited", None)?;
    let threads = std::fs::read_dir(format!("/proc/{}/task", helper.pid()))?.count();
    check_eq("the number of threads, one of which exited", threads, 2)?;
    ensure!(
        !report(helper.pid())?.areas.is_empty(),
        "the report has no areas"
    );
    Ok(())
}

fn agrees_about_huge_pages() -> Result<()> {
    if !has_transparent_huge_pages() {
        return skip("this kernel does not have transparent huge pages");
    }
    let _module = VM_LAYOUT.load()?;
    for shape in ["huge", "huge-partial", "huge-zero"] {
        shape_agrees(shape, None)?;
    }
    Ok(())
}

fn agrees_about_hugetlb() -> Result<()> {
    const POOL: &str = "/proc/sys/vm/nr_hugepages";
    if !std::path::Path::new(POOL).exists() {
        return skip("this kernel does not have hugetlb pages");
    }
    let _pool = Setting::set(POOL, "4")?;
    let _module = VM_LAYOUT.load()?;
    shape_agrees("hugetlb", None).map(drop)
}

fn agrees_about_50000_areas() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let report = shape_agrees("many-areas", Some("50000"))?;
    ensure!(
        report.areas.len() > 50_000,
        "only {} areas",
        report.areas.len()
    );
    Ok(())
}

/// The program is stopped before its first instruction.
fn agrees_about_a_program_just_executed() -> Result<()> {
    let _module = VM_LAYOUT.load()?;
    let traced = crate::helper::traced::Traced::start(&mut Command::new("sleep"))?;
    let report = agrees(traced.pid())?;
    check_eq("the size of the heap", report.segments["heap"].size, 0)
}
