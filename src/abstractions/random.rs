// SPDX-License-Identifier: GPL-2.0-only

//! Random numbers.
//!
//! C header: `include/linux/random.h`.

/// A number that nobody can predict.
pub fn get_random_u64() -> u64 {
    // SAFETY: no requirements.
    unsafe { kernel::bindings::get_random_u64() }
}
