// SPDX-License-Identifier: GPL-2.0-only

//! A generic netlink socket for one request at a time.

use super::attribute::attributes;
use super::failure::Failure;
use linux_raw_sys::netlink::nlmsgerr_attrs;
use netlink_packet_core::{
    Emitable, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NLM_F_ACK_TLVS,
};
use netlink_packet_generic::{GenlFamily, GenlMessage};
use netlink_sys::{protocols::NETLINK_GENERIC, Socket, SocketAddr};
use std::fmt::Debug;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;

/// Size of the send buffer in bytes: enough for a request with the maximum number of keys and short values, or with
/// several values of the maximum length.
static SEND_BUFFER: libc::c_int = 4 << 20;
/// Size of `struct nlmsghdr` in bytes.
const HEADER: usize = 16;
/// Size of `struct genlmsghdr` in bytes.
const GENL_HEADER: usize = 4;
/// Type of an acknowledgement. C header: `linux/netlink.h`.
const NLMSG_ERROR: u16 = linux_raw_sys::netlink::NLMSG_ERROR as u16;
// Attributes of an extended acknowledgement. C header: `linux/netlink.h`.
const NLMSGERR_ATTR_MSG: u32 = nlmsgerr_attrs::NLMSGERR_ATTR_MSG as u32;
const NLMSGERR_ATTR_OFFS: u32 = nlmsgerr_attrs::NLMSGERR_ATTR_OFFS as u32;

