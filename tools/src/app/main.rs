// SPDX-License-Identifier: GPL-2.0-only

//! An application that allocates and frees memory on a schedule, one step at a time, to be looked at
//! between the steps: by hand, or by `vm-layout-sample`.

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
    about = "Allocates and frees memory step by step",
    after_help = "Before each step it prints one line, `<phase> <how far it is>`, and waits for a line \
                  on standard input (Enter), or for the time that --pause-ms says."
)]
struct Options {
    /// Go on by itself after so many milliseconds
    #[arg(long, global = true)]
    pause_ms: Option<u64>,
    #[command(subcommand)]
    schedule: Schedule,
}

#[derive(Subcommand)]
enum Schedule {
    /// Allocate with malloc(3) and free again; how far: bytes that it asked for and has
    Heap(heap::Heap),
    /// Call a function recursively and return; how far: calls deep
    Stack(stack::Stack),
    /// Map memory and touch page after page; how far: pages touched
    Touch(mapping::Touch),
    /// Map areas far from each other, split them, and unmap all; how far: seconds
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
