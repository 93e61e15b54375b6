// SPDX-License-Identifier: GPL-2.0-only

//! The operations `set` and `del`: set or delete one key or several at once.

use crate::namespace::{check_writer, Namespace};
use crate::notification::PendingNotifications;
use crate::refuse::refuse;
use crate::stored_table::{StoredTable, UnlinkedBlock};
use abstractions::sort::sort_by_key;
use abstractions_genetlink::operation::DoIt;
use abstractions_genetlink::request::Request;
use abstractions_rhashtable::keys::{Block, HashedKey};
use core::slice;
use kernel::prelude::*;
use logic_moddb::entry::{Entries, Entry};
use logic_moddb::numbers::{Action, Operation};
use logic_moddb::refusal::{Refusal, Refused};
use protocol::change;
use protocol::change::{Change, Condition, Shown};

/// The operation `set`.
pub(crate) struct Set;

impl DoIt<Namespace> for Set {
    fn doit(request: &Request<'_>, namespace: &Namespace) -> Result {
        write(request, namespace, Operation::Set)
    }
}

/// The operation `del`.
pub(crate) struct Del;

impl DoIt<Namespace> for Del {
    fn doit(request: &Request<'_>, namespace: &Namespace) -> Result {
        write(request, namespace, Operation::Del)
    }
}

/// The change that one entry of a request asks for.
struct RequestedChange<'a> {
    entry: Entry<'a>,
    operation: Operation,
}

impl Condition<Block> for RequestedChange<'_> {
    type Refusal = Refused;

    fn check(&self, current: Option<&Block>) -> Result<(), Refused> {
        self.entry
            .check(self.operation, current.map(|block| block.content()))
    }
}

type PlannedChange<'a> = Change<'a, StoredTable, RequestedChange<'a>>;

fn write(request: &Request<'_>, namespace: &Namespace, operation: Operation) -> Result {
    check_writer(request)?;
    make(request, namespace, operation).map_err(|refused| refuse(request, refused))
}

fn make(request: &Request<'_>, namespace: &Namespace, operation: Operation) -> Result<(), Refused> {
    let entries = Entries::new(request.payload(), operation);
    let mut ahead = entries.clone();
    if let (Some(only), None) = (ahead.next(), ahead.next()) {
        let mut only = planned(namespace, operation, only?)?;
        return apply(request, namespace, slice::from_mut(&mut only));
    }
    let mut changes = KVec::new();
    for entry in entries {
        let entry = entry?;
        let change = planned(namespace, operation, entry)?;
        changes
            .push(change, GFP_KERNEL)
            .map_err(|_| Refusal::NoMemory.at(entry.key_at))?;
    }
    check_distinct(&changes)?;
    apply(request, namespace, &mut changes)
}

/// Returns the change that an entry asks for, with the memory that it needs. May sleep.
fn planned<'a>(
    namespace: &Namespace,
    operation: Operation,
    entry: Entry<'a>,
) -> Result<PlannedChange<'a>, Refused> {
    let key = namespace.key(entry.key);
    let block = match entry.value {
        Some(value) => {
            let made = block(key, value.len(), value.parts());
            Some(made.map_err(|_| Refusal::NoMemory.at(entry.key_at))?)
        }
        None => None,
    };
    Ok(Change::new(
        key,
        block,
        RequestedChange { entry, operation },
    ))
}

/// Returns a block of a key and its value, which is charged to the memory cgroup of the calling task. May sleep.
fn block<'a>(
    key: HashedKey<'_>,
    len: usize,
    parts: impl Iterator<Item = &'a [u8]>,
) -> Result<UnlinkedBlock> {
    let mut bytes = KVVec::with_capacity(key.bytes().len() + len, GFP_KERNEL_ACCOUNT)?;
    bytes.extend_from_slice(key.bytes(), GFP_KERNEL_ACCOUNT)?;
    for part in parts {
        bytes.extend_from_slice(part, GFP_KERNEL_ACCOUNT)?;
    }
    let block = Block::new(bytes, key.bytes().len(), key.hash()).ok_or(EINVAL)?;
    Ok(UnlinkedBlock::new(block, Shown::yes(), GFP_KERNEL_ACCOUNT)?)
}

/// Checks that no key occurs twice.
fn check_distinct(changes: &[PlannedChange<'_>]) -> Result<(), Refused> {
    let mut keys = KVec::with_capacity(changes.len(), GFP_KERNEL)?;
    for change in changes {
        let entry = &change.condition.entry;
        keys.push((change.key.hash(), entry.key, entry.key_at), GFP_KERNEL)?;
    }
    sort_by_key(&mut keys, |key| *key);
    for (first, second) in keys.iter().zip(keys.iter().skip(1)) {
        if first.1 == second.1 {
            return Err(Refusal::KeyTwice.at(second.2));
        }
    }
    Ok(())
}

fn apply<'a>(
    request: &Request<'_>,
    namespace: &Namespace,
    changes: &mut [PlannedChange<'a>],
) -> Result<(), Refused> {
    let first_at = changes.first().map(|change| change.condition.entry.key_at);
    let notifications = PendingNotifications::prepare(
        request,
        changes.iter().map(|change| change.key.bytes().len()),
    );
    let on_applied = |changes: &[PlannedChange<'a>]| {
        notifications.send(changes.iter().filter_map(as_notification));
    };
    namespace
        .store
        .apply(changes, GFP_KERNEL, on_applied)
        .map_err(|refused| {
            let why = match refused {
                change::Refused::Condition(_, refused) => return refused,
                change::Refused::Entries => Refusal::TooManyEntries,
                change::Refused::Bytes => Refusal::TooManyBytes,
                change::Refused::Table(_) | change::Refused::NoMemory => Refusal::NoMemory,
            };
            Refused { why, at: first_at }
        })
}

/// Returns what listeners are told of a change that was made: the action, the key, and the length of its new value.
/// Deleting a key that did not exist is not a change.
fn as_notification<'a>(change: &PlannedChange<'a>) -> Option<(Action, &'a [u8], Option<usize>)> {
    let RequestedChange { entry, operation } = &change.condition;
    match operation {
        Operation::Set => Some((Action::Set, entry.key, entry.value.map(|value| value.len()))),
        _ if change.was_there() => Some((Action::Del, entry.key, None)),
        _ => None,
    }
}
