// SPDX-License-Identifier: GPL-2.0-only

//! Processes: iteration, names, kinship.
//!
//! C headers: `include/linux/sched.h`, `include/linux/sched/signal.h`, `include/linux/sched/mm.h`.

use crate::bindings;
use core::ptr::{self, NonNull};
use kernel::alloc::{Flags, KVVec};
use kernel::bindings::{
    find_pid_ns, init_pid_ns, pid, pid_task, pid_type_PIDTYPE_TGID, task_struct,
};
use kernel::mm::MmWithUser;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::rcu;
use kernel::task::Task;
use logic::comm::{Comm, TASK_COMM_LEN};
use protocol::answers::{Lineage, Process, GENERATIONS};

/// Why a thread group was not found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindError {
    /// No thread group has this id.
    NoSuchProcess,
    /// The id is that of a kernel thread.
    KernelThread,
}

/// A thread group that is no kernel thread, as it was when it was listed. It may have ended since.
///
/// # Invariants
///
/// Owns a reference to `pid`.
pub struct ThreadGroup {
    /// Not the leader's task: that one goes when another thread executes a program.
    pid: NonNull<pid>,
    /// The leader's name.
    pub comm: Comm,
    /// The thread group's id in the initial pid namespace.
    pub tgid: u32,
}

// SAFETY: a `struct pid` is counted and looked up by any thread.
unsafe impl Send for ThreadGroup {}
// SAFETY: as above.
unsafe impl Sync for ThreadGroup {}

impl ThreadGroup {
    /// Describes the thread group of a leader. `None` if it is gone already.
    ///
    /// # Safety
    ///
    /// `leader` was reached under the RCU read-side lock, which is still held.
    unsafe fn of(leader: *mut task_struct) -> Option<Self> {
        // SAFETY: by this function's own requirement.
        let pid = unsafe { kernel::bindings::get_task_pid(leader, pid_type_PIDTYPE_TGID) };
        let mut field = [0u8; TASK_COMM_LEN];
        // SAFETY: as above; `field` has the size of a comm.
        unsafe { bindings::abstractions_get_task_comm(field.as_mut_ptr().cast(), leader) };
        // INVARIANT: `get_task_pid` took a reference.
        Some(Self {
            pid: NonNull::new(pid)?,
            comm: Comm::from_field(field),
            // SAFETY: as above; a task's thread group does not change.
            tgid: unsafe { (*leader).tgid }.unsigned_abs(),
        })
    }

    /// The thread group with this id in the initial pid namespace. Does not sleep.
    ///
    /// # Errors
    ///
    /// There is none, or it is a kernel thread.
    pub fn find(tgid: u32) -> Result<Self, FindError> {
        let number = i32::try_from(tgid).map_err(|_| FindError::NoSuchProcess)?;
        let _guard = rcu::read_lock();
        // SAFETY: the namespace is static, and the read-side lock is held.
        let leader = unsafe {
            let pid = find_pid_ns(number, &raw mut init_pid_ns);
            pid_task(pid, pid_type_PIDTYPE_TGID)
        };
        if leader.is_null() {
            return Err(FindError::NoSuchProcess);
        }
        // SAFETY: a task that is found by its pid is alive under the read-side lock.
        if unsafe { is_kthread(leader) } {
            return Err(FindError::KernelThread);
        }
        // SAFETY: as above.
        unsafe { Self::of(leader) }.ok_or(FindError::NoSuchProcess)
    }

    /// The address space, kept from being torn down while the reference lives. `None` for a process
    /// that has none any more.
    ///
    /// A leader that exited while other threads live on has lost its own: then it is theirs.
    pub fn mm(&self) -> Option<ARef<MmWithUser>> {
        let _guard = rcu::read_lock();
        // SAFETY: the pid is referenced, by the type's invariants. A task that is found by it is
        // alive under the read-side lock, and so is the list of its threads.
        let mut thread = unsafe { pid_task(self.pid.as_ptr(), pid_type_PIDTYPE_TGID) };
        while !thread.is_null() {
            // SAFETY: seen under the read-side lock.
            if let Some(mm) = NonNull::new(unsafe { kernel::bindings::get_task_mm(thread) }) {
                // SAFETY: `get_task_mm` took a reference, which the `ARef` owns from here.
                return Some(unsafe { ARef::from_raw(mm.cast()) });
            }
            // SAFETY: as above.
            thread = unsafe { bindings::abstractions_next_thread(thread) };
        }
        None
    }
}

