// SPDX-License-Identifier: GPL-2.0-only

//! Releasing the pages of a set.

use abstractions_pages::pinned_frames::PinnedFrames;
use abstractions_workqueue::workers::{run_on_workers, WorkClass};
use kernel::prelude::*;

/// Table words, each of which holds 1 to 8 frames, from which on several workers release the pages of a set.
const LARGE_SET: usize = 4096;

/// Releases all pages of a set, on several of so many `workers` at once if there are many pages. The set keeps its
/// memory. May sleep.
pub(crate) fn release_pages(pages: &mut PinnedFrames, workers: usize) {
    let is_large = pages.words() >= LARGE_SET;
    let workers = if is_large { workers } else { 1 };
    let drain = pages.drain();
    run_on_workers(workers, WorkClass::Nested, GFP_KERNEL, &|_| {
        while drain.release_shard() {}
    });
}
