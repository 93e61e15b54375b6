// SPDX-License-Identifier: GPL-2.0-only

//! `moddb`: a store of keys and values that the processes of a network namespace share. They use it over generic
//! netlink; `moddb.yaml` specifies the interface.
//!
//! - [`namespace`]: the store of a network namespace, and who may use it;
//! - [`stored_table`]: the hash table of a store;
//! - [`get`], [`write`], [`flush`], [`list`]: the operations;
//! - [`notification`]: notifications of changes;
//! - [`refuse`]: the reasons that senders of refused requests get.

use abstractions::rcu::BarrierOnDrop;
use abstractions_genetlink::family::{Family, FamilySpec, MulticastGroup};
use abstractions_genetlink::operation::{GenlOperation, Policy};
use compat::value_of;
use kernel::prelude::*;
use logic_moddb::numbers::command;
use namespace::Namespace;

mod flush;
mod get;
mod list;
mod namespace;
mod notification;
mod refuse;
mod stored_table;
mod write;

module! {
    type: Moddb,
    name: "moddb",
    authors: ["The rust-memory-modules authors"],
    description: "Keys and values that the processes of a network namespace share",
    license: "GPL",
    params: {
        read: u8 {
            default: 0,
            description: "Who may read: 0: every process, 1: processes with CAP_NET_ADMIN over the network namespace, 2: processes with CAP_NET_ADMIN in the initial user namespace (default 0)",
        },
        write: u8 {
            default: 1,
            description: "Who may write: 0, 1 or 2, as for read (default 1)",
        },
        max_entries: u64 {
            default: 1048576,
            description: "Largest number of keys in each network namespace (default 1048576)",
        },
        max_bytes: u64 {
            default: 268435456,
            description: "Largest number of bytes of all keys and values in each network namespace (default 268435456)",
        },
    },
}

/// The attributes of a request with entries, by their numbers.
static ENTRIES: [Policy; 2] = [Policy::NONE, Policy::NESTED];
/// The attributes of a list request, by their numbers.
static LIST: [Policy; 3] = [Policy::NONE, Policy::NONE, Policy::FLAG];

static OPERATIONS: [GenlOperation<Namespace>; 6] = [
    GenlOperation::doit::<get::Noop>(command::NOOP, &[]),
    GenlOperation::doit::<get::Get>(command::GET, &ENTRIES),
    GenlOperation::doit::<write::Set>(command::SET, &ENTRIES),
    GenlOperation::doit::<write::Del>(command::DEL, &ENTRIES),
    GenlOperation::dump::<list::List>(command::LIST, &LIST),
    GenlOperation::doit::<flush::Flush>(command::FLUSH, &[]),
];

static FOR_EVERYONE: [MulticastGroup; 1] = [MulticastGroup::new(c"changes")];
static FOR_NET_ADMINS: [MulticastGroup; 1] = [MulticastGroup::for_net_admins(c"changes")];

/// Returns the family's specification. Notifications show keys, so a process that may not read must not listen. Netlink
/// can only require capabilities over the network namespace of listeners; see [`namespace::listeners_may_read`] for the
/// rest.
fn family_spec(read: u8) -> FamilySpec<Namespace> {
    FamilySpec {
        name: c"moddb",
        version: 1,
        operations: &OPERATIONS,
        groups: match read {
            0 => &FOR_EVERYONE,
            _ => &FOR_NET_ADMINS,
        },
    }
}

/// The loaded module. Its fields are dropped in this order.
struct Moddb {
    _family: Family<Namespace>,
    _callbacks: BarrierOnDrop,
}

impl kernel::Module for Moddb {
    fn init(module: &'static ThisModule) -> Result<Self> {
        namespace::check_parameters()?;
        let spec = family_spec(value_of(module_parameters::read.value()));
        let callbacks = BarrierOnDrop;
        Ok(Self {
            _family: Family::register(module, &spec, GFP_KERNEL)?,
            _callbacks: callbacks,
        })
    }
}
