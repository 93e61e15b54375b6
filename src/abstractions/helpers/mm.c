// SPDX-License-Identifier: GPL-2.0-only

#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/spinlock.h>

#include "../bindings.h"

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
