// SPDX-License-Identifier: GPL-2.0-only

//! `moddb`: keys and values that the processes of a network namespace share, over generic netlink. The
//! protocol is `moddb.yaml`.
//!
//! - [`namespace`]: what a network namespace has of its own, and who may use it;
//! - [`get`], [`write`], [`flush`], [`list`]: the operations;
//! - [`notice`]: what listeners are told;
//! - [`refuse`]: what a sender is told.

use abstractions::genetlink::{Description, Family, Group, Operation, Policy};
use abstractions::rcu::BarrierOnDrop;
use compat::value_of;
use kernel::prelude::*;
use logic_moddb::numbers::command;
use namespace::Namespace;

mod flush;
mod get;
mod list;
mod namespace;
mod notice;
mod refuse;
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
            description: "Who may read: 0: everyone, 1: who has CAP_NET_ADMIN over the network namespace, 2: who has it in the initial user namespace (default 0)",
        },
        write: u8 {
            default: 1,
            description: "Who may write: as for read (default 1)",
        },
        max_entries: u64 {
            default: 1048576,
            description: "Keys that each network namespace may have (default 1048576)",
        },
        max_bytes: u64 {
            default: 268435456,
            description: "Bytes that the keys and values of each network namespace may have (default 268435456)",
        },
    },
}

/// By its number, what a message of an operation with entries may have.
static ENTRIES: [Policy; 2] = [Policy::NONE, Policy::NESTED];
/// As above, of a list.
static LIST: [Policy; 3] = [Policy::NONE, Policy::NONE, Policy::FLAG];

static OPERATIONS: [Operation<Namespace>; 6] = [
    Operation::answer::<get::Noop>(command::NOOP, &[]),
    Operation::answer::<get::Get>(command::GET, &ENTRIES),
    Operation::answer::<write::Set>(command::SET, &ENTRIES),
    Operation::answer::<write::Del>(command::DEL, &ENTRIES),
    Operation::list::<list::All>(command::LIST, &LIST),
    Operation::answer::<flush::Flush>(command::FLUSH, &[]),
];

static FOR_EVERYONE: [Group; 1] = [Group::new(c"changes")];
static FOR_NET_ADMINS: [Group; 1] = [Group::for_net_admins(c"changes")];

/// The family. Changes tell keys: who may not read may not listen. (Netlink can only ask for capabilities
/// over the network namespace; for more, see [`namespace::may_hear`].)
fn description(read: u8) -> Description<Namespace> {
    Description {
        name: c"moddb",
        version: 1,
        operations: &OPERATIONS,
        groups: match read {
            0 => &FOR_EVERYONE,
            _ => &FOR_NET_ADMINS,
        },
    }
}

/// The loaded module. Fields are dropped in this order.
struct Moddb {
    _family: Family<Namespace>,
    _callbacks: BarrierOnDrop,
}

impl kernel::Module for Moddb {
    fn init(module: &'static ThisModule) -> Result<Self> {
        namespace::check_parameters()?;
        let description = description(value_of(module_parameters::read.value()));
        let callbacks = BarrierOnDrop;
        Ok(Self {
            _family: Family::register(module, &description, GFP_KERNEL)?,
            _callbacks: callbacks,
        })
    }
}
