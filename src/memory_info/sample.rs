// SPDX-License-Identifier: GPL-2.0-only

//! The sampled bytes of a page, and its fetching into the processor's cache.

use abstractions_pages::page::Frame;
use logic_memory_info::page_hash::{Sample, Sampling, SAMPLE_PART};

/// Cache lines at the start of a page that are fetched ahead. The processor's own prefetching, which goes on from
/// there, ends with the page.
const LINES_AHEAD: usize = 8;
/// Bytes of a cache line.
const LINE: usize = SAMPLE_PART;

/// Starts to fetch the sampled bytes into the processor's cache, so that [`sample`] finds them there.
pub(crate) fn prefetch_sample(frame: Frame<'_>, sampling: &Sampling) {
    for offset in sampling.offsets() {
        frame.prefetch(offset);
    }
}

/// Starts to fetch the first lines of a page that is likely to be read as a whole.
pub(crate) fn prefetch_start(frame: Frame<'_>) {
    for line in 0..LINES_AHEAD {
        frame.prefetch(line * LINE);
    }
}

/// Copies the sampled bytes of a page.
pub(crate) fn sample(frame: Frame<'_>, sampling: &Sampling) -> Sample {
    let mut sample = [0; size_of::<Sample>()];
    let parts = sample.chunks_exact_mut(SAMPLE_PART);
    for (offset, part) in sampling.offsets().into_iter().zip(parts) {
        frame.copy_part(offset, part);
    }
    sample
}
