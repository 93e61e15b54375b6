// SPDX-License-Identifier: GPL-2.0-only

//! Swap space that a test turns on.

use anyhow::{ensure, Context, Result};
use guest::module::KernelModule;
use nix::errno::Errno;
use std::path::Path;

/// Swap space on a compressed memory disk (zram). Dropping it turns it off.
pub struct SwapSpace;

impl SwapSpace {
    const DISK: &str = "/dev/zram0";

    /// Turns on swap space of `size`, such as `64M`. The inner error is the reason why this machine cannot have it.
    pub fn set_up(size: &str) -> Result<Result<Self, String>> {
        if !Path::new(Self::DISK).exists() {
            for module in ["lz4hc_compress", "zram"].map(KernelModule::named) {
                let file = module.file();
                let file = file.display();
                if !module.is_available() {
                    return Ok(Err(format!(
                        "swap space needs {file}, which does not exist"
                    )));
                }
                match module.load_opened(&module.open()?, c"") {
                    Ok(loaded) => drop(loaded.leave_loaded()),
                    Err(Errno::EEXIST) => {}
                    Err(errno) => return Ok(Err(format!("loading {file} failed: {errno}"))),
                }
            }
        }
        std::fs::write("/sys/block/zram0/disksize", size).context("cannot size the memory disk")?;
        let made = std::process::Command::new("busybox")
            .args(["mkswap", Self::DISK])
            .output()?;
        ensure!(
            made.status.success(),
            "mkswap failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // SAFETY: By its type, the path ends with a zero byte and lives during the call.
        let status = unsafe { libc::swapon(c"/dev/zram0".as_ptr(), 0) };
        ensure!(
            status == 0,
            "swapon failed: {}",
            std::io::Error::last_os_error()
        );
        Ok(Ok(Self))
    }
}

impl Drop for SwapSpace {
    fn drop(&mut self) {
        // SAFETY: By its type, the path ends with a zero byte and lives during the call.
        if unsafe { libc::swapoff(c"/dev/zram0".as_ptr()) } != 0 {
            eprintln!("swapoff failed: {}", std::io::Error::last_os_error());
        }
        if let Err(error) = std::fs::write("/sys/block/zram0/reset", "1") {
            eprintln!("cannot reset the memory disk: {error}");
        }
    }
}