/// A socket that is connected to the kernel.
pub struct GenlSocket {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl GenlSocket {
    /// Opens a socket that can receive messages of up to `longest` bytes.
    pub fn open(longest: usize) -> Result<Self, Failure> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_GENERIC)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            socket.set_cap_ack(true)?;
            socket.set_ext_ack(true)?;
            Ok(socket)
        };
        let socket =
            open().map_err(|error| Failure::System("cannot open a netlink socket", error))?;
        enlarge_send_buffer(&socket);
        Ok(Self {
            socket,
            sequence: 0,
            buffer: Vec::with_capacity(longest),
        })
    }

    /// Subscribes to a multicast group.
    pub fn join(&self, group: u32) -> Result<(), Failure> {
        let joined = self.socket.add_membership(group);
        joined.map_err(|error| Failure::System("cannot join the multicast group of changes", error))
    }

    /// Sends a request under the next sequence number.
    pub fn send<F>(&mut self, message: GenlMessage<F>, flags: u16) -> Result<(), Failure>
    where
        F: GenlFamily + Emitable + Debug,
    {
        self.sequence = self.sequence.wrapping_add(1);
        self.send_bytes(&serialize(message, flags, self.sequence))
    }

    /// Sends a request that [`serialize`] made, and returns the payload of the single message that answers it: its
    /// attributes, or nothing for an acknowledgement. Does not allocate.
    pub fn exchange(&mut self, request: &[u8]) -> Result<&[u8], Failure> {
        self.send_bytes(request)?;
        self.receive_datagram()?;
        let message = NetlinkBuffer::new_checked(self.buffer.as_slice())
            .map_err(|error| Failure::UnexpectedMessage(error.to_string()))?;
        let payload = message.payload();
        let (kind, flags) = (message.message_type(), message.flags());
        if kind != NLMSG_ERROR {
            return Ok(payload.get(GENL_HEADER..).unwrap_or_default());
        }
        let (code, rest) = payload
            .split_first_chunk()
            .ok_or_else(|| Failure::UnexpectedMessage("an error without a number".into()))?;
        let acknowledgement = rest.get(HEADER..).unwrap_or_default();
        outcome(i32::from_ne_bytes(*code), flags, acknowledgement).map(|_| [].as_slice())
    }

    fn send_bytes(&self, request: &[u8]) -> Result<(), Failure> {
        let sent = self.socket.send(request, 0);
        sent.map(drop)
            .map_err(|error| Failure::System("cannot send the request", error))
    }

    /// Receives one datagram into the buffer. Blocks until one arrives.
    fn receive_datagram(&mut self) -> Result<(), Failure> {
        self.buffer.clear();
        let received = self.socket.recv(&mut self.buffer, libc::MSG_TRUNC);
        let length = received.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOBUFS) => Failure::Overrun,
            _ => Failure::System("cannot receive a message", error),
        })?;
        if length > self.buffer.len() {
            return Err(Failure::UnexpectedMessage(format!(
                "it has {length} bytes, more than the specification allows"
            )));
        }
        Ok(())
    }

    /// Receives the reply to the last request, and passes each message with its flags to `each`. Returns when `each`
    /// breaks, or at the acknowledgement or the end of the dump, and returns the flags of the last message: a change
    /// during the last page of a dump shows in the flags of its end only.
    pub fn receive_reply<M: NetlinkDeserializable>(
        &mut self,
        mut each: impl FnMut(u16, M) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<u16, Failure> {
        let sequence = self.sequence;
        let mut last_flags = 0;
        loop {
            let flow = self.receive(|header, payload| {
                if header.sequence_number != sequence {
                    return Ok(ControlFlow::Continue(()));
                }
                last_flags = header.flags;
                match payload {
                    NetlinkPayload::Error(error) => {
                        let acknowledgement = error.header.get(HEADER..).unwrap_or_default();
                        outcome(error.raw_code(), header.flags, acknowledgement)
                    }
                    NetlinkPayload::Done(done) => {
                        outcome(done.code, header.flags, &done.extended_ack)
                    }
                    NetlinkPayload::InnerMessage(message) => each(header.flags, message),
                    _ => Ok(ControlFlow::Continue(())),
                }
            })?;
            if flow.is_break() {
                return Ok(last_flags);
            }
        }
    }

    /// Receives one datagram, and passes its messages to `each` until that breaks. Blocks until a datagram arrives.
    pub fn receive<M: NetlinkDeserializable>(
        &mut self,
        mut each: impl FnMut(NetlinkHeader, NetlinkPayload<M>) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<ControlFlow<()>, Failure> {
        self.receive_datagram()?;
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<M>::deserialize(rest)
                .map_err(|error| Failure::UnexpectedMessage(error.to_string()))?;
            let (header, payload) = message.into_parts();
            let next = (header.length as usize).next_multiple_of(4);
            if each(header, payload)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            rest = rest.get(next..).unwrap_or_default();
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns the bytes of a request.
pub fn serialize<F>(message: GenlMessage<F>, flags: u16, sequence: u32) -> Vec<u8>
where
    F: GenlFamily + Emitable + Debug,
{
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Enlarges the send buffer as far as the process may. A request that does not fit fails with `EMSGSIZE`.
fn enlarge_send_buffer(socket: &Socket) {
    for option in [libc::SO_SNDBUFFORCE, libc::SO_SNDBUF] {
        // SAFETY: `SEND_BUFFER` lives during the call and has the length that is passed.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const SEND_BUFFER).cast(),
                size_of_val(&SEND_BUFFER) as libc::socklen_t,
            )
        };
        if set == 0 {
            return;
        }
    }
}

/// Returns the result that an acknowledgement or the end of a dump contains.
fn outcome(code: i32, flags: u16, acknowledgement: &[u8]) -> Result<ControlFlow<()>, Failure> {
    if code == 0 {
        return Ok(ControlFlow::Break(()));
    }
    let (mut sentence, mut offset) = (None, None);
    if flags & NLM_F_ACK_TLVS != 0 {
        // Malformed attributes are ignored: the error number is known in any case.
        for (kind, bytes) in attributes(acknowledgement).map_while(Result::ok) {
            match kind {
                NLMSGERR_ATTR_MSG => {
                    let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
                    sentence = Some(String::from_utf8_lossy(text).into_owned());
                }
                NLMSGERR_ATTR_OFFS => offset = bytes.try_into().ok().map(u32::from_ne_bytes),
                _ => {}
            }
        }
    }
    Err(Failure::Refused {
        errno: -code,
        sentence,
        offset,
    })
}

#[cfg(test)]
mod tests {
    use super::{outcome, Failure, NLM_F_ACK_TLVS};

    #[test]
    fn acknowledgements_are_read() {
        assert!(outcome(0, 0, &[]).is_ok_and(|ended| ended.is_break()));
        let tlvs = [&[7, 0, 1, 0][..], b"no\0\0", &[8, 0, 2, 0, 36, 0, 0, 0]].concat();
        let Err(Failure::Refused {
            errno,
            sentence,
            offset,
        }) = outcome(-2, NLM_F_ACK_TLVS, &tlvs)
        else {
            panic!("not refused");
        };
        assert_eq!((errno, offset), (2, Some(36)));
        assert_eq!(sentence.as_deref(), Some("no"));
        // An acknowledgement that is cut short or missing leaves the number.
        for cut in [&tlvs[..3], &[]] {
            let refused = outcome(-2, NLM_F_ACK_TLVS, cut);
            assert!(matches!(
                refused,
                Err(Failure::Refused {
                    errno: 2,
                    sentence: None,
                    ..
                })
            ));
        }
    }
}
