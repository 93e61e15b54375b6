// SPDX-License-Identifier: GPL-2.0-only

#include <net/netns/generic.h>

#include "../bindings.h"

void *abstractions_net_generic(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}

struct user_namespace *abstractions_net_user_ns(const struct net *net)
{
	return net->user_ns;
}
