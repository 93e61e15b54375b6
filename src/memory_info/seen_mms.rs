// SPDX-License-Identifier: GPL-2.0-only

//! The address spaces of one set that were scanned already.

use kernel::mm::{Mm, MmWithUser};
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use logic::hash::hash_number;
use logic_memory_info::index::{Index, IndexLookup};

/// A set of address spaces. Referenced, so that none is freed and its address used for another one.
#[derive(Default)]
pub(crate) struct SeenMms {
    mms: KVVec<ARef<Mm>>,
    by_address: Index,
}

impl SeenMms {
    /// False if it was there already. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn insert(&mut self, mm: &MmWithUser) -> Result<bool> {
        let hash = |mm: &Mm| hash_number(mm.as_raw() as usize);
        let mms = &self.mms;
        let mm_at = |number: u32| mms.get(number as usize);
        self.by_address.reserve(1, GFP_KERNEL, |number| {
            mm_at(number).map_or(0, |mm| hash(mm))
        })?;
        let is_mm = |number| mm_at(number).is_some_and(|seen| seen.as_raw() == mm.as_raw());
        match self.by_address.find(hash(mm), is_mm) {
            Some(IndexLookup::Vacant(place)) => {
                let number = self.mms.len() as u32;
                self.mms.push(ARef::from(&**mm), GFP_KERNEL)?;
                self.by_address.fill(place, number);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.mms.clear();
        self.by_address.clear();
    }
}
