// SPDX-License-Identifier: GPL-2.0-only

//! Malformed input: each command fails with the right error, and the data is unchanged.

use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::helper::Helper;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use anyhow::{Context, Result};
use guest::listing::Line;
use guest::mapping::{Area, PAGE, RW};
use nix::errno::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;

cases! {
    malformed,
    well_formed_names_that_match_nothing,
    sizes,
    bad_pointer,
    split_writes,
    one_mebibyte,
}

/// Malformed commands.
const MALFORMED: &[&[u8]] = &[
    b"\n",
    b" ",
    b"|",
    b"||\n",
    b"|x\n",
    b"reset\n",
    b"Reset\n",
    b"RESET \n",
    b" RESET\n",
    b"RESET|\n",
    b"RESET|x\n",
    b"RESETS\n",
    b"RESE\n",
    b"RESET\n\n",
    b"\nRESET\n",
    b"RESET\r\n",
    b"RESET\nRESET\n",
    b"RESET\nALL",
    b"RESET\0",
    b"RESET\0\n",
    b"RES\0ET\n",
    b"\0",
    b"\0\0\0\0",
    b"all\n",
    b"All\n",
    b"ALL|\n",
    b"ALL|x\n",
    b"ALL x\n",
    b"ALLALL\n",
    b"AL\n",
    b"FILTER\n",
    b"FILTER|\n",
    b"FILTER|",
    b"FILTER x\n",
    b"filter|x\n",
    b"Filter|x\n",
    b"FILTER |x\n",
    b" FILTER|x\n",
    b"FILTER|x\ny\n",
    b"FILTER|x\n\n",
    b"FILTER|\nx",
    b"FILTER|x\0",
    b"FILTER|x\0\n",
    b"FILTER|\0",
    b"FILTERx\n",
    b"DEL\n",
    b"DEL|\n",
    b"DEL|",
    b"del|x\n",
    b"DELETE|x\n",
    b"DEL x\n",
    b"DEL|x\nDEL|y\n",
    b"DEL|x\0y\n",
    b"\xff\xfe\n",
    b"R\xc3\x89SET\n",
    b"HELP\n",
];

/// Requires that `command` fails with EINVAL and its message.
fn refused(command: &[u8]) -> Result<()> {
    let reply = memory_info::ask(command)?;
    let what = format!("\"{}\"", command[..command.len().min(100)].escape_ascii());
    check_eq(
        &format!("the result of writing {what}"),
        reply.write,
        Err(Errno::EINVAL),
    )?;
    check_text(
        &format!("the answer to {what}"),
        reply.text,
        memory_info::INVALID,
    )
}

/// Runs `test` with the module loaded and requires that the data is unchanged.
fn leaves_data(test: impl FnOnce() -> Result<()>) -> Result<()> {
    let _helper = Helper::worker("witness", "patterns", Some("1 1 2"))?;
    let _module = MEMORY_INFO.load()?;
    // The memory of this program changes, which is visible after a RESET in the test.
    let own = std::fs::read("/proc/self/comm")?;
    let others = || -> Result<Vec<Line>> {
        let mut lines = memory_info::all()?;
        lines.retain(|line| line.name != own.trim_ascii_end());
        Ok(lines)
    };
    let before = others()?;
    test()?;
    check_eq("the data after malformed input", others()?, before)
}

fn malformed() -> Result<()> {
    leaves_data(|| MALFORMED.iter().try_for_each(|command| refused(command)))
}

fn well_formed_names_that_match_nothing() -> Result<()> {
    leaves_data(|| {
        let names: [&[u8]; 12] = [
            b"nobody",
            b"|",
            b"a|b",
            b" ",
            b" witness",
            b"witness ",
            b"WITNESS",
            b"witnes",
            b"x\r",
            b"\x01\x7f",
            b"\xff\xfe\x80",
            b"sixteen-bytes-xy",
        ];
        for name in names {
            for word in ["FILTER|", "DEL|"] {
                let command = [word.as_bytes(), name, b"\n"].concat();
                let what = format!("the answer to \"{}\"", command.escape_ascii());
                check_text(
                    &what,
                    memory_info::answer(&command)?,
                    memory_info::NO_PROCESS,
                )?;
            }
        }
        Ok(())
    })
}

