// SPDX-License-Identifier: GPL-2.0-only

//! Text that is measured first and written into memory allocated for it later, so that whoever holds
//! a lock need not allocate.

use crate::comm::{is_printed_raw, Comm};
use kernel::alloc::flags::GFP_NOWAIT;
use kernel::alloc::KVVec;

/// The text does not fit into the memory that it was given, or its receiver takes no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// Where text goes, piece by piece.
pub trait Sink {
    /// Takes a piece.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]; what was taken before may be incomplete text.
    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom>;
}

/// What has a text.
pub trait Print {
    /// Writes the text to `out`.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn print(&self, out: &mut impl Sink) -> Result<(), NoRoom>;

    /// Bytes of the text.
    fn printed_len(&self) -> usize {
        let mut len = Length(0);
        // A length never runs out of room.
        let _ = self.print(&mut len);
        len.0
    }

    /// Appends the text to `out` within its capacity: nothing is allocated.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if it does not fit; `out` is as it was.
    fn append_to(&self, out: &mut KVVec<u8>) -> Result<(), NoRoom> {
        let before = out.len();
        let printed = self.print(&mut Text(out));
        if printed.is_err() {
            out.truncate(before);
        }
        printed
    }
}

struct Text<'a>(&'a mut KVVec<u8>);

impl Sink for Text<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        if self.0.capacity() - self.0.len() < bytes.len() {
            return Err(NoRoom);
        }
        // There is room, so nothing is allocated.
        self.0
            .extend_from_slice(bytes, GFP_NOWAIT)
            .map_err(|_| NoRoom)
    }
}

struct Length(usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        self.0 += bytes.len();
        Ok(())
    }
}

/// Digits of the largest number in base 8.
const MAX_DIGITS: usize = 22;

/// A number in a base from 8 to 16, which the compiler divides by faster than by any, with at least
/// `width` digits.
fn put_in_base<const BASE: u64>(
    out: &mut impl Sink,
    mut number: u64,
    width: usize,
) -> Result<(), NoRoom> {
    let mut digits = [b'0'; MAX_DIGITS];
    let mut start = MAX_DIGITS;
    for slot in digits.iter_mut().rev() {
        let digit = (number % BASE) as u8;
        *slot = match digit {
            0..=9 => b'0' + digit,
            _ => b'a' + digit - 10,
        };
        number /= BASE;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    let start = start.min(MAX_DIGITS.saturating_sub(width));
    out.put(digits.get(start..).unwrap_or(&digits))
}

pub(crate) fn put_decimal(out: &mut impl Sink, number: u64) -> Result<(), NoRoom> {
    put_in_base::<10>(out, number, 1)
}

/// Hexadecimal without prefix, at least `width` digits.
pub(crate) fn put_hex(out: &mut impl Sink, number: u64, width: usize) -> Result<(), NoRoom> {
    put_in_base::<16>(out, number, width)
}

/// `\ooo`.
pub(crate) fn put_octal_escape(out: &mut impl Sink, byte: u8) -> Result<(), NoRoom> {
    out.put(b"\\")?;
    put_in_base::<8>(out, u64::from(byte), 3)
}

/// The bytes of `text`, those that `is_raw` refuses as `\ooo`.
pub(crate) fn put_escaped(
    out: &mut impl Sink,
    text: &[u8],
    is_raw: impl Fn(u8) -> bool,
) -> Result<(), NoRoom> {
    for piece in text.chunk_by(|a, b| is_raw(*a) && is_raw(*b)) {
        match piece {
            [byte] if !is_raw(*byte) => put_octal_escape(out, *byte)?,
            raw => out.put(raw)?,
        }
    }
    Ok(())
}

/// A process name, control bytes and backslashes escaped.
pub(crate) fn put_comm(out: &mut impl Sink, comm: &Comm) -> Result<(), NoRoom> {
    put_escaped(out, comm.as_bytes(), is_printed_raw)
}
