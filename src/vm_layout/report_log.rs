// SPDX-License-Identifier: GPL-2.0-only

//! The report in the kernel log, at KERN_INFO.
//!
//! The log is a ring: who reads it slower than it is written loses lines. A report of many areas is
//! larger than the ring (128 KiB, as distributions set it up), so it is paced: after each
//! [`BURST`] bytes there is a pause of [`PAUSE_MS`], in which a daemon that follows `/dev/kmsg` takes
//! them away. What comes last says how many lines there were, so that a loss does not go unseen.

use abstractions::log;
use abstractions_task::current::{cond_resched, fatal_signal_pending};
use kernel::prelude::*;
use kernel::time::delay::fsleep;
use kernel::time::Delta;
use logic::interrupted::Interrupted;
use logic::text::{BufferFull, Print};
use logic_vm_layout::layout::Layout;
use logic_vm_layout::log_lines::LogLines;
use logic_vm_layout::text_report::TextReport;

/// Bytes that are printed without a pause.
const BURST: usize = 16 << 10;
/// Length of a pause, in milliseconds.
const PAUSE_MS: i64 = 20;

/// Prints the report, and as its last line `end of the report: <n> lines`. May sleep.
///
/// # Errors
///
/// A fatal signal.
pub(crate) fn print(layout: &Layout<'_>) -> Result<(), Interrupted> {
    let mut lines = 0;
    let mut burst = 0;
    let mut log = LogLines::new(|line| {
        if burst > BURST {
            burst = 0;
            fsleep(Delta::from_millis(PAUSE_MS));
        }
        cond_resched();
        if fatal_signal_pending() {
            return Err(BufferFull);
        }
        log::info(c"vm_layout", line);
        lines += 1;
        burst += line.len();
        Ok(())
    });
    TextReport(layout)
        .print(&mut log)
        .map_err(|_| Interrupted)?;
    pr_info!("end of the report: {lines} lines\n");
    Ok(())
}
