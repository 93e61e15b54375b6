// SPDX-License-Identifier: GPL-2.0-only

//! moddb, spoken by hand. The numbers are written out here once more, so that a change of the specification that users
//! would notice is noticed.

use crate::netlink::{
    self, attribute, attributes, Family, Message, Refusal, Socket, ACK, DUMP, DUMP_INTERRUPTED,
    NESTED,
};
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub const NOOP: u8 = 1;
pub const GET: u8 = 2;
pub const SET: u8 = 3;
pub const DEL: u8 = 4;
pub const LIST: u8 = 5;
pub const FLUSH: u8 = 6;
pub const CHANGED: u8 = 7;

pub const ENTRY: u16 = 1;
pub const KEYS_ONLY: u16 = 2;
pub const CHANGE: u16 = 3;

pub const KEY: u16 = 1;
pub const VALUE: u16 = 2;
pub const IF_VALUE: u16 = 3;
pub const IF_ABSENT: u16 = 4;
pub const OPTIONAL: u16 = 5;

pub const VALUE_MAX: usize = 65_535;
pub const PART_MAX: usize = 32_512;
pub const BATCH_MAX: usize = 1024;
pub const REPLY_MAX: usize = 262_144;

/// Keys and their values.
pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A key, with its value if that came along.
pub type Entry = (Vec<u8>, Option<Vec<u8>>);

/// A change that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Set(Vec<u8>, u32),
    Del(Vec<u8>),
    Flush,
}

/// A socket to the store.
pub struct Store {
    pub socket: Socket,
    pub family: Family,
}

impl Store {
    /// Opens a socket to the store of this network namespace; the module must be there.
    pub fn open() -> Result<Self> {
        let mut socket = Socket::open().context("cannot open a netlink socket")?;
        socket.send_buffer(4 << 20)?;
        let family = socket
            .family("moddb")?
            .context("there is no family moddb")?;
        Ok(Self { socket, family })
    }

    /// [`Self::open`] for children, which only say by an error number what went wrong.
    pub fn open_in_child() -> Result<Self, Errno> {
        Self::open().map_err(|_| Errno::ENOPROTOOPT)
    }

    /// Sends a request and takes the answer.
    pub fn call(
        &mut self,
        command: u8,
        flags: u16,
        attributes: &[u8],
    ) -> Result<Vec<Message>, Refusal> {
        self.socket.call(self.family.id, flags, command, attributes)
    }

    /// Asks for nothing.
    pub fn noop(&mut self) -> Result<(), Refusal> {
        let [message] = self
            .call(NOOP, 0, &[])?
            .try_into()
            .map_err(|_| Errno::EBADMSG)?;
        match (message.command, message.attributes.as_slice()) {
            (NOOP, []) => Ok(()),
            _ => Err(Errno::EBADMSG.into()),
        }
    }

    /// The value of one key.
    pub fn get(&mut self, key: &[u8]) -> Result<Vec<u8>, Refusal> {
        let [(found, value)] = self
            .get_all(&entry(&[(KEY, key)]))?
            .try_into()
            .map_err(|_| Errno::EBADMSG)?;
        match value {
            Some(value) if found == key => Ok(value),
            _ => Err(Errno::EBADMSG.into()),
        }
    }

    /// What a get of these attributes gives.
    pub fn get_all(&mut self, attributes: &[u8]) -> Result<Vec<Entry>, Refusal> {
        let [message] = self
            .call(GET, 0, attributes)?
            .try_into()
            .map_err(|_| Errno::EBADMSG)?;
        if message.command != GET {
            return Err(Errno::EBADMSG.into());
        }
        Ok(entries(&message.attributes)?)
    }

