// SPDX-License-Identifier: GPL-2.0-only

//! The sampled bytes of a page, and its fetching into the processor's cache.

use abstractions_pages::frame::Unreadable;
use abstractions_pages::mapped_page::PageContent;
use logic_memory_info::page_hash::Sampling;

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
    sampling.read_sample(|offset, part| page.copy(offset, part))
}
