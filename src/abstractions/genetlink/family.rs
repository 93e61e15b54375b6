// SPDX-License-Identifier: GPL-2.0-only

//! Registration of a family.
//!
//! C header: `include/net/genetlink.h` (`struct genl_family`).

use crate::net_namespace::{PerNet, Registration};
use crate::operation::GenlOperation;
use abstractions::bindings::{
    genl_family, genl_multicast_group, genl_register_family, genl_unregister_family,
};
use kernel::alloc::Flags;
use kernel::error::to_result;
use kernel::ffi::c_char;
use kernel::prelude::*;
use kernel::types::Opaque;

/// A multicast group of a family.
#[repr(transparent)]
pub struct MulticastGroup(genl_multicast_group);

impl MulticastGroup {
    /// Returns a group that every process may join. The name has at most 15 bytes.
    pub const fn new(name: &'static CStr) -> Self {
        Self(genl_multicast_group {
            name: name_of(name),
            flags: 0,
        })
    }

    /// Returns a group that a process may join if it has CAP_NET_ADMIN in the user namespace that owns the network
    /// namespace. The name has at most 15 bytes.
    pub const fn for_net_admins(name: &'static CStr) -> Self {
        Self(genl_multicast_group {
            name: name_of(name),
            flags: GENL_MCAST_CAP_NET_ADMIN,
        })
    }
}

/// `GENL_MCAST_CAP_NET_ADMIN` of the C header, a macro that bindgen cannot evaluate.
const GENL_MCAST_CAP_NET_ADMIN: u8 = 1 << 0;

/// Returns a name as netlink stores it. In a constant, a name of more than 15 bytes does not compile.
const fn name_of(name: &CStr) -> [c_char; 16] {
    let bytes = name.to_bytes();
    let mut field = [0; 16];
    let mut at = 0;
    while at < bytes.len() {
        field[at] = bytes[at] as c_char;
        at += 1;
    }
    assert!(at < field.len());
    field
}

/// The specification of a family.
pub struct FamilySpec<D: 'static> {
    /// The family's name, of at most 15 bytes.
    pub name: &'static CStr,
    /// The version of the interface.
    pub version: u32,
    /// The operations that users may request.
    pub operations: &'static [GenlOperation<D>],
    /// The multicast groups that users may join.
    pub groups: &'static [MulticastGroup],
}

/// A family that is registered, in all network namespaces, until this value is dropped.
///
/// # Invariants
///
/// `family` is registered.
pub struct Family<D: PerNet> {
    family: KBox<Opaque<genl_family>>,
    /// Dropped after the family, since requests use the data.
    _data: Registration<D>,
}

// SAFETY: Any thread may unregister a family, and `Registration` is `Send`.
unsafe impl<D: PerNet> Send for Family<D> {}
// SAFETY: A shared family gives access to nothing.
unsafe impl<D: PerNet> Sync for Family<D> {}

impl<D: PerNet> Family<D> {
    /// Registers the family, and the data of all namespaces before that. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted, EEXIST if a family of this name exists, and the errors of
    /// [`Registration::new`].
    pub fn register(
        module: &'static ThisModule,
        spec: &FamilySpec<D>,
        flags: Flags,
    ) -> Result<Self> {
        let data = Registration::new(flags)?;
        // SAFETY: All fields are integers, pointers and optional functions, for which zero is valid.
        let mut family: genl_family = unsafe { core::mem::zeroed() };
        family.name = name_of(spec.name);
        family.version = spec.version;
        family.n_ops = u8::try_from(spec.operations.len())?;
        family.ops = spec.operations.as_ptr().cast();
        family.n_mcgrps = u8::try_from(spec.groups.len())?;
        family.mcgrps = spec.groups.as_ptr().cast();
        family.module = module.as_ptr();
        family.set_netnsok(1);
        family.set_parallel_ops(1);
        let family = KBox::new(Opaque::new(family), flags)?;
        // SAFETY: The family stays where it is, in its box, until it is unregistered, and it points to statics only.
        to_result(unsafe { genl_register_family(family.get()) })?;
        // INVARIANT: The family was just registered.
        Ok(Self {
            family,
            _data: data,
        })
    }
}

impl<D: PerNet> Drop for Family<D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the family is registered, and this unregisters it once. The result only
        // says whether it was registered.
        let _ = unsafe { genl_unregister_family(self.family.get()) };
    }
}
