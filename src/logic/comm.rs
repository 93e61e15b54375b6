// SPDX-License-Identifier: GPL-2.0-only

//! Process names as the scheduler keeps them.
//!
//! C header: `include/linux/sched.h` (`TASK_COMM_LEN`).

/// Size in bytes of `task_struct::comm`, its terminating NUL included.
pub const TASK_COMM_LEN: usize = 16;

/// A process name: at most 15 bytes, none of them NUL, padded with NULs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct Comm([u8; TASK_COMM_LEN]);

impl Comm {
    /// The name with exactly these bytes, or `None` if no process can bear it: empty, longer than
    /// 15 bytes, or with a NUL.
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

    /// The name in a `comm` field as the kernel keeps it. What follows the first NUL is dropped, so
    /// that two equal names are the same bytes.
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

    /// The bytes of the name, without padding.
    pub fn as_bytes(&self) -> &[u8] {
        let len = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(TASK_COMM_LEN);
        self.0.get(..len).unwrap_or(&self.0)
    }

    /// The whole field, padding included: a key of fixed size.
    pub fn as_field(&self) -> &[u8; TASK_COMM_LEN] {
        &self.0
    }
}

/// True for the bytes of a name that are printed as they are; the others become `\ooo`.
pub(crate) fn is_printed_raw(byte: u8) -> bool {
    !byte.is_ascii_control() && byte != b'\\'
}
