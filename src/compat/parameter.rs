// SPDX-License-Identifier: GPL-2.0-only

//! Module parameters. Goes with 7.2, where `ModuleParamAccess::value()` returns a reference.

/// Returns the value of a module parameter, given what its `value()` returned.
#[cfg(not(before_7_3))]
#[inline]
pub fn value_of<T: Copy>(value: T) -> T {
    value
}

/// Returns the value of a module parameter, given what its `value()` returned.
#[cfg(before_7_3)]
#[inline]
pub fn value_of<T: Copy>(value: &T) -> T {
    *value
}
