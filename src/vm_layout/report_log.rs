// SPDX-License-Identifier: GPL-2.0-only

//! The report in the kernel log, at KERN_INFO.
//!
//! The log is a ring: a reader that is slower than the writer loses lines. A report of many areas is larger than the
//! ring (128 KiB on distributions), so it is paced: after each [`BURST`] bytes there is a pause of [`PAUSE_MS`], during
//! which a daemon that follows `/dev/kmsg` can catch up. The last line says how many lines there were, so that a loss
//! is noticed.

use abstractions_task::current::{cond_resched, fatal_signal_pending};
use kernel::prelude::*;
use kernel::time::delay::fsleep;
use kernel::time::Delta;
use logic::interrupted::Interrupted;
use logic::text::{BufferFull, Print};
use logic_vm_layout::layout::Layout;
use logic_vm_layout::log_lines::LogLines;
use logic_vm_layout::text_report::TextReport;

/// Bytes that are printed between two pauses.
const BURST: usize = 16 << 10;
/// Length of a pause, in milliseconds.
const PAUSE_MS: i64 = 20;

/// Prints the report, and `end of the report: <n> lines` as its last line. May sleep.
///
/// # Errors
///
/// Returns [`Interrupted`] after a fatal signal; the rest is not printed.
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
        abstractions_log::info(c"vm_layout", line);
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
