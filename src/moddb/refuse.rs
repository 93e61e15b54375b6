// SPDX-License-Identifier: GPL-2.0-only

//! The error and the reason that the sender of a refused request gets.

use abstractions::errno::error_of;
use abstractions_genetlink::request::Request;
use kernel::prelude::*;
use logic_moddb::refusal::Refused;

/// Sets the reason of a refusal, a sentence and an attribute, and returns the error.
pub(crate) fn refuse(request: &Request<'_>, refused: Refused) -> Error {
    request.set_extack(refused.why.sentence(), refused.at);
    error_of(refused.why.errno())
}
