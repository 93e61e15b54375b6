// SPDX-License-Identifier: GPL-2.0-only

//! Finds the processes of each set, and which of them share an address space.

use anyhow::{Context, Result};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Type of kcmp(2) that compares address spaces. C header: `include/uapi/linux/kcmp.h`.
const KCMP_VM: libc::c_int = 1;

/// A process with an address space.
pub struct Member {
    /// Thread group id of the process.
    pub pid: i32,
    /// Directory `/proc/<pid>/task/<tid>` of a thread that has the address space; the leader may have exited.
    pub task: PathBuf,
    tid: i32,
}

/// Returns the processes for whose names `wanted` returns true, by name and with ascending pids.
pub fn sets(wanted: impl Fn(&[u8]) -> bool) -> Result<BTreeMap<Vec<u8>, Vec<Member>>> {
    let mut sets: BTreeMap<Vec<u8>, Vec<Member>> = BTreeMap::new();
    for pid in numbers_in(PathBuf::from("/proc"))? {
        // A process that exits at this moment does not belong to a set.
        let Ok(name) = std::fs::read(format!("/proc/{pid}/comm")) else {
            continue;
        };
        let name = name.strip_suffix(b"\n").unwrap_or(&name);
        if !wanted(name) {
            continue;
        }
        if let Some(member) = member(pid) {
            sets.entry(name.to_vec()).or_default().push(member);
        }
    }
    for members in sets.values_mut() {
        members.sort_by_key(|member| member.pid);
    }
    Ok(sets)
}

/// Returns the process `pid` if it has an address space. Kernel threads and zombies do not have one.
fn member(pid: i32) -> Option<Member> {
    let tasks = PathBuf::from(format!("/proc/{pid}/task"));
    numbers_in(tasks.clone()).ok()?.into_iter().find_map(|tid| {
        let task = tasks.join(tid.to_string());
        let status = std::fs::read(task.join("status")).ok()?;
        status
            .split(|&byte| byte == b'\n')
            .any(|line| line.starts_with(b"VmSize:"))
            .then_some(Member { pid, task, tid })
    })
}

/// Returns the names in a directory that are numbers.
fn numbers_in(directory: PathBuf) -> Result<Vec<i32>> {
    let entries = std::fs::read_dir(&directory)
        .with_context(|| format!("cannot list {}", directory.display()))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect())
}

/// Returns one member for each address space.
pub fn distinct_address_spaces(members: &[Member]) -> Result<Vec<&Member>> {
    let mut failure = None;
    let mut compare = |a: &Member, b: &Member| {
        compare_address_spaces(a, b).unwrap_or_else(|error| {
            failure = Some(error);
            Ordering::Equal
        })
    };
    let mut distinct: Vec<&Member> = members.iter().collect();
    distinct.sort_by(|a, b| compare(a, b));
    distinct.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
    match failure {
        Some(error) => Err(error),
        None => Ok(distinct),
    }
}

/// Compares two address spaces in the order of kcmp(2), which has no other meaning.
fn compare_address_spaces(a: &Member, b: &Member) -> Result<Ordering> {
    // SAFETY: A system call that takes no pointers.
    match unsafe { libc::syscall(libc::SYS_kcmp, a.tid, b.tid, KCMP_VM, 0, 0) } {
        0 => Ok(Ordering::Equal),
        1 => Ok(Ordering::Less),
        2 => Ok(Ordering::Greater),
        _ => Err(std::io::Error::last_os_error()).with_context(|| {
            format!(
                "cannot compare the address spaces of {} and {}",
                a.pid, b.pid
            )
        }),
    }
}
