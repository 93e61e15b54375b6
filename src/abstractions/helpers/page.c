// SPDX-License-Identifier: GPL-2.0-only

#include <linux/highmem.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/prefetch.h>

#include "../bindings.h"

void abstractions_get_page(struct page *page)
{
	get_page(page);
}

/* False if nobody else has a reference, or the folio is being taken apart. */
bool abstractions_try_get_page(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_try_get(folio))
		return false;
	if (page_folio(page) == folio)
		return true;
	folio_put(folio);
	return false;
}

void abstractions_put_page(struct page *page)
{
	put_page(page);
}

struct page *abstractions_pfn_to_page(unsigned long pfn)
{
	return pfn_to_page(pfn);
}

void abstractions_prefetch_struct_page(unsigned long pfn)
{
	prefetchw(pfn_to_page(pfn));
}

unsigned long abstractions_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

/* hugetlb marks the whole folio by its head until it is dissolved. */
bool abstractions_page_is_poisoned(const struct page *page)
{
	const struct folio *folio = page_folio(page);

	return PageHWPoison(page) ||
	       (folio_test_hugetlb(folio) && folio_test_hwpoison(folio));
}

bool abstractions_is_pci_p2pdma_page(const struct page *page)
{
	return is_pci_p2pdma_page(page);
}

bool abstractions_is_zero_pfn(unsigned long pfn)
{
	return is_zero_pfn(pfn);
}

void abstractions_memcpy_from_page(char *to, struct page *page, size_t offset, size_t len)
{
	memcpy_from_page(to, page, offset, len);
}

void *abstractions_kmap_local_page(struct page *page)
{
	return kmap_local_page(page);
}

void abstractions_kunmap_local(const void *mapped)
{
	kunmap_local(mapped);
}

/* Nothing where the page is not in the kernel's own mapping at all times. */
void abstractions_prefetch_page(struct page *page, size_t offset)
{
	if (!IS_ENABLED(CONFIG_HIGHMEM))
		prefetch(page_address(page) + offset);
}
