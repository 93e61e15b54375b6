// SPDX-License-Identifier: GPL-2.0-only

//! The report for programs: one JSON object (RFC 8259) in one line. Addresses are strings such as `"0x7ffc0000"`, since
//! many JSON parsers round numbers beyond 2^53.

use crate::layout::{Layout, Span};
use crate::top_level::EntryRun;
use logic::text::{put_comm, put_decimal, put_hex, put_name, BufferFull, Print, Sink};

/// Prints a layout as the report, an object with these members:
///
/// - `pid`, `name`;
/// - `areas`: `start`, `end`, `size`, `permissions`, `offset`, `name` of each;
/// - `code`, `data`, `stack`, `heap`, `arguments`, `environment`: `start`, `end`, `size` of each;
/// - `rss`: `pages`, and of these `anonymous`, `file`, `shared_memory`; `swap_pages`,
///   `page_table_bytes`, `total_vm_pages`;
/// - `top_level`: `levels`, `entries` (how many there are), and `used`: `index`, `first`, `last`,
///   `table`, `flags` of each that is not empty.
///
/// Strings are those of the text report.
pub struct JsonReport<'a>(pub &'a Layout<'a>);

impl Print for JsonReport<'_> {
    fn print(&self, out: &mut impl Sink) -> Result<(), BufferFull> {
        let layout = self.0;
        put_number(out, b"{\"pid\":", u64::from(layout.pid))?;
        out.put(b",\"name\":\"")?;
        put_comm(&mut JsonString(out), layout.comm)?;
        out.put(b"\"")?;
        put_areas(out, layout)?;
        for (name, span) in layout.segments.named() {
            out.put(b",\"")?;
            out.put(name.as_bytes())?;
            out.put(b"\":{")?;
            put_span(out, span)?;
            out.put(b"}")?;
        }
        let usage = &layout.usage;
        put_number(out, b",\"rss\":{\"pages\":", usage.rss_pages())?;
        put_number(out, b",\"anonymous\":", usage.anonymous_pages)?;
        put_number(out, b",\"file\":", usage.file_pages)?;
        put_number(out, b",\"shared_memory\":", usage.shmem_pages)?;
        put_number(out, b"},\"swap_pages\":", usage.swap_pages)?;
        put_number(out, b",\"page_table_bytes\":", usage.page_table_bytes)?;
        put_number(out, b",\"total_vm_pages\":", usage.total_vm_pages)?;
        put_top_level(out, layout)?;
        out.put(b"}\n")
    }
}

fn put_number(out: &mut impl Sink, label: &[u8], number: u64) -> Result<(), BufferFull> {
    out.put(label)?;
    put_decimal(out, number)
}

fn put_address(out: &mut impl Sink, label: &[u8], address: u64) -> Result<(), BufferFull> {
    out.put(label)?;
    out.put(b"\"0x")?;
    put_hex(out, address, 1)?;
    out.put(b"\"")
}

fn put_span(out: &mut impl Sink, span: Span) -> Result<(), BufferFull> {
    put_address(out, b"\"start\":", span.start as u64)?;
    put_address(out, b",\"end\":", span.end as u64)?;
    put_number(out, b",\"size\":", span.size() as u64)
}

fn put_areas(out: &mut impl Sink, layout: &Layout<'_>) -> Result<(), BufferFull> {
    out.put(b",\"areas\":[")?;
    let mut separator: &[u8] = b"{";
    for area in layout.areas {
        out.put(separator)?;
        put_span(out, area.span)?;
        out.put(b",\"permissions\":\"")?;
        out.put(&area.permissions.letters())?;
        put_address(out, b"\",\"offset\":", area.offset)?;
        out.put(b",\"name\":\"")?;
        put_name(&mut JsonString(out), layout.name(area))?;
        out.put(b"\"}")?;
        separator = b",{";
    }
    out.put(b"]")
}

fn put_top_level(out: &mut impl Sink, layout: &Layout<'_>) -> Result<(), BufferFull> {
    let top_level = &layout.top_level;
    let levels = u64::from(top_level.levels());
    put_number(out, b",\"top_level\":{\"levels\":", levels)?;
    put_number(out, b",\"entries\":", top_level.entries() as u64)?;
    out.put(b",\"used\":[")?;
    let mut separator: &[u8] = b"{";
    for run in top_level.runs() {
        let EntryRun::Used { index, entry } = run else {
            continue;
        };
        out.put(separator)?;
        put_number(out, b"\"index\":", index as u64)?;
        put_address(out, b",\"first\":", top_level.first_address(index) as u64)?;
        put_address(out, b",\"last\":", top_level.last_address(index) as u64)?;
        put_address(out, b",\"table\":", entry.table as u64)?;
        let mut quote: &[u8] = b"\"";
        out.put(b",\"flags\":[")?;
        for flag in entry.flags() {
            out.put(quote)?;
            flag.print(out)?;
            out.put(b"\"")?;
            quote = b",\"";
        }
        out.put(b"]}")?;
        separator = b",{";
    }
    out.put(b"]}")
}

/// A sink that writes to the inside of a JSON string what [`put_name`] prints: of the characters that RFC 8259 wants
/// escaped, that has quotation marks and backslashes only.
struct JsonString<'a, S>(&'a mut S);

impl<S: Sink> Sink for JsonString<'_, S> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        for piece in bytes.split_inclusive(|byte| is_special(*byte)) {
            match piece.split_last() {
                Some((special, plain)) if is_special(*special) => {
                    self.0.put(plain)?;
                    self.0.put(&[b'\\', *special])?;
                }
                _ => self.0.put(piece)?,
            }
        }
        Ok(())
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\')
}
