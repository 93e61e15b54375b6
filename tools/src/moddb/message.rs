// SPDX-License-Identifier: GPL-2.0-only

//! Messages of the family, in the form that the netlink crates serialize and parse.

use super::attribute::Attribute;
use super::spec::FAMILY_NAME;
use netlink_packet_core::{DecodeError, Emitable, ParseableParametrized};
use netlink_packet_generic::{GenlFamily, GenlHeader};

/// A request with its attributes, or a reply with the bytes of its attributes.
#[derive(Debug, Clone)]
pub struct Message<A> {
    /// Number of the command, one of the specification's `CMD_` constants.
    pub command: u32,
    /// Attributes of the message.
    pub attributes: A,
}

impl<A> GenlFamily for Message<A> {
    fn family_name() -> &'static str {
        FAMILY_NAME
    }

    fn command(&self) -> u8 {
        self.command as u8
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Message<Vec<Attribute>> {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Message<Vec<u8>> {
    fn parse_with_param(bytes: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        Ok(Self {
            command: header.cmd.into(),
            attributes: bytes.to_vec(),
        })
    }
}
