// SPDX-License-Identifier: GPL-2.0-only

//! What a sender is told.

use abstractions::genetlink::request::Request;
use kernel::bindings;
use kernel::prelude::*;
use logic::moddb::refusal::{Errno, Refused};

/// Says why in a sentence, and returns the number.
pub(crate) fn refuse(request: &Request<'_>, refused: Refused) -> Error {
    request.refuse(refused.why.sentence(), refused.at);
    let number = match refused.why.errno() {
        Errno::EPERM => bindings::EPERM,
        Errno::ENOENT => bindings::ENOENT,
        Errno::E2BIG => bindings::E2BIG,
        Errno::ENOMEM => bindings::ENOMEM,
        Errno::EEXIST => bindings::EEXIST,
        Errno::EINVAL => bindings::EINVAL,
        Errno::ENOSPC => bindings::ENOSPC,
        Errno::EMSGSIZE => bindings::EMSGSIZE,
        Errno::ECANCELED => bindings::ECANCELED,
    };
    i32::try_from(number).map_or(EINVAL, |number| Error::from_errno(-number))
}
