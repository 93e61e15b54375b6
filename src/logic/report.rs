// SPDX-License-Identifier: GPL-2.0

//! The lines that ALL and FILTER show (statement, Listing 1; design: "Output").

use crate::comm::{is_printed_raw, Comm};
use crate::counts::Counts;
use kernel::alloc::KVVec;

/// One set of processes, to be shown as one line.
#[derive(Clone, Copy)]
pub struct Set<'a> {
    /// The name that the processes share.
    pub comm: &'a Comm,
    /// The set's pages.
    pub counts: &'a Counts,
    /// The processes' ids, ascending.
    pub pids: &'a [u32],
}

/// The text does not fit into the memory that it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

impl Set<'_> {
    /// Bytes of the line, newline included.
    pub fn line_len(&self) -> usize {
        let mut len = Length(0);
        // A length never runs out of room.
        let _ = self.emit(&mut len);
        len.0
    }

    /// Appends the line to `out` within its capacity: nothing is allocated.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if it does not fit; `out` is as it was.
    pub fn write_line(&self, out: &mut KVVec<u8>) -> Result<(), NoRoom> {
        let before = out.len();
        let written = self.emit(&mut Text(out));
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    fn emit(&self, out: &mut impl Sink) -> Result<(), NoRoom> {
        for byte in self.comm.as_bytes() {
            if is_printed_raw(*byte) {
                out.put(&[*byte])?;
            } else {
                let octal = |shift: u8| b'0' + (byte >> shift & 7);
                out.put(&[b'\\', octal(6), octal(3), octal(0)])?;
            }
        }
        let counts = self.counts;
        let fields: [(&[u8], u64); 6] = [
            (b", total: ", counts.total),
            (b", valid: ", counts.valid),
            (b", invalid: ", counts.invalid()),
            (b", may_be_shared: ", counts.may_be_shared),
            (b", nb_group: ", counts.nb_group),
            (b", pid(", self.pids.len() as u64),
        ];
        for (label, number) in fields {
            out.put(label)?;
            put_decimal(out, number)?;
        }
        let mut separator: &[u8] = b"): ";
        for pid in self.pids {
            out.put(separator)?;
            put_decimal(out, u64::from(*pid))?;
            separator = b"; ";
        }
        out.put(b"\n")
    }
}

trait Sink {
    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom>;
}

struct Text<'a>(&'a mut KVVec<u8>);

impl Sink for Text<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        for byte in bytes {
            self.0.push_within_capacity(*byte).map_err(|_| NoRoom)?;
        }
        Ok(())
    }
}

struct Length(usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        self.0 += bytes.len();
        Ok(())
    }
}

fn put_decimal(out: &mut impl Sink, mut number: u64) -> Result<(), NoRoom> {
    const DIGITS: usize = 20;
    let mut digits = [0; DIGITS];
    let mut start = DIGITS;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.put(digits.get(start..).unwrap_or(&digits))
}
