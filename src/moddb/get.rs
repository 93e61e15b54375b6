// SPDX-License-Identifier: GPL-2.0-only

//! The operations `get` and `noop`.

use crate::namespace::{check_reader, Namespace};
use crate::refuse::refuse;
use abstractions_genetlink::message::MessageAttributes;
use abstractions_genetlink::operation::DoIt;
use abstractions_genetlink::request::Request;
use abstractions_genetlink::MESSAGE_HEADERS;
use abstractions_rhashtable::keys::HashedKey;
use kernel::alloc::AllocError;
use kernel::prelude::*;
use logic_moddb::entry::{field, Entries, Entry};
use logic_moddb::numbers::{message, Operation, REPLY_MAX};
use logic_moddb::refusal::{Refusal, Refused};
use logic_moddb::size;
use protocol::store::stripes::StripeSet;

/// The operation `noop`, which replies and does nothing else: it measures a round trip.
pub(crate) struct Noop;

impl DoIt<Namespace> for Noop {
    fn doit(request: &Request<'_>, _namespace: &Namespace) -> Result {
        request.reply(0)?.send()
    }
}

/// The operation `get`: replies with the values of keys.
pub(crate) struct Get;

impl DoIt<Namespace> for Get {
    fn doit(request: &Request<'_>, namespace: &Namespace) -> Result {
        check_reader(request)?;
        let entries = Entries::new(request.payload(), Operation::Get);
        let mut ahead = entries.clone();
        if let (Some(only), None) = (ahead.next(), ahead.next()) {
            let only = KeyLookup::new(namespace, checked(request, only)?);
            return answer(request, namespace, &[only]);
        }
        let mut wanted = KVec::new();
        for entry in entries {
            wanted.push(
                KeyLookup::new(namespace, checked(request, entry)?),
                GFP_KERNEL,
            )?;
        }
        answer(request, namespace, &wanted)
    }
}

fn checked<'a>(request: &Request<'_>, entry: Result<Entry<'a>, Refused>) -> Result<Entry<'a>> {
    entry.map_err(|refused| refuse(request, refused))
}

/// One key that a request asks for.
struct KeyLookup<'a> {
    entry: Entry<'a>,
    key: HashedKey<'a>,
}

impl<'a> KeyLookup<'a> {
    fn new(namespace: &Namespace, entry: Entry<'a>) -> Self {
        Self {
            entry,
            key: namespace.key(entry.key),
        }
    }
}

/// Bytes of attributes in most replies. The smallest buffers of the network stack are larger.
const USUAL: usize = 512;
/// Bytes of attributes in the largest reply.
const MAX: usize = REPLY_MAX - MESSAGE_HEADERS;

/// Why there is no reply.
enum GetError {
    Refused(Refused),
    Other(Error),
}

impl GetError {
    /// Returns the error for the requester, and sets the reason of a refusal.
    fn report(self, request: &Request<'_>) -> Error {
        match self {
            Self::Refused(refused) => refuse(request, refused),
            Self::Other(error) => error,
        }
    }
}

impl From<Refused> for GetError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<AllocError> for GetError {
    fn from(error: AllocError) -> Self {
        Self::Other(error.into())
    }
}

/// Replies with the values of keys, in a message that is allocated anew if it turns out to be too small.
fn answer(request: &Request<'_>, namespace: &Namespace, wanted: &[KeyLookup<'_>]) -> Result {
    let keys: usize = wanted
        .iter()
        .map(|wanted| size::entry(wanted.entry.key.len(), 0))
        .sum();
    let mut room = keys.saturating_mul(2).clamp(USUAL, MAX);
    loop {
        let mut reply = request.reply(room)?;
        let needed = write(namespace, wanted, &mut reply.attributes(), room);
        match needed.map_err(|error| error.report(request))? {
            needed if needed <= room => return reply.send(),
            needed => room = needed,
        }
    }
}

/// Writes the values as far as there is room. Returns how many bytes they need.
///
/// # Errors
///
/// Returns [`GetError::Refused`] for a request that cannot be fulfilled, [`GetError::Other`] if memory is exhausted.
fn write(
    namespace: &Namespace,
    wanted: &[KeyLookup<'_>],
    to: &mut MessageAttributes<'_>,
    room: usize,
) -> Result<usize, GetError> {
    let store = &namespace.store;
    if let [only] = wanted {
        let written = store.get(only.key, |found| {
            put(&only.entry, found.map(|block| block.content()), to, 0, room)
        });
        return Ok(written?);
    }
    let stripes = wanted
        .iter()
        .map(|wanted| store.stripe(wanted.key))
        .fold(StripeSet::default(), StripeSet::with);
    let begin = to.mark();
    let written = store.get_all(stripes, GFP_KERNEL, |guard| {
        to.trim(begin);
        wanted.iter().try_fold(0, |used, wanted| {
            let found = store.find(wanted.key, guard);
            let value = found.map(|block| block.content());
            put(&wanted.entry, value, to, used, room)
        })
    });
    Ok(written??)
}

/// Writes a value if there is room after the first `used` bytes. Returns how many bytes are used then, or would be.
fn put(
    entry: &Entry<'_>,
    value: Option<&[u8]>,
    to: &mut MessageAttributes<'_>,
    used: usize,
    room: usize,
) -> Result<usize, Refused> {
    entry.check(Operation::Get, value)?;
    let Some(value) = value else {
        return Ok(used);
    };
    let needed = used.saturating_add(size::entry(entry.key.len(), value.len()));
    if needed > MAX {
        return Err(Refusal::AnswerTooLong.at(entry.key_at));
    }
    if needed <= room {
        // This cannot fail, since there is room.
        let _ = put_entry(to, entry.key, Some(value));
    }
    Ok(needed)
}

/// Writes a key and, if it is given, its value.
///
/// # Errors
///
/// Returns EMSGSIZE if they do not fit; what was written then stays.
pub(crate) fn put_entry(
    to: &mut MessageAttributes<'_>,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result {
    let mut parts = value.into_iter().flat_map(size::parts);
    to.nest(message::ENTRY, |entry| {
        entry.put(field::KEY, key)?;
        match parts.next() {
            Some(first) => entry.put(field::VALUE, first),
            None => Ok(()),
        }
    })?;
    for part in parts {
        to.nest(message::ENTRY, |entry| entry.put(field::VALUE, part))?;
    }
    Ok(())
}
