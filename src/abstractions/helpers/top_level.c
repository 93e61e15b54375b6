// SPDX-License-Identifier: GPL-2.0-only

#include <linux/mm_types.h>
#include <linux/pgtable.h>

#include "../bindings.h"

unsigned int abstractions_pgdir_shift(void)
{
	return PGDIR_SHIFT;
}

/* Depends on the machine's memory encryption. */
unsigned long abstractions_pte_pfn_mask(void)
{
	return PTE_PFN_MASK;
}

unsigned long abstractions_pgd_val(const struct mm_struct *mm, unsigned long index)
{
	return pgd_val(READ_ONCE(mm->pgd[index]));
}
