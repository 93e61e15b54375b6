// SPDX-License-Identifier: GPL-2.0-only

//! Notifications of changes.
//!
//! The messages are allocated before a change is made and sent while its keys are still locked, so that the last
//! notification about a key is about its last change.

use crate::namespace::listeners_may_read;
use abstractions_genetlink::message::{MessageAttributes, Notification};
use abstractions_genetlink::request::Request;
use abstractions_genetlink::MESSAGE_HEADERS;
use kernel::prelude::*;
use logic_moddb::numbers::{change, command, message, Action, NOTIFICATION_MAX};
use logic_moddb::size;

/// The number of the multicast group `changes` in the family.
const CHANGES: u32 = 0;
/// Bytes of attributes in the largest notification.
const MAX: usize = NOTIFICATION_MAX - MESSAGE_HEADERS;

/// The notifications of one request, allocated and not sent yet.
pub(crate) struct PendingNotifications<'r> {
    request: &'r Request<'r>,
    /// After an error, listeners are told that they have missed something.
    messages: Result<KVec<Notification<'r>>>,
}

impl<'r> PendingNotifications<'r> {
    /// Allocates notifications with room for changes of keys of these lengths, or none if there are no listeners. May
    /// sleep.
    pub(crate) fn prepare(request: &'r Request<'_>, keys: impl Iterator<Item = usize>) -> Self {
        let messages = if request.has_listeners(CHANGES) && listeners_may_read(request) {
            messages(request, keys)
        } else {
            Ok(KVec::new())
        };
        Self { request, messages }
    }

    /// Sends the changes: the action, the key, and the length of its new value. Does not sleep.
    pub(crate) fn send<'k>(self, changes: impl Iterator<Item = (Action, &'k [u8], Option<usize>)>) {
        let Ok(messages) = self.messages else {
            self.request.report_overrun(CHANGES);
            return;
        };
        let mut messages = messages.into_iter();
        let Some(mut current) = messages.next() else {
            return;
        };
        let mut is_empty = true;
        for (action, key, value_len) in changes {
            if put(&mut current.attributes(), action, key, value_len).is_err() {
                let Some(next) = messages.next() else {
                    break;
                };
                core::mem::replace(&mut current, next).send();
                // The message was sized for this change, among others.
                let _ = put(&mut current.attributes(), action, key, value_len);
            }
            is_empty = false;
        }
        if !is_empty {
            current.send();
        }
    }
}

fn messages<'r>(
    request: &'r Request<'_>,
    keys: impl Iterator<Item = usize>,
) -> Result<KVec<Notification<'r>>> {
    let mut messages = KVec::new();
    let mut room = 0_usize;
    for key in keys {
        let needed = size::change(key);
        if room.saturating_add(needed) > MAX {
            messages.push(message(request, room)?, GFP_KERNEL)?;
            room = 0;
        }
        room = room.saturating_add(needed);
    }
    messages.push(message(request, room)?, GFP_KERNEL)?;
    Ok(messages)
}

fn message<'r>(request: &'r Request<'_>, room: usize) -> Result<Notification<'r>> {
    request.notification(CHANGES, command::CHANGED, room)
}

fn put(
    to: &mut MessageAttributes<'_>,
    action: Action,
    key: &[u8],
    value_len: Option<usize>,
) -> Result {
    let begin = to.mark();
    let written = to.nest(message::CHANGE, |to| {
        if action != Action::Flush {
            to.put(change::KEY, key)?;
        }
        to.put(change::ACTION, &(action as u32).to_ne_bytes())?;
        match value_len.and_then(|len| u32::try_from(len).ok()) {
            Some(len) => to.put(change::VALUE_LEN, &len.to_ne_bytes()),
            None => Ok(()),
        }
    });
    if written.is_err() {
        to.trim(begin);
    }
    written
}
