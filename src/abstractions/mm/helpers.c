// SPDX-License-Identifier: GPL-2.0-only

#include <linux/fs.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "../bindings.h"

int abstractions_mmap_read_lock_killable(struct mm_struct *mm)
{
	return mmap_read_lock_killable(mm);
}

int abstractions_mmap_write_lock_killable(struct mm_struct *mm)
{
	return mmap_write_lock_killable(mm);
}

void abstractions_mmap_write_unlock(struct mm_struct *mm)
{
	mmap_write_unlock(mm);
}

/*
 * Returns the first address from `address` on that an area contained a moment ago, or ULONG_MAX if none did. Takes no
 * lock: the range is the maple tree's own.
 */
unsigned long abstractions_next_mapped(struct mm_struct *mm, unsigned long address)
{
	MA_STATE(mas, &mm->mm_mt, address, address);
	unsigned long next = ULONG_MAX;

	rcu_read_lock();
	if (mas_find(&mas, ULONG_MAX))
		next = max(mas.index, address);
	rcu_read_unlock();
	return next;
}

unsigned long abstractions_get_mm_counter_sum(struct mm_struct *mm, int member)
{
	return get_mm_counter_sum(mm, member);
}

unsigned long abstractions_get_mm_rss(struct mm_struct *mm)
{
	return get_mm_rss(mm);
}

unsigned long abstractions_mm_pgtables_bytes(const struct mm_struct *mm)
{
	return mm_pgtables_bytes(mm);
}

void abstractions_mm_segments(struct mm_struct *mm, struct abstractions_mm_segments *segments)
{
	spin_lock(&mm->arg_lock);
	*segments = (struct abstractions_mm_segments) {
		.start_code = mm->start_code,
		.end_code = mm->end_code,
		.start_data = mm->start_data,
		.end_data = mm->end_data,
		.start_brk = mm->start_brk,
		.brk = mm->brk,
		.start_stack = mm->start_stack,
		.arg_start = mm->arg_start,
		.arg_end = mm->arg_end,
		.env_start = mm->env_start,
		.env_end = mm->env_end,
	};
	spin_unlock(&mm->arg_lock);
}

const struct path *abstractions_file_user_path(const struct file *file)
{
	return file_user_path(file);
}

bool abstractions_vma_is_initial_heap(const struct vm_area_struct *vma)
{
	return vma_is_initial_heap(vma);
}

bool abstractions_vma_is_initial_stack(const struct vm_area_struct *vma)
{
	return vma_is_initial_stack(vma);
}

/* anon_vma_name() is not exported where it is not inline. */
const char *abstractions_anon_vma_name(const struct vm_area_struct *vma)
{
#ifdef CONFIG_ANON_VMA_NAME
	return vma->anon_name ? vma->anon_name->name : NULL;
#else
	return NULL;
#endif
}

/* User-mode Linux has no PTE_PFN_MASK, and page tables of another kind. */
#ifndef CONFIG_UML
unsigned int abstractions_pgdir_shift(void)
{
	return PGDIR_SHIFT;
}

/* Not a constant: it depends on the machine's memory encryption. */
unsigned long abstractions_pte_pfn_mask(void)
{
	return PTE_PFN_MASK;
}

unsigned long abstractions_pgd_val(const struct mm_struct *mm, unsigned long index)
{
	return pgd_val(READ_ONCE(mm->pgd[index]));
}
#endif
