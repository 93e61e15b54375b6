// SPDX-License-Identifier: GPL-2.0-only

//! The data of a network namespace: a store.

use crate::module_parameters;
use crate::refuse::refuse;
use crate::stored_table::StoredTable;
use abstractions_genetlink::net_namespace::{NetDataId, PerNet};
use abstractions_genetlink::request::Request;
use abstractions_rhashtable::keys::HashedKey;
use abstractions_siphash::HashSecret;
use abstractions_stripe_lock::StripeLock;
use compat::value_of;
use kernel::prelude::*;
use logic_moddb::refusal::Refusal;
use protocol::store::{Limits, Store};

/// The store of one network namespace, and the secret that its keys are hashed with.
pub(crate) struct Namespace {
    pub(crate) store: Store<StoredTable, StripeLock>,
    secret: HashSecret,
}

impl Namespace {
    /// Returns a key with its hash, to be looked up in this store.
    pub(crate) fn key<'k>(&self, bytes: &'k [u8]) -> HashedKey<'k> {
        HashedKey::new(bytes, self.secret.hash(bytes))
    }
}

static ID: NetDataId<Namespace> = NetDataId::new();

/// Bytes of replaced values of one stripe that may wait for a grace period before writers to the stripe wait, too. A
/// million small values a second stay below it.
const BACKLOG: i64 = 8 << 20;

/// The number of stripes for each possible CPU.
const STRIPES_PER_CPU: usize = 4;

impl PerNet for Namespace {
    fn id() -> &'static NetDataId<Self> {
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
        let table = StoredTable::new(GFP_KERNEL_ACCOUNT)?;
        Ok(Self {
            store: Store::new(table, stripes, limits, GFP_KERNEL_ACCOUNT)?,
            secret: HashSecret::random(),
        })
    }
}

/// Checks the module parameters `read` and `write`.
///
/// # Errors
///
/// Returns EINVAL for other values than 0, 1 and 2, after a line in the kernel log.
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

/// Returns true if the sender has the capability that a parameter's value requires.
fn may(request: &Request<'_>, parameter: u8) -> bool {
    match parameter {
        0 => true,
        1 => request.is_net_admin(),
        _ => request.is_global_net_admin(),
    }
}

/// Checks that the sender may read.
///
/// # Errors
///
/// Returns EPERM, with a reason for the sender.
pub(crate) fn check_reader(request: &Request<'_>) -> Result {
    if may(request, value_of(module_parameters::read.value())) {
        return Ok(());
    }
    Err(refuse(request, Refusal::MayNotRead.into()))
}

/// Checks that the sender may write.
///
/// # Errors
///
/// Returns EPERM, with a reason for the sender.
pub(crate) fn check_writer(request: &Request<'_>) -> Result {
    if may(request, value_of(module_parameters::write.value())) {
        return Ok(());
    }
    Err(refuse(request, Refusal::MayNotWrite.into()))
}

/// Returns true if listeners in the request's namespace may read what notifications show. To join the group, they need
/// CAP_NET_ADMIN over the namespace if reading does; reading may require it over the machine.
pub(crate) fn listeners_may_read(request: &Request<'_>) -> bool {
    value_of(module_parameters::read.value()) < 2 || request.net().is_of_initial_user_namespace()
}
