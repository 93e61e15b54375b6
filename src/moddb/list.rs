// SPDX-License-Identifier: GPL-2.0-only

//! The operation `list`: a dump of all entries.

use crate::get::put_entry;
use crate::namespace::{check_reader, Namespace};
use crate::stored_table::StoredWalk;
use abstractions_genetlink::dump::{Dump, DumpBuffer};
use abstractions_genetlink::request::Request;
use kernel::prelude::*;
use logic_moddb::attributes::Attributes;
use logic_moddb::numbers::message;
use logic_moddb::size;

/// The operation `list`.
pub(crate) struct List;

/// How far a list has come.
pub(crate) struct ListCursor {
    walk: StoredWalk,
    keys_only: bool,
}

impl Dump<Namespace> for List {
    type Cursor = ListCursor;

    fn start(request: &Request<'_>, namespace: &Namespace) -> Result<KBox<ListCursor>> {
        check_reader(request)?;
        let keys_only = Attributes::new(request.payload())
            .flatten()
            .any(|attribute| attribute.kind == message::KEYS_ONLY);
        let table = namespace.store.table().ok_or(ENOMEM)?;
        let walk = StoredWalk::new(table, GFP_KERNEL)?;
        Ok(KBox::new(ListCursor { walk, keys_only }, GFP_KERNEL)?)
    }

    fn dumpit(
        cursor: &mut ListCursor,
        buffer: &mut DumpBuffer<'_>,
        _namespace: &Namespace,
    ) -> Result<bool> {
        let keys_only = cursor.keys_only;
        Ok(cursor.walk.resume(|found, _| {
            if !found.value().get() {
                return true;
            }
            let (key, content) = (found.key().key().bytes(), found.key().content());
            if keys_only {
                buffer.put(size::key_entry(key.len()), |to| put_entry(to, key, None))
            } else {
                buffer.put(size::entry(key.len(), content.len()), |to| {
                    put_entry(to, key, Some(content))
                })
            }
        }))
    }

    fn version(cursor: &ListCursor, namespace: &Namespace, finished: bool) -> u32 {
        let version = if finished {
            namespace.store.next_version()
        } else {
            namespace.store.version()
        };
        version.wrapping_add(cursor.walk.resizes())
    }
}
