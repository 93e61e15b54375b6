// SPDX-License-Identifier: GPL-2.0-only

#include <linux/lockdep.h>
#include <linux/spinlock.h>

#include "../bindings.h"

/*
 * Several locks of one class are held at a time, in ascending order, which lockdep cannot see. A lock that
 * exists for lockdep alone tells it so, like the one in the context of a ww_mutex: any number of threads may
 * "hold" it at once.
 */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
static struct lock_class_key stripe_order_class;
static struct {
	struct lockdep_map dep_map;
} stripe_order = {
	.dep_map = STATIC_LOCKDEP_MAP_INIT("stripe_order", &stripe_order_class),
};
#endif

void abstractions_stripe_order_begin(void)
{
	lock_map_acquire(&stripe_order.dep_map);
}

void abstractions_stripe_order_end(void)
{
	lock_map_release(&stripe_order.dep_map);
}

/* Each of the two functions defines a lock class, named after its argument. */
void abstractions_stripe_lock_init(spinlock_t *stripe)
{
	spin_lock_init(stripe);
}

void abstractions_innermost_lock_init(spinlock_t *innermost)
{
	spin_lock_init(innermost);
}

void abstractions_stripe_lock(spinlock_t *lock)
{
	spin_lock(lock);
}

/* Between abstractions_stripe_order_begin() and _end(). */
void abstractions_stripe_lock_in_order(spinlock_t *lock)
{
	spin_lock_nest_lock(lock, &stripe_order);
}

void abstractions_stripe_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
}
