// SPDX-License-Identifier: GPL-2.0-only

//! The subject: `moddb`, over generic netlink.

use super::netlink::{attribute, nest, Netlink, Request};
use super::{key, value, Store, KEYS, VALUE};
use anyhow::{ensure, Context, Result};

// What src/moddb/moddb.yaml says.
const FAMILY: &str = "moddb";
const CMD_NOOP: u8 = 1;
const CMD_GET: u8 = 2;
const CMD_SET: u8 = 3;
const A_MESSAGE_ENTRY: u16 = 1;
const A_ENTRY_KEY: u16 = 1;
const A_ENTRY_VALUE: u16 = 2;

/// How many keys a batch has.
pub const BATCH: usize = 64;

/// A socket to it, with all requests ready.
pub struct Moddb {
    netlink: Netlink,
    noop: Request,
    gets: Vec<Request>,
    sets: Vec<Request>,
    get_batch: Request,
    set_batch: Request,
}

impl Moddb {
    /// Opens a socket. The module is loaded.
    pub fn connect() -> Result<Self> {
        let mut netlink = Netlink::open()?;
        let family = netlink.family(FAMILY)?;
        let family = family.with_context(|| format!("there is no family {FAMILY}"))?;
        let get = |number: usize| {
            let key = attribute(A_ENTRY_KEY, key(number).as_bytes());
            nest(A_MESSAGE_ENTRY, &key)
        };
        let set = |number: usize| {
            let key = attribute(A_ENTRY_KEY, key(number).as_bytes());
            let value = attribute(A_ENTRY_VALUE, &value(number));
            nest(A_MESSAGE_ENTRY, &[key, value].concat())
        };
        let gets = |entries: &[u8]| Request::new(family, CMD_GET, false, entries);
        let sets = |entries: &[u8]| Request::new(family, CMD_SET, true, entries);
        let batch =
            |entry: &dyn Fn(usize) -> Vec<u8>| (0..BATCH).flat_map(entry).collect::<Vec<_>>();
        Ok(Self {
            netlink,
            noop: Request::new(family, CMD_NOOP, false, &[]),
            gets: (0..KEYS).map(|number| gets(&get(number))).collect(),
            sets: (0..KEYS).map(|number| sets(&set(number))).collect(),
            get_batch: gets(&batch(&get)),
            set_batch: sets(&batch(&set)),
        })
    }

    /// A round trip for nothing.
    pub fn noop(&mut self) -> Result<()> {
        self.netlink.ask(&self.noop).map(drop)
    }

    /// The values of many keys at once.
    pub fn get_batch(&mut self) -> Result<()> {
        let answer = self.netlink.ask(&self.get_batch)?;
        ensure!(
            answer.len() > BATCH * VALUE,
            "{} bytes are too few for {BATCH} values",
            answer.len()
        );
        Ok(())
    }

    /// Gives many keys values at once.
    pub fn set_batch(&mut self) -> Result<()> {
        self.netlink.ask(&self.set_batch).map(drop)
    }
}

impl Store for Moddb {
    fn get(&mut self, key: usize) -> Result<()> {
        let answer = self.netlink.ask(&self.gets[key])?;
        ensure!(
            answer.len() > VALUE,
            "{} bytes are too few for a value",
            answer.len()
        );
        Ok(())
    }

    fn set(&mut self, key: usize) -> Result<()> {
        self.netlink.ask(&self.sets[key]).map(drop)
    }
}
