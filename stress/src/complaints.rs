// SPDX-License-Identifier: GPL-2.0-only

//! What went wrong, told by any process of a run to the one that prints it.

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};

/// Writes of no more than this are not mixed with those of others. C header: `linux/limits.h`,
/// `PIPE_BUF`.
const MAX_LEN: usize = 4096;
const END: u8 = 0;

/// The side of those who complain.
pub struct Complaints(File);

/// The side of the one who listens.
pub struct Heard {
    from: File,
    partial: Vec<u8>,
}

/// A pipe for complaints.
pub fn channel() -> Result<(Complaints, Heard)> {
    let (from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).context("cannot make a pipe")?;
    let heard = Heard {
        from: from.into(),
        partial: Vec::new(),
    };
    Ok((Complaints(to.into()), heard))
}

impl Complaints {
    /// Sends a complaint, cut to what fits. If there are too many already, it is dropped: they are
    /// counted elsewhere, and who complains must not wait.
    pub fn send(&self, text: &str) {
        let mut message: Vec<u8> = text.bytes().filter(|byte| *byte != END).collect();
        message.truncate(MAX_LEN - 1);
        message.push(END);
        // A full pipe: see above.
        let _ = (&self.0).write_all(&message);
    }
}

impl Heard {
    /// What came since the last call.
    pub fn take(&mut self) -> Result<Vec<String>> {
        let mut buffer = [0; MAX_LEN];
        loop {
            match self.from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => self.partial.extend(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read the pipe for complaints"),
            }
        }
        let Some(end) = self.partial.iter().rposition(|byte| *byte == END) else {
            return Ok(Vec::new());
        };
        let whole: Vec<u8> = self.partial.drain(..=end).collect();
        let texts = whole[..end].split(|byte| *byte == END);
        Ok(texts
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::channel;

    #[test]
    fn complaints_are_heard_in_order() {
        let (complaints, mut heard) = channel().expect("a pipe");
        assert!(heard.take().expect("nothing").is_empty());
        complaints.send("one");
        complaints.send(&"x".repeat(10_000));
        let texts = heard.take().expect("two");
        assert_eq!(texts[0], "one");
        assert_eq!(texts[1].len(), 4095);
        assert!(heard.take().expect("nothing").is_empty());
    }
}
