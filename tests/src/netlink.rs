// SPDX-License-Identifier: GPL-2.0-only

//! Netlink as bytes: what is sent is what the test says, well formed or not. By the kernel's headers alone, apart from
//! the code that users have.
//!
//! C headers: `linux/netlink.h`, `linux/genetlink.h`.

mod attribute;

pub use attribute::{attribute, attributes, NESTED};

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    bind, recv, send, setsockopt, socket, sockopt, AddressFamily, MsgFlags, NetlinkAddr, SockFlag,
    SockProtocol, SockType,
};
use nix::sys::time::TimeVal;
use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd};

/// `NLM_F_*`.
pub const REQUEST: u16 = 1;
pub const MULTI: u16 = 2;
pub const ACK: u16 = 4;
pub const DUMP_INTERRUPTED: u16 = 0x10;
pub const DUMP: u16 = 0x300;
const CAPPED: u16 = 0x100;
const ACK_TLVS: u16 = 0x200;
/// `NLMSG_*`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Of a netlink message.
pub const HEADER: usize = 16;
/// Of a message of the generic families besides.
pub const GENERIC_HEADER: usize = 4;

/// `GENL_ID_CTRL` and what is asked of it.
const CONTROL: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// Longer than any message that comes.
const LONGEST: usize = 1 << 19;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{errno}, '{sentence}', at {offset:?}")]
pub struct Refusal {
    /// The error.
    pub errno: Errno,
    /// What is said about it.
    pub sentence: String,
    /// Where in the message the attribute lies that it is about.
    pub offset: Option<u32>,
    /// The type of an attribute that is missing.
    pub missing: Option<u32>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self {
            errno,
            sentence: String::new(),
            offset: None,
            missing: None,
        }
    }
}

/// A message of an answer.
#[derive(Debug, Clone)]
pub struct Message {
    pub flags: u16,
    pub sequence: u32,
    pub port: u32,
    pub command: u8,
    pub attributes: Vec<u8>,
}

/// A family that is registered.
#[derive(Debug, Clone)]
pub struct Family {
    pub id: u16,
    /// Its multicast groups.
    pub groups: Vec<(String, u32)>,
}

/// A generic netlink socket.
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    /// For what is received.
    room: RefCell<Vec<u8>>,
}

