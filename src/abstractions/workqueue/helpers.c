// SPDX-License-Identifier: GPL-2.0-only

#include <linux/cpumask.h>
#include <linux/workqueue.h>

#include "../bindings.h"

void abstractions_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

/* For work that other work waits for, which needs a lock class of its own. */
void abstractions_init_nested_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

bool abstractions_queue_unbound(struct work_struct *work)
{
	return queue_work(system_dfl_wq, work);
}

bool abstractions_queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	return queue_work(wq, work);
}

struct workqueue_struct *abstractions_alloc_unbound(const char *name)
{
	return alloc_workqueue("%s", WQ_UNBOUND, 0, name);
}

unsigned int abstractions_num_online_cpus(void)
{
	return num_online_cpus();
}
