// SPDX-License-Identifier: GPL-2.0-only

//! Commands in several segments: `writev(2)` and its relatives, which the C++ library, musl and Node.js use.

use crate::case::{cases, check_eq, check_text, skip};
use crate::command_file;
use crate::helper::Helper;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use anyhow::{ensure, Result};
use guest::child::errno_of;
use guest::mapping::{Area, Mapping, PAGE, RW};
use nix::errno::Errno;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::AsRawFd;

cases! {
    the_segments_are_one_command,
    malformed_in_segments,
    bad_pointer_in_a_segment,
    pwritev,
    writev_of_a_32_bit_program,
    zero_bytes_change_nothing,
}

fn writev(mut file: &File, segments: &[&[u8]]) -> Result<usize, Errno> {
    let segments: Vec<IoSlice> = segments
        .iter()
        .map(|segment| IoSlice::new(segment))
        .collect();
    file.write_vectored(&segments).map_err(errno_of)
}

/// Reads the answer from the file's position on, which must be its beginning.
fn rest_of(mut file: &File) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// Commands in segments, and what their answers begin with.
const COMMANDS: &[(&[&[u8]], &str)] = &[
    (&[b"RESET", b"\n"], memory_info::SUCCESS),
    (&[b"RES", b"ET"], memory_info::SUCCESS),
    (&[b"", b"RESET\n"], memory_info::SUCCESS),
    (&[b"RESET\n", b""], memory_info::SUCCESS),
    (
        &[b"", b"RES", b"", b"ET", b"", b"\n", b""],
        memory_info::SUCCESS,
    ),
    (&[b"R", b"E", b"S", b"E", b"T"], memory_info::SUCCESS),
    (&[b"FILTER|", b"present\n"], "present, total: "),
    (&[b"FILTER|pre", b"sent", b"\n"], "present, total: "),
    (&[b"FILTER", b"|", b"nobody"], memory_info::NO_PROCESS),
    (&[b"", b"DEL|nobody\n"], memory_info::NO_PROCESS),
];

fn the_segments_are_one_command() -> Result<()> {
    let _helper = Helper::worker("present", "plain", None)?;
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    for (segments, answer) in COMMANDS {
        let what = segments.concat().escape_ascii().to_string();
        let len = segments.concat().len();
        check_eq(&what, writev(&file, segments), Ok(len))?;
        let text = rest_of(&file)?;
        ensure!(
            text.starts_with(answer.as_bytes()),
            "{what} in {} segments was answered \"{}\"",
            segments.len(),
            text.escape_ascii()
        );
    }
    // As many segments as a command has bytes, and as many as a system call may have.
    let longest = [b"FILTER|".to_vec(), vec![b'x'; 57]].concat();
    let bytes: Vec<&[u8]> = longest.chunks(1).collect();
    check_eq("64 segments", writev(&file, &bytes), Ok(64))?;
    check_text("64 segments", rest_of(&file)?, memory_info::NO_PROCESS)?;
    let mut segments = vec![&b""[..]; 1024];
    segments[500] = b"RES";
    segments[1000] = b"ET\n";
    check_eq("1024 segments", writev(&file, &segments), Ok(6))?;
    check_text("1024 segments", rest_of(&file)?, memory_info::SUCCESS)?;
    // The next write(2) is a command of its own.
    check_eq("write", command_file::write(&file, b"RESET\n"), Ok(6))?;
    check_text("write", rest_of(&file)?, memory_info::SUCCESS)
}

fn malformed_in_segments() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    let long = [b'x'; 40];
    let cases: [&[&[u8]]; 6] = [
        &[b"RESET\n", b"RESET\n"],
        &[b"RESET\n", b"\n"],
        &[b"RES", b"SET"],
        &[b"FILTER|", b"", b"\n"],
        &[b"FILTER|", &long, &long],
        &[b"ALL", b"\0"],
    ];
    for segments in cases {
        let what = segments.concat().escape_ascii().to_string();
        check_eq(&what, writev(&file, segments), Err(Errno::EINVAL))?;
        check_text(&what, rest_of(&file)?, memory_info::INVALID)?;
    }
    Ok(())
}

