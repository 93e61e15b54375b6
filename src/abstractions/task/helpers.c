// SPDX-License-Identifier: GPL-2.0-only

#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "../bindings.h"

struct task_struct *abstractions_next_task(struct task_struct *task)
{
	return next_task(task);
}

/* NULL after the last thread of the group. */
struct task_struct *abstractions_next_thread(struct task_struct *task)
{
	return __next_thread(task);
}

struct task_struct *abstractions_real_parent(struct task_struct *task)
{
	return rcu_dereference(task->real_parent);
}

void abstractions_get_task_comm(char *comm, struct task_struct *task)
{
	strscpy_pad(comm, task->comm, TASK_COMM_LEN);
}

bool abstractions_fatal_signal_pending(struct task_struct *task)
{
	return fatal_signal_pending(task);
}

void abstractions_cond_resched(void)
{
	cond_resched();
}
