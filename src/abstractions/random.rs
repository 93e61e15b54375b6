// SPDX-License-Identifier: GPL-2.0-only

//! Random numbers.
//!
//! C header: `include/linux/random.h`.

/// Returns a number that cannot be predicted. Does not sleep.
#[inline]
pub fn get_random_u64() -> u64 {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { kernel::bindings::get_random_u64() }
}
