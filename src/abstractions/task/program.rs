// SPDX-License-Identifier: GPL-2.0-only

//! The program that a process executes: its name and its address space, taken together.
//!
//! `execve(2)` replaces both, one after the other, while it holds `exec_update_lock` for writing. The lock is only tried
//! here, since its holder may wait for long, and the caller holds the RCU read-side lock.
//!
//! Lock order: `exec_update_lock`, then the `alloc_lock` of one task (`task_lock()`).

use abstractions::bindings;
use core::ptr::NonNull;
use kernel::bindings::task_struct;
use kernel::mm::Mm;
use kernel::sync::aref::ARef;
use kernel::sync::rcu;
use logic::comm::{Comm, TASK_COMM_LEN};

/// The name and the address space of one program.
pub(crate) struct Program {
    /// The name of the thread group's leader.
    pub(crate) comm: Comm,
    /// The address space. Its memory may be gone: only `mm_count` is held.
    pub(crate) mm: ARef<Mm>,
}

/// Why there is no [`Program`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoProgram {
    /// No thread of the process has an address space any more.
    Exited,
    /// The process is executing another program at this moment.
    ExecInProgress,
}

impl Program {
    /// Takes the program of a leader's thread group. Does not sleep.
    ///
    /// A leader that exited while other threads live on has lost its own address space; this is then the other
    /// threads'.
    ///
    /// # Errors
    ///
    /// See [`NoProgram`].
    ///
    /// # Safety
    ///
    /// `leader` was reached under the RCU read-side lock that `guard` holds.
    pub(crate) unsafe fn of(
        leader: NonNull<task_struct>,
        guard: &rcu::Guard,
    ) -> Result<Self, NoProgram> {
        // SAFETY: By the safety requirements of this function, the task lives as long as `guard`.
        let lock = unsafe { ExecUpdateRead::try_lock(leader, guard) };
        let _lock = lock.ok_or(NoProgram::ExecInProgress)?;
        // SAFETY: By the safety requirements of this function, the task is alive.
        let (comm, mm) = unsafe { (comm_of(leader), grab_mm(leader)) };
        let mm = mm.ok_or(NoProgram::Exited)?;
        Ok(Self { comm, mm })
    }
}

/// The `exec_update_lock` of a thread group, held for reading.
///
/// # Invariants
///
/// The calling thread holds the lock, and the task is alive for `'g`.
#[must_use = "the lock is released when the guard is dropped"]
struct ExecUpdateRead<'g> {
    task: NonNull<task_struct>,
    _rcu: &'g rcu::Guard,
}

impl<'g> ExecUpdateRead<'g> {
    /// Takes the lock, or returns `None` if it is held or waited for by an `execve(2)`. Does not sleep.
    ///
    /// # Safety
    ///
    /// `task` is alive for `'g`.
    unsafe fn try_lock(task: NonNull<task_struct>, guard: &'g rcu::Guard) -> Option<Self> {
        // SAFETY: By the safety requirements of this function, the task is alive, and with it the `signal_struct` of
        // its thread group.
        if !unsafe { bindings::abstractions_exec_update_read_trylock(task.as_ptr()) } {
            return None;
        }
        // INVARIANT: The lock was just taken.
        Some(Self { task, _rcu: guard })
    }
}

impl Drop for ExecUpdateRead<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the calling thread holds the lock and the task is alive.
        unsafe { bindings::abstractions_exec_update_read_unlock(self.task.as_ptr()) };
    }
}

/// Returns the task's name, which is one that it had: see the helper.
///
/// # Safety
///
/// `task` is alive.
unsafe fn comm_of(task: NonNull<task_struct>) -> Comm {
    let mut field = [0u8; TASK_COMM_LEN];
    // SAFETY: By the safety requirements of this function, the task is alive; `field` has the size of a `comm`.
    unsafe { bindings::abstractions_get_task_comm(field.as_mut_ptr().cast(), task.as_ptr()) };
    Comm::from_field(field)
}

/// Returns the address space of the first of a leader's threads that has one.
///
/// # Safety
///
/// `leader` was reached under the RCU read-side lock, which is still held.
unsafe fn grab_mm(leader: NonNull<task_struct>) -> Option<ARef<Mm>> {
    let mut thread = leader.as_ptr();
    while !thread.is_null() {
        // SAFETY: By the safety requirements of this function, the leader and the threads that are reached from it are
        // alive.
        if let Some(mm) = NonNull::new(unsafe { bindings::abstractions_grab_task_mm(thread) }) {
            // SAFETY: The helper took a reference to `mm_count`, which the `ARef` owns now, and `Mm` is a transparent
            // wrapper of `mm_struct`.
            return Some(unsafe { ARef::from_raw(mm.cast()) });
        }
        // SAFETY: The task was reached under the RCU read-side lock, which is still held.
        thread = unsafe { bindings::abstractions_next_thread(thread) };
    }
    None
}
