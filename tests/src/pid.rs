//! Processes under pids of one's choice.

use nix::errno::Errno;
use nix::unistd::Pid;

/// Forks a child that has the pid `pid`, which must be free, and ends well if `then` says so.
///
/// Kernel documentation: clone(2), `set_tid`.
pub fn fork_as(pid: Pid, then: impl FnOnce() -> bool) -> Result<Pid, Errno> {
    let pids = [pid.as_raw()];
    // SAFETY: zeros are valid values of these integers.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.set_tid = pids.as_ptr() as u64;
    arguments.set_tid_size = 1;
    // SAFETY: a fork; this process has one thread, so the child may do what it could do.
    let child = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        )
    };
    match Errno::result(child)? {
        0 => std::process::exit(i32::from(!then())),
        child => Ok(Pid::from_raw(child as i32)),
    }
}
