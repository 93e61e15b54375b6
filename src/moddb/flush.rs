// SPDX-License-Identifier: GPL-2.0-only

//! The operation `flush`: deletes all keys.

use crate::namespace::{check_writer, Namespace};
use crate::notification::PendingNotifications;
use crate::stored_table::StoredTable;
use abstractions_genetlink::operation::DoIt;
use abstractions_genetlink::request::Request;
use kernel::prelude::*;
use logic_moddb::numbers::Action;

/// The operation `flush`.
pub(crate) struct Flush;

impl DoIt<Namespace> for Flush {
    fn doit(request: &Request<'_>, namespace: &Namespace) -> Result {
        check_writer(request)?;
        let notifications = PendingNotifications::prepare(request, core::iter::once(0));
        let empty = StoredTable::new(GFP_KERNEL)?;
        namespace.store.flush(empty, GFP_KERNEL, || {
            notifications.send(core::iter::once((Action::Flush, [].as_slice(), None)));
        })?;
        Ok(())
    }
}
