// SPDX-License-Identifier: GPL-2.0-only

//! Text split into lines that fit into records of the kernel log.
//!
//! A record holds 1024 bytes (`PRINTKRB_RECORD_MAX`), its prefix included. A read of `/dev/kmsg` returns at most 2048
//! (`PRINTK_MESSAGE_MAX`), in which each byte beyond ASCII takes four. Longer records are truncated. So a longer line is
//! split at the end of a character, and each further part of it begins with [`CONTINUED`], with which no line of a
//! report begins.

use logic::text::{BufferFull, Sink};

/// The longest line, in bytes.
pub const MAX_LINE: usize = 480;
/// The first byte of each part of a line but the first part.
pub const CONTINUED: u8 = b'+';

/// Bytes of the longest UTF-8 character.
const LONGEST_CHARACTER: usize = 4;

/// A sink that splits text into lines and passes each to a function, without its newline.
pub struct LogLines<F> {
    line: [u8; MAX_LINE],
    len: usize,
    each: F,
}

impl<F: FnMut(&[u8]) -> Result<(), BufferFull>> LogLines<F> {
    /// Returns a sink that passes lines to `each`, which may fail to end the text.
    pub fn new(each: F) -> Self {
        Self {
            line: [0; MAX_LINE],
            len: 0,
            each,
        }
    }

    fn pass_on(&mut self, len: usize) -> Result<(), BufferFull> {
        (self.each)(self.line.get(..len).unwrap_or(&self.line))
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.line.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    /// Ends a line that is full, before the byte `next`.
    fn cut_before(&mut self, next: u8) -> Result<(), BufferFull> {
        let last = self.line.iter().rev().take(LONGEST_CHARACTER);
        let inside = last.take_while(|byte| is_inside(**byte)).count();
        // The bytes of an incomplete character move to the next line. Bytes that are not UTF-8 do not.
        let moved = if is_inside(next) && inside + 1 < LONGEST_CHARACTER {
            inside + 1
        } else {
            0
        };
        let kept = MAX_LINE - moved;
        self.pass_on(kept)?;
        self.len = 0;
        self.push(CONTINUED);
        for at in kept..MAX_LINE {
            let byte = self.line.get(at).copied().unwrap_or_default();
            self.push(byte);
        }
        Ok(())
    }
}

/// Returns true for the bytes of a UTF-8 character but the first.
fn is_inside(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

impl<F: FnMut(&[u8]) -> Result<(), BufferFull>> Sink for LogLines<F> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        for byte in bytes {
            if *byte == b'\n' {
                self.pass_on(self.len)?;
                self.len = 0;
            } else {
                if self.len == MAX_LINE {
                    self.cut_before(*byte)?;
                }
                self.push(*byte);
            }
        }
        Ok(())
    }
}
