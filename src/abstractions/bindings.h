/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The header that bindgen reads: the C APIs that the kernel's Rust crate does not bind, and the
 * project's helpers, each of which makes one inline function or macro of the kernel callable.
 */
#ifndef ABSTRACTIONS_BINDINGS_H
#define ABSTRACTIONS_BINDINGS_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include <linux/ratelimit.h>
#include <linux/rhashtable.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

/* genetlink/helpers.c */
void *abstractions_genl_info_payload(const struct genl_info *info);
int abstractions_genl_info_payload_len(const struct genl_info *info);
const struct genl_info *abstractions_genl_info_dump(struct netlink_callback *cb);
struct net *abstractions_genl_info_net(const struct genl_info *info);
struct sk_buff *abstractions_genlmsg_new(size_t payload, gfp_t flags);
void abstractions_genlmsg_end(struct sk_buff *skb, void *header);
void abstractions_genlmsg_cancel(struct sk_buff *skb, void *header);
int abstractions_genlmsg_reply(struct sk_buff *skb, struct genl_info *info);
void abstractions_genl_dump_check_consistent(struct netlink_callback *cb, void *header);
bool abstractions_genl_has_listeners(const struct genl_family *family, struct net *net,
				     unsigned int group);
int abstractions_genlmsg_multicast_netns(const struct genl_family *family, struct net *net,
					 struct sk_buff *skb, unsigned int group, gfp_t flags);
int abstractions_genl_set_err(const struct genl_family *family, struct net *net,
			      unsigned int group, int code);
void abstractions_nlmsg_free(struct sk_buff *skb);
struct nlattr *abstractions_nla_nest_start(struct sk_buff *skb, int attribute);
void abstractions_nla_nest_end(struct sk_buff *skb, struct nlattr *nest);

/* mm/helpers.c */
int abstractions_mmap_read_lock_killable(struct mm_struct *mm);
int abstractions_mmap_write_lock_killable(struct mm_struct *mm);
void abstractions_mmap_write_unlock(struct mm_struct *mm);
unsigned long abstractions_next_mapped(struct mm_struct *mm, unsigned long address);
struct abstractions_mm_segments {
	unsigned long start_code, end_code;
	unsigned long start_data, end_data;
	unsigned long start_brk, brk;
	unsigned long start_stack;
	unsigned long arg_start, arg_end;
	unsigned long env_start, env_end;
};
void abstractions_mm_segments(struct mm_struct *mm, struct abstractions_mm_segments *segments);
unsigned long abstractions_get_mm_counter_sum(struct mm_struct *mm, int member);
unsigned long abstractions_get_mm_rss(struct mm_struct *mm);
unsigned long abstractions_mm_pgtables_bytes(const struct mm_struct *mm);

/* genetlink/helpers.c: network namespaces */
void *abstractions_net_generic(const struct net *net, unsigned int id);
struct user_namespace *abstractions_net_user_ns(const struct net *net);

/* pages/helpers.c */
bool abstractions_copy_frame(void *to, unsigned long pfn, size_t offset, size_t len);
void abstractions_prefetch_frame(unsigned long pfn, size_t offset);
void abstractions_prefetch_struct_page(unsigned long pfn);
bool abstractions_frame_is_untouchable(unsigned long pfn);
bool abstractions_frame_is_online(unsigned long pfn);
unsigned long abstractions_frame_owner(unsigned long pfn);
bool abstractions_frame_may_be_shared(unsigned long pfn);
bool abstractions_is_zero_pfn(unsigned long pfn);

/* pages/helpers.c: page tables */
unsigned long abstractions_pgdir_size(void);
pgd_t *abstractions_pgd_offset(struct mm_struct *mm, unsigned long address);
bool abstractions_pgd_is_table(pgd_t *pgd);
p4d_t *abstractions_p4d_offset(pgd_t *pgd, unsigned long address);
bool abstractions_p4d_is_table(p4d_t *p4d);
pud_t *abstractions_pud_offset(p4d_t *p4d, unsigned long address);
pud_t abstractions_pudp_get(pud_t *pud);
bool abstractions_pud_is_table(pud_t pud);
bool abstractions_pud_is_same_table(pud_t before, pud_t now);
pmd_t *abstractions_pmd_offset(pud_t *pudp, pud_t pud, unsigned long address);
pmd_t abstractions_pmdp_get(pmd_t *pmd);
bool abstractions_pmd_is_table(pmd_t pmd);
bool abstractions_pmd_is_same_table(pmd_t before, pmd_t now);
pte_t *abstractions_pte_offset(pmd_t pmd, unsigned long address);
unsigned long abstractions_leaf_pud(pud_t pud);
unsigned long abstractions_leaf_pmd(pmd_t pmd);
unsigned long abstractions_leaf_pte(pte_t *ptep);

static const unsigned long ABSTRACTIONS_ENTRY_PRESENT = 1;
static const unsigned long ABSTRACTIONS_ENTRY_SPECIAL = 2;
static const unsigned long ABSTRACTIONS_ENTRY_MOVING = 4;
static const unsigned int ABSTRACTIONS_ENTRY_PFN_SHIFT = 3;

