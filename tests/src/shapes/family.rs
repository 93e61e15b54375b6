// SPDX-License-Identifier: GPL-2.0-only

//! Processes that share memory by descent: forks, threads, and children in one address space.

use super::area::{Area, RO, RW};
use super::{anonymous, hold};
use anyhow::{bail, ensure, Context, Result};
use nix::errno::Errno;
use nix::sched::{unshare, CloneFlags};
use nix::sys::mman::MapFlags;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use std::ffi::CString;
use std::time::{Duration, Instant};

const STACK: usize = 64 << 10;

/// Forks `children` processes that each do `then` and stop.
fn fork_held(children: usize, then: impl Fn(usize) -> Result<()>) -> Result<()> {
    for index in 0..children {
        // SAFETY: this process has one thread, so the child may do what it could do.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Child => {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                then(index)?;
                hold();
            }
            ForkResult::Parent { child } => wait_stopped(child)?,
        }
    }
    Ok(())
}

fn wait_stopped(child: Pid) -> Result<()> {
    match waitpid(child, Some(WaitPidFlag::WUNTRACED))? {
        WaitStatus::Stopped(..) => Ok(()),
        status => bail!("child {child} did not stop: {status:?}"),
    }
}

/// `argument` children that did not exec; one of them changed a page.
pub fn forks(argument: &str) -> Result<()> {
    anonymous::patterns("1 2 3 4 4")?;
    let own = Area::small_pages(4)?;
    own.fill_all(|index| 10 + index as u64);
    fork_held(argument.parse().context("forks takes a number")?, |index| {
        if index == 0 {
            own.fill(2, 10);
        }
        own.protect(RO)
    })
}

/// A child that is process 1 of a pid namespace of its own.
pub fn namespace(_: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID).context("cannot make a pid namespace")?;
    // SAFETY: this process has one thread, so the child may do what it could do.
    match unsafe { fork() }.context("cannot fork")? {
        ForkResult::Child => {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            loop {
                nix::unistd::pause();
            }
        }
        ForkResult::Parent { child } => {
            // Process 1 of a namespace can be stopped only from outside.
            kill(child, Signal::SIGSTOP)?;
            wait_stopped(child)
        }
    }
}

/// Memory that is writable, and write-protected only by copy-on-write.
pub fn copy_on_write(_: &str) -> Result<()> {
    let area = Area::small_pages(32)?;
    area.fill_all(|index| index as u64 / 2);
    fork_held(2, |_| Ok(()))
}

/// A process with several threads.
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

/// A process whose leader exited while another thread lives on.
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
    // SAFETY: ends this thread only; what it owns stays.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("a thread that exited goes on")
}

/// Starts a child in this address space that does `then`, which must not allocate, and stops.
fn clone_held(flags: libc::c_int, then: impl Fn() + 'static) -> Result<Pid> {
    type Then = &'static dyn Fn();

    extern "C" fn run(then: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the pointer is to a `Then` that was leaked for this call.
        let then = unsafe { *then.cast::<Then>() };
        then();
        hold()
    }

    // Leaked both: the child lives on them until it is killed, the parent goes on at once.
    let stack = Box::leak(vec![0u8; STACK].into_boxed_slice()).as_mut_ptr_range();
    let then: &'static mut Then = Box::leak(Box::new(Box::leak(Box::new(then))));
    // SAFETY: the child has a stack of its own, and does nothing but system calls until it stops.
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

/// Two processes more in this address space, one of them under the name `argument`.
pub fn clone_vm(argument: &str) -> Result<()> {
    anonymous::patterns("1 1 2 2 3")?;
    let other_name = CString::new(argument)?;
    let children = [
        clone_held(0, || ())?,
        clone_held(0, move || {
            let _ = nix::sys::prctl::set_name(&other_name);
        })?,
    ];
    children.into_iter().try_for_each(wait_stopped)
}

/// A process that waits for its vfork child; both are of the same name as their own parent.
pub fn vfork(_: &str) -> Result<()> {
    anonymous::patterns("1 1 2 2 3")?;
    let ready = Area::anonymous_with(1, RW, MapFlags::MAP_SHARED)?;
    // SAFETY: this process has one thread, so the child may do what it could do.
    match unsafe { fork() }.context("cannot fork")? {
        ForkResult::Child => {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            clone_held(libc::CLONE_VFORK, move || ready.fill(0, 1))?;
            bail!("the vfork child ended");
        }
        ForkResult::Parent { .. } => {
            let deadline = Instant::now() + Duration::from_secs(10);
            while ready.is_zero() {
                ensure!(Instant::now() < deadline, "the vfork child did not start");
                std::thread::sleep(Duration::from_millis(1));
            }
            // It stops right after it said that it is ready.
            std::thread::sleep(Duration::from_millis(50));
            Ok(())
        }
    }
}
