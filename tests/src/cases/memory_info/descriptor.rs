// SPDX-License-Identifier: GPL-2.0-only

//! An open file: its position, its answer, which does not change, and reads of any size.

use crate::case::{cases, check_eq, check_text};
use crate::command_file;
use crate::helper::Helper;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use crate::shell;
use anyhow::{Context, Result};
use guest::listing;
use nix::errno::Errno;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

cases! {
    write_then_read,
    reads_of_any_size,
    pread,
    lseek,
    an_answer_does_not_change_while_it_is_read,
    the_first_read_selects_the_answer,
    a_command_resets_the_position,
    each_open_file_has_its_own_answer,
    append,
    bad_read_pointer,
}

/// Reads everything from the current position on, with reads of `size` bytes.
pub fn read_in_pieces(mut file: &File, size: usize) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut piece = vec![0; size];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(text),
            length => text.extend(&piece[..length]),
        }
    }
}

/// Writes a command, which must be accepted as a whole.
fn write_all(file: &File, command: &str) -> Result<()> {
    check_eq(
        command,
        command_file::write(file, command.as_bytes()),
        Ok(command.len()),
    )
}

/// Gives the command ALL through an open file. Returns the file and the answer.
fn all_in_a_file() -> Result<(File, Vec<u8>)> {
    let all = memory_info::answer("ALL\n")?;
    let file = memory_info::open()?;
    write_all(&file, "ALL\n")?;
    Ok((file, all))
}

fn write_then_read() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let printed = shell::bash(
        "exec 3<>/proc/memory_info; echo ALL >&3; cat <&3; echo --; \
         echo RESET >&3; cat <&3; echo --; echo 'FILTER|nobody' >&3; cat <&3",
    )?;
    let parts: Vec<&str> = printed.split("--\n").collect();
    check_eq("number of answers", parts.len(), 3)?;
    listing::parse(parts[0].as_bytes())?;
    check_eq("ALL is not empty", parts[0].is_empty(), false)?;
    check_text("RESET", parts[1], memory_info::SUCCESS)?;
    check_text("FILTER", parts[2], memory_info::NO_PROCESS)
}

fn reads_of_any_size() -> Result<()> {
    let helpers = (0..40).map(|index| Helper::worker(&format!("set-{index}"), "plain", None));
    let _helpers = helpers.collect::<Result<Vec<_>>>()?;
    let _module = MEMORY_INFO.load()?;
    let (mut file, all) = all_in_a_file()?;
    for size in [1, 7, 64, 100, 4095, 4096, 4097, 65536, 1 << 20] {
        file.rewind()?;
        check_text(
            &format!("the answer in reads of {size} bytes"),
            read_in_pieces(&file, size)?,
            &all,
        )?;
        let new = File::open(memory_info::PATH)?;
        check_text(
            &format!("the answer through a new file in reads of {size} bytes"),
            read_in_pieces(&new, size)?,
            &all,
        )?;
    }
    Ok(())
}

fn pread() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let (mut file, all) = all_in_a_file()?;
    for offset in (0..all.len()).step_by(37).chain([all.len() - 1]) {
        let mut piece = [0; 50];
        let length = file.read_at(&mut piece, offset as u64)?;
        let expected = &all[offset..all.len().min(offset + length.max(1))];
        check_text(&format!("pread at {offset}"), &piece[..length], expected)?;
    }
    for offset in [all.len() as u64, all.len() as u64 + 1, 1 << 40] {
        check_eq(
            "pread at or after the end",
            file.read_at(&mut [0; 10], offset)?,
            0,
        )?;
    }
    check_eq("the position after pread", file.stream_position()?, 0)?;
    check_text("read after pread", read_in_pieces(&file, 1000)?, &all)
}

