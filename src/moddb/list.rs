// SPDX-License-Identifier: GPL-2.0-only

//! All entries.

use crate::get::put_entry;
use crate::namespace::{check_reader, Namespace};
use abstractions::genetlink::list::{List, Page};
use abstractions::genetlink::request::Request;
use abstractions::rhashtable::keys::HashedKeys;
use abstractions::rhashtable::walk::Walk;
use kernel::prelude::*;
use logic_moddb::attributes::Attributes;
use logic_moddb::numbers::message;
use logic_moddb::size;
use protocol::store::change::Visible;

/// Lists all entries.
pub(crate) struct All;

/// How far a list is.
pub(crate) struct Position {
    walk: Walk<HashedKeys, Visible>,
    keys_only: bool,
}

impl List<Namespace> for All {
    type Position = Position;

    fn begin(request: &Request<'_>, namespace: &Namespace) -> Result<KBox<Position>> {
        check_reader(request)?;
        let keys_only = Attributes::new(request.payload())
            .flatten()
            .any(|attribute| attribute.kind == message::KEYS_ONLY);
        let table = namespace.store.table().ok_or(ENOMEM)?;
        let walk = Walk::new(table, GFP_KERNEL)?;
        Ok(KBox::new(Position { walk, keys_only }, GFP_KERNEL)?)
    }

    fn page(position: &mut Position, page: &mut Page<'_>, _namespace: &Namespace) -> Result<bool> {
        let keys_only = position.keys_only;
        Ok(position.walk.go_on(|found, _| {
            if !found.value().get() {
                return true;
            }
            let (key, content) = (found.key().key().bytes(), found.key().content());
            if keys_only {
                page.put(size::key_entry(key.len()), |to| put_entry(to, key, None))
            } else {
                page.put(size::entry(key.len(), content.len()), |to| {
                    put_entry(to, key, Some(content))
                })
            }
        }))
    }

    fn version(position: &Position, namespace: &Namespace, finished: bool) -> u32 {
        let version = if finished {
            namespace.store.next_version()
        } else {
            namespace.store.version()
        };
        version.wrapping_add(position.walk.resizes())
    }
}
