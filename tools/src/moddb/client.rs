// SPDX-License-Identifier: GPL-2.0-only

//! Requests to the store.

use super::attribute::{attributes, Attribute};
use super::change::Change;
use super::entry::Entry;
use super::failure::Failure;
use super::message::Message;
use super::socket::{self, GenlSocket};
use super::spec::{
    A_MESSAGE_CHANGE, A_MESSAGE_ENTRY, A_MESSAGE_KEYS_ONLY, CMD_CHANGED, CMD_DEL, CMD_FLUSH,
    CMD_GET, CMD_LIST, CMD_NOOP, CMD_SET, FAMILY_NAME, MCGRP_CHANGES, REPLY_MAX,
};
use netlink_packet_core::{
    DecodeError, NetlinkPayload, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
};
use netlink_packet_generic::ctrl::nlas::{GenlCtrlAttrs, McastGrpAttrs};
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::GenlMessage;
use std::ops::ControlFlow;

type Reply = GenlMessage<Message<Vec<u8>>>;

/// A connection to the store of a network namespace.
///
/// A client does one request at a time, and each method waits for the reply.
pub struct Client {
    socket: GenlSocket,
    family: u16,
    /// Id of the multicast group of changes.
    changes: Option<u32>,
}

impl Client {
    /// Opens a socket in the network namespace of the calling thread, and asks the kernel for the family's id.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::NotLoaded`] if the module is not loaded.
    pub fn connect() -> Result<Self, Failure> {
        let mut socket = GenlSocket::open(REPLY_MAX as usize)?;
        let ask = GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(FAMILY_NAME.into())],
        });
        socket.send(ask, NLM_F_REQUEST)?;
        let (mut family, mut changes) = (None, None);
        let replied = socket.receive_reply(|_, message: GenlMessage<GenlCtrl>| {
            for attribute in message.payload.nlas {
                match attribute {
                    GenlCtrlAttrs::FamilyId(id) => family = Some(id),
                    GenlCtrlAttrs::McastGroups(groups) => {
                        changes = groups.iter().find_map(|group| id_of_changes(group));
                    }
                    _ => {}
                }
            }
            Ok(ControlFlow::Break(()))
        });
        match (replied, family) {
            (Err(Failure::Refused { errno, .. }), _) if errno == libc::ENOENT => {
                Err(Failure::NotLoaded)
            }
            (Err(failure), _) => Err(failure),
            (Ok(_), None) => Err(Failure::UnexpectedMessage(
                "the description of the family has no id".into(),
            )),
            (Ok(_), Some(family)) => Ok(Self {
                socket,
                family,
                changes,
            }),
        }
    }

    /// Does a round trip that reads and changes nothing.
    pub fn noop(&mut self) -> Result<(), Failure> {
        self.request(CMD_NOOP, NLM_F_REQUEST, Vec::new())?;
        self.socket
            .receive_reply(|_, _: Reply| Ok(ControlFlow::Break(())))
            .map(drop)
    }

    /// Returns the entries of the keys in `wanted`, in their order. A key that does not exist is an error (`ENOENT`)
    /// or, if the wanted entry is optional, left out.
    pub fn get(&mut self, wanted: &[Entry]) -> Result<Vec<Entry>, Failure> {
        self.request(CMD_GET, NLM_F_REQUEST, to_attributes(wanted))?;
        let mut found = Vec::new();
        self.socket.receive_reply(|_, message: Reply| {
            take_entries(&mut found, &message.payload.attributes)?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Sets all keys in `pairs` to their values, or changes nothing.
    pub fn set(&mut self, pairs: &[Entry]) -> Result<(), Failure> {
        self.write(CMD_SET, to_attributes(pairs))
    }

    /// Deletes all keys in `keys`, or changes nothing.
    pub fn del(&mut self, keys: &[Entry]) -> Result<(), Failure> {
        self.write(CMD_DEL, to_attributes(keys))
    }

    /// Deletes all keys of the store.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.write(CMD_FLUSH, Vec::new())
    }

    /// Passes every entry to `each`, without its value if `keys_only`. Returns true if the store was not changed during
    /// the dump, so that the entries are those of one moment.
    pub fn list<E: From<Failure>>(
        &mut self,
        keys_only: bool,
        mut each: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<bool, E> {
        let flag = keys_only.then(|| Attribute::Bytes(A_MESSAGE_KEYS_ONLY, Vec::new()));
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        self.request(CMD_LIST, flags, flag.into_iter().collect())?;
        let (mut consistent, mut stopped) = (true, None);
        let end = self.socket.receive_reply(|flags, message: Reply| {
            consistent &= flags & NLM_F_DUMP_INTR == 0;
            let mut found = Vec::new();
            take_entries(&mut found, &message.payload.attributes)?;
            if stopped.is_none() {
                stopped = found.into_iter().try_for_each(&mut each).err();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        consistent &= end & NLM_F_DUMP_INTR == 0;
        stopped.map_or(Ok(consistent), Err)
    }

    /// Subscribes to notifications of changes from now on.
    pub fn watch(self) -> Result<Watch, Failure> {
        let group = self.changes;
        let group = group.ok_or_else(|| {
            Failure::UnexpectedMessage(format!("the family has no multicast group {MCGRP_CHANGES}"))
        })?;
        self.socket.join(group)?;
        Ok(Watch(self.socket))
    }

    /// Serializes a request for [`Self::exchange`]. `command` is one of the specification's `CMD_NOOP`, `CMD_GET`,
    /// `CMD_SET`, `CMD_DEL` and `CMD_FLUSH`.
    pub fn prepare(&self, command: u32, entries: &[Entry]) -> PreparedRequest {
        let flags = match command {
            CMD_NOOP | CMD_GET => NLM_F_REQUEST,
            _ => NLM_F_REQUEST | NLM_F_ACK,
        };
        let message = self.message(command, to_attributes(entries));
        PreparedRequest(socket::serialize(message, flags, 0))
    }

    /// Sends a prepared request and waits for the reply. Returns the bytes of the reply's attributes, or nothing if the
    /// reply is an acknowledgement.
    pub fn exchange(&mut self, request: &PreparedRequest) -> Result<&[u8], Failure> {
        self.socket.exchange(&request.0)
    }

    fn write(&mut self, command: u32, attributes: Vec<Attribute>) -> Result<(), Failure> {
        self.request(command, NLM_F_REQUEST | NLM_F_ACK, attributes)?;
        self.socket
            .receive_reply(|_, _: Reply| Ok(ControlFlow::Continue(())))
            .map(drop)
    }

    fn request(
        &mut self,
        command: u32,
        flags: u16,
        attributes: Vec<Attribute>,
    ) -> Result<(), Failure> {
        let message = self.message(command, attributes);
        self.socket.send(message, flags)
    }

    fn message(
        &self,
        command: u32,
        attributes: Vec<Attribute>,
    ) -> GenlMessage<Message<Vec<Attribute>>> {
        let mut message = GenlMessage::from_payload(Message {
            command,
            attributes,
        });
        message.set_resolved_family_id(self.family);
        message
    }
}

/// A request that was serialized once and can be sent any number of times, for measurements of the kernel's part of a
/// round trip.
pub struct PreparedRequest(Vec<u8>);

/// A subscription to notifications of changes.
pub struct Watch(GenlSocket);

impl Watch {
    /// Waits for the next changes, and returns them in their order.
    ///
    /// # Errors
    ///
    /// Returns [`Failure::Overrun`] if some changes were missed; the next call returns the changes after those.
    pub fn next_changes(&mut self) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        let _ = self.0.receive(|_, payload: NetlinkPayload<Reply>| {
            let NetlinkPayload::InnerMessage(message) = payload else {
                return Ok(ControlFlow::Continue(()));
            };
            if message.payload.command != CMD_CHANGED {
                return Ok(ControlFlow::Continue(()));
            }
            for attribute in attributes(&message.payload.attributes) {
                if let (A_MESSAGE_CHANGE, bytes) = attribute.map_err(unexpected)? {
                    changes.push(Change::parse(bytes).map_err(unexpected)?);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(changes)
    }
}

fn to_attributes(entries: &[Entry]) -> Vec<Attribute> {
    entries.iter().flat_map(Entry::to_attributes).collect()
}

fn take_entries(found: &mut Vec<Entry>, bytes: &[u8]) -> Result<(), Failure> {
    for attribute in attributes(bytes) {
        if let (A_MESSAGE_ENTRY, bytes) = attribute.map_err(unexpected)? {
            Entry::take(found, bytes).map_err(unexpected)?;
        }
    }
    Ok(())
}

fn unexpected(error: DecodeError) -> Failure {
    Failure::UnexpectedMessage(error.to_string())
}

fn id_of_changes(group: &[McastGrpAttrs]) -> Option<u32> {
    let name = McastGrpAttrs::Name(MCGRP_CHANGES.into());
    group.iter().find(|attribute| **attribute == name)?;
    group.iter().find_map(|attribute| match attribute {
        McastGrpAttrs::Id(id) => Some(*id),
        _ => None,
    })
}
