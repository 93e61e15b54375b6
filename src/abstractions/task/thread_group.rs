// SPDX-License-Identifier: GPL-2.0-only

//! Processes: finding and listing them, with their names and address spaces.

use crate::current::fatal_signal_pending;
use crate::program::{NoProgram, Program};
use abstractions::bindings;
use core::ptr::{self, NonNull};
use kernel::alloc::{AllocError, Flags, KVVec};
use kernel::bindings::{
    find_pid_ns, init_pid_ns, pid, pid_task, pid_type_PIDTYPE_TGID, task_struct,
};
use kernel::mm::{Mm, MmWithUser, MmWithUserAsync};
use kernel::sync::aref::ARef;
use kernel::sync::rcu;
use kernel::time::delay::fsleep;
use kernel::time::Delta;
use logic::comm::Comm;
use logic::interrupted::Interrupted;

/// How long an `execve(2)` is waited for, in milliseconds: in sleeps of 1, 2, 4 and so on, the last of this length.
const LAST_WAIT_MS: i64 = 128;

/// Why a thread group was not found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindError {
    /// No thread group has this id.
    NoSuchProcess,
    /// The id is that of a kernel thread.
    KernelThread,
    /// The process has no address space any more.
    Exited,
    /// The process executes another program, which took longer than a quarter of a second.
    ExecInProgress,
    /// A fatal signal is pending for the caller.
    Interrupted,
}

/// Why the processes were not listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListError {
    /// Memory is exhausted.
    NoMemory,
    /// A fatal signal is pending for the caller.
    Interrupted,
}

impl From<AllocError> for ListError {
    fn from(_: AllocError) -> Self {
        Self::NoMemory
    }
}

impl From<Interrupted> for ListError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// A process as it was when it was found: a thread group that is not a kernel thread.
///
/// Name and address space are of one program, whatever the process has executed since. The process may have exited; its
/// memory is kept only while [`Mm::mmget_not_zero`]'s result lives.
pub struct ThreadGroup {
    /// The leader's name.
    pub comm: Comm,
    /// The thread group's id in the initial pid namespace.
    pub tgid: u32,
    /// The address space, by a reference to `mm_count`.
    pub mm: ARef<Mm>,
}

impl ThreadGroup {
    /// Returns the address space for use, or `None` if it is being torn down or is gone. As long as the result lives,
    /// nothing that the process maps is freed when it exits: so it should be dropped soon. Dropping it does not
    /// sleep, whoever drops it last. Does not sleep.
    pub fn use_mm(&self) -> Option<ARef<MmWithUserAsync>> {
        self.mm.mmget_not_zero().map(MmWithUser::into_mmput_async)
    }

    /// Returns true if both have the same address space.
    pub fn has_mm_of(&self, other: &Self) -> bool {
        self.mm_address() == other.mm_address()
    }

    /// Returns a number that is the same for all processes with this address space, while one of them is described.
    pub fn mm_address(&self) -> usize {
        self.mm.as_raw() as usize
    }

    /// Returns the process with this id in the initial pid namespace. May sleep, while the process executes another
    /// program, for about a quarter of a second.
    ///
    /// # Errors
    ///
    /// See [`FindError`].
    pub fn find(tgid: u32) -> Result<Self, FindError> {
        let mut pause = Pause::new();
        loop {
            match Self::try_find(tgid) {
                Err(FindError::ExecInProgress) => {
                    let waited = pause.wait().map_err(|_| FindError::Interrupted)?;
                    if !waited {
                        return Err(FindError::ExecInProgress);
                    }
                }
                found => return found,
            }
        }
    }

    fn try_find(tgid: u32) -> Result<Self, FindError> {
        let number = i32::try_from(tgid).map_err(|_| FindError::NoSuchProcess)?;
        let guard = rcu::read_lock();
        // SAFETY: The namespace is a static of the kernel, and the RCU read-side lock is held, which
        // both functions require.
        let leader = unsafe {
            let pid = find_pid_ns(number, &raw mut init_pid_ns);
            pid_task(pid, pid_type_PIDTYPE_TGID)
        };
        let leader = NonNull::new(leader).ok_or(FindError::NoSuchProcess)?;
        // SAFETY: A task that is found by its pid is alive while the RCU read-side lock is held.
        if unsafe { is_kthread(leader.as_ptr()) } {
            return Err(FindError::KernelThread);
        }
        // SAFETY: The task was found under the RCU read-side lock, which is still held.
        unsafe { Self::of(leader, &guard) }.map_err(|error| match error {
            NoProgram::Exited => FindError::Exited,
            NoProgram::ExecInProgress => FindError::ExecInProgress,
        })
    }