    /// Gives one key a value.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.write(SET, &pair(key, value))
    }

    /// Deletes one key.
    pub fn del(&mut self, key: &[u8]) -> Result<(), Refusal> {
        self.write(DEL, &entry(&[(KEY, key)]))
    }

    /// Deletes all keys.
    pub fn flush(&mut self) -> Result<(), Refusal> {
        self.write(FLUSH, &[])
    }

    /// A request that is only acknowledged.
    pub fn write(&mut self, command: u8, attributes: &[u8]) -> Result<(), Refusal> {
        match self.call(command, ACK, attributes)?.as_slice() {
            [] => Ok(()),
            _ => Err(Errno::EBADMSG.into()),
        }
    }

    /// All that comes of a list, and whether nothing is said to have changed meanwhile.
    pub fn list_raw(&mut self, keys_only: bool) -> Result<(Vec<Entry>, bool), Refusal> {
        let flag = attribute(KEYS_ONLY, &[]);
        let messages = self.call(LIST, DUMP, if keys_only { &flag } else { &[] })?;
        let mut found = Vec::new();
        let mut steady = true;
        for message in messages {
            if message.command != LIST {
                return Err(Errno::EBADMSG.into());
            }
            steady &= message.flags & DUMP_INTERRUPTED == 0;
            // Each of them has whole entries.
            found.extend(entries(&message.attributes)?);
        }
        Ok((found, steady))
    }

    /// What a list gives that is not said to have been interrupted. For a while after a change, the table may still be
    /// resized, which interrupts lists.
    pub fn steady_list(&mut self, keys_only: bool) -> Result<Vec<Entry>> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.list_raw(keys_only)? {
                (found, true) => return Ok(found),
                _ => ensure!(
                    Instant::now() < deadline,
                    "all lists say that the store was changed meanwhile"
                ),
            }
        }
    }

    /// All entries of a store that nobody changes.
    pub fn list(&mut self) -> Result<Pairs> {
        let found = self.steady_list(false)?;
        let count = found.len();
        let pairs: Pairs = found
            .into_iter()
            .map(|(key, value)| {
                value
                    .map(|value| (key, value))
                    .context("an entry without a value")
            })
            .collect::<Result<_>>()?;
        ensure!(
            count == pairs.len(),
            "{count} entries of {} keys",
            pairs.len()
        );
        Ok(pairs)
    }

    /// Hears of changes from now on.
    pub fn join(&self) -> Result<()> {
        let group = self
            .family
            .groups
            .iter()
            .find(|(name, _)| name == "changes");
        let (_, id) = group.context("there is no group changes")?;
        self.socket.join(*id).context("cannot join the group")
    }

    /// The changes of the next message, with the request's port and sequence number. [`Errno::EAGAIN`] if none comes in time.
    pub fn changes(&self) -> Result<Vec<(Change, u32, u32)>, Errno> {
        let bytes = self
            .socket
            .receive_bytes(nix::sys::socket::MsgFlags::empty())?;
        let mut changes = Vec::new();
        for message in netlink::notifications(&bytes)? {
            if message.command != CHANGED {
                return Err(Errno::EBADMSG);
            }
            for (kind, bytes) in attributes(&message.attributes)? {
                match kind {
                    CHANGE => changes.push((change(bytes)?, message.port, message.sequence)),
                    _ => return Err(Errno::EBADMSG),
                }
            }
        }
        Ok(changes)
    }
}

fn change(bytes: &[u8]) -> Result<Change, Errno> {
    let (mut key, mut action, mut length) = (None, None, None);
    for (kind, bytes) in attributes(bytes)? {
        let number = || {
            bytes
                .try_into()
                .map(u32::from_ne_bytes)
                .map_err(|_| Errno::EBADMSG)
        };
        match kind {
            1 => key = Some(bytes.to_vec()),
            2 => action = Some(number()?),
            3 => length = Some(number()?),
            _ => return Err(Errno::EBADMSG),
        }
    }
    match (action, key, length) {
        (Some(1), Some(key), Some(length)) => Ok(Change::Set(key, length)),
        (Some(2), Some(key), None) => Ok(Change::Del(key)),
        (Some(3), None, None) => Ok(Change::Flush),
        _ => Err(Errno::EBADMSG),
    }
}

/// An entry of these attributes.
pub fn entry(parts: &[(u16, &[u8])]) -> Vec<u8> {
    let inner: Vec<u8> = parts
        .iter()
        .flat_map(|(kind, value)| attribute(*kind, value))
        .collect();
    attribute(ENTRY | NESTED, &inner)
}

/// A key and its value, in as many parts as that needs.
pub fn pair(key: &[u8], value: &[u8]) -> Vec<u8> {
    with_condition(key, Some(value), None)
}

/// A key, its new value, and the value that it must have.
pub fn with_condition(key: &[u8], value: Option<&[u8]>, if_value: Option<&[u8]>) -> Vec<u8> {
    let pieces = |kind: u16, value: Option<&[u8]>| -> Vec<(u16, Vec<u8>)> {
        match value {
            None => Vec::new(),
            Some([]) => vec![(kind, Vec::new())],
            Some(value) => value
                .chunks(PART_MAX)
                .map(|part| (kind, part.to_vec()))
                .collect(),
        }
    };
    let (values, conditions) = (pieces(VALUE, value), pieces(IF_VALUE, if_value));
    let mut bytes = Vec::new();
    for index in 0..values.len().max(conditions.len()).max(1) {
        let mut parts: Vec<(u16, &[u8])> = Vec::new();
        if index == 0 {
            parts.push((KEY, key));
        }
        for pieces in [&values, &conditions] {
            parts.extend(
                pieces
                    .get(index)
                    .map(|(kind, part)| (*kind, part.as_slice())),
            );
        }
        bytes.extend(entry(&parts));
    }
    bytes
}

/// The entries of a message, put together of their parts.
pub fn entries(bytes: &[u8]) -> Result<Vec<Entry>, Errno> {
    let mut found: Vec<Entry> = Vec::new();
    for (kind, bytes) in attributes(bytes)? {
        if kind != ENTRY {
            return Err(Errno::EBADMSG);
        }
        for (kind, bytes) in attributes(bytes)? {
            match (kind, found.last_mut()) {
                (KEY, _) => found.push((bytes.to_vec(), None)),
                (VALUE, Some((_, value))) if bytes.len() <= PART_MAX => {
                    value.get_or_insert_default().extend(bytes);
                }
                _ => return Err(Errno::EBADMSG),
            }
        }
    }
    Ok(found)
}
