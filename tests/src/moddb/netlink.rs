// SPDX-License-Identifier: GPL-2.0-only

//! Netlink messages as bytes: a test sends exactly the bytes that it chooses, well formed or not.
//!
//! The numbers and the parser are written out here a second time, from the kernel's headers, and do not come from a crate
//! or from the code of `tools`: an error in that code must not hide an error of the module.
//!
//! C headers: `include/uapi/linux/netlink.h`, `include/uapi/linux/genetlink.h`.

mod attribute;
mod socket;

pub use attribute::{attribute, attributes, NLA_F_NESTED};
pub use socket::{Family, Socket};

use nix::errno::Errno;

/// Flag of a request.
pub const NLM_F_REQUEST: u16 = 1;
/// Flag of a message that is one of several.
pub const NLM_F_MULTI: u16 = 2;
/// Flag of a request that must be acknowledged.
pub const NLM_F_ACK: u16 = 4;
/// Flag of a message of a dump during which the dumped objects changed.
pub const NLM_F_DUMP_INTR: u16 = 0x10;
/// Flags of a request for a dump.
pub const NLM_F_DUMP: u16 = 0x300;
/// Flag of an acknowledgement without the rest of the request.
const NLM_F_CAPPED: u16 = 0x100;
/// Flag of an acknowledgement with attributes.
const NLM_F_ACK_TLVS: u16 = 0x200;

/// Type of an acknowledgement or error.
const NLMSG_ERROR: u16 = 2;
/// Type of the last message of a dump.
const NLMSG_DONE: u16 = 3;

/// Attribute of an acknowledgement: the error message as a string.
const NLMSGERR_ATTR_MSG: u16 = 1;
/// Attribute of an acknowledgement: the offset in bytes of the invalid attribute in the request.
const NLMSGERR_ATTR_OFFS: u16 = 2;
/// Attribute of an acknowledgement: the type of an attribute that the request lacks.
const NLMSGERR_ATTR_MISS_TYPE: u16 = 5;

/// Size in bytes of the header of a netlink message.
pub const NLMSG_HDRLEN: usize = 16;
/// Size in bytes of the generic netlink header, which follows the netlink header.
pub const GENL_HDRLEN: usize = 4;

/// Error of a request, with everything that an acknowledgement says about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{errno}, '{message}', at {offset:?}")]
pub struct RequestError {
    /// Error number of the request.
    pub errno: Errno,
    /// Error message, empty if there is none.
    pub message: String,
    /// Offset in bytes of the invalid attribute in the request.
    pub offset: Option<u32>,
    /// Type of an attribute that the request lacks.
    pub missing: Option<u32>,
}

impl From<Errno> for RequestError {
    fn from(errno: Errno) -> Self {
        Self {
            errno,
            message: String::new(),
            offset: None,
            missing: None,
        }
    }
}

/// A message of an answer or a notification.
#[derive(Debug, Clone)]
pub struct Message {
    /// Flags of the netlink header.
    pub flags: u16,
    /// Sequence number of the request that caused the message.
    pub sequence: u32,
    /// Port of the socket that sent the request.
    pub port: u32,
    /// Command of the generic netlink header.
    pub command: u8,
    /// Attributes as bytes.
    pub attributes: Vec<u8>,
}

/// Returns a message whose header states its true length.
pub fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = (NLMSG_HDRLEN + body.len()) as u32;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

/// Parses the messages of a multicast group in `bytes`.
///
/// # Errors
///
/// Returns `EBADMSG` if a message is malformed.
pub fn notifications(bytes: &[u8]) -> Result<Vec<Message>, Errno> {
    split(bytes)?
        .into_iter()
        .map(|(header, body)| generic_message(&header, body))
        .collect()
}

/// The header of a netlink message, without its length.
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// Splits `bytes` into messages: their headers and what follows the headers.
fn split(mut bytes: &[u8]) -> Result<Vec<(Header, &[u8])>, Errno> {
    let mut found = Vec::new();
    while let Some((header, _)) = bytes.split_first_chunk::<NLMSG_HDRLEN>() {
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let length = word(0) as usize;
        let body = bytes.get(NLMSG_HDRLEN..length).ok_or(Errno::EBADMSG)?;
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

/// Parses a message of a generic netlink family.
fn generic_message(header: &Header, body: &[u8]) -> Result<Message, Errno> {
    Ok(Message {
        flags: header.flags,
        sequence: header.sequence,
        port: header.port,
        command: *body.first().ok_or(Errno::EBADMSG)?,
        attributes: body.get(GENL_HDRLEN..).ok_or(Errno::EBADMSG)?.to_vec(),
    })
}

/// Returns the result that an acknowledgement or the last message of a dump states.
fn acknowledged(header: &Header, body: &[u8]) -> Result<(), RequestError> {
    let (code, mut rest) = body.split_first_chunk::<4>().ok_or(Errno::EBADMSG)?;
    let code = i32::from_ne_bytes(*code);
    if code == 0 {
        return Ok(());
    }
    let mut error = RequestError::from(Errno::from_raw(-code));
    if header.kind == NLMSG_ERROR {
        if header.flags & NLM_F_CAPPED == 0 {
            return Err(Errno::EBADMSG.into());
        }
        rest = rest.get(NLMSG_HDRLEN..).ok_or(Errno::EBADMSG)?;
    }
    if header.flags & NLM_F_ACK_TLVS != 0 {
        for (kind, bytes) in attributes(rest)? {
            let number = || {
                bytes
                    .try_into()
                    .map(u32::from_ne_bytes)
                    .map_err(|_| Errno::EBADMSG)
            };
            match kind {
                NLMSGERR_ATTR_MSG => {
                    let text = String::from_utf8_lossy(bytes);
                    error.message = text.trim_end_matches('\0').to_owned();
                }
                NLMSGERR_ATTR_OFFS => error.offset = Some(number()?),
                NLMSGERR_ATTR_MISS_TYPE => error.missing = Some(number()?),
                _ => {}
            }
        }
    }
    Err(error)
}
