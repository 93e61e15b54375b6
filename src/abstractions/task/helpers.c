// SPDX-License-Identifier: GPL-2.0-only

#include <linux/capability.h>
#include <linux/compiler.h>
#include <linux/cred.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/security.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "../bindings.h"

/* Of a process that never stops writing its name, this reading is taken. */
#define COMM_READINGS 64

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

/* execve(2) holds it for writing from before it changes the mm until after it has set the comm. */
bool abstractions_exec_update_read_trylock(struct task_struct *task)
{
	return down_read_trylock(&task->signal->exec_update_lock);
}

void abstractions_exec_update_read_unlock(struct task_struct *task)
{
	up_read(&task->signal->exec_update_lock);
}

/* Returns a reference to mm_count, or NULL if the task has no address space. */
struct mm_struct *abstractions_grab_task_mm(struct task_struct *task)
{
	struct mm_struct *mm;

	task_lock(task);
	mm = task->mm;
	if (mm)
		mmgrab(mm);
	task_unlock(task);
	return mm;
}

/*
 * A name is written without a lock, so a reading may have parts of two. It is repeated until two
 * that follow each other at once are the same: no name is written twice in that time.
 */
void abstractions_get_task_comm(char *comm, struct task_struct *task)
{
	char last[TASK_COMM_LEN];
	int readings = COMM_READINGS;

	data_race(memcpy(comm, task->comm, TASK_COMM_LEN));
	do {
		memcpy(last, comm, TASK_COMM_LEN);
		barrier();
		data_race(memcpy(comm, task->comm, TASK_COMM_LEN));
	} while (memcmp(last, comm, TASK_COMM_LEN) && --readings);
}

bool abstractions_fatal_signal_pending(struct task_struct *task)
{
	return fatal_signal_pending(task);
}

u32 abstractions_current_euid(void)
{
	return __kuid_val(current_euid());
}

bool abstractions_capable_noaudit(int capability)
{
	return ns_capable_noaudit(&init_user_ns, capability);
}

bool abstractions_memory_is_locked_down(void)
{
	return security_locked_down(LOCKDOWN_KCORE) != 0;
}

void abstractions_init_waitqueue_head(struct wait_queue_head *head)
{
	init_waitqueue_head(head);
}

void abstractions_cond_resched(void)
{
	cond_resched();
}
