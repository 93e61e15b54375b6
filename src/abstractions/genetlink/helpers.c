// SPDX-License-Identifier: GPL-2.0-only

#include <net/genetlink.h>
#include <net/netns/generic.h>

#include "../bindings.h"

void *abstractions_genl_info_payload(const struct genl_info *info)
{
	return genlmsg_data(info->genlhdr);
}

int abstractions_genl_info_payload_len(const struct genl_info *info)
{
	return genlmsg_len(info->genlhdr);
}

const struct genl_info *abstractions_genl_info_dump(struct netlink_callback *cb)
{
	return genl_info_dump(cb);
}

struct net *abstractions_genl_info_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

struct sk_buff *abstractions_genlmsg_new(size_t payload, gfp_t flags)
{
	return genlmsg_new(payload, flags);
}

void abstractions_genlmsg_end(struct sk_buff *skb, void *header)
{
	genlmsg_end(skb, header);
}

void abstractions_genlmsg_cancel(struct sk_buff *skb, void *header)
{
	genlmsg_cancel(skb, header);
}

int abstractions_genlmsg_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

void abstractions_genl_dump_check_consistent(struct netlink_callback *cb, void *header)
{
	genl_dump_check_consistent(cb, header);
}

bool abstractions_genl_has_listeners(const struct genl_family *family, struct net *net,
				     unsigned int group)
{
	return genl_has_listeners(family, net, group) > 0;
}

/* Sends to all listeners, the sender of the request included. */
int abstractions_genlmsg_multicast_netns(const struct genl_family *family, struct net *net,
					 struct sk_buff *skb, unsigned int group, gfp_t flags)
{
	return genlmsg_multicast_netns(family, net, skb, 0, group, flags);
}

int abstractions_genl_set_err(const struct genl_family *family, struct net *net,
			      unsigned int group, int code)
{
	return genl_set_err(family, net, 0, group, code);
}

void abstractions_nlmsg_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

struct nlattr *abstractions_nla_nest_start(struct sk_buff *skb, int attribute)
{
	return nla_nest_start(skb, attribute);
}

void abstractions_nla_nest_end(struct sk_buff *skb, struct nlattr *nest)
{
	nla_nest_end(skb, nest);
}

void *abstractions_net_generic(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}

struct user_namespace *abstractions_net_user_ns(const struct net *net)
{
	return net->user_ns;
}
