// SPDX-License-Identifier: GPL-2.0-only

//! A process whose `mmap_lock` nobody gets.

use anyhow::{ensure, Context, Result};
use guest::mapping::{Area, Mapping, PAGE, RO, RW};
use nix::sys::mman::MapFlags;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Maps the file `argument`, whose contents do not come. A thread reads the page through `/proc/self/mem`: unlike a page
/// fault of a program, this keeps the `mmap_lock` for reading while it waits. When it waits, another thread maps memory,
/// for which it needs the lock for writing; no later reader gets the lock before it. Does not return.
pub fn stuck(argument: &str) -> Result<()> {
    let file = File::open(argument).with_context(|| format!("cannot open {argument}"))?;
    // The kernel learns the size of the file here.
    let size = file.metadata()?.len();
    ensure!(size > 0, "{argument} is empty");
    let area = Area::of_file(&file, 0, 1, RO, MapFlags::MAP_SHARED)?;
    let mem = File::open("/proc/self/mem").context("cannot open /proc/self/mem")?;
    let at = area.first_page() * PAGE as u64;
    let (tell, hear) = channel();
    let reader = move || {
        let mut byte = [0];
        // SAFETY: An FFI call with no additional requirements.
        let _ = tell.send(unsafe { libc::gettid() });
        // Fails when the file system goes away.
        let _ = mem.read_at(&mut byte, at);
        park()
    };
    let mapper = move || {
        if let Ok(reader) = hear.recv() {
            while !is_waiting(reader) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = Mapping::anonymous(1, RW);
        }
        park()
    };
    std::thread::Builder::new().spawn(reader)?;
    std::thread::Builder::new().spawn(mapper)?;
    park()
}

fn is_waiting(thread: i32) -> bool {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"))
        .is_ok_and(|stat| stat.contains(") D "))
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}
