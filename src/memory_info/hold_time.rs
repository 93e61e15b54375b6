// SPDX-License-Identifier: GPL-2.0-only

//! How long scans hold locks of the processes that they look at.

use abstractions::number_parameter;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::time::{Instant, Monotonic};

/// The longest hold since the module was loaded, in ns.
static LONGEST_NS: Atomic<u64> = Atomic::new(0);

number_parameter!(
    c"longest_hold_ns",
    b"parm=longest_hold_ns:Longest time in ns for which a RESET held a lock of another process\0",
    LONGEST_NS
);

/// Measures one hold of a lock, until it is dropped.
pub(crate) struct HoldTimer(Instant<Monotonic>);

impl HoldTimer {
    /// Begins to measure.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Drop for HoldTimer {
    fn drop(&mut self) {
        let ns = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(0);
        let mut longest = LONGEST_NS.load(Relaxed);
        while ns > longest {
            match LONGEST_NS.cmpxchg(longest, ns, Relaxed) {
                Ok(_) => return,
                Err(now) => longest = now,
            }
        }
    }
}
