// SPDX-License-Identifier: GPL-2.0-only

#include <linux/siphash.h>

#include "../bindings.h"

u32 abstractions_hsiphash(const void *data, size_t len, const hsiphash_key_t *key)
{
	return hsiphash(data, len, key);
}
