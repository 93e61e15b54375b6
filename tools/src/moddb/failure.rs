// SPDX-License-Identifier: GPL-2.0-only

//! Why a request led to nothing.

use std::io;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The module said no.
    #[error("{}", refusal(*errno, sentence.as_deref()))]
    Refused {
        /// Which kind of error.
        errno: i32,
        /// What the module says about it.
        sentence: Option<String>,
        /// Which attribute of the request it is about: its offset in the message.
        offset: Option<u32>,
    },
    /// There is no such family.
    #[error("the kernel has no family moddb: load the module first (insmod moddb.ko)")]
    NotLoaded,
    /// Notifications came faster than they were read.
    #[error("some changes were missed: they came faster than they were read")]
    Overrun,
    /// A system call failed.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
    /// The kernel said something that the specification does not.
    #[error("the kernel's answer is not understood: {0}")]
    Answer(String),
}

impl Failure {
    /// The module's error number, if it refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// The module's sentence; where there is none, the kernel's words for the number.
fn refusal(errno: i32, sentence: Option<&str>) -> String {
    let number = || io::Error::from_raw_os_error(errno).to_string();
    sentence.map_or_else(number, str::to_owned)
}
