// SPDX-License-Identifier: GPL-2.0

#include <linux/rhashtable.h>

#include "../bindings.h"

int abstractions_rhashtable_init(struct rhashtable *ht, const struct rhashtable_params *params)
{
	return rhashtable_init(ht, params);
}

void *abstractions_rhashtable_lookup(struct rhashtable *ht, const void *key)
{
	return rhashtable_lookup(ht, key, ht->p);
}

int abstractions_rhashtable_insert(struct rhashtable *ht, struct rhash_head *head)
{
	return rhashtable_lookup_insert_fast(ht, head, ht->p);
}

int abstractions_rhashtable_remove(struct rhashtable *ht, struct rhash_head *head)
{
	return rhashtable_remove_fast(ht, head, ht->p);
}