impl Socket {
    /// Opens one; the kernel's errors come with all that it says.
    pub fn open() -> Result<Self, Errno> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkGeneric,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        for option in [libc::NETLINK_CAP_ACK, libc::NETLINK_EXT_ACK] {
            set(&fd, libc::SOL_NETLINK, option, 1)?;
        }
        Ok(Self {
            fd,
            sequence: 0,
            room: RefCell::new(vec![0; LONGEST]),
        })
    }

    /// Makes room for requests of `bytes`; without privileges, for what the machine allows.
    pub fn send_buffer(&self, bytes: i32) -> Result<(), Errno> {
        set(&self.fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes)
            .or_else(|_| set(&self.fd, libc::SOL_SOCKET, libc::SO_SNDBUF, bytes))
    }

    /// Leaves `bytes` for what was not received yet.
    pub fn receive_buffer(&self, bytes: i32) -> Result<(), Errno> {
        set(&self.fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
    }

    /// From now on, to wait longer than this is `EAGAIN`.
    pub fn patience(&self, milliseconds: i64) -> Result<(), Errno> {
        let time = TimeVal::new(milliseconds / 1000, milliseconds % 1000 * 1000);
        setsockopt(&self.fd, sockopt::ReceiveTimeout, &time)
    }

    /// Joins a multicast group.
    pub fn join(&self, group: u32) -> Result<(), Errno> {
        set(
            &self.fd,
            libc::SOL_NETLINK,
            libc::NETLINK_ADD_MEMBERSHIP,
            group as i32,
        )
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), Errno> {
        send(self.fd.as_raw_fd(), bytes, MsgFlags::empty()).map(drop)
    }

    /// What comes next, as it is.
    pub fn receive_bytes(&self, flags: MsgFlags) -> Result<Vec<u8>, Errno> {
        let mut room = self.room.borrow_mut();
        let length = recv(self.fd.as_raw_fd(), &mut room, flags | MsgFlags::MSG_TRUNC)?;
        room.get(..length)
            .map(<[u8]>::to_vec)
            .ok_or(Errno::EMSGSIZE)
    }

    /// A request of a generic family, and its sequence number.
    pub fn request(
        &mut self,
        family: u16,
        flags: u16,
        command: u8,
        attributes: &[u8],
    ) -> (u32, Vec<u8>) {
        self.sequence += 1;
        let body = [&[command, 1, 0, 0], attributes].concat();
        let bytes = message(family, REQUEST | flags, self.sequence, &body);
        (self.sequence, bytes)
    }

    /// Sends a request of a generic family; returns its sequence number.
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

    /// The answer to request `sequence`: all messages of it.
    pub fn answer(&self, sequence: u32) -> Result<Vec<Message>, Refusal> {
        let mut messages = Vec::new();
        loop {
            for (header, body) in split(&self.receive_bytes(MsgFlags::empty())?)? {
                if header.sequence != sequence {
                    continue;
                }
                match header.kind {
                    ERROR | DONE => {
                        acknowledged(&header, body)?;
                        return Ok(messages);
                    }
                    _ => {
                        let (&command, attributes) = (
                            body.first().ok_or(Errno::EBADMSG)?,
                            body.get(GENERIC_HEADER..).ok_or(Errno::EBADMSG)?,
                        );
                        messages.push(Message {
                            flags: header.flags,
                            sequence: header.sequence,
                            port: header.port,
                            command,
                            attributes: attributes.to_vec(),
                        });
                    }
                }
            }
            // Without an acknowledgement, a message that is not one of several is all.
            if messages.last().is_some_and(|last| last.flags & MULTI == 0) {
                return Ok(messages);
            }
        }
    }

    /// Sends a request and takes the answer.
    pub fn call(
        &mut self,
        family: u16,
        flags: u16,
        command: u8,
        attributes: &[u8],
    ) -> Result<Vec<Message>, Refusal> {
        let sequence = self.send(family, flags, command, attributes)?;
        self.answer(sequence)
    }

    /// Looks a family up.
    pub fn family(&mut self, name: &str) -> Result<Option<Family>> {
        let wanted = attribute(FAMILY_NAME, &[name.as_bytes(), &[0]].concat());
        let heard = match self.call(CONTROL, 0, GET_FAMILY, &wanted) {
            Err(Refusal {
                errno: Errno::ENOENT,
                ..
            }) => return Ok(None),
            heard => heard.with_context(|| format!("cannot look the family {name} up"))?,
        };
        let [message] = heard.as_slice() else {
            bail!("{} messages about one family", heard.len());
        };
        let mut family = Family {
            id: 0,
            groups: Vec::new(),
        };
        for (kind, bytes) in attributes(&message.attributes)? {
            match kind {
                FAMILY_ID => family.id = u16::from_ne_bytes(bytes.try_into()?),
                GROUPS => {
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

fn group_of(bytes: &[u8]) -> Result<(String, u32)> {
    let (mut name, mut id) = (String::new(), 0);
    for (kind, bytes) in attributes(bytes)? {
        match kind {
            GROUP_NAME => {
                name = String::from_utf8_lossy(bytes)
                    .trim_end_matches('\0')
                    .to_owned()
            }
            GROUP_ID => id = u32::from_ne_bytes(bytes.try_into()?),
            _ => {}
        }
    }
    Ok((name, id))
}

fn set(fd: &OwnedFd, level: i32, option: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: the value is an integer that lives during the call.
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

/// A message, with a true length.
pub fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = (HEADER + body.len()) as u32;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// The messages in what was received at once.
fn split(mut bytes: &[u8]) -> Result<Vec<(Header, &[u8])>, Errno> {
    let mut found = Vec::new();
    while let Some((header, _)) = bytes.split_first_chunk::<HEADER>() {
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let length = word(0) as usize;
        let body = bytes.get(HEADER..length).ok_or(Errno::EBADMSG)?;
        let header = Header {
            kind: word(4) as u16,
            flags: (word(4) >> 16) as u16,
            sequence: word(8),
            port: word(12),
        };
        found.push((header, body));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    match bytes {
        [] => Ok(found),
        _ => Err(Errno::EBADMSG),
    }
}

/// The messages of the family that came by multicast, with the header's sequence number.
pub fn notifications(bytes: &[u8]) -> Result<Vec<Message>, Errno> {
    let message = |(header, body): (Header, &[u8])| {
        Ok(Message {
            flags: header.flags,
            sequence: header.sequence,
            port: header.port,
            command: *body.first().ok_or(Errno::EBADMSG)?,
            attributes: body.get(GENERIC_HEADER..).ok_or(Errno::EBADMSG)?.to_vec(),
        })
    };
    split(bytes)?.into_iter().map(message).collect()
}

fn acknowledged(header: &Header, body: &[u8]) -> Result<(), Refusal> {
    const MSG: u16 = 1;
    const OFFS: u16 = 2;
    const MISS_TYPE: u16 = 5;
    let (code, mut rest) = body.split_first_chunk::<4>().ok_or(Errno::EBADMSG)?;
    let code = i32::from_ne_bytes(*code);
    if code == 0 {
        return Ok(());
    }
    let mut refusal = Refusal::from(Errno::from_raw(-code));
    if header.kind == ERROR {
        if header.flags & CAPPED == 0 {
            return Err(Errno::EBADMSG.into());
        }
        rest = rest.get(HEADER..).ok_or(Errno::EBADMSG)?;
    }
    if header.flags & ACK_TLVS != 0 {
        for (kind, bytes) in attributes(rest)? {
            let number = || {
                bytes
                    .try_into()
                    .map(u32::from_ne_bytes)
                    .map_err(|_| Errno::EBADMSG)
            };
            match kind {
                MSG => {
                    let text = String::from_utf8_lossy(bytes);
                    refusal.sentence = text.trim_end_matches('\0').to_owned();
                }
                OFFS => refusal.offset = Some(number()?),
                MISS_TYPE => refusal.missing = Some(number()?),
                _ => {}
            }
        }
    }
    Err(refusal)
}
