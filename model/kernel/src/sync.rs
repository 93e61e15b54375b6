// SPDX-License-Identifier: GPL-2.0-only

//! Synchronisation, as in the kernel's `rust/kernel/sync.rs`.

mod arc;
pub mod atomic;
pub mod barrier;
mod condvar;
pub mod lock;
pub mod rcu;

pub use crate::{new_condvar, new_mutex};
pub use arc::{Arc, ArcBorrow};
pub use condvar::CondVar;
pub(crate) use condvar::Sleeper;
pub use lock::{Mutex, MutexGuard};
