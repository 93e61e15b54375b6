// SPDX-License-Identifier: GPL-2.0-only

//! Every figure against what the kernel says in its own files, for processes of all kinds that stand
//! still.

use crate::case::{check_eq, skip, Case};
use crate::crowd::crowd_of;
use crate::helper::Helper;
use crate::layout::{self, Report};
use crate::module::VM_LAYOUT;
use crate::proc_file;
use crate::setting::Setting;
use crate::shapes::area::has_transparent_huge_pages;
use crate::tiny_elf::Class;
use anyhow::{ensure, Context, Result};
use std::process::{Command, Stdio};

pub const CASES: &[Case] = &[
    Case::new("vm_layout::agrees_about_static_programs", static_programs),
    Case::new("vm_layout::agrees_about_dynamic_programs", dynamic_programs),
    Case::new(
        "vm_layout::agrees_about_32_bit_programs",
        programs_of_32_bit,
    ),
    Case::new("vm_layout::agrees_about_memory_of_all_kinds", all_kinds),
    Case::new("vm_layout::agrees_about_families", families),
    Case::new("vm_layout::agrees_about_huge_pages", huge_pages),
    Case::new("vm_layout::agrees_about_hugetlb", hugetlb),
    Case::slow("vm_layout::agrees_about_50000_areas", 240, many_areas),
    Case::new(
        "vm_layout::agrees_about_a_program_just_executed",
        just_executed,
    ),
];

/// The report about a process that stands still: from the text, which the JSON must agree with.
pub fn report(pid: i32) -> Result<Report> {
    let text = proc_file::VM_LAYOUT.answer(format!("{pid}\n"))?;
    let json = proc_file::VM_LAYOUT.answer(format!("{pid} json=1\n"))?;
    let report = layout::parse_text(&text)?;
    check_eq("the pid", report.pid, pid)?;
    let from_json = layout::parse_json(&json)?;
    ensure!(
        report == from_json,
        "text and JSON differ:\n{}\n{}",
        text.escape_ascii(),
        json.escape_ascii()
    );
    Ok(report)
}

/// Requires that the report is right, page tables included.
pub fn agrees(pid: i32) -> Result<Report> {
    let report = report(pid)?;
    layout::oracle::check(&report).with_context(|| format!("process {pid}"))?;
    layout::page_tables::check(&report)?;
    Ok(report)
}

fn shape_agrees(shape: &str, argument: Option<&str>) -> Result<Report> {
    let helper = Helper::worker("shaped", shape, argument)?;
    agrees(helper.pid()).with_context(|| format!("shape {shape}"))
}

fn static_programs() -> Result<()> {
    let _module = VM_LAYOUT.load_with("")?;
    let report = shape_agrees("plain", None)?;
    for segment in layout::SEGMENTS {
        ensure!(report.segments[segment].size > 0, "{segment} is empty");
    }
    let tiny = crate::crowd::one("tiny", &[1, 2])?;
    agrees(tiny.pid()).map(drop)
}

fn dynamic_programs() -> Result<()> {
    let _module = VM_LAYOUT.load_with("")?;
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

fn programs_of_32_bit() -> Result<()> {
    let crowd = crowd_of(Class::Elf32, &[1, 2, 3], ["narrow".to_owned()].into_iter());
    let Ok(crowd) = crowd else {
        return skip("this kernel runs no 32-bit programs");
    };
    let _module = VM_LAYOUT.load_with("")?;
    for helper in &crowd {
        let report = agrees(helper.pid())?;
        let end = report.areas.last().map_or(0, |area| area.span.end);
        ensure!(end <= 1 << 32, "a 32-bit program ends at {end:x}");
    }
    Ok(())
}

fn all_kinds() -> Result<()> {
    let _module = VM_LAYOUT.load_with("")?;
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

fn families() -> Result<()> {
    let _module = VM_LAYOUT.load_with("")?;
    for (shape, argument) in [
        ("forks", Some("2")),
        ("copy-on-write", None),
        ("threads", None),
        ("clone-vm", Some("other")),
    ] {
        shape_agrees(shape, argument)?;
    }
    // The kernel's files about a leader that exited are empty; its other threads' are not.
    let helper = Helper::worker("shaped", "leader-exited", None)?;
    let threads = std::fs::read_dir(format!("/proc/{}/task", helper.pid()))?.count();
    check_eq("threads, one of them exited", threads, 2)?;
    ensure!(!report(helper.pid())?.areas.is_empty(), "no areas");
    Ok(())
}

fn huge_pages() -> Result<()> {
    if !has_transparent_huge_pages() {
        return skip("this kernel has no transparent huge pages");
    }
    let _module = VM_LAYOUT.load_with("")?;
    for shape in ["huge", "huge-partial", "huge-zero"] {
        shape_agrees(shape, None)?;
    }
    Ok(())
}

fn hugetlb() -> Result<()> {
    const POOL: &str = "/proc/sys/vm/nr_hugepages";
    if !std::path::Path::new(POOL).exists() {
        return skip("this kernel has no pool of huge pages");
    }
    let _pool = Setting::set(POOL, "4")?;
    let _module = VM_LAYOUT.load_with("")?;
    shape_agrees("hugetlb", None).map(drop)
}

fn many_areas() -> Result<()> {
    let _module = VM_LAYOUT.load_with("")?;
    let report = shape_agrees("many-areas", Some("50000"))?;
    ensure!(
        report.areas.len() > 50_000,
        "only {} areas",
        report.areas.len()
    );
    Ok(())
}

/// A program of which not one instruction has run.
fn just_executed() -> Result<()> {
    let _module = VM_LAYOUT.load_with("")?;
    let traced = crate::traced::Traced::start(&mut Command::new("sleep"))?;
    let report = agrees(traced.pid())?;
    check_eq("the heap, untouched", report.segments["heap"].size, 0)
}
