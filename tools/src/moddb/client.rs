// SPDX-License-Identifier: GPL-2.0-only

//! The store's operations.

use super::attribute::{attributes, Attribute};
use super::link::Link;
use super::message::Message;
use super::protocol::{
    A_MESSAGE_CHANGE, A_MESSAGE_ENTRY, A_MESSAGE_KEYS_ONLY, CMD_CHANGED, CMD_DEL, CMD_FLUSH,
    CMD_GET, CMD_LIST, CMD_NOOP, CMD_SET, FAMILY_NAME, MCGRP_CHANGES, REPLY_MAX,
};
use super::{Change, Entry, Failure};
use netlink_packet_core::{
    DecodeError, NetlinkPayload, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
};
use netlink_packet_generic::ctrl::nlas::{GenlCtrlAttrs, McastGrpAttrs};
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::GenlMessage;
use std::ops::ControlFlow;

type Answer = GenlMessage<Message<Vec<u8>>>;

/// A socket to the store of this process's network namespace.
pub struct Client {
    link: Link,
    family: u16,
    changes: Option<u32>,
}

impl Client {
    /// Opens a socket and asks for the family.
    pub fn connect() -> Result<Self, Failure> {
        let mut link = Link::open(REPLY_MAX as usize)?;
        let ask = GenlMessage::from_payload(GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(FAMILY_NAME.into())],
        });
        link.send(ask, NLM_F_REQUEST)?;
        let (mut family, mut changes) = (None, None);
        let heard = link.answer(|_, message: GenlMessage<GenlCtrl>| {
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
        match (heard, family) {
            (Err(Failure::Refused { errno, .. }), _) if errno == libc::ENOENT => {
                Err(Failure::NotLoaded)
            }
            (Err(failure), _) => Err(failure),
            (Ok(()), None) => Err(Failure::Answer("the family has no number".into())),
            (Ok(()), Some(family)) => Ok(Self {
                link,
                family,
                changes,
            }),
        }
    }

    /// A round trip for nothing.
    pub fn noop(&mut self) -> Result<(), Failure> {
        self.request(CMD_NOOP, NLM_F_REQUEST, Vec::new())?;
        self.link.answer(|_, _: Answer| Ok(ControlFlow::Break(())))
    }

    /// The entries that `wanted` names, in that order. One whose key is not there is an error or, if it is optional, left
    /// out.
    pub fn get(&mut self, wanted: &[Entry]) -> Result<Vec<Entry>, Failure> {
        self.request(CMD_GET, NLM_F_REQUEST, entries(wanted))?;
        let mut found = Vec::new();
        self.link.answer(|_, message: Answer| {
            take_entries(&mut found, &message.payload.attributes)?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Gives all the keys their values, or none.
    pub fn set(&mut self, pairs: &[Entry]) -> Result<(), Failure> {
        self.write(CMD_SET, entries(pairs))
    }

    /// Deletes all the keys, or none.
    pub fn del(&mut self, keys: &[Entry]) -> Result<(), Failure> {
        self.write(CMD_DEL, entries(keys))
    }

    /// Deletes all that is there.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.write(CMD_FLUSH, Vec::new())
    }

    /// Hands every entry to `each`, without its value if `keys_only`. Returns whether nothing changed meanwhile.
    pub fn list<E: From<Failure>>(
        &mut self,
        keys_only: bool,
        mut each: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<bool, E> {
        let flag = keys_only.then(|| Attribute::Bytes(A_MESSAGE_KEYS_ONLY, Vec::new()));
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        self.request(CMD_LIST, flags, flag.into_iter().collect())?;
        let (mut whole, mut stopped) = (true, None);
        self.link.answer(|flags, message: Answer| {
            whole &= flags & NLM_F_DUMP_INTR == 0;
            let mut found = Vec::new();
            take_entries(&mut found, &message.payload.attributes)?;
            if stopped.is_none() {
                stopped = found.into_iter().try_for_each(&mut each).err();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        stopped.map_or(Ok(whole), Err)
    }

    /// Hears of changes from now on.
    pub fn watch(self) -> Result<Watch, Failure> {
        let group = self.changes;
        let group =
            group.ok_or_else(|| Failure::Answer(format!("there is no group {MCGRP_CHANGES}")))?;
        self.link.join(group)?;
        Ok(Watch(self.link))
    }

    fn write(&mut self, command: u32, attributes: Vec<Attribute>) -> Result<(), Failure> {
        self.request(command, NLM_F_REQUEST | NLM_F_ACK, attributes)?;
        self.link
            .answer(|_, _: Answer| Ok(ControlFlow::Continue(())))
    }

    fn request(
        &mut self,
        command: u32,
        flags: u16,
        attributes: Vec<Attribute>,
    ) -> Result<(), Failure> {
        let mut message = GenlMessage::from_payload(Message {
            command,
            attributes,
        });
        message.set_resolved_family_id(self.family);
        self.link.send(message, flags)
    }
}

/// A socket that is told what changes.
pub struct Watch(Link);

impl Watch {
    /// Waits for the next changes. [`Failure::Overrun`] says that some were missed; the next call goes on.
    pub fn next_changes(&mut self) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        let _ = self.0.receive(|_, payload: NetlinkPayload<Answer>| {
            let NetlinkPayload::InnerMessage(message) = payload else {
                return Ok(ControlFlow::Continue(()));
            };
            if message.payload.command != CMD_CHANGED {
                return Ok(ControlFlow::Continue(()));
            }
            for attribute in attributes(&message.payload.attributes) {
                if let (A_MESSAGE_CHANGE, bytes) = attribute.map_err(not_understood)? {
                    changes.push(Change::parse(bytes).map_err(not_understood)?);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(changes)
    }
}

fn entries(entries: &[Entry]) -> Vec<Attribute> {
    entries.iter().flat_map(Entry::to_attributes).collect()
}

fn take_entries(found: &mut Vec<Entry>, bytes: &[u8]) -> Result<(), Failure> {
    for attribute in attributes(bytes) {
        if let (A_MESSAGE_ENTRY, bytes) = attribute.map_err(not_understood)? {
            Entry::take(found, bytes).map_err(not_understood)?;
        }
    }
    Ok(())
}

fn not_understood(error: DecodeError) -> Failure {
    Failure::Answer(error.to_string())
}

fn id_of_changes(group: &[McastGrpAttrs]) -> Option<u32> {
    let name = McastGrpAttrs::Name(MCGRP_CHANGES.into());
    group.iter().find(|attribute| **attribute == name)?;
    group.iter().find_map(|attribute| match attribute {
        McastGrpAttrs::Id(id) => Some(*id),
        _ => None,
    })
}
