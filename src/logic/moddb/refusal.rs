// SPDX-License-Identifier: GPL-2.0-only

//! Why a request is refused: the sentence, the error number, and the attribute that the sender is told.

use core::ffi::CStr;
use kernel::alloc::AllocError;
use logic::errno::Errno;

macro_rules! refusals {
    ($($name:ident = $errno:ident, $sentence:literal;)*) => {
        /// Why a request is refused. Each reason has one error number and one sentence.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Refusal {
            $(
                #[doc = $sentence]
                $name,
            )*
        }

        impl Refusal {
            /// Every refusal.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the error number that is sent to the requester.
            pub fn errno(self) -> Errno {
                match self {
                    $(Self::$name => Errno::$errno,)*
                }
            }

            /// Returns the sentence that is sent to the requester.
            pub fn sentence(self) -> &'static CStr {
                match self {
                    $(Self::$name => {
                        const SENTENCE: &CStr = match CStr::from_bytes_with_nul(
                            concat!($sentence, "\0").as_bytes(),
                        ) {
                            Ok(sentence) => sentence,
                            Err(_) => panic!("a NUL in a sentence"),
                        };
                        SENTENCE
                    })*
                }
            }
        }
    };
}

refusals! {
    MayNotRead = EPERM, "reading requires CAP_NET_ADMIN (module parameter read)";
    MayNotWrite = EPERM, "writing requires CAP_NET_ADMIN (module parameter write)";

    CutShort = EINVAL, "entry: an attribute extends past the end of the entry";
    UnknownAttribute = EINVAL, "entry: unknown attribute (known: key, value, if-value, if-absent, optional)";
    AttributeTwice = EINVAL, "entry: duplicate attribute in the entry";
    FlagWithPayload = EINVAL, "entry: if-absent and optional are flags and must not have a payload";
    NoEntry = EINVAL, "entry: the request must have at least one";
    NothingToContinue = EINVAL, "key: the first entry of the request must have a key";
    ContinuesNothing = EINVAL, "entry: a continuation (no key) must carry value or if-value and no flags";
    EmptyKey = EINVAL, "key: must have at least 1 byte";
    KeyTwice = EINVAL, "key: duplicate key in the request";
    NoValue = EINVAL, "value: set requires a value for each key";
    ValueNotTaken = EINVAL, "value: allowed in set only";
    IfValueNotTaken = EINVAL, "if-value: allowed in set and del only";
    IfAbsentNotTaken = EINVAL, "if-absent: allowed in set only";
    OptionalNotTaken = EINVAL, "optional: allowed in get and del only";
    IfAbsentBesideIfValue = EINVAL, "if-absent: not allowed together with if-value";
    OptionalBesideIfValue = EINVAL, "optional: not allowed together with if-value";

    KeyTooLong = E2BIG, "key: longer than 255 bytes";
    PartTooLong = E2BIG, "value, if-value: attribute longer than 32512 bytes (send the rest in further entries)";
    ValueTooLong = E2BIG, "value: longer than 65535 bytes";
    IfValueTooLong = E2BIG, "if-value: longer than 65535 bytes";
    TooManyKeys = E2BIG, "key: more than 1024 keys in one request";

    NoSuchKey = ENOENT, "key: there is no such key";
    KeyIsThere = EEXIST, "if-absent: the key already exists";
    OtherValue = ECANCELED, "if-value: the key has another value";
    AnswerTooLong = EMSGSIZE, "entry: the reply would be longer than 262144 bytes (request fewer keys)";
    TooManyEntries = ENOSPC, "key: the store is full (module parameter max_entries)";
    TooManyBytes = ENOSPC, "value: the store has no room for more bytes (module parameter max_bytes)";
    NoMemory = ENOMEM, "value: out of memory";
}

/// A refusal and the attribute that it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The reason.
    pub why: Refusal,
    /// The offset of the attribute, in bytes from the first attribute of the request; `None` if the refusal is not about
    /// one attribute.
    pub at: Option<usize>,
}

impl Refusal {
    /// Returns the refusal of the attribute at this offset, in bytes from the first attribute of the request.
    pub fn at(self, at: usize) -> Refused {
        Refused {
            why: self,
            at: Some(at),
        }
    }
}

impl From<AllocError> for Refused {
    fn from(_: AllocError) -> Self {
        Refusal::NoMemory.into()
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Self { why, at: None }
    }
}
