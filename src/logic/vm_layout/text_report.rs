// SPDX-License-Identifier: GPL-2.0-only

//! The report for people. Addresses are hexadecimal, all other numbers decimal.

use crate::layout::{Layout, Span};
use crate::top_level::EntryRun;
use logic::text::{put_comm, put_decimal, put_hex, put_name, BufferFull, Print, Sink};

/// Hexadecimal digits of an address.
const ADDRESS_DIGITS: usize = 16;
/// Least hexadecimal digits of an offset, as in `/proc/<pid>/maps`.
const OFFSET_DIGITS: usize = 8;

/// Prints a layout as the report, which has these lines:
///
/// - `process <pid> (<name>)`;
/// - `areas: <n>`, then of each area `<start> <end> <size> <permissions> <offset> <what it maps>`;
/// - of each segment `<name>: <start> <end> <size>`;
/// - `rss: <n> pages (anonymous <n>, file <n>, shared memory <n>)`, `swap: <n> pages`,
///   `page tables: <n> bytes`, `total_vm: <n> pages`;
/// - `top-level page table: <n> levels, <n> of 512 entries used`, then of each used entry
///   `entry <index>: <first>-<last> -> <table> <FLAG>|<FLAG>...`, and of each run of empty ones
///   `entries <index>-<index>: <first>-<last> empty`.
pub struct TextReport<'a>(pub &'a Layout<'a>);

impl Print for TextReport<'_> {
    fn print(&self, out: &mut impl Sink) -> Result<(), BufferFull> {
        put_process(out, self.0)?;
        put_areas(out, self.0)?;
        for (name, span) in self.0.segments.named() {
            out.put(name.as_bytes())?;
            out.put(b": ")?;
            put_span(out, span)?;
            out.put(b"\n")?;
        }
        put_usage(out, self.0)?;
        put_top_level(out, self.0)
    }
}

fn put_address(out: &mut impl Sink, address: usize) -> Result<(), BufferFull> {
    put_hex(out, address as u64, ADDRESS_DIGITS)
}

/// Writes `<start> <end> <size>`.
fn put_span(out: &mut impl Sink, span: Span) -> Result<(), BufferFull> {
    put_address(out, span.start)?;
    out.put(b" ")?;
    put_address(out, span.end)?;
    out.put(b" ")?;
    put_decimal(out, span.size() as u64)
}

fn put_process(out: &mut impl Sink, layout: &Layout<'_>) -> Result<(), BufferFull> {
    out.put(b"process ")?;
    put_decimal(out, u64::from(layout.pid))?;
    out.put(b" (")?;
    put_comm(out, layout.comm)?;
    out.put(b")\n")
}

fn put_areas(out: &mut impl Sink, layout: &Layout<'_>) -> Result<(), BufferFull> {
    out.put(b"areas: ")?;
    put_decimal(out, layout.areas.len() as u64)?;
    out.put(b"\n")?;
    for area in layout.areas {
        put_span(out, area.span)?;
        out.put(b" ")?;
        out.put(&area.permissions.letters())?;
        out.put(b" ")?;
        put_hex(out, area.offset, OFFSET_DIGITS)?;
        let name = layout.name(area);
        if !name.is_empty() {
            out.put(b" ")?;
            put_name(out, name)?;
        }
        out.put(b"\n")?;
    }
    Ok(())
}

fn put_usage(out: &mut impl Sink, layout: &Layout<'_>) -> Result<(), BufferFull> {
    let usage = &layout.usage;
    let numbers: [(&[u8], u64); 7] = [
        (b"rss: ", usage.rss_pages()),
        (b" pages (anonymous ", usage.anonymous_pages),
        (b", file ", usage.file_pages),
        (b", shared memory ", usage.shmem_pages),
        (b")\nswap: ", usage.swap_pages),
        (b" pages\npage tables: ", usage.page_table_bytes),
        (b" bytes\ntotal_vm: ", usage.total_vm_pages),
    ];
    for (label, number) in numbers {
        out.put(label)?;
        put_decimal(out, number)?;
    }
    out.put(b" pages\n")
}

fn put_top_level(out: &mut impl Sink, layout: &Layout<'_>) -> Result<(), BufferFull> {
    let top_level = &layout.top_level;
    out.put(b"top-level page table: ")?;
    put_decimal(out, u64::from(top_level.levels()))?;
    out.put(b" levels, ")?;
    put_decimal(out, top_level.used() as u64)?;
    out.put(b" of ")?;
    put_decimal(out, top_level.entries() as u64)?;
    out.put(b" entries used\n")?;
    for run in top_level.runs() {
        let (first, last) = (run.first(), run.last());
        out.put(if first == last {
            b"entry "
        } else {
            b"entries "
        })?;
        put_decimal(out, first as u64)?;
        if first != last {
            out.put(b"-")?;
            put_decimal(out, last as u64)?;
        }
        out.put(b": ")?;
        put_address(out, top_level.first_address(first))?;
        out.put(b"-")?;
        put_address(out, top_level.last_address(last))?;
        match run {
            EntryRun::Empty { .. } => out.put(b" empty")?,
            EntryRun::Used { entry, .. } => {
                out.put(b" -> ")?;
                put_address(out, entry.table)?;
                let mut separator: &[u8] = b" ";
                for flag in entry.flags() {
                    out.put(separator)?;
                    flag.print(out)?;
                    separator = b"|";
                }
            }
        }
        out.put(b"\n")?;
    }
    Ok(())
}
