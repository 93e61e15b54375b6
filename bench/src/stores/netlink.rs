// SPDX-License-Identifier: GPL-2.0-only

//! Generic netlink messages, made once and sent again and again: what is measured is the kernel.

use anyhow::{bail, ensure, Context, Result};
use nix::sys::socket::{socket, AddressFamily, SockFlag, SockProtocol, SockType};
use std::fs::File;
use std::io::{Error, Read, Write};

const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLA_F_NESTED: u16 = 1 << 15;
/// Of a message, and of a generic netlink message in it.
const HEADERS: usize = 16 + 4;

/// A request, whole.
pub struct Request(Vec<u8>);

/// A socket.
pub struct Netlink {
    socket: File,
    answer: Vec<u8>,
}

/// An attribute with these bytes.
pub fn attribute(kind: u16, bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    all.extend((bytes.len() as u16 + 4).to_ne_bytes());
    all.extend(kind.to_ne_bytes());
    all.extend(bytes);
    all.resize(all.len().next_multiple_of(4), 0);
    all
}

/// An attribute of attributes.
pub fn nest(kind: u16, attributes: &[u8]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, attributes)
}

impl Request {
    /// One that is answered by a message, or only acknowledged.
    pub fn new(family: u16, command: u8, acknowledged: bool, attributes: &[u8]) -> Self {
        let mut flags = NLM_F_REQUEST;
        if acknowledged {
            flags |= NLM_F_ACK;
        }
        let mut bytes = Vec::new();
        bytes.extend((HEADERS as u32 + attributes.len() as u32).to_ne_bytes());
        bytes.extend(family.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([command, 1, 0, 0]);
        bytes.extend(attributes);
        Self(bytes)
    }
}

impl Netlink {
    /// Opens a socket to the kernel.
    pub fn open() -> Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkGeneric,
        );
        Ok(Self {
            socket: File::from(socket.context("cannot open a netlink socket")?),
            answer: vec![0; 1 << 16],
        })
    }

    /// The number of a family; none if there is no such family.
    pub fn family(&mut self, name: &str) -> Result<Option<u16>> {
        let name = attribute(CTRL_ATTR_FAMILY_NAME, &[name.as_bytes(), b"\0"].concat());
        self.socket
            .write_all(&Request::new(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, false, &name).0)?;
        let length = self.socket.read(&mut self.answer)?;
        if self.kind() == NLMSG_ERROR {
            return Ok(None);
        }
        let mut rest = self.answer.get(HEADERS..length).unwrap_or_default();
        while let [a, b, c, d, ..] = *rest {
            let length = usize::from(u16::from_ne_bytes([a, b]));
            let content = rest.get(4..length).context("an attribute is cut short")?;
            if u16::from_ne_bytes([c, d]) == CTRL_ATTR_FAMILY_ID {
                return Ok(Some(u16::from_ne_bytes(content.try_into()?)));
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        bail!("the answer about a family has no number");
    }

    /// Sends a request and takes its answer; returns what is in it.
    pub fn ask(&mut self, request: &Request) -> Result<&[u8]> {
        self.socket.write_all(&request.0)?;
        let length = self.socket.read(&mut self.answer)?;
        if self.kind() == NLMSG_ERROR {
            let code = self.answer.get(16..20).context("an error has a number")?;
            let code = i32::from_ne_bytes(code.try_into()?);
            ensure!(code == 0, "moddb says: {}", Error::from_raw_os_error(-code));
            return Ok(&[]);
        }
        Ok(self.answer.get(HEADERS..length).unwrap_or_default())
    }

    fn kind(&self) -> u16 {
        u16::from_ne_bytes([self.answer[4], self.answer[5]])
    }
}

#[cfg(test)]
mod tests {
    use super::{attribute, nest};

    #[test]
    fn attributes_are_padded() {
        let inner = attribute(1, b"key!!");
        assert_eq!(inner, b"\x09\0\x01\0key!!\0\0\0");
        assert_eq!(nest(1, &inner)[..4], [16, 0, 1, 0x80]);
    }
}
