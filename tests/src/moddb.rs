// SPDX-License-Identifier: GPL-2.0-only

//! The interface of `moddb`: a client that builds and parses the module's netlink messages by itself.
//!
//! The numbers are written out here a second time, instead of being generated from the netlink specification: the tests
//! must fail if a change of the specification breaks existing programs.

pub mod netlink;

use self::netlink::{
    attribute, attributes, Family, Message, RequestError, Socket, NLA_F_NESTED, NLM_F_ACK,
    NLM_F_DUMP, NLM_F_DUMP_INTR,
};
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Numbers of the operations, from `NOOP` to the notification `CHANGED`.
pub const NOOP: u8 = 1;
pub const GET: u8 = 2;
pub const SET: u8 = 3;
pub const DEL: u8 = 4;
pub const LIST: u8 = 5;
pub const FLUSH: u8 = 6;
pub const CHANGED: u8 = 7;

/// Types of the attributes of a message.
pub const ENTRY: u16 = 1;
pub const KEYS_ONLY: u16 = 2;
pub const CHANGE: u16 = 3;

/// Types of the attributes of an entry.
pub const KEY: u16 = 1;
pub const VALUE: u16 = 2;
pub const IF_VALUE: u16 = 3;
pub const IF_ABSENT: u16 = 4;
pub const OPTIONAL: u16 = 5;

/// Greatest size of a value in bytes.
pub const VALUE_MAX: usize = 65_535;
/// Greatest size in bytes of a part of a value in one attribute.
pub const PART_MAX: usize = 32_512;
/// Greatest number of keys in one request.
pub const BATCH_MAX: usize = 1024;
/// Greatest size of an answer in bytes.
pub const REPLY_MAX: usize = 262_144;

/// Contents of a store: keys and their values.
pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A key, and its value if the message contains it.
pub type Entry = (Vec<u8>, Option<Vec<u8>>);

/// A change of the store, as a notification describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key was set to a value of this size in bytes.
    Set(Vec<u8>, u32),
    /// The key was deleted.
    Del(Vec<u8>),
    /// All keys were deleted.
    Flush,
}

/// A client of the store of a network namespace.
pub struct Client {
    /// Socket through which requests are sent.
    pub socket: Socket,
    /// Description of the family `moddb`.
    pub family: Family,
}

impl Client {
    /// Connects to the store of this network namespace. The module must be loaded.
    pub fn open() -> Result<Self> {
        let mut socket = Socket::open().context("cannot open a netlink socket")?;
        socket.set_send_buffer(4 << 20)?;
        let family = socket
            .family("moddb")?
            .context("the family moddb is not registered")?;
        Ok(Self { socket, family })
    }

    /// Connects like [`Self::open`], with an error number as the error, for child processes.
    pub fn open_in_child() -> Result<Self, Errno> {
        Self::open().map_err(|_| Errno::ENOPROTOOPT)
    }

    /// Sends a request and receives its answer.
    pub fn call(
        &mut self,
        command: u8,
        flags: u16,
        attributes: &[u8],
    ) -> Result<Vec<Message>, RequestError> {
        self.socket.call(self.family.id, flags, command, attributes)
    }

    /// Sends the operation NOOP and requires an empty answer.
    pub fn noop(&mut self) -> Result<(), RequestError> {
        let [message] = self
            .call(NOOP, 0, &[])?
            .try_into()
            .map_err(|_| Errno::EBADMSG)?;
        match (message.command, message.attributes.as_slice()) {
            (NOOP, []) => Ok(()),
            _ => Err(Errno::EBADMSG.into()),
        }
    }

    /// Returns the value of a key.
    pub fn get(&mut self, key: &[u8]) -> Result<Vec<u8>, RequestError> {
        let [(found, value)] = self
            .get_all(&entry(&[(KEY, key)]))?
            .try_into()
            .map_err(|_| Errno::EBADMSG)?;
        match value {
            Some(value) if found == key => Ok(value),
            _ => Err(Errno::EBADMSG.into()),
        }
    }

