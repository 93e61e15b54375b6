// SPDX-License-Identifier: GPL-2.0-only

//! The store of `moddb`. All requests are serialized once and sent again and again, so that the kernel is measured and
//! not the client.

use super::interface::{key, value, Store, KEYS, VALUE};
use anyhow::{ensure, Result};
use tools::moddb::spec::{CMD_GET, CMD_NOOP, CMD_SET};
use tools::moddb::{Client, Entry, PreparedRequest};

/// Number of keys in a request of many keys.
pub const BATCH: usize = 64;

/// A connection to the store with all requests prepared.
pub struct Moddb {
    client: Client,
    noop: PreparedRequest,
    gets: Vec<PreparedRequest>,
    sets: Vec<PreparedRequest>,
    get_batch: PreparedRequest,
    set_batch: PreparedRequest,
}

impl Moddb {
    /// Opens a socket. The module must be loaded.
    pub fn connect() -> Result<Self> {
        let client = Client::connect()?;
        let keys: Vec<_> = (0..KEYS).map(|number| Entry::key(key(number))).collect();
        let pairs: Vec<_> = (0..KEYS)
            .map(|number| Entry::pair(key(number), value(number)))
            .collect();
        let each = |command, entries: &[Entry]| {
            entries
                .chunks(1)
                .map(|entry| client.prepare(command, entry))
                .collect()
        };
        Ok(Self {
            noop: client.prepare(CMD_NOOP, &[]),
            gets: each(CMD_GET, &keys),
            sets: each(CMD_SET, &pairs),
            get_batch: client.prepare(CMD_GET, &keys[..BATCH]),
            set_batch: client.prepare(CMD_SET, &pairs[..BATCH]),
            client,
        })
    }

    /// Does a round trip that reads and changes nothing.
    pub fn noop(&mut self) -> Result<()> {
        self.client.exchange(&self.noop)?;
        Ok(())
    }

    /// Reads the values of [`BATCH`] keys by one request.
    pub fn get_batch(&mut self) -> Result<()> {
        check_values(self.client.exchange(&self.get_batch)?, BATCH)
    }

    /// Sets [`BATCH`] keys by one request.
    pub fn set_batch(&mut self) -> Result<()> {
        self.client.exchange(&self.set_batch)?;
        Ok(())
    }
}

impl Store for Moddb {
    fn get(&mut self, key: usize) -> Result<()> {
        check_values(self.client.exchange(&self.gets[key])?, 1)
    }

    fn set(&mut self, key: usize) -> Result<()> {
        self.client.exchange(&self.sets[key])?;
        Ok(())
    }
}

/// Checks that a reply is long enough for so many values.
fn check_values(reply: &[u8], values: usize) -> Result<()> {
    ensure!(
        reply.len() > values * VALUE,
        "a reply of {} bytes is too short for {values} values",
        reply.len()
    );
    Ok(())
}