static const unsigned long ABSTRACTIONS_P4D_SIZE = P4D_SIZE;
static const unsigned long ABSTRACTIONS_PUD_SIZE = PUD_SIZE;
static const unsigned long ABSTRACTIONS_PMD_SIZE = PMD_SIZE;

static const unsigned long ABSTRACTIONS_SECRETMEM_MAGIC = SECRETMEM_MAGIC;

/* log/helpers.c */
void abstractions_ratelimit_init(struct ratelimit_state *state);
unsigned int abstractions_ratelimit_reset_miss(struct ratelimit_state *state);

/* procfs/helpers.c */
void *abstractions_pde_data(const struct inode *inode);

/* What one system call writes. The iterator may point to the other members. */
struct abstractions_written {
	struct iov_iter iter;
	struct iovec *allocated;
	struct iovec fast[UIO_FASTIOV];
};
int abstractions_written_init(struct abstractions_written *written, const char __user *from,
			      size_t len);
void abstractions_written_free(struct abstractions_written *written);

/* rhashtable/helpers.c */
int abstractions_rhashtable_init(struct rhashtable *ht, const struct rhashtable_params *params);
void *abstractions_rhashtable_lookup(struct rhashtable *ht, const void *key);
int abstractions_rhashtable_insert(struct rhashtable *ht, struct rhash_head *head);
int abstractions_rhashtable_remove(struct rhashtable *ht, struct rhash_head *head);
int abstractions_rhashtable_replace(struct rhashtable *ht, struct rhash_head *old,
				    struct rhash_head *new);

/*
 * Keys of any length, which the caller hashes: the key that is looked up, and the beginning of each object of
 * such a table.
 */
struct abstractions_hashed_key {
	const u8 *bytes;
	u32 len;
	u32 hash;
};
struct abstractions_hashed_object {
	struct rhash_head head;
	struct abstractions_hashed_key key;
};
int abstractions_hashed_init(struct rhashtable *ht);
void *abstractions_hashed_lookup(struct rhashtable *ht, const struct abstractions_hashed_key *key);
int abstractions_hashed_insert(struct rhashtable *ht, struct rhash_head *head);
int abstractions_hashed_remove(struct rhashtable *ht, struct rhash_head *head);
int abstractions_hashed_replace(struct rhashtable *ht, struct rhash_head *old,
				struct rhash_head *new);

/* siphash/helpers.c */
u32 abstractions_hsiphash(const void *data, size_t len, const hsiphash_key_t *key);

/* stripe_lock/helpers.c */
void abstractions_stripe_lock_init(spinlock_t *lock);
void abstractions_innermost_lock_init(spinlock_t *lock);
void abstractions_stripe_lock(spinlock_t *lock);
void abstractions_stripe_lock_in_order(spinlock_t *lock);
void abstractions_stripe_unlock(spinlock_t *lock);
void abstractions_stripe_order_begin(void);
void abstractions_stripe_order_end(void);

/* memory.rs */
static const unsigned int ABSTRACTIONS_GFP_KERNEL_NO_OOM =
	(__force unsigned int)(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);

/* rwsem/helpers.c */
void abstractions_init_rwsem(struct rw_semaphore *sem);

/* task/helpers.c */
struct task_struct *abstractions_next_task(struct task_struct *task);
struct task_struct *abstractions_next_thread(struct task_struct *task);
struct task_struct *abstractions_real_parent(struct task_struct *task);
bool abstractions_exec_update_read_trylock(struct task_struct *task);
void abstractions_exec_update_read_unlock(struct task_struct *task);
struct mm_struct *abstractions_grab_task_mm(struct task_struct *task);
void abstractions_get_task_comm(char *comm, struct task_struct *task);
bool abstractions_fatal_signal_pending(struct task_struct *task);
u32 abstractions_current_euid(void);
bool abstractions_capable_noaudit(int capability);
bool abstractions_memory_is_locked_down(void);
void abstractions_init_waitqueue_head(struct wait_queue_head *head);
void abstractions_cond_resched(void);

/* mm/helpers.c: not in User-mode Linux */
unsigned int abstractions_pgdir_shift(void);
unsigned long abstractions_pte_pfn_mask(void);
unsigned long abstractions_pgd_val(const struct mm_struct *mm, unsigned long index);

/* In 7.2, the kernel crate's constant of this name has the value of VM_MAYEXEC. */
static const unsigned long ABSTRACTIONS_VM_MAYSHARE = VM_MAYSHARE;

/* mm/helpers.c */
const struct path *abstractions_file_user_path(const struct file *file);
bool abstractions_vma_is_initial_heap(const struct vm_area_struct *vma);
bool abstractions_vma_is_initial_stack(const struct vm_area_struct *vma);
const char *abstractions_anon_vma_name(const struct vm_area_struct *vma);

/* workqueue/helpers.c */
void abstractions_init_work(struct work_struct *work, work_func_t func);
bool abstractions_queue_work(struct workqueue_struct *wq, struct work_struct *work);
struct workqueue_struct *abstractions_alloc_unbound(const char *name, bool has_sysfs);
unsigned int abstractions_num_online_cpus(void);

#endif
