// SPDX-License-Identifier: GPL-2.0-only

//! Errors of a request.

use std::io;

/// Error of a request.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The kernel refused the request.
    #[error("{}", refusal(*errno, sentence.as_deref()))]
    Refused {
        /// Error number that the kernel returned, as a positive number.
        errno: i32,
        /// Message of the extended acknowledgement, if there is one.
        sentence: Option<String>,
        /// Offset in the request of the attribute that caused the error, if the kernel says so.
        offset: Option<u32>,
    },
    /// The kernel does not have the generic netlink family: the module is not loaded.
    #[error("the kernel has no family moddb: load the module first (insmod moddb.ko)")]
    NotLoaded,
    /// Notifications arrived faster than they were read, and some were dropped.
    #[error("some changes were missed: they arrived faster than they were read")]
    Overrun,
    /// A system call failed; the text says what it was for.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
    /// The kernel's message does not conform to the specification.
    #[error("unexpected message from the kernel: {0}")]
    UnexpectedMessage(String),
}

impl Failure {
    /// Returns the error number if the kernel refused the request.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// Returns the message of the extended acknowledgement, or else the description of the error number.
fn refusal(errno: i32, sentence: Option<&str>) -> String {
    let number = || io::Error::from_raw_os_error(errno).to_string();
    sentence.map_or_else(number, str::to_owned)
}
