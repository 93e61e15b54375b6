// SPDX-License-Identifier: GPL-2.0-only

//! How long scans hold locks of the processes that they look at.

use abstractions::number_parameter;
use abstractions_mm::area::Area;
use abstractions_mm::area_lock::{self, Looked};
use kernel::mm::MmWithUser;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::time::{Instant, Monotonic};

/// The longest hold since the module was loaded, in ns.
static LONGEST_NS: Atomic<u64> = Atomic::new(0);

number_parameter!(
    c"longest_hold_ns",
    b"parm=longest_hold_ns:Longest time in ns for which a RESET held a lock of another process\0",
    LONGEST_NS
);

/// Looks at an area as [`area_lock::look_at_next_area`] does, and measures how long it is locked. Does not sleep.
pub(crate) fn look_at_next_area<R>(
    mm: &MmWithUser,
    address: usize,
    look: impl FnOnce(Area<'_>) -> R,
) -> Looked<R> {
    area_lock::look_at_next_area(mm, address, |area| {
        let start = Instant::<Monotonic>::now();
        let seen = look(area);
        count(start.elapsed().as_nanos());
        seen
    })
}

/// Takes one hold of a lock into account.
fn count(ns: i64) {
    let ns = u64::try_from(ns).unwrap_or(0);
    let mut longest = LONGEST_NS.load(Relaxed);
    while ns > longest {
        match LONGEST_NS.cmpxchg(longest, ns, Relaxed) {
            Ok(_) => return,
            Err(now) => longest = now,
        }
    }
}
