// SPDX-License-Identifier: GPL-2.0-only

//! Answers as they are kept for their readers.

use crate::text::Text;
use kernel::prelude::*;
use kernel::sync::Arc;
use logic::command_line::{CommandFailure, SUCCESS};
use protocol::answers::Payload;

/// The answer to one command.
pub(crate) enum Answer {
    /// One of the lines of [`FixedAnswers`].
    Fixed(&'static str),
    /// A text of its own.
    Text(Text),
}

impl Answer {
    /// Returns the bytes that readers see.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Fixed(text) => text.as_bytes(),
            Self::Text(text) => text.as_bytes(),
        }
    }
}

impl Payload for Answer {
    fn size(&self) -> usize {
        match self {
            Self::Fixed(_) => 0,
            Self::Text(text) => text.charged_bytes(),
        }
    }
}

/// The answers that always say the same. They are allocated with the file, so that a command can be
/// answered even if memory is exhausted by then.
pub(crate) struct FixedAnswers<F> {
    success: Arc<Answer>,
    failures: KVec<(F, Arc<Answer>)>,
}

impl<F: CommandFailure> FixedAnswers<F> {
    /// Allocates the answers. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted.
    pub(crate) fn new() -> Result<Self> {
        let fixed = |text| Arc::new(Answer::Fixed(text), GFP_KERNEL);
        let mut failures = KVec::with_capacity(F::ALL.len(), GFP_KERNEL)?;
        for failure in F::ALL {
            failures.push((*failure, fixed(failure.line())?), GFP_KERNEL)?;
        }
        Ok(Self {
            success: fixed(SUCCESS)?,
            failures,
        })
    }

    /// Returns the answer to a command that succeeded and has nothing to show.
    pub(crate) fn success(&self) -> Arc<Answer> {
        self.success.clone()
    }

    /// Returns the answer to a command that failed.
    pub(crate) fn failure(&self, wanted: F) -> Arc<Answer> {
        let kept = self.failures.iter().find(|(failure, _)| *failure == wanted);
        kept.map_or(&self.success, |(_, answer)| answer).clone()
    }
}
