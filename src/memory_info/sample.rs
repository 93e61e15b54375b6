// SPDX-License-Identifier: GPL-2.0-only

//! The sampled bytes of a page, and its fetching into the processor's cache.

use abstractions_pages::frame::Unreadable;
use abstractions_pages::mapped_page::PageContent;
use logic_memory_info::page_hash::{Sample, Sampling, SAMPLE_PART};

/// Starts to fetch what [`sample`] reads into the processor's cache.
pub(crate) fn prefetch_sample(page: &PageContent<'_>, sampling: &Sampling) {
    page.prefetch_owner();
    for offset in sampling.offsets() {
        page.prefetch(offset);
    }
}

/// Copies the sampled bytes of a page, and returns their hash.
///
/// # Errors
///
/// Returns [`Unreadable`] if the page must not or cannot be read.
pub(crate) fn sample(page: &PageContent<'_>, sampling: &Sampling) -> Result<u64, Unreadable> {
    if page.is_untouchable() {
        return Err(Unreadable);
    }
    let mut sample = [0; size_of::<Sample>()];
    let parts = sample.chunks_exact_mut(SAMPLE_PART);
    for (offset, part) in sampling.offsets().into_iter().zip(parts) {
        page.copy(offset, part)?;
    }
    Ok(sampling.sample_hash(&sample))
}
