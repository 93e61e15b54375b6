// SPDX-License-Identifier: GPL-2.0-only

//! A generic netlink socket: one request at a time and its answer.

use super::attribute::attributes;
use super::Failure;
use netlink_packet_core::{
    Emitable, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NLM_F_ACK_TLVS,
};
use netlink_packet_generic::{GenlFamily, GenlMessage};
use netlink_sys::{protocols::NETLINK_GENERIC, Socket, SocketAddr};
use std::fmt::Debug;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;

/// Room for a request of the most keys, each with a short value, or of the longest values of several.
static SEND_BUFFER: libc::c_int = 4 << 20;
/// Of a message and of an error's copy of the request's.
const HEADER: usize = 16;
/// In an extended acknowledgement. C header: `linux/netlink.h`, `enum nlmsgerr_attrs`.
const NLMSGERR_ATTR_MSG: u32 = 1;
const NLMSGERR_ATTR_OFFS: u32 = 2;

/// The socket.
pub struct Link {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Link {
    /// Opens it, ready for messages of up to `longest` bytes.
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

    /// Gets the messages of a multicast group too.
    pub fn join(&self, group: u32) -> Result<(), Failure> {
        let joined = self.socket.add_membership(group);
        joined.map_err(|error| Failure::System("cannot join the group of changes", error))
    }

    /// Sends a request.
    pub fn send<F>(&mut self, message: GenlMessage<F>, flags: u16) -> Result<(), Failure>
    where
        F: GenlFamily + Emitable + Debug,
    {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let sent = self.socket.send(&bytes, 0);
        sent.map(drop)
            .map_err(|error| Failure::System("cannot send the request", error))
    }

    /// Hands each message of the answer to the last request, with its flags, to `each`, until that or the kernel ends it.
    pub fn answer<M: NetlinkDeserializable>(
        &mut self,
        mut each: impl FnMut(u16, M) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let sequence = self.sequence;
        loop {
            let ended = self.receive(|header, payload| {
                if header.sequence_number != sequence {
                    return Ok(ControlFlow::Continue(()));
                }
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
            if ended.is_break() {
                return Ok(());
            }
        }
    }

    /// Waits for what comes next, and hands its messages to `each` until that is content.
    pub fn receive<M: NetlinkDeserializable>(
        &mut self,
        mut each: impl FnMut(NetlinkHeader, NetlinkPayload<M>) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<ControlFlow<()>, Failure> {
        self.buffer.clear();
        let received = self.socket.recv(&mut self.buffer, libc::MSG_TRUNC);
        let length = received.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOBUFS) => Failure::Overrun,
            _ => Failure::System("cannot receive the answer", error),
        })?;
        let mut rest = self.buffer.as_slice();
        if length > rest.len() {
            return Err(Failure::Answer(format!("a message of {length} bytes")));
        }
        while !rest.is_empty() {
            let message = NetlinkMessage::<M>::deserialize(rest)
                .map_err(|error| Failure::Answer(error.to_string()))?;
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

/// As far as this process may; what does not fit then, the kernel refuses.
fn enlarge_send_buffer(socket: &Socket) {
    for option in [libc::SO_SNDBUFFORCE, libc::SO_SNDBUF] {
        // SAFETY: the value is an integer that lives during the call.
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

/// What an acknowledgement says: the end, or why there is nothing.
fn outcome(code: i32, flags: u16, acknowledgement: &[u8]) -> Result<ControlFlow<()>, Failure> {
    if code == 0 {
        return Ok(ControlFlow::Break(()));
    }
    let (mut sentence, mut offset) = (None, None);
    if flags & NLM_F_ACK_TLVS != 0 {
        // Whatever else it holds, the error is known.
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