impl Drop for ThreadGroup {
    fn drop(&mut self) {
        // SAFETY: gives up the reference that this owns.
        unsafe { kernel::bindings::put_pid(self.pid.as_ptr()) };
    }
}

/// Lists all thread groups but the kernel's, in no particular order. May sleep if `flags` do.
///
/// # Errors
///
/// ENOMEM.
pub fn thread_groups(flags: Flags) -> Result<KVVec<ThreadGroup>> {
    let mut groups = KVVec::new();
    loop {
        // Processes come and go between counting and listing: leave some room.
        let expected = for_each_process(|_| true);
        groups.clear();
        groups.reserve(expected + expected / 8 + 16, flags)?;
        let mut fits = true;
        for_each_process(|process| {
            // SAFETY: the task is alive under the RCU read-side lock.
            if !unsafe { is_kthread(process) } {
                // SAFETY: as above.
                if let Some(group) = unsafe { ThreadGroup::of(process) } {
                    fits = groups.push_within_capacity(group).is_ok();
                }
            }
            fits
        });
        if fits {
            return Ok(groups);
        }
    }
}

/// # Safety
///
/// `task` is alive, by a reference or under RCU.
unsafe fn is_kthread(task: *const task_struct) -> bool {
    // SAFETY: by this function's own requirement; `flags` may change beside us, but not the bit that
    // is asked for.
    let flags = unsafe { ptr::read_volatile(&raw const (*task).flags) };
    flags & kernel::bindings::PF_KTHREAD != 0
}

/// Calls `visit` with each thread group's leader under the RCU read-side lock, until it says false.
/// Returns how many it visited.
fn for_each_process(mut visit: impl FnMut(*mut task_struct) -> bool) -> usize {
    let _guard = rcu::read_lock();
    let init = &raw mut kernel::bindings::init_task;
    let mut visited = 0;
    let mut process = init;
    loop {
        // SAFETY: `process` is `init_task`, which is static, or was reached from it under the RCU
        // read-side lock that is still held.
        process = unsafe { bindings::abstractions_next_task(process) };
        if process == init {
            return visited;
        }
        visited += 1;
        if !visit(process) {
            return visited;
        }
    }
}

/// The calling process and its ancestors.
pub fn current_lineage() -> Lineage {
    let _guard = rcu::read_lock();
    let mut task = Task::current_raw();
    // SAFETY: `current` is alive.
    let mut lineage = Lineage::of(unsafe { process_of(task) });
    for _ in 1..GENERATIONS {
        // SAFETY: reached from `current` by RCU-protected pointers, under the read-side lock.
        let parent = unsafe { bindings::abstractions_real_parent(task) };
        // SAFETY: as above. Process 0 is the idle task, ancestor of all.
        if unsafe { (*parent).tgid } == 0 {
            break;
        }
        // SAFETY: as above.
        lineage.push_parent(unsafe { process_of(parent) });
        task = parent;
    }
    lineage
}

/// # Safety
///
/// `task` is alive, by a reference or under RCU.
unsafe fn process_of(task: *mut task_struct) -> Process {
    // SAFETY: by this function's own requirement; the leader lives as long as its threads. It may
    // change when another thread executes a program, which hands down the leader's start time.
    unsafe {
        let leader = ptr::read_volatile(&raw const (*task).group_leader);
        Process {
            tgid: (*task).tgid,
            start: (*leader).start_time,
        }
    }
}

/// True if the calling process was killed and should return to user space soon.
pub fn fatal_signal_pending() -> bool {
    // SAFETY: `current` is alive.
    unsafe { bindings::abstractions_fatal_signal_pending(Task::current_raw()) }
}

/// Lets others run, if it is their turn. May sleep.
pub fn cond_resched() {
    // SAFETY: no requirement but that the caller may sleep.
    unsafe { bindings::abstractions_cond_resched() }
}

/// True if the calling process may exceed limits on resources.
pub fn may_exceed_limits() -> bool {
    // SAFETY: no requirement but that the caller may sleep.
    unsafe { kernel::bindings::capable(kernel::bindings::CAP_SYS_RESOURCE as i32) }
}

/// True if the calling process lives in the initial pid namespace, in whose ids we report.
pub fn in_init_pid_ns() -> bool {
    // SAFETY: `current` is alive and has a pid namespace; only addresses are compared.
    let active = unsafe { kernel::bindings::task_active_pid_ns(Task::current_raw()) };
    ptr::eq(active, &raw const init_pid_ns)
}
