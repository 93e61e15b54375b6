// SPDX-License-Identifier: GPL-2.0-only

//! Processes: finding and listing them, their names, their address spaces.

use abstractions::bindings;
use core::ptr::{self, NonNull};
use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::bindings::{
    find_pid_ns, init_pid_ns, pid, pid_task, pid_type_PIDTYPE_TGID, task_struct,
};
use kernel::mm::MmWithUser;
use kernel::sync::aref::ARef;
use kernel::sync::rcu;
use logic::comm::{Comm, TASK_COMM_LEN};

/// Why a thread group was not found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindError {
    /// No thread group has this id.
    NoSuchProcess,
    /// The id is that of a kernel thread.
    KernelThread,
}

/// A process: a thread group that is not a kernel thread, with the name and id that it had when it was
/// found. It may have exited since.
///
/// It refers to the process by a counted `struct pid`, not by the leader's task, which is replaced when
/// another thread executes a program.
///
/// # Invariants
///
/// Owns a reference to `pid`.
pub struct ThreadGroup {
    pid: NonNull<pid>,
    /// The leader's name.
    pub comm: Comm,
    /// The thread group's id in the initial pid namespace.
    pub tgid: u32,
}

// SAFETY: A `struct pid` is counted, and any thread may use and put a reference to it.
unsafe impl Send for ThreadGroup {}
// SAFETY: A `struct pid` is only read through a shared `ThreadGroup`, by functions that any thread may call.
unsafe impl Sync for ThreadGroup {}

impl ThreadGroup {
    /// Describes the thread group of a leader. Returns `None` if its id is gone already.
    ///
    /// # Safety
    ///
    /// `leader` was reached under the RCU read-side lock, which is still held.
    unsafe fn of(leader: *mut task_struct) -> Option<Self> {
        // SAFETY: By the safety requirements of this function, the task is alive.
        let pid = unsafe { kernel::bindings::get_task_pid(leader, pid_type_PIDTYPE_TGID) };
        let mut field = [0u8; TASK_COMM_LEN];
        // SAFETY: By the safety requirements of this function, the task is alive; `field` has the size
        // of a `comm`.
        unsafe { bindings::abstractions_get_task_comm(field.as_mut_ptr().cast(), leader) };
        // INVARIANT: `get_task_pid` took a reference, which this value owns.
        Some(Self {
            pid: NonNull::new(pid)?,
            comm: Comm::from_field(field),
            // SAFETY: By the safety requirements of this function, the task is alive, and the id of a
            // task's thread group does not change.
            tgid: unsafe { (*leader).tgid }.unsigned_abs(),
        })
    }

    /// Returns the process with this id in the initial pid namespace. Does not sleep.
    ///
    /// # Errors
    ///
    /// See [`FindError`].
    pub fn find(tgid: u32) -> Result<Self, FindError> {
        let number = i32::try_from(tgid).map_err(|_| FindError::NoSuchProcess)?;
        let _guard = rcu::read_lock();
        // SAFETY: The namespace is a static of the kernel, and the RCU read-side lock is held, which
        // both functions require.
        let leader = unsafe {
            let pid = find_pid_ns(number, &raw mut init_pid_ns);
            pid_task(pid, pid_type_PIDTYPE_TGID)
        };
        if leader.is_null() {
            return Err(FindError::NoSuchProcess);
        }
        // SAFETY: A task that is found by its pid is alive while the RCU read-side lock is held.
        if unsafe { is_kthread(leader) } {
            return Err(FindError::KernelThread);
        }
        // SAFETY: The task was found under the RCU read-side lock, which is still held.
        unsafe { Self::of(leader) }.ok_or(FindError::NoSuchProcess)
    }

    /// Returns the address space, which is not torn down while the reference lives, or `None` if the
    /// process has none any more. Does not sleep.
    ///
    /// A leader that exited while other threads live on has lost its own address space; this is then
    /// the other threads'.
    pub fn mm(&self) -> Option<ARef<MmWithUser>> {
        let _guard = rcu::read_lock();
        // SAFETY: By the type invariants, the pid is referenced, and the RCU read-side lock is held.
        let mut thread = unsafe { pid_task(self.pid.as_ptr(), pid_type_PIDTYPE_TGID) };
        while !thread.is_null() {
            // SAFETY: A task that is found by its pid, and the threads that are reached from it, are
            // alive while the RCU read-side lock is held.
            if let Some(mm) = NonNull::new(unsafe { kernel::bindings::get_task_mm(thread) }) {
                // SAFETY: `get_task_mm` took a reference to `mm_users`, which the `ARef` owns now, and
                // `MmWithUser` is a transparent wrapper of `mm_struct`.
                return Some(unsafe { ARef::from_raw(mm.cast()) });
            }
            // SAFETY: The task was reached under the RCU read-side lock, which is still held.
            thread = unsafe { bindings::abstractions_next_thread(thread) };
        }
        None
    }
}

impl Drop for ThreadGroup {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this value owns the reference that is put here.
        unsafe { kernel::bindings::put_pid(self.pid.as_ptr()) };
    }
}

/// Lists all processes, kernel threads left out, in no particular order. May sleep if `flags` allow it.
///
/// # Errors
///
/// Returns [`AllocError`] if memory is exhausted.
pub fn thread_groups(flags: Flags) -> Result<KVVec<ThreadGroup>, AllocError> {
    let mut groups = KVVec::new();
    loop {
        // Processes are created between counting and listing: leave room for them.
        let expected = for_each_process(|_| true);
        groups.clear();
        groups.reserve(expected + expected / 8 + 16, flags)?;
        let mut fits = true;
        for_each_process(|process| {
            // SAFETY: `for_each_process` passes tasks that are alive, since it holds the RCU read-side
            // lock.
            if !unsafe { is_kthread(process) } {
                // SAFETY: The task was reached under the RCU read-side lock, which `for_each_process`
                // holds during this call.
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
    // SAFETY: By the safety requirements of this function, the task is alive. Other bits of `flags` may
    // change at any time, so the word is read once; this bit does not change.
    let flags = unsafe { ptr::read_volatile(&raw const (*task).flags) };
    flags & kernel::bindings::PF_KTHREAD != 0
}

/// Calls `visit` with each thread group's leader, under the RCU read-side lock, until it returns false.
/// Returns the number of calls.
fn for_each_process(mut visit: impl FnMut(*mut task_struct) -> bool) -> usize {
    let _guard = rcu::read_lock();
    let init = &raw mut kernel::bindings::init_task;
    let mut visited = 0;
    let mut process = init;
    loop {
        // SAFETY: `process` is `init_task`, a static, or was reached from it under the RCU read-side
        // lock, which is still held.
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
