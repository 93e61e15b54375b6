// SPDX-License-Identifier: GPL-2.0-only

//! The locking protocol: all code whose correctness rests on memory ordering or on which thread waits
//! for which.
//!
//! - [`rcu`]: pointers that readers follow without a lock, and the reclamation of replaced values;
//! - [`database`]: one published snapshot, which RESET replaces and from which DEL removes groups;
//!   [`coalescer`]: writers of the database, of which those that wait at the same time share a run;
//! - [`answers`]: which reader gets which writer's answer, in bounded memory; [`lineage`]: how they are related;
//! - [`budget`]: a bound on memory that many callers hold parts of;
//! - [`store`]: keys and values, changed one at a time or in batches, by writers that lock a part of the
//!   keys;
//! - [`wait_queue`]: what the protocol expects of a queue of waiting tasks;
//! - [`scan`]: work stealing, and the tables that the workers of a scan fill without a lock.
//!
//! The code is written once, against the `kernel` crate's API. The modules compile it against the real
//! crate, the loom model in `model/` against a stand-in, from the same files.
//!
//! # Lock order
//!
//! The database has one lock, the mutex in [`coalescer::Coalescer`]. The only foreign code that runs
//! under it publishes a snapshot or removes a group, and takes no other lock of this crate.
//!
//! The store takes stripes in ascending order, then the lock of one quota. Nothing sleeps under them.
//!
//! The lock order of a scan is at the head of [`scan::work_stealing`].

pub mod answers;
pub mod budget;
pub mod coalescer;
pub mod database;
pub mod lineage;
pub mod rcu;
pub mod scan;
pub mod store;
pub mod wait_queue;
