//! moddb's protocol as a client speaks it; `src/moddb/moddb.yaml` describes it.

mod attribute;
mod change;
mod client;
mod dump_file;
mod entry;
mod failure;
mod link;
mod message;

/// The specification's numbers.
pub mod protocol {
    include!(concat!(env!("OUT_DIR"), "/moddb.rs"));
}

pub use change::{Action, Change};
pub use client::{Client, Watch};
pub use dump_file::{read as read_dump, DumpWriter};
pub use entry::Entry;
pub use failure::Failure;
