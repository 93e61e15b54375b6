// SPDX-License-Identifier: GPL-2.0-only

//! A generic netlink socket, and how it finds a family by name.

use super::{
    acknowledged, attribute, attributes, generic_message, message, split, Message, RequestError,
    NLMSG_DONE, NLMSG_ERROR, NLM_F_DUMP_INTR, NLM_F_MULTI, NLM_F_REQUEST,
};
use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    bind, recv, send, setsockopt, socket, sockopt, AddressFamily, MsgFlags, NetlinkAddr, SockFlag,
    SockProtocol, SockType,
};
use nix::sys::time::TimeVal;
use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd};

/// Id of the family that describes all families.
const GENL_ID_CTRL: u16 = 16;
/// Command that asks for the description of a family.
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const CTRL_ATTR_MCAST_GRP_NAME: u16 = 1;
const CTRL_ATTR_MCAST_GRP_ID: u16 = 2;

/// Size in bytes of the receive buffer: more than the kernel sends at once.
const RECEIVE_BUFFER: usize = 1 << 19;

/// A registered family of generic netlink.
#[derive(Debug, Clone)]
pub struct Family {
    /// Type of the messages of the family.
    pub id: u16,
    /// Names and ids of the multicast groups.
    pub groups: Vec<(String, u32)>,
}

/// A generic netlink socket.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: RefCell<Vec<u8>>,
}

