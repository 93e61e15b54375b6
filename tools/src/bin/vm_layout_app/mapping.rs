// SPDX-License-Identifier: GPL-2.0-only

//! The schedules `touch` and `spread`: mmap(2).

use crate::steps::Steps;
use anyhow::{ensure, Result};
use clap::ValueEnum;
use guest::mapping::{Mapping, RO, RW};
use nix::sys::mman::MmapAdvise;

/// Bytes of address space that an entry of the top-level page table covers, with four levels of page tables.
const TOP_LEVEL: usize = 1 << 39;

/// Way in which pages are touched.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Access {
    /// Write to each page
    Write,
    /// Write to each page, after advising the kernel to use huge pages
    WriteHuge,
    /// Read from each page
    Read,
}

/// Options of the schedule `touch`.
#[derive(clap::Args)]
pub struct Touch {
    /// Number of pages to touch, one after the other; twice as many are mapped
    #[arg(long, default_value_t = 4096)]
    pages: usize,
    /// Number of steps for touching
    #[arg(long, default_value_t = 32)]
    steps: usize,
    /// Way in which pages are touched
    #[arg(long, value_enum, default_value = "write")]
    way: Access,
}

impl Touch {
    /// Runs the schedule `touch`.
    pub fn run(&self, steps: &mut Steps) -> Result<()> {
        ensure!(self.steps > 0, "--steps is 0: there is at least one step");
        let mapping = Mapping::anonymous(2 * self.pages, RW)?;
        mapping.advise(match self.way {
            Access::WriteHuge => MmapAdvise::MADV_HUGEPAGE,
            Access::Write | Access::Read => MmapAdvise::MADV_NOHUGEPAGE,
        })?;
        steps.step("touch", 0)?;
        let mut touched = 0;
        for step in 1..=self.steps {
            while touched < self.pages * step / self.steps {
                match self.way {
                    Access::Write | Access::WriteHuge => mapping.touch_for_writing(touched),
                    Access::Read => mapping.part(touched..touched + 1).touch(),
                }
                touched += 1;
            }
            steps.step("touch", touched)?;
        }
        drop(mapping);
        steps.step("unmap", 0)
    }
}

/// Options of the schedule `spread`.
#[derive(clap::Args)]
pub struct Spread {
    /// Number of areas, each under an entry of its own in the top-level page table
    #[arg(long, default_value_t = 12)]
    areas: usize,
    /// Number of pages of an area; every other page becomes read-only, which splits the area
    #[arg(long, default_value_t = 9)]
    pages: usize,
}

impl Spread {
    /// Runs the schedule `spread`.
    pub fn run(&self, steps: &mut Steps) -> Result<()> {
        let mut areas = Vec::new();
        self.step(steps, "map")?;
        for index in 0..self.areas {
            let area = Mapping::anonymous_at((index + 1) * TOP_LEVEL, self.pages, RW)?;
            area.touch_for_writing(0);
            areas.push(area);
            self.step(steps, "map")?;
        }
        for area in &areas {
            for page in (1..self.pages).step_by(2) {
                area.part(page..page + 1).protect(RO)?;
            }
            self.step(steps, "split")?;
        }
        for area in areas {
            drop(area);
            self.step(steps, "unmap")?;
        }
        Ok(())
    }

    fn step(&self, steps: &mut Steps, phase: &str) -> Result<()> {
        let seconds = steps.seconds();
        steps.step(phase, format_args!("{seconds:.3}"))
    }
}
