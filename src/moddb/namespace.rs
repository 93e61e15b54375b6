// SPDX-License-Identifier: GPL-2.0-only

//! What a network namespace has of its own: a store.

use crate::module_parameters;
use crate::refuse::refuse;
use abstractions::genetlink::request::Request;
use abstractions::net_namespace::{Id, PerNet};
use abstractions::rhashtable::keys::HashedKey;
use abstractions::rhashtable::stored::StoredTable;
use abstractions::siphash::Secret;
use abstractions::stripe_lock::StripeLock;
use compat::value_of;
use kernel::prelude::*;
use logic_moddb::refusal::Refusal;
use protocol::store::{Limits, Store};

/// The store, and what its keys are hashed with.
pub(crate) struct Namespace {
    pub(crate) store: Store<StoredTable, StripeLock>,
    secret: Secret,
}

impl Namespace {
    /// A key to look for.
    pub(crate) fn key<'k>(&self, bytes: &'k [u8]) -> HashedKey<'k> {
        HashedKey::new(bytes, self.secret.hash(bytes))
    }
}

static ID: Id<Namespace> = Id::new();

/// Bytes of old values per stripe that RCU may have to free before writers wait for it. A million small
/// values a second do not come to it in a grace period.
const BACKLOG: i64 = 8 << 20;

/// Stripes per processor that there may be.
const STRIPES_PER_CPU: usize = 4;

impl PerNet for Namespace {
    fn id() -> &'static Id<Self> {
        &ID
    }

    fn new() -> Result<Self> {
        let limits = Limits {
            entries: value_of(module_parameters::max_entries.value()),
            bytes: value_of(module_parameters::max_bytes.value()),
            backlog: BACKLOG,
        };
        let cpus = usize::try_from(kernel::cpu::nr_cpu_ids())?;
        let stripes = cpus.saturating_mul(STRIPES_PER_CPU);
        let table = StoredTable::new(0, GFP_KERNEL_ACCOUNT)?;
        Ok(Self {
            store: Store::new(table, stripes, limits, GFP_KERNEL_ACCOUNT)?,
            secret: Secret::random(),
        })
    }
}

/// Refuses to load with parameters that mean nothing.
///
/// # Errors
///
/// EINVAL, with a line in the log.
pub(crate) fn check_parameters() -> Result {
    for (name, value) in [
        ("read", value_of(module_parameters::read.value())),
        ("write", value_of(module_parameters::write.value())),
    ] {
        if value > 2 {
            pr_err!("{name}={value}: must be 0, 1 or 2\n");
            return Err(EINVAL);
        }
    }
    Ok(())
}

/// Whether the sender may do what this parameter allows.
fn may(request: &Request<'_>, parameter: u8) -> bool {
    match parameter {
        0 => true,
        1 => request.is_net_admin(),
        _ => request.is_global_net_admin(),
    }
}

/// Refuses who may not read.
///
/// # Errors
///
/// EPERM.
pub(crate) fn check_reader(request: &Request<'_>) -> Result {
    if may(request, value_of(module_parameters::read.value())) {
        return Ok(());
    }
    Err(refuse(request, Refusal::MayNotRead.into()))
}

/// Refuses who may not write.
///
/// # Errors
///
/// EPERM.
pub(crate) fn check_writer(request: &Request<'_>) -> Result {
    if may(request, value_of(module_parameters::write.value())) {
        return Ok(());
    }
    Err(refuse(request, Refusal::MayNotWrite.into()))
}

/// Whether those who listen in the request's namespace may read what is told there. Listening needs
/// CAP_NET_ADMIN over it if reading does.
pub(crate) fn may_hear(request: &Request<'_>) -> bool {
    value_of(module_parameters::read.value()) < 2 || request.net().is_of_initial_user_namespace()
}