    /// Returns the entries that the operation GET finds for these attributes.
    pub fn get_all(&mut self, attributes: &[u8]) -> Result<Vec<Entry>, RequestError> {
        let [message] = self
            .call(GET, 0, attributes)?
            .try_into()
            .map_err(|_| Errno::EBADMSG)?;
        if message.command != GET {
            return Err(Errno::EBADMSG.into());
        }
        Ok(entries(&message.attributes)?)
    }

    /// Sets a key to a value.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), RequestError> {
        self.write(SET, &pair(key, value))
    }

    /// Deletes a key of the store.
    pub fn del(&mut self, key: &[u8]) -> Result<(), RequestError> {
        self.write(DEL, &entry(&[(KEY, key)]))
    }

    /// Deletes all keys of the store.
    pub fn flush(&mut self) -> Result<(), RequestError> {
        self.write(FLUSH, &[])
    }

    /// Sends a request whose answer is only an acknowledgement.
    pub fn write(&mut self, command: u8, attributes: &[u8]) -> Result<(), RequestError> {
        match self.call(command, NLM_F_ACK, attributes)?.as_slice() {
            [] => Ok(()),
            _ => Err(Errno::EBADMSG.into()),
        }
    }

    /// Returns all entries of a list, and true unless a message says that the store changed during the list.
    pub fn list_raw(&mut self, keys_only: bool) -> Result<(Vec<Entry>, bool), RequestError> {
        let flag = attribute(KEYS_ONLY, &[]);
        let messages = self.call(LIST, NLM_F_DUMP, if keys_only { &flag } else { &[] })?;
        let mut found = Vec::new();
        let mut is_consistent = true;
        for message in messages {
            if message.command != LIST {
                return Err(Errno::EBADMSG.into());
            }
            is_consistent &= message.flags & NLM_F_DUMP_INTR == 0;
            // No entry continues in the next message.
            found.extend(entries(&message.attributes)?);
        }
        Ok((found, is_consistent))
    }

    /// Returns the entries of a list during which the store did not change. Repeats the list until then: for some time
    /// after a change, the table may be resized, which also interrupts lists.
    pub fn consistent_list(&mut self, keys_only: bool) -> Result<Vec<Entry>> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.list_raw(keys_only)? {
                (found, true) => return Ok(found),
                _ => ensure!(
                    Instant::now() < deadline,
                    "the store changed during every list"
                ),
            }
        }
    }

    /// Returns the contents of a store that does not change.
    pub fn list(&mut self) -> Result<Pairs> {
        let found = self.consistent_list(false)?;
        let count = found.len();
        let pairs: Pairs = found
            .into_iter()
            .map(|(key, value)| {
                value
                    .map(|value| (key, value))
                    .context("an entry has no value")
            })
            .collect::<Result<_>>()?;
        ensure!(
            count == pairs.len(),
            "a list has {count} entries for {} keys",
            pairs.len()
        );
        Ok(pairs)
    }

    /// Joins the multicast group of notifications.
    pub fn join(&self) -> Result<()> {
        let group = self
            .family
            .groups
            .iter()
            .find(|(name, _)| name == "changes");
        let (_, id) = group.context("the family moddb has no multicast group changes")?;
        self.socket.join(*id).context("cannot join the group")
    }

    /// Receives the next notification and returns its changes, each with the port and the sequence number of the request.
    ///
    /// # Errors
    ///
    /// Returns `EAGAIN` if no notification arrives within the receive timeout.
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

/// Parses the attributes of a change.
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

/// Returns an entry with these attributes.
pub fn entry(parts: &[(u16, &[u8])]) -> Vec<u8> {
    let inner: Vec<u8> = parts
        .iter()
        .flat_map(|(kind, value)| attribute(*kind, value))
        .collect();
    attribute(ENTRY | NLA_F_NESTED, &inner)
}

/// Returns the entries that set a key to a value, in as many parts as the value needs.
pub fn pair(key: &[u8], value: &[u8]) -> Vec<u8> {
    with_condition(key, Some(value), None)
}

/// Returns the entries with a key, its new value, and the value that the key must have, in as many parts as they need.
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

/// Parses the entries of a message and joins the parts of values.
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
