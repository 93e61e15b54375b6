// SPDX-License-Identifier: GPL-2.0-only

//! What a file in `/proc` does.

use kernel::iov::IovIterSource;
use kernel::prelude::*;

/// The operations of a file in `/proc`. All of them may run at the same time.
pub trait ProcFile: Send + Sync + Sized + 'static {
    /// The state of one open file.
    type Open: Send + Sync;

    /// The text of an open file.
    type Text: AsRef<[u8]>;

    /// Returns the state of a file that is being opened. May sleep.
    ///
    /// # Errors
    ///
    /// An error is returned by `open(2)`.
    fn open(&self) -> Result<Pin<KBox<Self::Open>>>;

    /// Returns what an open file reads as at this moment. May sleep.
    ///
    /// # Errors
    ///
    /// An error is returned by `read(2)` and `lseek(2)`.
    fn text(&self, open: &Self::Open) -> Result<FileText<Self::Text>>;

    /// Takes all bytes of one `write(2)` or `writev(2)`, at least one. Gets an error instead of the bytes if they cannot
    /// be had: EFAULT or ENOMEM. May sleep.
    ///
    /// # Errors
    ///
    /// An error is returned by `write(2)`.
    fn write(&self, open: &Self::Open, from: Result<&mut IovIterSource<'_>>) -> Result;
}

/// The text of an open file at one moment.
pub struct FileText<T> {
    /// The bytes.
    pub text: T,
    /// A number, at first 0, that changes whenever another text takes the place of this one. `read(2)` then starts at
    /// the beginning.
    pub version: u64,
}
