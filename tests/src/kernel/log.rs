// SPDX-License-Identifier: GPL-2.0-only

//! Reads the kernel log from a given moment on.

use anyhow::{anyhow, Context, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

/// Log level of errors. C header: `include/linux/kern_levels.h`.
const KERN_ERR: u32 = 3;

/// The records of the kernel log that were not read yet.
pub struct KernelLog(File);

impl KernelLog {
    /// Opens the log so that it contains the records from now on.
    pub fn from_now() -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .context("cannot open /dev/kmsg")?;
        file.seek(SeekFrom::End(0))
            .context("cannot seek in /dev/kmsg")?;
        Ok(Self(file))
    }

    /// Returns the texts that were logged at KERN_ERR since the last call.
    pub fn errors(&mut self) -> Result<Vec<String>> {
        let mut errors = Vec::new();
        loop {
            match self.next() {
                Ok(Some(record)) => errors.extend(error_text(&record).map(str::to_owned)),
                Ok(None) => return Ok(errors),
                // Records were overwritten before they were read. The next read continues with the oldest one.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(error) => return Err(error).context("cannot read /dev/kmsg"),
            }
        }
    }

    /// Runs `then` and reads the log at the same time, like a log daemon. Returns the result of `then` and all texts that
    /// were logged after `prefix`.
    ///
    /// # Errors
    ///
    /// Fails if a record is lost.
    pub fn follow_during<T: Send>(
        mut self,
        prefix: &str,
        then: impl FnOnce() -> T + Send,
    ) -> Result<(T, Vec<Vec<u8>>)> {
        let mut texts = Vec::new();
        let done = std::thread::scope(|scope| -> Result<T> {
            let work = scope.spawn(then);
            loop {
                let finished = work.is_finished();
                while let Some(record) =
                    self.next().context("a record of the kernel log was lost")?
                {
                    texts.extend(text(&record, prefix));
                }
                if finished {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            work.join()
                .map_err(|_| anyhow!("the function that ran beside the log panicked"))
        })?;
        Ok((done, texts))
    }

    /// Reads the next record, or nothing if all records are read.
    fn next(&mut self) -> std::io::Result<Option<String>> {
        let mut record = [0; 8192];
        match self.0.read(&mut record) {
            Ok(length) => Ok(Some(
                String::from_utf8_lossy(&record[..length]).into_owned(),
            )),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the text of a record after `prefix`, in which bytes that are not printable have the form `\xhh`.
fn text(record: &str, prefix: &str) -> Option<Vec<u8>> {
    let (_, text) = record.split_once(';')?;
    let mut rest = text.lines().next()?.strip_prefix(prefix)?.as_bytes();
    let mut bytes = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = rest.strip_prefix(b"\\x").and_then(|digits| {
            let digits = std::str::from_utf8(digits.get(..2)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        bytes.push(escaped.unwrap_or(byte));
        rest = match escaped {
            Some(_) => &rest[4..],
            None => after,
        };
    }
    Some(bytes)
}

/// Returns the text of a record `<priority>,<sequence>,…;<text>` if its level is KERN_ERR.
fn error_text(record: &str) -> Option<&str> {
    let (header, text) = record.split_once(';')?;
    let priority: u32 = header.split(',').next()?.parse().ok()?;
    (priority == KERN_ERR).then(|| text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{error_text, text};

    #[test]
    fn only_kernel_errors_are_taken() {
        assert_eq!(
            error_text("3,12,99,-;memory_info: [ERROR]: x\n"),
            Some("memory_info: [ERROR]: x")
        );
        assert_eq!(error_text("6,12,99,-;memory_info: hello\n"), None);
        assert_eq!(error_text("11,12,99,-;a user's own line\n"), None);
    }

    #[test]
    fn texts_are_unescaped() {
        let record = r"6,12,99,-;vm_layout: a\x5cb \xc3\xbc \x";
        assert_eq!(
            text(record, "vm_layout: ").unwrap(),
            "a\\b \u{fc} \\x".as_bytes()
        );
        assert_eq!(text(record, "memory_info: "), None);
    }
}
