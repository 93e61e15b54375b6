// SPDX-License-Identifier: GPL-2.0-only

//! The schedule `heap`: malloc(3) and free(3).

use crate::steps::Steps;
use anyhow::{ensure, Result};
use clap::ValueEnum;

/// Order in which blocks are freed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// The oldest block first
    Oldest,
    /// The latest block first
    Latest,
}

/// Options of the schedule.
#[derive(clap::Args)]
pub struct Heap {
    /// Size of a block in bytes; from 128 KiB on, glibc allocates with mmap(2) instead of from the heap
    #[arg(long, default_value_t = 1 << 10)]
    block: usize,
    /// Size of all blocks in bytes
    #[arg(long, default_value_t = 4 << 20)]
    total: usize,
    /// Number of steps for allocating, and for freeing
    #[arg(long, default_value_t = 32)]
    steps: usize,
    /// Blocks that are freed first
    #[arg(long, value_enum, default_value = "latest")]
    free: Order,
}

/// A block of memory that must be freed explicitly, in the order of the schedule.
struct Block(*mut libc::c_void);

impl Block {
    fn new(size: usize) -> Result<Self> {
        // SAFETY: An FFI call with no additional requirements.
        let block = unsafe { libc::malloc(size) };
        ensure!(!block.is_null(), "malloc of {size} bytes failed");
        // SAFETY: malloc(3) returned a block of `size` bytes.
        unsafe { block.write_bytes(0xa5, size) };
        Ok(Self(block))
    }

    fn free(self) {
        // SAFETY: The block came from malloc(3), and `self` is consumed, so it is freed once.
        unsafe { libc::free(self.0) };
    }
}

impl Heap {
    /// Runs the schedule `heap`.
    pub fn run(&self, steps: &mut Steps) -> Result<()> {
        ensure!(
            self.block > 0,
            "--block is 0: a block has at least one byte"
        );
        let blocks = self.total / self.block;
        ensure!(
            blocks >= self.steps && self.steps > 0,
            "--total {total} has {blocks} blocks of {block} bytes, which cannot be divided into {steps} steps",
            total = self.total,
            block = self.block,
            steps = self.steps
        );
        let mut held = Vec::with_capacity(blocks);
        steps.step("allocate", 0)?;
        for step in 1..=self.steps {
            while held.len() < blocks * step / self.steps {
                held.push(Block::new(self.block)?);
            }
            steps.step("allocate", held.len() * self.block)?;
        }
        // Blocks are freed from the end of the list.
        if self.free == Order::Oldest {
            held.reverse();
        }
        for step in (0..self.steps).rev() {
            for block in held.drain(blocks * step / self.steps..).rev() {
                block.free();
            }
            steps.step("free", held.len() * self.block)?;
        }
        Ok(())
    }
}
