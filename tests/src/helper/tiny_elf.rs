// SPDX-License-Identifier: GPL-2.0-only

//! Tiny 64-bit and 32-bit programs that are made without a compiler: they read their data pages once and stop themselves.
//! Thousands of their processes fit into a small machine.
//!
//! C header: `include/uapi/linux/elf.h`.

use anyhow::{Context, Result};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Size of a page in bytes.
const PAGE: u32 = 4096;
/// Address at which a program is loaded.
const BASE: u32 = 0x0804_8000;
const PT_LOAD: u32 = 1;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// Width of a program's addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Program for 32-bit x86.
    Elf32,
    /// Program for 64-bit x86.
    Elf64,
}

/// Writes an executable file with one read-only data page for each byte of `data`, filled with that byte.
pub fn write(path: &Path, class: Class, data: &[u8]) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(path)
        .and_then(|mut file| file.write_all(&program(class, data)))
        .with_context(|| format!("cannot write the program {}", path.display()))
}

/// Returns the contents of the executable file.
fn program(class: Class, data: &[u8]) -> Vec<u8> {
    let code_at = 0x100;
    let mut file = headers(class, BASE + code_at, data.len() as u32);
    file.resize(code_at as usize, 0);
    file.extend(code(class, data.len() as u32));
    file.resize(PAGE as usize, 0);
    for &byte in data {
        file.extend([byte; PAGE as usize]);
    }
    file
}

/// Returns the ELF header and the program headers of the stack, the code and the data.
fn headers(class: Class, entry: u32, data_pages: u32) -> Vec<u8> {
    let wide = class == Class::Elf64;
    let mut file = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1];
    file.resize(16, 0);
    let (machine, header_size, program_header_size) = if wide { (62, 64, 56) } else { (3, 52, 32) };
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let native = |file: &mut Vec<u8>, value: u32| {
        word(file, value);
        if wide {
            word(file, 0);
        }
    };
    half(&mut file, 2);
    half(&mut file, machine);
    word(&mut file, 1);
    native(&mut file, entry);
    native(&mut file, header_size as u32);
    native(&mut file, 0);
    word(&mut file, 0);
    let mut segments = vec![
        (PT_GNU_STACK, 0, 0, PF_R | PF_W),
        (PT_LOAD, 0, 1, PF_R | PF_X),
    ];
    if data_pages > 0 {
        segments.push((PT_LOAD, 1, data_pages, PF_R));
    }
    for value in [
        header_size,
        program_header_size,
        segments.len() as u16,
        0,
        0,
        0,
    ] {
        half(&mut file, value);
    }
    for (kind, first, pages, flags) in segments {
        word(&mut file, kind);
        if wide {
            word(&mut file, flags);
        }
        native(&mut file, first * PAGE);
        native(&mut file, BASE + first * PAGE);
        native(&mut file, BASE + first * PAGE);
        native(&mut file, pages * PAGE);
        native(&mut file, pages * PAGE);
        if !wide {
            word(&mut file, flags);
        }
        native(&mut file, PAGE);
    }
    file
}

/// Returns code that reads a byte of each data page and then sends itself SIGSTOP in an endless loop.
fn code(class: Class, data_pages: u32) -> Vec<u8> {
    let mut code = Vec::new();
    if data_pages > 0 {
        code.push(0xbe); // mov esi, data
        code.extend((BASE + PAGE).to_le_bytes());
        code.push(0xb9); // mov ecx, pages
        code.extend(data_pages.to_le_bytes());
        code.extend([0x8a, 0x06]); // next: mov al, [rsi]
        code.extend([0x81, 0xc6, 0x00, 0x10, 0x00, 0x00]); // add esi, 4096
        code.extend([0xff, 0xc9]); // dec ecx
        code.extend([0x75, 0xf4]); // jnz next
    }
    let (getpid, kill, call, to_first, to_second) = match class {
        Class::Elf32 => (20, 37, [0xcd, 0x80], [0x89, 0xc3], 0xb9), // int 0x80; mov ebx, eax; mov ecx
        Class::Elf64 => (39, 62, [0x0f, 0x05], [0x89, 0xc7], 0xbe), // syscall; mov edi, eax; mov esi
    };
    code.extend([0xb8, getpid, 0, 0, 0]); // stop: mov eax, getpid
    code.extend(call);
    code.extend(to_first);
    code.extend([to_second, libc::SIGSTOP as u8, 0, 0, 0]);
    code.extend([0xb8, kill, 0, 0, 0]); // mov eax, kill
    code.extend(call);
    code.extend([0xeb, 0xe9]); // jmp stop
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper::Helper;
    use std::process::Command;

    #[test]
    fn a_64_bit_program_reads_its_pages_and_stops() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tiny");
        write(&path, Class::Elf64, &[1, 1, 2]).unwrap();
        let helper = Helper::that_stops(&mut Command::new(&path), "tiny program".into()).unwrap();
        let comm = std::fs::read_to_string(format!("/proc/{}/comm", helper.pid())).unwrap();
        assert_eq!(comm, "tiny\n");
    }
}