impl Socket {
    /// Opens a socket to which the kernel sends errors with all attributes and without the request.
    pub fn open() -> Result<Self, Errno> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkGeneric,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        for option in [libc::NETLINK_CAP_ACK, libc::NETLINK_EXT_ACK] {
            set_option(&fd, libc::SOL_NETLINK, option, 1)?;
        }
        Ok(Self {
            fd,
            sequence: 0,
            buffer: RefCell::new(vec![0; RECEIVE_BUFFER]),
        })
    }

    /// Sets the size in bytes of the send buffer. Without privileges, the size is limited by the machine's settings.
    pub fn set_send_buffer(&self, bytes: i32) -> Result<(), Errno> {
        set_option(&self.fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes)
            .or_else(|_| set_option(&self.fd, libc::SOL_SOCKET, libc::SO_SNDBUF, bytes))
    }

    /// Sets the size in bytes of the queue of messages that were not received yet. Needs `CAP_NET_ADMIN`.
    pub fn set_receive_buffer(&self, bytes: i32) -> Result<(), Errno> {
        set_option(&self.fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
    }

    /// Sets the time after which receiving fails with `EAGAIN`.
    pub fn set_receive_timeout(&self, milliseconds: i64) -> Result<(), Errno> {
        let time = TimeVal::new(milliseconds / 1000, milliseconds % 1000 * 1000);
        setsockopt(&self.fd, sockopt::ReceiveTimeout, &time)
    }

    /// Joins a multicast group, by its id.
    pub fn join(&self, group: u32) -> Result<(), Errno> {
        set_option(
            &self.fd,
            libc::SOL_NETLINK,
            libc::NETLINK_ADD_MEMBERSHIP,
            group as i32,
        )
    }

    /// Sends `bytes` unchanged.
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), Errno> {
        send(self.fd.as_raw_fd(), bytes, MsgFlags::empty()).map(drop)
    }

    /// Receives what the kernel sent at once, unchanged.
    ///
    /// # Errors
    ///
    /// Returns the error of recv(2), and `EMSGSIZE` if the buffer was too small.
    pub fn receive_bytes(&self, flags: MsgFlags) -> Result<Vec<u8>, Errno> {
        let mut buffer = self.buffer.borrow_mut();
        let length = recv(
            self.fd.as_raw_fd(),
            &mut buffer,
            flags | MsgFlags::MSG_TRUNC,
        )?;
        buffer
            .get(..length)
            .map(<[u8]>::to_vec)
            .ok_or(Errno::EMSGSIZE)
    }

    /// Returns a request to a generic family and its sequence number, without sending it.
    pub fn request(
        &mut self,
        family: u16,
        flags: u16,
        command: u8,
        attributes: &[u8],
    ) -> (u32, Vec<u8>) {
        self.sequence += 1;
        let body = [&[command, 1, 0, 0], attributes].concat();
        let bytes = message(family, NLM_F_REQUEST | flags, self.sequence, &body);
        (self.sequence, bytes)
    }

    /// Sends a request to a generic family and returns its sequence number.
    pub fn send(
        &mut self,
        family: u16,
        flags: u16,
        command: u8,
        attributes: &[u8],
    ) -> Result<u32, Errno> {
        let (sequence, bytes) = self.request(family, flags, command, attributes);
        self.send_bytes(&bytes).map(|()| sequence)
    }

    /// Receives all messages of the answer to the request `sequence`.
    pub fn answer(&self, sequence: u32) -> Result<Vec<Message>, RequestError> {
        let mut messages: Vec<Message> = Vec::new();
        loop {
            for (header, body) in split(&self.receive_bytes(MsgFlags::empty())?)? {
                if header.sequence != sequence {
                    continue;
                }
                match header.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        acknowledged(&header, body)?;
                        // A change during the last page of a dump shows in the flags of its end only.
                        if let Some(last) = messages.last_mut() {
                            last.flags |= header.flags & NLM_F_DUMP_INTR;
                        }
                        return Ok(messages);
                    }
                    _ => messages.push(generic_message(&header, body)?),
                }
            }
            // A message without NLM_F_MULTI is the whole answer if no acknowledgement was requested.
            if messages
                .last()
                .is_some_and(|last| last.flags & NLM_F_MULTI == 0)
            {
                return Ok(messages);
            }
        }
    }

    /// Sends a request and receives its answer.
    pub fn call(
        &mut self,
        family: u16,
        flags: u16,
        command: u8,
        attributes: &[u8],
    ) -> Result<Vec<Message>, RequestError> {
        let sequence = self.send(family, flags, command, attributes)?;
        self.answer(sequence)
    }

    /// Returns the description of the family `name`, or nothing if it is not registered.
    pub fn family(&mut self, name: &str) -> Result<Option<Family>> {
        let wanted = attribute(CTRL_ATTR_FAMILY_NAME, &[name.as_bytes(), &[0]].concat());
        let answer = match self.call(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, &wanted) {
            Err(RequestError {
                errno: Errno::ENOENT,
                ..
            }) => return Ok(None),
            answer => answer.with_context(|| format!("cannot look up the family {name}"))?,
        };
        let [message] = answer.as_slice() else {
            bail!("{} messages describe one family", answer.len());
        };
        let mut family = Family {
            id: 0,
            groups: Vec::new(),
        };
        for (kind, bytes) in attributes(&message.attributes)? {
            match kind {
                CTRL_ATTR_FAMILY_ID => family.id = u16::from_ne_bytes(bytes.try_into()?),
                CTRL_ATTR_MCAST_GROUPS => {
                    for (_, group) in attributes(bytes)? {
                        family.groups.push(group_of(group)?);
                    }
                }
                _ => {}
            }
        }
        Ok(Some(family))
    }
}

/// Returns the name and the id of a multicast group from its attributes.
fn group_of(bytes: &[u8]) -> Result<(String, u32)> {
    let (mut name, mut id) = (String::new(), 0);
    for (kind, bytes) in attributes(bytes)? {
        match kind {
            CTRL_ATTR_MCAST_GRP_NAME => {
                name = String::from_utf8_lossy(bytes)
                    .trim_end_matches('\0')
                    .to_owned()
            }
            CTRL_ATTR_MCAST_GRP_ID => id = u32::from_ne_bytes(bytes.try_into()?),
            _ => {}
        }
    }
    Ok((name, id))
}

fn set_option(fd: &OwnedFd, level: i32, option: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: By the contract of setsockopt(2), it reads the four bytes of `value`, which lives during the call.
    let set = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as u32,
        )
    };
    Errno::result(set).map(drop)
}
