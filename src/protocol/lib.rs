// SPDX-License-Identifier: GPL-2.0

//! The locking protocol: what decides who may see what, and when memory is reclaimed.
//!
//! - [`rcu`]: pointers that readers follow without a lock, and what happens to the value replaced;
//! - [`database`]: one published snapshot, replaced whole by RESET, thinned out by DEL;
//! - [`combining`]: RESETs that wait together share a scan;
//! - [`answers`]: who reads whose answer, in bounded memory;
//! - [`budget`]: a bound for memory that many hold pieces of.
//!
//! Written once against the `kernel` crate's API. The modules compile it against the real one, the
//! loom model in `model/` against a stand-in, from the same files.
//!
//! # Lock order
//!
//! The one lock is the mutex inside [`combining::Combiner`]. No user code runs under it but the
//! publication of a snapshot and the removal of a group; neither takes another lock of this crate.

pub mod answers;
pub mod budget;
pub mod combining;
pub mod database;
pub mod rcu;
