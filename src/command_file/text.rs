// SPDX-License-Identifier: GPL-2.0-only

//! The memory of answers. All answers of a file together may have [`MAX_BYTES`], those included that open
//! files still hold.

use abstractions_task::current::may_exceed_limits;
use kernel::alloc::{AllocError, Flags};
use kernel::prelude::*;
use logic::text::Print;
use protocol::budget::{Budget, Charge};

/// Bytes of all answers of one file.
const MAX_BYTES: u64 = 256 << 20;

/// A text that is being written, or is complete. Its bytes are charged to a [`TextBudget`] until it is
/// dropped.
pub struct Text {
    bytes: KVVec<u8>,
    charge: Charge,
}

impl Text {
    /// Returns the text's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns how many bytes are charged for the text.
    pub(crate) fn charged_bytes(&self) -> usize {
        self.charge.bytes()
    }
}

impl AsMut<KVVec<u8>> for Text {
    fn as_mut(&mut self) -> &mut KVVec<u8> {
        &mut self.bytes
    }
}

/// Allocates the texts of one file's answers, and limits how many bytes they have together.
pub struct TextBudget(Budget);

impl TextBudget {
    pub(crate) fn new(flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(Budget::new(MAX_BYTES, flags)?))
    }

    /// Returns an empty text with room for `len` bytes. May sleep.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted, or if the budget is and the caller lacks
    /// CAP_SYS_RESOURCE.
    pub fn with_room(&self, len: usize) -> Result<Text, AllocError> {
        // kmalloc() rounds large sizes up to a power of two.
        let bytes = len.next_power_of_two();
        let charge = self.0.charge(bytes, may_exceed_limits);
        Ok(Text {
            charge: charge.ok_or(AllocError)?,
            // Charged to the writer's memory cgroup: answers may be large, and many.
            bytes: KVVec::with_capacity(len, GFP_KERNEL_ACCOUNT)?,
        })
    }

    /// Returns the text of `printed`. It must not grow while this runs. May sleep.
    ///
    /// # Errors
    ///
    /// As [`Self::with_room`].
    pub fn print(&self, printed: &impl Print) -> Result<Text, AllocError> {
        self.print_within(printed.printed_len(), printed)
    }

    /// Returns the text of `printed`, which has at most `len` bytes. May sleep.
    ///
    /// # Errors
    ///
    /// As [`Self::with_room`], and if the text has more than `len` bytes.
    pub fn print_within(&self, len: usize, printed: &impl Print) -> Result<Text, AllocError> {
        let mut text = self.with_room(len)?;
        printed.append_to(text.as_mut()).map_err(|_| AllocError)?;
        Ok(text)
    }
}