fn lseek() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let (mut file, all) = all_in_a_file()?;
    let length = all.len() as u64;
    for (from, position) in [
        (SeekFrom::End(0), length),
        (SeekFrom::End(-10), length - 10),
        (SeekFrom::Current(3), length - 7),
        (SeekFrom::Current(-7), length - 14),
        (SeekFrom::Start(5), 5),
        (SeekFrom::Start(0), 0),
    ] {
        check_eq(
            &format!("lseek {from:?}"),
            file.seek(from).ok(),
            Some(position),
        )?;
        let rest = all.get(position as usize..).unwrap_or_default();
        check_text(
            &format!("read after lseek {from:?}"),
            read_in_pieces(&file, 777)?,
            rest,
        )?;
        file.seek(SeekFrom::Start(position))?;
    }
    for from in [
        SeekFrom::Current(-1_000_000_000),
        SeekFrom::End(-1_000_000_000),
    ] {
        let error = file.seek(from).map_err(|error| error.raw_os_error());
        check_eq(&format!("lseek {from:?}"), error, Err(Some(libc::EINVAL)))?;
    }
    Ok(())
}

fn an_answer_does_not_change_while_it_is_read() -> Result<()> {
    let _helper = Helper::worker("present", "plain", None)?;
    let _module = MEMORY_INFO.load()?;
    let all = memory_info::answer("ALL\n")?;
    let mut file = File::open(memory_info::PATH)?;
    let mut start = [0; 10];
    file.read_exact(&mut start)?;
    for command in ["DEL|present\n", "RESET\n", "FILTER|nobody\n"] {
        memory_info::answer(command)?;
        let rest = read_in_pieces(&file, 64)?;
        check_text(command, [&start[..], &rest].concat(), &all)?;
        file.seek(SeekFrom::Start(10))?;
    }
    file.rewind()?;
    check_text("from the beginning again", read_in_pieces(&file, 64)?, &all)
}

fn the_first_read_selects_the_answer() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let file = File::open(memory_info::PATH)?;
    memory_info::answer("RESET\n")?;
    check_text(
        "first read after RESET",
        read_in_pieces(&file, 3)?,
        memory_info::SUCCESS,
    )?;
    memory_info::answer("FILTER|nobody\n")?;
    (&file).rewind()?;
    check_text(
        "after a later command",
        read_in_pieces(&file, 3)?,
        memory_info::SUCCESS,
    )
}

fn a_command_resets_the_position() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let (file, all) = all_in_a_file()?;
    check_text("ALL", read_in_pieces(&file, 100)?, &all)?;
    write_all(&file, "RESET\n")?;
    check_text("RESET", read_in_pieces(&file, 2)?, memory_info::SUCCESS)?;
    let nonsense = command_file::write(&file, b"NONSENSE\n");
    check_eq("writing a malformed command", nonsense, Err(Errno::EINVAL))?;
    check_text(
        "the answer to a malformed command",
        read_in_pieces(&file, 100)?,
        memory_info::INVALID,
    )
}

fn each_open_file_has_its_own_answer() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let (one, two) = (memory_info::open()?, memory_info::open()?);
    write_all(&one, "RESET\n")?;
    write_all(&two, "FILTER|nobody\n")?;
    check_text(
        "the first file",
        read_in_pieces(&one, 100)?,
        memory_info::SUCCESS,
    )?;
    check_text(
        "the second file",
        read_in_pieces(&two, 100)?,
        memory_info::NO_PROCESS,
    )?;
    check_text(
        "a third, new file",
        memory_info::read()?,
        memory_info::NO_PROCESS,
    )
}

fn append() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let file = OpenOptions::new()
        .append(true)
        .open(memory_info::PATH)
        .context("cannot open the file for appending")?;
    write_all(&file, "RESET\n")?;
    check_text("RESET by >>", memory_info::read()?, memory_info::SUCCESS)
}

fn bad_read_pointer() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let (file, all) = all_in_a_file()?;
    // SAFETY: By the contract of read(2), it checks the address, at which nothing is mapped.
    let count = Errno::result(unsafe {
        libc::read(file.as_raw_fd(), std::ptr::without_provenance_mut(8), 100)
    });
    check_eq(
        "reading to an address that is not mapped",
        count,
        Err(Errno::EFAULT),
    )?;
    check_text(
        "the answer after a failed read",
        read_in_pieces(&file, 100)?,
        &all,
    )
}
