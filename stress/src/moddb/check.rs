// SPDX-License-Identifier: GPL-2.0-only

//! Checks of the kernel's answers.

use tools::moddb::Failure;

/// Result of a check; the error says what was expected and what the answer was.
pub type Verdict = Result<(), String>;

/// Checks that a request succeeded, or failed with this errno, as `expected` says.
pub fn check<T>(
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