/// Calls writev(2) with two segments, the addresses of which need not be mapped.
fn writev_raw(file: &File, segments: [(usize, usize); 2]) -> Result<isize, Errno> {
    let segments = segments.map(|(address, len)| libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address),
        iov_len: len,
    });
    // SAFETY: By the contract of writev(2), it checks the addresses and only reads.
    Errno::result(unsafe { libc::writev(file.as_raw_fd(), segments.as_ptr(), 2) })
}

fn bad_pointer_in_a_segment() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    let area = Area::anonymous(2, RW)?;
    let mut page = [0; PAGE];
    page[PAGE - 5..].copy_from_slice(b"RESET");
    area.write_page(0, &page);
    area.part(1..2).unmap()?;
    let end = (area.first_page() as usize + 1) * PAGE;
    for segments in [
        [(8, 3), (8, 3)],
        [(end - 5, 5), (end, 1)],
        [(8, 1), (end - 5, 5)],
    ] {
        let what = format!("{segments:x?}");
        check_eq(&what, writev_raw(&file, segments), Err(Errno::EFAULT))?;
        check_text(&what, rest_of(&file)?, memory_info::BAD_ADDRESS)?;
    }
    // An empty segment may be anywhere.
    check_eq("RESET", writev_raw(&file, [(8, 0), (end - 5, 5)]), Ok(5))?;
    check_text("RESET", rest_of(&file)?, memory_info::SUCCESS)
}

fn pwritev() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    for (offset, flags) in [(0, 0), (1, 0), (1000, 0), (1 << 40, 0), (-1, 0)] {
        let segments = [IoSlice::new(b"RES"), IoSlice::new(b"ET\n")];
        // SAFETY: By the contract of pwritev2(2), it reads the segments, which live during the call. `IoSlice` has the
        // layout of `iovec`.
        let written = Errno::result(unsafe {
            libc::pwritev2(file.as_raw_fd(), segments.as_ptr().cast(), 2, offset, flags)
        });
        let what = format!("RESET at {offset}");
        check_eq(&what, written, Ok(6))?;
        check_text(&what, rest_of(&file)?, memory_info::SUCCESS)?;
    }
    Ok(())
}

/// Makes the system call as a 32-bit program does, with segments of four-byte words.
fn writev_of_a_32_bit_program() -> Result<()> {
    const LOW: usize = 0x1000_0000;
    const WRITEV: i64 = 146;
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    let area = Mapping::anonymous_at(LOW, 1, RW)?;
    let mut page = [0; PAGE];
    page[..6].copy_from_slice(b"RESET\n");
    for (at, word) in [LOW, 3, LOW + 3, 3].into_iter().enumerate() {
        page[16 + 4 * at..][..4].copy_from_slice(&(word as u32).to_le_bytes());
    }
    area.write_page(0, &page);
    let mut result = WRITEV;
    // SAFETY: The system call only reads the segments, which are in the area. It leaves all registers but the result's
    // and r8 to r11.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {fd}",
            "int 0x80",
            "xchg rbx, {fd}",
            fd = inout(reg) i64::from(file.as_raw_fd()) => _,
            inout("rax") result,
            in("rcx") LOW + 16,
            in("rdx") 2,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if result as i32 == -libc::ENOSYS {
        return skip("the kernel runs no 32-bit programs");
    }
    check_eq("the result", result as i32, 6)?;
    check_text("the answer", rest_of(&file)?, memory_info::SUCCESS)
}

fn zero_bytes_change_nothing() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let file = memory_info::open()?;
    let mut log = crate::kernel::log::KernelLog::from_now()?;
    check_eq("RESET", command_file::write(&file, b"RESET\n"), Ok(6))?;
    check_eq("0 bytes", command_file::write(&file, b""), Ok(0))?;
    check_eq("no segment", writev(&file, &[]), Ok(0))?;
    check_eq("empty segments", writev(&file, &[b"", b""]), Ok(0))?;
    check_text("the answer", rest_of(&file)?, memory_info::SUCCESS)?;
    check_text(
        "another reader's",
        memory_info::read()?,
        memory_info::SUCCESS,
    )?;
    check_eq("errors in the log", log.errors()?, Vec::new())
}
