// SPDX-License-Identifier: GPL-2.0-only

//! Process names, as the scheduler keeps them.
//!
//! C header: `include/linux/sched.h` (`TASK_COMM_LEN`).

/// Size in bytes of `task_struct::comm`, its terminating NUL included.
pub const TASK_COMM_LEN: usize = 16;

/// A process name: at most 15 bytes, none of them NUL, padded with NULs.
///
/// # Examples
///
/// ```
/// use logic::comm::Comm;
///
/// assert_eq!(Comm::new(b"sshd").unwrap().as_bytes(), b"sshd");
/// // No process has a name of 16 bytes.
/// assert_eq!(Comm::new(b"0123456789abcdef"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct Comm([u8; TASK_COMM_LEN]);

impl Comm {
    /// Returns the name with exactly these bytes, or `None` if no process can have it: if it is empty, has more than
    /// 15 bytes, or has a NUL.
    pub fn new(name: &[u8]) -> Option<Self> {
        if name.is_empty() || name.contains(&0) {
            return None;
        }
        let mut comm = [0; TASK_COMM_LEN];
        comm[..TASK_COMM_LEN - 1]
            .get_mut(..name.len())?
            .copy_from_slice(name);
        Some(Self(comm))
    }

    /// Returns the name in a `comm` field of the kernel. The bytes after the first NUL are cleared, so that equal names
    /// are equal fields.
    pub fn from_field(field: [u8; TASK_COMM_LEN]) -> Self {
        let mut comm = [0; TASK_COMM_LEN];
        let named = field
            .iter()
            .take(TASK_COMM_LEN - 1)
            .take_while(|byte| **byte != 0);
        for (to, from) in comm.iter_mut().zip(named) {
            *to = *from;
        }
        Self(comm)
    }

    /// Returns the bytes of the name, without padding.
    pub fn as_bytes(&self) -> &[u8] {
        let len = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(TASK_COMM_LEN);
        self.0.get(..len).unwrap_or(&self.0)
    }

    /// Returns the whole field, its padding included: a key of fixed size.
    pub fn as_field(&self) -> &[u8; TASK_COMM_LEN] {
        &self.0
    }
}
