// SPDX-License-Identifier: GPL-2.0-only

//! A text of any length, cut into lines that the kernel log takes whole.
//!
//! A record of the log holds 1024 bytes (`PRINTKRB_RECORD_MAX`), its prefix included; and who reads
//! `/dev/kmsg` gets 2048 (`PRINTK_MESSAGE_MAX`), in which a byte beyond ASCII takes four. What is longer
//! is lost. So a longer line is cut, where a character ends, and each further part of it begins with
//! [`CONTINUED`], which no line of a report does.

use logic::text::{BufferFull, Sink};

/// Longest line in bytes.
pub const MAX_LINE: usize = 480;
/// How a part of a line begins that is not its first.
pub const CONTINUED: u8 = b'+';

/// Bytes of the longest UTF-8 character.
const LONGEST_CHARACTER: usize = 4;

/// Cuts the text that it is given into lines, and hands them on without their newlines.
pub struct LogLines<F> {
    line: [u8; MAX_LINE],
    len: usize,
    each: F,
}

impl<F: FnMut(&[u8]) -> Result<(), BufferFull>> LogLines<F> {
    /// Hands lines to `each`, which may refuse to take more.
    pub fn new(each: F) -> Self {
        Self {
            line: [0; MAX_LINE],
            len: 0,
            each,
        }
    }

    fn hand_on(&mut self, len: usize) -> Result<(), BufferFull> {
        (self.each)(self.line.get(..len).unwrap_or(&self.line))
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.line.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    /// Makes room for a byte in a line that is full.
    fn cut_before(&mut self, next: u8) -> Result<(), BufferFull> {
        let last = self.line.iter().rev().take(LONGEST_CHARACTER);
        let inside = last.take_while(|byte| is_inside(**byte)).count();
        // What of a character is there moves to the next line, unless these are no characters.
        let moved = if is_inside(next) && inside + 1 < LONGEST_CHARACTER {
            inside + 1
        } else {
            0
        };
        let kept = MAX_LINE - moved;
        self.hand_on(kept)?;
        self.len = 0;
        self.push(CONTINUED);
        for at in kept..MAX_LINE {
            let byte = self.line.get(at).copied().unwrap_or_default();
            self.push(byte);
        }
        Ok(())
    }
}

/// True for the bytes of a UTF-8 character but its first.
fn is_inside(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

impl<F: FnMut(&[u8]) -> Result<(), BufferFull>> Sink for LogLines<F> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        for byte in bytes {
            if *byte == b'\n' {
                self.hand_on(self.len)?;
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
