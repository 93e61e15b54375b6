// SPDX-License-Identifier: GPL-2.0

#include <linux/highmem.h>
#include <linux/memremap.h>
#include <linux/mm.h>

#include "../bindings.h"

void abstractions_get_page(struct page *page)
{
	get_page(page);
}

void abstractions_put_page(struct page *page)
{
	put_page(page);
}

struct page *abstractions_pfn_to_page(unsigned long pfn)
{
	return pfn_to_page(pfn);
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

void abstractions_memcpy_from_page(char *to, struct page *page)
{
	memcpy_from_page(to, page, 0, PAGE_SIZE);
}

int abstractions_memcmp_page(const char *bytes, struct page *page)
{
	const void *mapped = kmap_local_page(page);
	int difference = memcmp(bytes, mapped, PAGE_SIZE);

	kunmap_local(mapped);
	return difference;
}
