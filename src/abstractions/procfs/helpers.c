// SPDX-License-Identifier: GPL-2.0-only

#include <linux/proc_fs.h>

#include "../bindings.h"

void *abstractions_pde_data(const struct inode *inode)
{
	return pde_data(inode);
}
