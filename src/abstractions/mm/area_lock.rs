// SPDX-License-Identifier: GPL-2.0-only

//! Looking at single areas, without waiting for a lock.
//!
//! An area's own lock stalls only those who change this area; page faults and changes elsewhere go on. Where it
//! cannot be had, because a writer holds it or the kernel has no such locks, `mmap_lock` is tried. If that is held
//! for writing as well, the caller is told, and decides how long to wait, without holding anything.
//!
//! C headers: `include/linux/mmap_lock.h`, `include/linux/maple_tree.h`; model: `fs/proc/task_mmu.c`.

use crate::area::Area;
use crate::mmap_lock::MmapRead;
use abstractions::bindings;
use kernel::mm::MmWithUser;

/// How often the first area is looked for again when it was gone before it could be locked.
const ATTEMPTS: usize = 8;

/// The result of a look at an area.
pub enum Looked<R> {
    /// The area was locked, and this was seen.
    Seen(R),
    /// There is no area.
    NoArea,
    /// The locks are held for writing: try again later.
    Busy,
}

/// Calls `look` with the area that contains `address`, or else the first one above it, while the area is locked for
/// reading. `look` should be short, and must not sleep. Does not sleep.
pub fn look_at_next_area<R>(
    mm: &MmWithUser,
    address: usize,
    look: impl FnOnce(Area<'_>) -> R,
) -> Looked<R> {
    let mut next = address;
    for _ in 0..ATTEMPTS {
        if let Some(vma) = mm.lock_vma_under_rcu(next) {
            // SAFETY: The guard, which is borrowed by the area, holds the lock of one of the areas of `mm`.
            return Looked::Seen(look(unsafe { Area::of_locked(mm, &vma) }));
        }
        // SAFETY: The address space is alive, by the reference to it.
        let found = unsafe { bindings::abstractions_next_mapped(mm.as_raw(), address) };
        if found == usize::MAX {
            return Looked::NoArea;
        }
        if found != next {
            next = found;
            continue;
        }
        if let Some(guard) = MmapRead::try_lock(mm) {
            return match guard.find_area(address) {
                Some(area) => Looked::Seen(look(area)),
                None => Looked::NoArea,
            };
        }
    }
    Looked::Busy
}
