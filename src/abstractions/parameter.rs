// SPDX-License-Identifier: GPL-2.0-only

//! Numbers of a module that can be read in `/sys/module/<module>/parameters`.
//!
//! The kernel crate's parameters are set at load time, and do not appear in sysfs.
//!
//! C header: `include/linux/moduleparam.h`.

use core::ptr;
use kernel::bindings::{
    kernel_param, kernel_param__bindgen_ty_1, kernel_param_ops, module, param_get_ullong,
};
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;
use kernel::str::as_char_ptr_in_const_context;
use kernel::sync::atomic::Atomic;

/// A parameter that shows a number and cannot be set.
#[repr(transparent)]
pub struct NumberParameter(kernel_param);

// SAFETY: Only the kernel uses the structure, and it does not change.
unsafe impl Sync for NumberParameter {}

static OPERATIONS: kernel_param_ops = kernel_param_ops {
    flags: 0,
    set: Some(refuse),
    get: Some(param_get_ullong),
    free: None,
};

/// Refuses any value, at load time too.
///
/// # Safety
///
/// There are no requirements.
unsafe extern "C" fn refuse(_value: *const c_char, _parameter: *const kernel_param) -> c_int {
    EPERM.to_errno()
}

impl NumberParameter {
    /// Describes the parameter. [`number_parameter`](crate::number_parameter) calls this.
    pub const fn new(
        name: &'static CStr,
        module: *mut module,
        number: &'static Atomic<u64>,
    ) -> Self {
        Self(kernel_param {
            name: as_char_ptr_in_const_context(name),
            mod_: module,
            ops: &raw const OPERATIONS,
            perm: 0o444,
            level: -1,
            flags: 0,
            __bindgen_anon_1: kernel_param__bindgen_ty_1 {
                // `param_get_ullong()` only reads the number.
                arg: ptr::from_ref(number).cast_mut().cast(),
            },
        })
    }
}

/// Declares a number that is shown in sysfs: `number_parameter!(c"name", b"parm=name:description\0", NUMBER)`, where
/// the last is a static `Atomic<u64>`.
#[macro_export]
macro_rules! number_parameter {
    ($name:literal, $information:literal, $number:ident) => {
        const _: () = {
            #[link_section = "__param"]
            #[used(compiler)]
            static PARAMETER: $crate::parameter::NumberParameter =
                $crate::parameter::NumberParameter::new(
                    $name,
                    // SAFETY: The loader fills `__this_module`, which lives as long as the module. Only its
                    // address is taken.
                    unsafe { &raw const ::kernel::bindings::__this_module }.cast_mut(),
                    &$number,
                );
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static INFORMATION: [u8; $information.len()] = *$information;
        };
    };
}
