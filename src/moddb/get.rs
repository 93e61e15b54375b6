// SPDX-License-Identifier: GPL-2.0-only

//! Looking at values.

use crate::namespace::{check_reader, Namespace};
use crate::refuse::refuse;
use abstractions::genetlink::message::Attributes;
use abstractions::genetlink::request::Request;
use abstractions::genetlink::Answer;
use abstractions::rhashtable::keys::HashedKey;
use kernel::prelude::*;
use logic_moddb::entry::{field, Entries, Entry};
use logic_moddb::numbers::{message, Operation, REPLY_MAX};
use logic_moddb::refusal::{Refusal, Refused};
use logic_moddb::size;
use protocol::store::stripes::StripeSet;

/// Nothing: what a round trip costs at least.
pub(crate) struct Noop;

impl Answer<Namespace> for Noop {
    fn answer(request: &Request<'_>, _namespace: &Namespace) -> Result {
        request.reply(0)?.send()
    }
}

/// The values of keys.
pub(crate) struct Get;

impl Answer<Namespace> for Get {
    fn answer(request: &Request<'_>, namespace: &Namespace) -> Result {
        check_reader(request)?;
        let entries = Entries::new(request.payload(), Operation::Get);
        let mut ahead = entries.clone();
        if let (Some(only), None) = (ahead.next(), ahead.next()) {
            let only = Wanted::new(namespace, checked(request, only)?);
            return answer(request, namespace, &[only]);
        }
        let mut wanted = KVec::new();
        for entry in entries {
            wanted.push(Wanted::new(namespace, checked(request, entry)?), GFP_KERNEL)?;
        }
        answer(request, namespace, &wanted)
    }
}

fn checked<'a>(request: &Request<'_>, entry: Result<Entry<'a>, Refused>) -> Result<Entry<'a>> {
    entry.map_err(|refused| refuse(request, refused))
}

/// A key that is asked for.
struct Wanted<'a> {
    entry: Entry<'a>,
    key: HashedKey<'a>,
}

impl<'a> Wanted<'a> {
    fn new(namespace: &Namespace, entry: Entry<'a>) -> Self {
        Self {
            entry,
            key: namespace.key(entry.key),
        }
    }
}

/// Room for the attributes of most answers. The smallest buffers that the network stack has are larger.
const USUAL: usize = 512;
/// The most that there is room for.
const MAX: usize = REPLY_MAX - size::MESSAGE_HEADERS;

/// Sends the values, in a message of the right size.
fn answer(request: &Request<'_>, namespace: &Namespace, wanted: &[Wanted<'_>]) -> Result {
    let keys: usize = wanted
        .iter()
        .map(|wanted| size::entry(wanted.entry.key.len(), 0))
        .sum();
    let mut room = keys.saturating_mul(2).clamp(USUAL, MAX);
    loop {
        let mut reply = request.reply(room)?;
        match write(namespace, wanted, &mut reply.attributes(), room)? {
            Ok(needed) if needed <= room => return reply.send(),
            Ok(needed) => room = needed,
            Err(refused) => return Err(refuse(request, refused)),
        }
    }
}

/// Writes the values, if there is room. What they need is the result.
fn write(
    namespace: &Namespace,
    wanted: &[Wanted<'_>],
    to: &mut Attributes<'_>,
    room: usize,
) -> Result<Result<usize, Refused>> {
    let store = &namespace.store;
    if let [only] = wanted {
        let written = store.get(only.key, |found| {
            put(&only.entry, found.map(|block| block.content()), to, 0, room)
        });
        return Ok(written);
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
    Ok(written?)
}

/// Writes a value, if there is room besides what is `used`. What is used then, or would be, is the result.
fn put(
    entry: &Entry<'_>,
    value: Option<&[u8]>,
    to: &mut Attributes<'_>,
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
        // There is room.
        let _ = put_entry(to, entry.key, Some(value));
    }
    Ok(needed)
}

/// Writes a key and its value, if it is given.
///
/// # Errors
///
/// EMSGSIZE without room.
pub(crate) fn put_entry(to: &mut Attributes<'_>, key: &[u8], value: Option<&[u8]>) -> Result {
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
