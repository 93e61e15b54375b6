// SPDX-License-Identifier: GPL-2.0-only

//! Text that is measured first and written into memory that was allocated for it, so that the holder of a
//! lock need not allocate.
//!
//! A type that has a text implements [`Print`], which writes the text to a [`Sink`] piece by piece. A sink
//! may count bytes, fill a buffer or pass the pieces on. So one implementation both measures and writes:
//! the caller allocates [`Print::printed_len`] bytes, takes its lock, and calls [`Print::append_to`].

use crate::comm::Comm;
use kernel::alloc::flags::GFP_NOWAIT;
use kernel::alloc::KVVec;

/// The text does not fit into its buffer, or the sink does not accept more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BufferFull;

/// A destination of text, which is written to it piece by piece.
pub trait Sink {
    /// Takes one piece of text.
    ///
    /// # Errors
    ///
    /// Returns [`BufferFull`] if the piece was not taken; the pieces before it were.
    fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull>;
}

/// A value that has a text.
///
/// # Examples
///
/// ```
/// use kernel::alloc::{flags::GFP_KERNEL, KVVec};
/// use logic::text::{put_decimal, BufferFull, Print, Sink};
///
/// struct Pages(u64);
///
/// impl Print for Pages {
///     fn print(&self, out: &mut impl Sink) -> Result<(), BufferFull> {
///         put_decimal(out, self.0)?;
///         out.put(b" pages\n")
///     }
/// }
///
/// let mut text = KVVec::with_capacity(Pages(12).printed_len(), GFP_KERNEL).unwrap();
/// assert_eq!(Pages(12).append_to(&mut text), Ok(()));
/// assert_eq!(&text[..], b"12 pages\n");
/// // The buffer is full now, and a text that does not fit leaves it unchanged.
/// assert_eq!(Pages(7).append_to(&mut text), Err(BufferFull));
/// assert_eq!(&text[..], b"12 pages\n");
/// ```
pub trait Print {
    /// Writes the text to `out`.
    ///
    /// # Errors
    ///
    /// Returns the error of `out`.
    fn print(&self, out: &mut impl Sink) -> Result<(), BufferFull>;

    /// Returns the length of the text in bytes.
    fn printed_len(&self) -> usize {
        let mut len = Length(0);
        // `Length` takes every piece.
        let _ = self.print(&mut len);
        len.0
    }

    /// Appends the text to `out` within its capacity. Does not allocate.
    ///
    /// # Errors
    ///
    /// Returns [`BufferFull`] if the text does not fit; `out` is unchanged.
    fn append_to(&self, out: &mut KVVec<u8>) -> Result<(), BufferFull> {
        let before = out.len();
        let printed = self.print(&mut VecSink(out));
        if printed.is_err() {
            out.truncate(before);
        }
        printed
    }
}

/// A sink that fills the capacity of a vector.
struct VecSink<'a>(&'a mut KVVec<u8>);

impl Sink for VecSink<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        if self.0.capacity() - self.0.len() < bytes.len() {
            return Err(BufferFull);
        }
        // Does not allocate, since the capacity is enough.
        self.0
            .extend_from_slice(bytes, GFP_NOWAIT)
            .map_err(|_| BufferFull)
    }
}

/// A sink that counts bytes.
struct Length(usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        self.0 += bytes.len();
        Ok(())
    }
}

/// Digits of `u64::MAX` in base 8.
const MAX_DIGITS: usize = 22;

/// Writes a number with at least `width` digits. `BASE`, from 8 to 16, is a const so that the division compiles
/// to a multiplication.
fn put_in_base<const BASE: u64>(
    out: &mut impl Sink,
    mut number: u64,
    width: usize,
) -> Result<(), BufferFull> {
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

/// Writes a number in decimal.
///
/// # Errors
///
/// Returns the error of `out`.
pub fn put_decimal(out: &mut impl Sink, number: u64) -> Result<(), BufferFull> {
    put_in_base::<10>(out, number, 1)
}

/// Writes a number in hexadecimal without prefix, with at least `width` digits.
///
/// # Errors
///
/// Returns the error of `out`.
pub fn put_hex(out: &mut impl Sink, number: u64, width: usize) -> Result<(), BufferFull> {
    put_in_base::<16>(out, number, width)
}

/// Writes a byte as `\ooo`: a backslash and three octal digits.
fn put_octal_escape(out: &mut impl Sink, byte: u8) -> Result<(), BufferFull> {
    out.put(b"\\")?;
    put_in_base::<8>(out, u64::from(byte), 3)
}

/// Writes a name that somebody else chose: of a process, or of a file.
///
/// Control characters (C0, DEL and C1), backslashes and bytes that are not part of valid UTF-8 become `\ooo`, each byte
/// by itself. So the text is valid UTF-8, has no newline, sends no command to a terminal, and tells the name's bytes.
///
/// # Errors
///
/// Returns the error of `out`.
pub fn put_name(out: &mut impl Sink, name: &[u8]) -> Result<(), BufferFull> {
    for chunk in name.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(is_escaped) {
            let (raw, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let escaped = from.chars().next().map_or(0, char::len_utf8);
            let (escaped, after) = from.split_at_checked(escaped).unwrap_or((from, ""));
            out.put(raw.as_bytes())?;
            put_bytes_escaped(out, escaped.as_bytes())?;
            rest = after;
        }
        out.put(rest.as_bytes())?;
        put_bytes_escaped(out, chunk.invalid())?;
    }
    Ok(())
}

/// Returns true for characters that a name is not printed with.
fn is_escaped(character: char) -> bool {
    character.is_control() || character == '\\'
}

fn put_bytes_escaped(out: &mut impl Sink, bytes: &[u8]) -> Result<(), BufferFull> {
    bytes
        .iter()
        .try_for_each(|byte| put_octal_escape(out, *byte))
}

/// Writes the name of a process as [`put_name`] does.
///
/// # Errors
///
/// Returns the error of `out`.
pub fn put_comm(out: &mut impl Sink, comm: &Comm) -> Result<(), BufferFull> {
    put_name(out, comm.as_bytes())
}