    /// # Safety
    ///
    /// `leader` was reached under the RCU read-side lock that `guard` holds.
    unsafe fn of(leader: NonNull<task_struct>, guard: &rcu::Guard) -> Result<Self, NoProgram> {
        // SAFETY: The safety requirements of this function are those of the callee.
        let Program { comm, mm } = unsafe { Program::of(leader, guard) }?;
        // SAFETY: By the safety requirements of this function, the task is alive, and the id of a task's
        // thread group does not change.
        let tgid = unsafe { (*leader.as_ptr()).tgid }.unsigned_abs();
        Ok(Self { comm, tgid, mm })
    }
}

/// Lists all processes that have an address space, kernel threads left out, in no particular order. A process whose
/// `execve(2)` has not ended within about a quarter of a second is left out, too: it has no name and memory of one
/// program. May sleep; `flags` must allow it.
///
/// # Errors
///
/// See [`ListError`].
pub fn thread_groups(flags: Flags) -> Result<KVVec<ThreadGroup>, ListError> {
    let mut pids = pids(flags)?;
    let mut groups = KVVec::with_capacity(pids.len(), flags)?;
    let mut pause = Pause::new();
    loop {
        pids.retain(|pid| match pid.thread_group() {
            Ok(group) => {
                // It has the capacity for all.
                let _ = groups.push_within_capacity(group);
                false
            }
            Err(NoProgram::Exited) => false,
            Err(NoProgram::ExecInProgress) => true,
        });
        if pids.is_empty() || !pause.wait()? {
            return Ok(groups);
        }
    }
}

/// The sleeps in which a caller waits for the end of an `execve(2)`. `exec_update_lock` itself cannot be waited for in
/// an RCU read-side section, nor for a limited time.
struct Pause {
    next_ms: i64,
}

impl Pause {
    const fn new() -> Self {
        Self { next_ms: 1 }
    }

    /// Sleeps, each time twice as long. Returns false, without sleeping, once it was long enough.
    ///
    /// # Errors
    ///
    /// Returns [`Interrupted`] if a fatal signal is pending.
    fn wait(&mut self) -> Result<bool, Interrupted> {
        if fatal_signal_pending() {
            return Err(Interrupted);
        }
        if self.next_ms > LAST_WAIT_MS {
            return Ok(false);
        }
        fsleep(Delta::from_millis(self.next_ms));
        self.next_ms *= 2;
        Ok(true)
    }
}

/// The id of a process, by a counted `struct pid`. It does not refer to the leader's task, which is replaced when
/// another thread executes a program.
///
/// # Invariants
///
/// Owns a reference to the `struct pid`.
struct CountedPid(NonNull<pid>);

impl CountedPid {
    /// Returns the id of the thread group of a leader, or `None` if it is gone already.
    ///
    /// # Safety
    ///
    /// `leader` was reached under the RCU read-side lock, which is still held.
    unsafe fn of(leader: *mut task_struct) -> Option<Self> {
        // SAFETY: By the safety requirements of this function, the task is alive.
        let pid = unsafe { kernel::bindings::get_task_pid(leader, pid_type_PIDTYPE_TGID) };
        // INVARIANT: `get_task_pid` took a reference, which this value owns.
        NonNull::new(pid).map(Self)
    }

    /// Returns the process that has this id. Does not sleep.
    fn thread_group(&self) -> Result<ThreadGroup, NoProgram> {
        let guard = rcu::read_lock();
        // SAFETY: By the type invariants, the pid is referenced, and the RCU read-side lock is held.
        let leader = unsafe { pid_task(self.0.as_ptr(), pid_type_PIDTYPE_TGID) };
        let leader = NonNull::new(leader).ok_or(NoProgram::Exited)?;
        // SAFETY: The task was found under the RCU read-side lock, which is still held.
        unsafe { ThreadGroup::of(leader, &guard) }
    }
}

impl Drop for CountedPid {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this value owns the reference that is put here.
        unsafe { kernel::bindings::put_pid(self.0.as_ptr()) };
    }
}

/// Lists the ids of all processes, kernel threads left out. May sleep if `flags` allow it.
fn pids(flags: Flags) -> Result<KVVec<CountedPid>, AllocError> {
    let mut pids = KVVec::new();
    loop {
        // Processes are created between counting and listing: leave room for them.
        let expected = for_each_process(|_| true);
        pids.clear();
        pids.reserve(expected + expected / 8 + 16, flags)?;
        let mut fits = true;
        for_each_process(|process| {
            // SAFETY: `for_each_process` passes tasks that are alive, since it holds the RCU read-side
            // lock.
            if !unsafe { is_kthread(process) } {
                // SAFETY: The task was reached under the RCU read-side lock, which `for_each_process`
                // holds during this call.
                if let Some(pid) = unsafe { CountedPid::of(process) } {
                    fits = pids.push_within_capacity(pid).is_ok();
                }
            }
            fits
        });
        if fits {
            return Ok(pids);
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
