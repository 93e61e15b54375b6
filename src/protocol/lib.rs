// SPDX-License-Identifier: GPL-2.0-only

//! The locking protocol: what decides who may see what, and when memory is reclaimed.
//!
//! - [`rcu`]: pointers that readers follow without a lock, and what happens to the value replaced;
//! - [`database`]: one published snapshot, replaced whole by RESET, thinned out by DEL;
//! - [`combining`]: RESETs that wait together share a scan;
//! - [`answers`]: who reads whose answer, in bounded memory;
//! - [`budget`]: a bound for memory that many hold pieces of;
//! - [`store`]: keys and values, changed one by one or several at once ([`change`]), under limits
//!   ([`quota`], [`backlog`]), by writers who lock a part of the keys ([`stripes`]).
//!
//! Written once against the `kernel` crate's API. The modules compile it against the real one, the
//! loom model in `model/` against a stand-in, from the same files.
//!
//! # Lock order
//!
//! Of the database, the one lock is the mutex inside [`combining::Combiner`]. No user code runs under it but the
//! publication of a snapshot and the removal of a group; neither takes another lock of this crate.
//! Of the store, stripes in ascending order, then one quota's lock. Nothing sleeps under them.

pub mod answers;
pub mod backlog;
pub mod budget;
pub mod change;
pub mod combining;
pub mod database;
pub mod quota;
pub mod rcu;
pub mod scan;
pub mod store;
pub mod stripes;