/// Returns a command `FILTER|xx…` of `length` bytes, the last of which is `last`.
fn filter_of(length: usize, last: u8) -> Vec<u8> {
    let mut command = b"FILTER|".to_vec();
    command.resize(length - 1, b'x');
    command.push(last);
    command
}

fn sizes() -> Result<()> {
    leaves_data(|| {
        for (length, last) in [(63, b'\n'), (64, b'\n'), (64, b'x')] {
            let text = memory_info::answer(filter_of(length, last))?;
            check_text(
                &format!("a command of {length} bytes"),
                text,
                memory_info::NO_PROCESS,
            )?;
        }
        for (length, last) in [
            (65, b'\n'),
            (65, b'x'),
            (66, b'\n'),
            (4096, b'\n'),
            (4097, b'\n'),
        ] {
            refused(&filter_of(length, last))?;
        }
        // A command followed by newlines, zeros or spaces may be too long, too.
        for filler in [b'\n', 0, b' '] {
            let mut command = b"RESET\n".to_vec();
            command.resize(65, filler);
            refused(&command)?;
        }
        Ok(())
    })
}

fn one_mebibyte() -> Result<()> {
    leaves_data(|| {
        for byte in [b'A', b'\n', 0] {
            refused(&vec![byte; 1 << 20])?;
        }
        refused(&filter_of(1 << 20, b'\n'))
    })
}

/// Writes `count` bytes from `address`, at which nothing may be mapped, with a single system call.
fn write_raw(file: &File, address: usize, count: usize) -> Result<usize, Errno> {
    // SAFETY: By the contract of write(2), it checks the address and only reads.
    Errno::result(unsafe {
        libc::write(
            file.as_raw_fd(),
            std::ptr::without_provenance(address),
            count,
        )
    })
    .map(|written| written as usize)
}

fn bad_pointer() -> Result<()> {
    leaves_data(|| {
        let pages = Area::anonymous(2, RW)?;
        pages.part(1..2).unmap()?;
        let end = (pages.first_page() as usize + 1) * PAGE;
        let file = memory_info::open()?;
        for (address, count) in [
            (0, 5),
            (8, 1),
            (8, 64),
            (end, 5),
            (end - 2, 5),
            (end - 63, 64),
        ] {
            let what = format!("{count} bytes at {address:#x}");
            check_eq(&what, write_raw(&file, address, count), Err(Errno::EFAULT))?;
            check_text(&what, memory_info::read()?, memory_info::BAD_ADDRESS)?;
            memory_info::reset()?;
        }
        // The length is checked first, since that does not need the contents.
        for (address, count) in [(8, 65), (end - 5, 1 << 20)] {
            let what = format!("{count} bytes at {address:#x}");
            check_eq(&what, write_raw(&file, address, count), Err(Errno::EINVAL))?;
            check_text(&what, memory_info::read()?, memory_info::INVALID)?;
        }
        // The kernel rejects addresses of its own half. 0 bytes may be anywhere else.
        let kernel = write_raw(&file, 0xffff_8880_0000_0000, 5);
        check_eq(
            "5 bytes at an address of the kernel",
            kernel,
            Err(Errno::EFAULT),
        )?;
        let null = write_raw(&file, 0, 0);
        check_eq("0 bytes at address 0", null, Ok(0))
    })
}

fn split_writes() -> Result<()> {
    leaves_data(|| {
        for (first, second) in [("RES", "ET\n"), ("FILTER|", "witness\n"), ("A", "LL")] {
            let file = memory_info::open()?;
            for piece in [first, second] {
                let what = format!("the piece {piece:?}");
                check_eq(
                    &what,
                    command_file::write(&file, piece.as_bytes()),
                    Err(Errno::EINVAL),
                )?;
                check_text(&what, memory_info::read()?, memory_info::INVALID)?;
            }
        }
        // A command without its newline is complete, and the newline alone is not a command.
        let file = memory_info::open()?;
        check_eq("RESET", command_file::write(&file, b"RESET"), Ok(5))?;
        check_text("RESET", memory_info::read()?, memory_info::SUCCESS)?;
        check_eq(
            "a newline",
            command_file::write(&file, b"\n"),
            Err(Errno::EINVAL),
        )?;
        check_text("a newline", memory_info::read()?, memory_info::INVALID)
    })
    .context("a command must be a single write")
}
