// SPDX-License-Identifier: GPL-2.0-only

#include <linux/ratelimit.h>

#include "../bindings.h"

/* With this flag, ___ratelimit() itself prints nothing. */
void abstractions_ratelimit_init(struct ratelimit_state *state)
{
	ratelimit_default_init(state);
	ratelimit_set_flags(state, RATELIMIT_MSG_ON_RELEASE);
}

unsigned int abstractions_ratelimit_reset_miss(struct ratelimit_state *state)
{
	return ratelimit_state_reset_miss(state);
}
