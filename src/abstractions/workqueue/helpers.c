// SPDX-License-Identifier: GPL-2.0-only

#include <linux/cpumask.h>
#include <linux/workqueue.h>

#include "../bindings.h"

void abstractions_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

bool abstractions_queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	return queue_work(wq, work);
}

struct workqueue_struct *abstractions_alloc_unbound(const char *name, bool has_sysfs)
{
	return alloc_workqueue("%s", WQ_UNBOUND | (has_sysfs ? WQ_SYSFS : 0), 0, name);
}

unsigned int abstractions_num_online_cpus(void)
{
	return num_online_cpus();
}
