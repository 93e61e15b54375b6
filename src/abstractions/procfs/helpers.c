// SPDX-License-Identifier: GPL-2.0-only

#include <linux/compat.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include <asm/syscall.h>
#include <asm/unistd.h>

#include "../bindings.h"

void *abstractions_pde_data(const struct inode *inode)
{
	return pde_data(inode);
}

/* A thread of io_uring has the registers of a system call that was another's. */
static bool in_writev(void)
{
	int nr = syscall_get_nr(current, current_pt_regs());

	if (current->flags & PF_USER_WORKER)
		return false;
#ifdef CONFIG_IA32_EMULATION
	if (in_ia32_syscall())
		return nr == __NR_ia32_writev || nr == __NR_ia32_pwritev ||
		       nr == __NR_ia32_pwritev2;
#endif
	return nr == __NR_writev || nr == __NR_pwritev || nr == __NR_pwritev2;
}

/*
 * Imports all segments of the writev(2) that the task is in, if these bytes are its first segment
 * that is not empty; else these bytes alone. The program may change its memory meanwhile, so
 * nothing rests on the segments being those that the kernel goes through.
 */
int abstractions_written_init(struct abstractions_written *written, const char __user *from,
			      size_t len)
{
	written->allocated = NULL;
	if (in_writev()) {
		unsigned long args[6];
		ssize_t whole;

		syscall_get_arguments(current, current_pt_regs(), args);
		written->allocated = written->fast;
		whole = import_iovec(ITER_SOURCE, (const struct iovec __user *)args[1], args[2],
				     ARRAY_SIZE(written->fast), &written->allocated,
				     &written->iter);
		if (whole < 0)
			return whole;
		/* Skips empty segments. */
		iov_iter_advance(&written->iter, 0);
		if (whole && iter_iov_addr(&written->iter) == from &&
		    iter_iov_len(&written->iter) == len)
			return 0;
		abstractions_written_free(written);
		written->allocated = NULL;
	}
	return import_ubuf(ITER_SOURCE, (char __user *)from, len, &written->iter);
}

void abstractions_written_free(struct abstractions_written *written)
{
	kfree(written->allocated);
}
