// SPDX-License-Identifier: GPL-2.0-only

//! `vm-layout-app`: an application that allocates and frees memory in steps. Between the steps, its layout can be
//! examined by hand or by `vm-layout-sample`.

mod heap;
mod mapping;
mod stack;
mod steps;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use std::time::Duration;
use steps::Steps;

#[derive(Parser)]
#[command(
    name = "vm-layout-app",
    about = "Allocates and frees memory in steps, to be examined through /proc/vm_layout",
    after_help = "\
Before each step the program prints a line `<phase> <progress>` and waits for a line on standard input (Enter) or,
with --pause-ms, for that time.

Exit status: 0 success; 1 an allocation or a system call failed, or a size is not possible; 2 wrong usage."
)]
struct Options {
    /// Continue after this many milliseconds, without input
    #[arg(long, global = true)]
    pause_ms: Option<u64>,
    #[command(subcommand)]
    schedule: Schedule,
}

#[derive(Subcommand)]
enum Schedule {
    /// Allocate with malloc(3) and free again; progress: requested bytes that are allocated
    Heap(heap::Heap),
    /// Call a function recursively and return; progress: depth of the recursion
    Stack(stack::Stack),
    /// Map memory and touch page after page; progress: touched pages
    Touch(mapping::Touch),
    /// Map areas far from each other, split them, and unmap all; progress: seconds
    Spread(mapping::Spread),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut steps = Steps::new(options.pause_ms.map(Duration::from_millis));
    let outcome = match options.schedule {
        Schedule::Heap(heap) => heap.run(&mut steps),
        Schedule::Stack(stack) => stack.run(&mut steps),
        Schedule::Touch(touch) => touch.run(&mut steps),
        Schedule::Spread(spread) => spread.run(&mut steps),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vm-layout-app: {error:#}");
            ExitCode::FAILURE
        }
    }
}
