// SPDX-License-Identifier: GPL-2.0-only

//! mmap(2).

use crate::steps::Steps;
use anyhow::{ensure, Context, Result};
use clap::ValueEnum;
use nix::sys::mman::{madvise, mmap_anonymous, mprotect, munmap, MapFlags, MmapAdvise, ProtFlags};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

const PAGE: usize = 4096;
const RW: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);
/// What one entry of the top-level page table covers, with four levels of them.
const TOP_LEVEL: usize = 1 << 39;

/// How pages are touched.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Written
    Write,
    /// Written, where the kernel was advised to use huge pages
    WriteHuge,
    /// Only read
    Read,
}

#[derive(clap::Args)]
pub struct Touch {
    /// Pages to touch, one after the other, of as many again that are mapped
    #[arg(long, default_value_t = 4096)]
    pages: usize,
    /// Number of steps
    #[arg(long, default_value_t = 32)]
    steps: usize,
    /// How
    #[arg(long, value_enum, default_value = "write")]
    way: Way,
}

fn map(address: Option<usize>, length: usize) -> Result<NonNull<c_void>> {
    let length = NonZeroUsize::new(length).context("a mapping has at least one byte")?;
    let mut flags = MapFlags::MAP_PRIVATE;
    if address.is_some() {
        flags |= MapFlags::MAP_FIXED_NOREPLACE;
    }
    let address = address.and_then(NonZeroUsize::new);
    // SAFETY: an anonymous mapping where nothing was mapped before.
    unsafe { mmap_anonymous(address, length, RW, flags) }
        .with_context(|| format!("cannot map {length} bytes"))
}

impl Touch {
    pub fn run(&self, steps: &mut Steps) -> Result<()> {
        ensure!(self.steps > 0, "there must be steps");
        let length = 2 * self.pages * PAGE;
        let start = map(None, length)?;
        let advice = match self.way {
            Way::WriteHuge => MmapAdvise::MADV_HUGEPAGE,
            Way::Write | Way::Read => MmapAdvise::MADV_NOHUGEPAGE,
        };
        // SAFETY: this advice changes nothing that the program could see.
        unsafe { madvise(start, length, advice) }.context("madvise failed")?;
        steps.step("touch", 0)?;
        let mut touched = 0;
        for step in 1..=self.steps {
            while touched < self.pages * step / self.steps {
                // SAFETY: within the mapping.
                let page = unsafe { start.cast::<u8>().add(touched * PAGE) };
                match self.way {
                    // SAFETY: as above; nobody else uses it.
                    Way::Write | Way::WriteHuge => unsafe { page.write_volatile(1) },
                    Way::Read => {
                        // SAFETY: as above.
                        unsafe { page.read_volatile() };
                    }
                }
                touched += 1;
            }
            steps.step("touch", touched)?;
        }
        // SAFETY: nothing refers to the mapping any more.
        unsafe { munmap(start, length) }.context("cannot unmap")?;
        steps.step("unmap", 0)
    }
}

#[derive(clap::Args)]
pub struct Spread {
    /// Areas, each under a top-level entry of its own
    #[arg(long, default_value_t = 12)]
    areas: usize,
    /// Pages of each; every other one becomes read-only, which splits the area
    #[arg(long, default_value_t = 9)]
    pages: usize,
}

impl Spread {
    pub fn run(&self, steps: &mut Steps) -> Result<()> {
        let length = self.pages * PAGE;
        let mut areas = Vec::new();
        self.say(steps, "map")?;
        for index in 0..self.areas {
            let area = map(Some((index + 1) * TOP_LEVEL), length)?;
            // SAFETY: the first byte of the mapping.
            unsafe { area.cast::<u8>().write_volatile(1) };
            areas.push(area);
            self.say(steps, "map")?;
        }
        for area in &areas {
            for page in (1..self.pages).step_by(2) {
                // SAFETY: within the mapping, which is not written again.
                unsafe { mprotect(area.byte_add(page * PAGE), PAGE, ProtFlags::PROT_READ) }
                    .context("mprotect failed")?;
            }
            self.say(steps, "split")?;
        }
        for area in areas {
            // SAFETY: nothing refers to the mapping any more.
            unsafe { munmap(area, length) }.context("cannot unmap")?;
            self.say(steps, "unmap")?;
        }
        Ok(())
    }

    fn say(&self, steps: &mut Steps, phase: &str) -> Result<()> {
        let seconds = steps.seconds();
        steps.step(phase, format_args!("{seconds:.3}"))
    }
}
