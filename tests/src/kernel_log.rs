//! Reading the kernel log from a given moment on.

use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// `KERN_ERR`. C header: `include/linux/kern_levels.h`.
const KERN_ERR: u32 = 3;

/// The log after a moment.
pub struct KernelLog(File);

impl KernelLog {
    /// The log from now on.
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

    /// The texts logged at KERN_ERR since the last call.
    pub fn errors(&mut self) -> Result<Vec<String>> {
        let mut errors = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(length) => {
                    let record = String::from_utf8_lossy(&record[..length]);
                    errors.extend(error_text(&record).map(str::to_owned));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(errors),
                // Older records were overwritten before they were read; the next read goes on.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(error) => return Err(error).context("cannot read /dev/kmsg"),
            }
        }
    }
}

/// The text of a kernel record `<priority>,<sequence>,…;<text>` at KERN_ERR.
fn error_text(record: &str) -> Option<&str> {
    let (header, text) = record.split_once(';')?;
    let priority: u32 = header.split(',').next()?.parse().ok()?;
    (priority == KERN_ERR).then(|| text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::error_text;

    #[test]
    fn only_kernel_errors_are_taken() {
        assert_eq!(
            error_text("3,12,99,-;memory_info: [ERROR]: x\n"),
            Some("memory_info: [ERROR]: x")
        );
        assert_eq!(error_text("6,12,99,-;memory_info: hello\n"), None);
        assert_eq!(error_text("11,12,99,-;a user's own line\n"), None);
    }
}
