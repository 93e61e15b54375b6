// SPDX-License-Identifier: GPL-2.0-only

//! Processes that share memory with their relatives: forks, threads, and children in the same address space.

use super::anonymous;
use anyhow::{bail, ensure, Context, Result};
use guest::child::{self, hold};
use guest::mapping::{Area, RO, RW};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::sys::mman::MapFlags;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::convert::Infallible;
use std::ffi::CString;
use std::time::{Duration, Instant};

/// Size in bytes of the stack of a thread or of a cloned child.
const STACK: usize = 64 << 10;

/// Forks `children` processes that run `then` with their index and stop.
fn fork_stopped(children: usize, then: impl Fn(usize) -> Result<()>) -> Result<()> {
    for index in 0..children {
        let child = fork_child(|| {
            then(index)?;
            hold()
        })?;
        child::wait_until_stopped(child)?;
    }
    Ok(())
}

/// Forks a process that runs `then`, which returns only if it fails.
fn fork_child(then: impl FnOnce() -> Result<Infallible>) -> Result<Pid> {
    let child = child::start_with_status(|| {
        let Err(error) = then();
        eprintln!("guest-tests: {error:#}");
        1
    });
    child.context("cannot fork")
}

/// Forks `argument` children that do not execute a program; one of them changes a page.
pub fn forks(argument: &str) -> Result<()> {
    anonymous::patterns("1 2 3 4 4")?;
    let own = Area::small_pages(4)?;
    own.fill_all(|index| 10 + index as u64);
    let children = argument
        .parse()
        .context("the shape forks takes a number of children")?;
    fork_stopped(children, |index| {
        if index == 0 {
            own.fill(2, 10);
        }
        own.protect(RO)
    })
}

/// Starts a child that is process 1 of a new pid namespace.
pub fn namespace(_: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID).context("cannot make a pid namespace")?;
    // The usual fork would compare the parent's pid, which is 0 in the new namespace.
    let first = child::start_with_pid(Pid::from_raw(1), || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        loop {
            nix::unistd::pause();
        }
    })
    .context("cannot start process 1 of a pid namespace")?;
    // Process 1 of a namespace can be stopped only from outside of the namespace.
    kill(first, Signal::SIGSTOP)?;
    child::wait_until_stopped(first)
}

/// Makes writable memory that is write-protected only by copy-on-write.
pub fn copy_on_write(_: &str) -> Result<()> {
    let area = Area::small_pages(32)?;
    area.fill_all(|index| index as u64 / 2);
    fork_stopped(2, |_| Ok(()))
}

/// Starts three threads.
pub fn threads(_: &str) -> Result<()> {
    anonymous::patterns("1 1 2 2 3")?;
    let ready = std::sync::Arc::new(std::sync::Barrier::new(4));
    for _ in 0..3 {
        let ready = ready.clone();
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || {
                ready.wait();
                loop {
                    std::thread::park();
                }
            })?;
    }
    ready.wait();
    Ok(())
}

/// Ends the leader of this thread group while another thread continues.
pub fn leader_exited(_: &str) -> Result<()> {
    anonymous::patterns("1 1 2 2 3")?;
    std::thread::Builder::new()
        .name("survivor".into())
        .spawn(|| {
            let leader = format!("/proc/self/task/{}/stat", std::process::id());
            while !std::fs::read_to_string(&leader).is_ok_and(|stat| stat.contains(") Z ")) {
                std::thread::sleep(Duration::from_millis(1));
            }
            hold();
        })?;
    // SAFETY: A system call that takes no pointers. It ends this thread and frees nothing that another thread uses.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("exit(2) does not return")
}

/// Starts a child in this address space that runs `then`, which must not allocate, and stops.
fn clone_stopped(flags: libc::c_int, then: impl Fn() + 'static) -> Result<Pid> {
    type Then = &'static dyn Fn();

    extern "C" fn run(then: *mut libc::c_void) -> libc::c_int {
        // SAFETY: By the call of clone(2) below, the pointer is to a `Then` that was leaked.
        let then = unsafe { *then.cast::<Then>() };
        then();
        hold()
    }

    // Both are leaked: the child uses them until it is killed, and the parent does not wait for that.
    let stack = Box::leak(vec![0u8; STACK].into_boxed_slice()).as_mut_ptr_range();
    let then: &'static mut Then = Box::leak(Box::new(Box::leak(Box::new(then))));
    // SAFETY: By the allocation above, the child has a stack of its own. By the requirement of this function, it makes
    // nothing but system calls until it stops.
    let child = unsafe {
        libc::clone(
            run,
            stack.end.cast(),
            libc::CLONE_VM | libc::SIGCHLD | flags,
            std::ptr::from_mut(then).cast(),
        )
    };
    Ok(Pid::from_raw(Errno::result(child).context("cannot clone")?))
}

/// Starts two processes in this address space, one of them with the name `argument`.
pub fn clone_vm(argument: &str) -> Result<()> {
    anonymous::patterns("1 1 2 2 3")?;
    let other_name = CString::new(argument)?;
    let children = [
        clone_stopped(0, || ())?,
        clone_stopped(0, move || {
            let _ = nix::sys::prctl::set_name(&other_name);
        })?,
    ];
    children.into_iter().try_for_each(child::wait_until_stopped)
}

/// Starts a child that waits for its vfork child. All three processes have the same name.
pub fn vfork(_: &str) -> Result<()> {
    anonymous::patterns("1 1 2 2 3")?;
    let ready = Area::anonymous_with(1, RW, MapFlags::MAP_SHARED)?;
    fork_child(|| {
        clone_stopped(libc::CLONE_VFORK, move || ready.fill(0, 1))?;
        bail!("the vfork child ended")
    })?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while ready.is_zero() {
        ensure!(Instant::now() < deadline, "the vfork child did not start");
        std::thread::sleep(Duration::from_millis(1));
    }
    // The child stops right after it wrote that it is ready.
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}
