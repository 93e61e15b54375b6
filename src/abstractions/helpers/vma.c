// SPDX-License-Identifier: GPL-2.0-only

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mm_types.h>

#include "../bindings.h"

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
