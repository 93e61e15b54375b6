// SPDX-License-Identifier: GPL-2.0-only

//! What most files import, as in the kernel's `rust/kernel/prelude.rs`.

pub use crate::alloc::{flags::*, Box, KBox, KVBox, KVVec, KVec, VBox, VVec, Vec};
pub use crate::error::{code::*, Error, Result};
pub use crate::init::{InPlaceInit, PinInit};
pub use std::mem::{align_of, align_of_val, size_of, size_of_val};
pub use std::pin::Pin;
