// SPDX-License-Identifier: GPL-2.0-only

//! The run on moddb: programs use keys of their own and keys that all of them write, and check every answer. Other
//! processes do the same in network namespaces of their own.

mod namespace;
mod own_keys;
mod value;
mod worker;

pub use namespace::run as run_in_namespaces;
pub use worker::{run as run_worker, Plan};

use tools::moddb::Failure;

/// Result of a check; the error says what was expected and what came.
pub type Verdict = Result<(), String>;

/// Checks that a request succeeded, or failed with this errno, as `expected` says.
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
            Err(format!(
                "{what}: expected the error \"{errno}\", but it succeeded"
            ))
        }
        (Err(failure), expected) => {
            let expected = match expected {
                Ok(()) => "success".to_owned(),
                Err(errno) => std::io::Error::from_raw_os_error(errno).to_string(),
            };
            Err(format!(
                "{what}: expected {expected}, but it failed: {failure}"
            ))
        }
    }
}
