// SPDX-License-Identifier: GPL-2.0-only

//! malloc(3) and free(3).

use crate::steps::Steps;
use anyhow::{ensure, Result};
use clap::ValueEnum;

/// In which order blocks are freed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// The oldest first
    Oldest,
    /// The latest first
    Latest,
}

#[derive(clap::Args)]
pub struct Heap {
    /// Bytes of each block; glibc takes blocks from 128 KiB on from mmap(2), not from the heap
    #[arg(long, default_value_t = 1 << 10)]
    block: usize,
    /// Bytes in all
    #[arg(long, default_value_t = 4 << 20)]
    total: usize,
    /// Number of steps up, and of steps down
    #[arg(long, default_value_t = 32)]
    steps: usize,
    /// Which blocks are freed first
    #[arg(long, value_enum, default_value = "latest")]
    free: Order,
}

/// A block of memory that is freed by hand.
struct Block(*mut libc::c_void);

impl Block {
    fn new(size: usize) -> Result<Self> {
        // SAFETY: malloc(3) takes any size.
        let block = unsafe { libc::malloc(size) };
        ensure!(!block.is_null(), "malloc of {size} bytes failed");
        // SAFETY: the block has that many bytes.
        unsafe { block.write_bytes(0xa5, size) };
        Ok(Self(block))
    }

    fn free(self) {
        // SAFETY: came from malloc(3), and is freed once.
        unsafe { libc::free(self.0) };
    }
}

impl Heap {
    pub fn run(&self, steps: &mut Steps) -> Result<()> {
        ensure!(self.block > 0, "a block has at least one byte");
        let blocks = self.total / self.block;
        ensure!(
            blocks >= self.steps && self.steps > 0,
            "there are {blocks} blocks of {} bytes in {}, too few for {} steps",
            self.block,
            self.total,
            self.steps
        );
        let mut held = Vec::with_capacity(blocks);
        steps.step("allocate", 0)?;
        for step in 1..=self.steps {
            while held.len() < blocks * step / self.steps {
                held.push(Block::new(self.block)?);
            }
            steps.step("allocate", held.len() * self.block)?;
        }
        // What is freed next is the last one.
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
