// SPDX-License-Identifier: GPL-2.0-only

#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/prefetch.h>

#include "../bindings.h"

void abstractions_get_page(struct page *page)
{
	get_page(page);
}

/* Returns false if the page has no reference, or if its folio is being split. */
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

/* hugetlb marks a poisoned folio at its head page until the folio is dissolved. */
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

/* Does nothing on kernels where a page may be outside the direct map. */
void abstractions_prefetch_page(struct page *page, size_t offset)
{
	if (!IS_ENABLED(CONFIG_HIGHMEM))
		prefetch(page_address(page) + offset);
}

/* Page tables */

/* Not a constant: it depends on whether the machine has five levels of page tables. */
unsigned long abstractions_pgdir_size(void)
{
	return PGDIR_SIZE;
}

pgd_t *abstractions_pgd_offset(struct mm_struct *mm, unsigned long address)
{
	return pgd_offset(mm, address);
}

bool abstractions_pgd_is_table(pgd_t *pgd)
{
	return !pgd_none(*pgd) && !pgd_bad(*pgd);
}

p4d_t *abstractions_p4d_offset(pgd_t *pgd, unsigned long address)
{
	return p4d_offset(pgd, address);
}

bool abstractions_p4d_is_table(p4d_t *p4d)
{
	return !p4d_none(*p4d) && !p4d_bad(*p4d);
}

pud_t *abstractions_pud_offset(p4d_t *p4d, unsigned long address)
{
	return pud_offset(p4d, address);
}

pud_t abstractions_pudp_get(pud_t *pud)
{
	return READ_ONCE(*pud);
}

bool abstractions_pud_is_table(pud_t pud)
{
	return pud_present(pud) && !pud_leaf(pud) && !pud_bad(pud);
}

bool abstractions_pud_is_page(pud_t pud)
{
	return pud_present(pud) && pud_leaf(pud);
}

bool abstractions_pud_special(pud_t pud)
{
	return pud_special(pud);
}

unsigned long abstractions_pud_pfn(pud_t pud)
{
	return pud_pfn(pud);
}

spinlock_t *abstractions_pud_lock(struct mm_struct *mm, pud_t *pud)
{
	return pud_lock(mm, pud);
}

pmd_t *abstractions_pmd_offset(pud_t *pudp, pud_t pud, unsigned long address)
{
	return pmd_offset_lockless(pudp, pud, address);
}

pmd_t abstractions_pmdp_get(pmd_t *pmd)
{
	return pmdp_get_lockless(pmd);
}

bool abstractions_pmd_is_table(pmd_t pmd)
{
	return pmd_present(pmd) && !pmd_leaf(pmd) && !pmd_bad(pmd);
}

bool abstractions_pmd_is_page(pmd_t pmd)
{
	return pmd_present(pmd) && pmd_leaf(pmd);
}

bool abstractions_pmd_special(pmd_t pmd)
{
	return pmd_special(pmd);
}

bool abstractions_pmd_same(pmd_t a, pmd_t b)
{
	return pmd_same(a, b);
}

unsigned long abstractions_pmd_pfn(pmd_t pmd)
{
	return pmd_pfn(pmd);
}

spinlock_t *abstractions_pmd_lock(struct mm_struct *mm, pmd_t *pmd)
{
	return pmd_lock(mm, pmd);
}

pte_t *abstractions_pte_offset(pmd_t pmd, unsigned long address)
{
	return pte_offset_kernel(&pmd, address);
}

spinlock_t *abstractions_pte_lock(struct mm_struct *mm, pmd_t pmd)
{
	spinlock_t *lock = pte_lockptr(mm, &pmd);

	spin_lock(lock);
	return lock;
}

/* Returns all that a walk needs of an entry, in one call, since there are millions; 0 if it maps no page. */
unsigned long abstractions_present_pte(pte_t *ptep)
{
	pte_t pte = ptep_get(ptep);

	if (!pte_present(pte))
		return 0;
	return pte_pfn(pte) << ABSTRACTIONS_PTE_PFN_SHIFT | ABSTRACTIONS_PTE_PRESENT |
	       (pte_special(pte) ? ABSTRACTIONS_PTE_SPECIAL : 0);
}

void abstractions_page_table_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
}
