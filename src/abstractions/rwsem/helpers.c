// SPDX-License-Identifier: GPL-2.0-only

#include <linux/rwsem.h>

#include "../bindings.h"

void abstractions_init_rwsem(struct rw_semaphore *sem)
{
	init_rwsem(sem);
}
