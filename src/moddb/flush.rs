// SPDX-License-Identifier: GPL-2.0-only

//! Deleting all keys.

use crate::namespace::{check_writer, Namespace};
use crate::notice::Notices;
use abstractions::genetlink::request::Request;
use abstractions::genetlink::Answer;
use abstractions::rhashtable::stored::StoredTable;
use kernel::prelude::*;
use logic_moddb::numbers::Action;

/// Deletes all keys.
pub(crate) struct Flush;

impl Answer<Namespace> for Flush {
    fn answer(request: &Request<'_>, namespace: &Namespace) -> Result {
        check_writer(request)?;
        let notices = Notices::prepare(request, core::iter::once(0));
        let empty = StoredTable::new(0, GFP_KERNEL)?;
        namespace.store.flush(empty, GFP_KERNEL, || {
            notices.send(core::iter::once((Action::Flush, [].as_slice(), None)));
        })?;
        Ok(())
    }
}
