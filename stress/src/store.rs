// SPDX-License-Identifier: GPL-2.0-only

//! The run on moddb: programs on keys of their own and on keys that all of them use, each checking every answer, and
//! others in network namespaces of their own.

mod model;
mod namespace;
mod value;
mod worker;

pub use namespace::run as run_in_namespaces;
pub use worker::{run as run_worker, Plan};

use tools::moddb::Failure;

/// What an answer should have been.
pub type Verdict = Result<(), String>;

/// Requires that an answer is the expected one: done, or this error.
fn check<T>(
    what: &str,
    answer: Result<T, Failure>,
    expected: Result<(), i32>,
) -> Result<Option<T>, String> {
    match (answer, expected) {
        (Ok(answer), Ok(())) => Ok(Some(answer)),
        (Err(failure), Err(errno)) if failure.errno() == Some(errno) => Ok(None),
        (Ok(_), Err(errno)) => {
            let errno = std::io::Error::from_raw_os_error(errno);
            Err(format!("{what}: should fail with {errno}, and does not"))
        }
        (Err(failure), expected) => Err(format!("{what}: should be {expected:?}, but: {failure}")),
    }
}
