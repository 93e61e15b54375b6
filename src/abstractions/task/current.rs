// SPDX-License-Identifier: GPL-2.0-only

//! The calling task: its process and ancestors, its signals, its capabilities.

use abstractions::bindings;
use core::ptr;
use kernel::bindings::{init_pid_ns, task_struct};
use kernel::ffi::c_int;
use kernel::sync::rcu;
use kernel::task::Task;

/// What tells a process from all others, earlier ones with the same id included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcessIdentity {
    /// The thread group's id in the initial pid namespace.
    pub tgid: i32,
    /// When the thread group's leader was started, in ns since boot.
    pub start_time: u64,
}

/// Calls `visit` with the calling process and then with its ancestors, nearest first, until it returns
/// false or `init` was visited. Under the RCU read-side lock: `visit` must not sleep.
pub fn for_each_ancestor(mut visit: impl FnMut(ProcessIdentity) -> bool) {
    let _guard = rcu::read_lock();
    let mut task = Task::current_raw();
    // SAFETY: The current task is alive, and each later one was reached from it by RCU-protected pointers
    // under the read-side lock, which is still held.
    while visit(unsafe { identity_of(task) }) {
        // SAFETY: The task was reached under the RCU read-side lock, which is still held.
        let parent = unsafe { bindings::abstractions_real_parent(task) };
        // SAFETY: The parent was reached under the RCU read-side lock, which is still held. Process 0 is
        // the idle task, the ancestor of all.
        if unsafe { (*parent).tgid } == 0 {
            return;
        }
        task = parent;
    }
}

/// # Safety
///
/// `task` is alive, by a reference or under RCU.
unsafe fn identity_of(task: *mut task_struct) -> ProcessIdentity {
    // SAFETY: By the safety requirements of this function, the task is alive, and its leader lives as long
    // as its threads. The leader changes when another thread executes a program; the new one then has the
    // old one's start time.
    unsafe {
        let leader = ptr::read_volatile(&raw const (*task).group_leader);
        ProcessIdentity {
            tgid: (*task).tgid,
            start_time: (*leader).start_time,
        }
    }
}

/// Returns true if the calling task was killed and should return to user space soon.
pub fn fatal_signal_pending() -> bool {
    // SAFETY: The current task is alive.
    unsafe { bindings::abstractions_fatal_signal_pending(Task::current_raw()) }
}

/// Lets other tasks run if it is their turn. May sleep.
pub fn cond_resched() {
    // SAFETY: An FFI call with no additional requirements in a context that may sleep.
    unsafe { bindings::abstractions_cond_resched() }
}

/// Returns true if the calling task has CAP_SYS_RESOURCE, so that limits on resources do not bind it.
pub fn may_exceed_limits() -> bool {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { kernel::bindings::capable(kernel::bindings::CAP_SYS_RESOURCE as c_int) }
}

/// Returns true if the calling task has CAP_SYS_PTRACE, so that it may look into other processes.
pub fn may_trace_all() -> bool {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { kernel::bindings::capable(kernel::bindings::CAP_SYS_PTRACE as c_int) }
}

/// Returns true if the calling task may know physical addresses: it has CAP_SYS_ADMIN, as `/proc/<pid>/pagemap` wants it,
/// and the memory is not locked down.
pub fn may_see_frames() -> bool {
    // SAFETY: An FFI call with no additional requirements.
    let is_administrator =
        unsafe { kernel::bindings::capable(kernel::bindings::CAP_SYS_ADMIN as c_int) };
    is_administrator && !memory_is_locked_down()
}

/// Returns true if not even root may read the kernel's memory (`LOCKDOWN_KCORE`).
pub fn memory_is_locked_down() -> bool {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::abstractions_memory_is_locked_down() }
}

/// Returns true if the calling task has CAP_SYS_ADMIN. This is not a use of the capability, so it is not audited.
pub fn is_administrator() -> bool {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::abstractions_capable_noaudit(kernel::bindings::CAP_SYS_ADMIN as c_int) }
}

/// Returns the effective user id of the calling task in the initial user namespace.
pub fn euid() -> u32 {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::abstractions_current_euid() }
}

/// Returns true if the calling task is in the initial pid namespace.
pub fn in_init_pid_ns() -> bool {
    // SAFETY: The current task is alive and has a pid namespace; only addresses are compared.
    let active = unsafe { kernel::bindings::task_active_pid_ns(Task::current_raw()) };
    ptr::eq(active, &raw const init_pid_ns)
}
