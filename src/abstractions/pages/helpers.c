// SPDX-License-Identifier: GPL-2.0-only

#include <linux/hash.h>
#include <linux/hugetlb.h>
#include <linux/leafops.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/prefetch.h>
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
#include <asm/asm.h>
#endif

#include "../bindings.h"

/*
 * Copies a part of a frame, in whole words. Returns false if the frame is not in the kernel's direct map at this
 * moment or if its memory is bad: copy_mc_to_kernel() is a plain memcpy() on processors without ERMS.
 */
bool abstractions_copy_frame(void *to, unsigned long pfn, size_t offset, size_t len)
{
	const void *from = page_address(pfn_to_page(pfn)) + offset;
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
	unsigned long words = len / sizeof(long);

	asm volatile("1:	rep movsq\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_DEFAULT_MCE_SAFE)
		     : "+c" (words), "+D" (to), "+S" (from)
		     :
		     : "memory");
	return !words;
#else
	memcpy(to, from, len);
	return true;
#endif
}

void abstractions_prefetch_frame(unsigned long pfn, size_t offset)
{
	prefetch(page_address(pfn_to_page(pfn)) + offset);
}

void abstractions_prefetch_struct_page(unsigned long pfn)
{
	prefetch(pfn_to_page(pfn));
}

/* hugetlb marks a poisoned folio at its head page until the folio is dissolved. */
bool abstractions_frame_is_untouchable(unsigned long pfn)
{
	const struct page *page = pfn_to_page(pfn);
	const struct folio *folio = page_folio(page);

	return PageHWPoison(page) || is_pci_p2pdma_page(page) ||
	       (folio_test_hugetlb(folio) && PageHWPoison(&folio->page));
}

bool abstractions_frame_is_online(unsigned long pfn)
{
	return pfn_to_online_page(pfn);
}

/*
 * Returns what the frame holds, as far as its struct page tells without a reference: to which file or anonymous
 * mapping it belongs, and at which offset. 0 if to none: freed frames are cleared.
 */
unsigned long abstractions_frame_owner(unsigned long pfn)
{
	const struct page *page = pfn_to_page(pfn);
	const struct folio *folio = page_folio(page);
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

	return mapping ? hash_long(mapping, BITS_PER_LONG) +
				 READ_ONCE(folio->index) + folio_page_idx(folio, page) :
			 0;
}

/* False only if the frame is certainly mapped by one process alone. */
bool abstractions_frame_may_be_shared(unsigned long pfn)
{
	return folio_maybe_mapped_shared(page_folio(pfn_to_page(pfn)));
}

bool abstractions_is_zero_pfn(unsigned long pfn)
{
	return is_zero_pfn(pfn);
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

pte_t *abstractions_pte_offset(pmd_t pmd, unsigned long address)
{
	return pte_offset_kernel(&pmd, address);
}

/*
 * True if an entry still points to the table that it pointed to before. Only the table is compared: the processor
 * and the aging of pages change the accessed bit of the entry.
 */
bool abstractions_pud_is_same_table(pud_t before, pud_t now)
{
	return abstractions_pud_is_table(now) && pud_pfn(now) == pud_pfn(before);
}

bool abstractions_pmd_is_same_table(pmd_t before, pmd_t now)
{
	return abstractions_pmd_is_table(now) && pmd_pfn(now) == pmd_pfn(before);
}

static unsigned long present(unsigned long pfn, bool special)
{
	return pfn << ABSTRACTIONS_ENTRY_PFN_SHIFT | ABSTRACTIONS_ENTRY_PRESENT |
	       (special ? ABSTRACTIONS_ENTRY_SPECIAL : 0);
}

/*
 * These return all that a walk needs of an entry that is no table, in one call, since there are millions: the page that
 * it maps, or that a page is being moved; 0 for all else.
 */
unsigned long abstractions_leaf_pud(pud_t pud)
{
	return pud_present(pud) && pud_leaf(pud) ? present(pud_pfn(pud), pud_special(pud)) : 0;
}

unsigned long abstractions_leaf_pmd(pmd_t pmd)
{
	if (pmd_present(pmd))
		return pmd_leaf(pmd) ? present(pmd_pfn(pmd), pmd_special(pmd)) : 0;
	return softleaf_is_migration(softleaf_from_pmd(pmd)) ? ABSTRACTIONS_ENTRY_MOVING : 0;
}

unsigned long abstractions_leaf_pte(pte_t *ptep)
{
	pte_t pte = ptep_get(ptep);

	if (pte_present(pte))
		return present(pte_pfn(pte), pte_special(pte));
	return softleaf_is_migration(softleaf_from_pte(pte)) ? ABSTRACTIONS_ENTRY_MOVING : 0;
}
