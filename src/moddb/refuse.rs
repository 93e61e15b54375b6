// SPDX-License-Identifier: GPL-2.0-only

//! What a sender is told.

use abstractions::errno::error_of;
use abstractions::genetlink::request::Request;
use kernel::prelude::*;
use logic_moddb::refusal::Refused;

/// Says why in a sentence, and returns the number.
pub(crate) fn refuse(request: &Request<'_>, refused: Refused) -> Error {
    request.refuse(refused.why.sentence(), refused.at);
    error_of(refused.why.errno())
}
