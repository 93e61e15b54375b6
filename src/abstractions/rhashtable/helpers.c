// SPDX-License-Identifier: GPL-2.0-only

#include <linux/hash.h>
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

int abstractions_rhashtable_replace(struct rhashtable *ht, struct rhash_head *old,
				    struct rhash_head *new)
{
	return rhashtable_replace_fast(ht, old, new, ht->p);
}

static u32 hashed_key_hash(const void *data, u32 len, u32 seed)
{
	const struct abstractions_hashed_key *key = data;

	return hash_32(key->hash ^ seed, 32);
}

static u32 hashed_object_hash(const void *data, u32 len, u32 seed)
{
	const struct abstractions_hashed_object *object = data;

	return hashed_key_hash(&object->key, len, seed);
}

static int hashed_compare(struct rhashtable_compare_arg *arg, const void *data)
{
	const struct abstractions_hashed_key *wanted = arg->key;
	const struct abstractions_hashed_object *object = data;

	return wanted->hash != object->key.hash || wanted->len != object->key.len ||
	       memcmp(wanted->bytes, object->key.bytes, wanted->len);
}

/* A constant, so that the fast paths are compiled without calls through pointers. */
static const struct rhashtable_params hashed_params = {
	.key_len = sizeof(struct abstractions_hashed_key),
	.key_offset = offsetof(struct abstractions_hashed_object, key),
	.head_offset = offsetof(struct abstractions_hashed_object, head),
	.hashfn = hashed_key_hash,
	.obj_hashfn = hashed_object_hash,
	.obj_cmpfn = hashed_compare,
	.automatic_shrinking = true,
};

int abstractions_hashed_init(struct rhashtable *ht)
{
	return rhashtable_init(ht, &hashed_params);
}

void *abstractions_hashed_lookup(struct rhashtable *ht, const struct abstractions_hashed_key *key)
{
	return rhashtable_lookup(ht, key, hashed_params);
}

int abstractions_hashed_insert(struct rhashtable *ht, struct rhash_head *head)
{
	return rhashtable_lookup_insert_key(ht,
		&container_of(head, struct abstractions_hashed_object, head)->key, head,
		hashed_params);
}

int abstractions_hashed_remove(struct rhashtable *ht, struct rhash_head *head)
{
	return rhashtable_remove_fast(ht, head, hashed_params);
}

int abstractions_hashed_replace(struct rhashtable *ht, struct rhash_head *old,
				struct rhash_head *new)
{
	return rhashtable_replace_fast(ht, old, new, hashed_params);
}
