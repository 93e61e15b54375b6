// SPDX-License-Identifier: GPL-2.0-only

//! Reports of failures, sent by any process of a run to the supervisor, which prints them.

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};

/// Largest number of bytes that a write to a pipe does not mix with those of other writers. C header:
/// `linux/limits.h`, `PIPE_BUF`.
const MAX_LEN: usize = 4096;
/// Byte that ends a report.
const END: u8 = 0;

/// Sending end of the pipe, which all processes of the run have.
pub struct ReportSender(File);

/// Receiving end of the pipe, which the supervisor has.
pub struct ReportReceiver {
    pipe: File,
    partial: Vec<u8>,
}

/// Makes a pipe for reports.
pub fn channel() -> Result<(ReportSender, ReportReceiver)> {
    let (reader, writer) =
        pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).context("cannot make a pipe")?;
    let receiver = ReportReceiver {
        pipe: reader.into(),
        partial: Vec::new(),
    };
    Ok((ReportSender(writer.into()), receiver))
}

impl ReportSender {
    /// Sends a report, cut to [`MAX_LEN`] bytes. Does not block: a report that finds the pipe full is dropped, but the
    /// failure is counted in the shared state.
    pub fn send(&self, text: &str) {
        let mut message: Vec<u8> = text.bytes().filter(|byte| *byte != END).collect();
        message.truncate(MAX_LEN - 1);
        message.push(END);
        // Fails if the pipe is full.
        let _ = (&self.0).write_all(&message);
    }
}

impl ReportReceiver {
    /// Returns the reports that arrived since the last call. Does not block.
    pub fn take(&mut self) -> Result<Vec<String>> {
        let mut buffer = [0; MAX_LEN];
        loop {
            match self.pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => self.partial.extend(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read the pipe for reports"),
            }
        }
        let Some(end) = self.partial.iter().rposition(|byte| *byte == END) else {
            return Ok(Vec::new());
        };
        let complete: Vec<u8> = self.partial.drain(..=end).collect();
        let texts = complete[..end].split(|byte| *byte == END);
        Ok(texts
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::channel;

    #[test]
    fn reports_arrive_in_order() {
        let (sender, mut receiver) = channel().expect("a pipe");
        assert!(receiver.take().expect("no report").is_empty());
        sender.send("one");
        sender.send(&"x".repeat(10_000));
        let texts = receiver.take().expect("two reports");
        assert_eq!(texts[0], "one");
        assert_eq!(texts[1].len(), 4095);
        assert!(receiver.take().expect("no report").is_empty());
    }
}
