// SPDX-License-Identifier: GPL-2.0-only

//! Why a request is refused.

use core::ffi::CStr;
use logic::errno::Errno;

macro_rules! refusals {
    ($($name:ident = $errno:ident, $sentence:literal;)*) => {
        /// Why.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Refusal {
            $(
                #[doc = $sentence]
                $name,
            )*
        }

        impl Refusal {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number.
            pub fn errno(self) -> Errno {
                match self {
                    $(Self::$name => Errno::$errno,)*
                }
            }

            /// The sentence.
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
    MayNotRead = EPERM, "reading needs CAP_NET_ADMIN here (parameter read)";
    MayNotWrite = EPERM, "writing needs CAP_NET_ADMIN here (parameter write)";

    CutShort = EINVAL, "entry: an attribute in it ends behind its end";
    UnknownAttribute = EINVAL, "entry: an attribute in it is none of key, value, if-value, if-absent, optional";
    AttributeTwice = EINVAL, "entry: an attribute comes twice in it";
    FlagWithPayload = EINVAL, "entry: if-absent and optional are flags, which have no bytes";
    NoEntry = EINVAL, "entry: the request needs at least one";
    NothingToContinue = EINVAL, "key: the first entry of the request needs one";
    ContinuesNothing = EINVAL, "entry: without key, it needs more of value or if-value, and no flags";
    EmptyKey = EINVAL, "key: it needs at least 1 byte";
    KeyTwice = EINVAL, "key: it comes twice in the request";
    NoValue = EINVAL, "value: a set needs one for each key";
    ValueNotTaken = EINVAL, "value: only a set takes it";
    IfValueNotTaken = EINVAL, "if-value: only set and del take it";
    IfAbsentNotTaken = EINVAL, "if-absent: only a set takes it";
    OptionalNotTaken = EINVAL, "optional: only get and del take it";
    IfAbsentBesideIfValue = EINVAL, "if-absent: not beside if-value";
    OptionalBesideIfValue = EINVAL, "optional: not beside if-value";

    KeyTooLong = E2BIG, "key: it may have 255 bytes";
    PartTooLong = E2BIG, "value, if-value: one attribute may have 32512 bytes, more go into further entries";
    ValueTooLong = E2BIG, "value: it may have 65535 bytes";
    IfValueTooLong = E2BIG, "if-value: it may have 65535 bytes";
    TooManyKeys = E2BIG, "key: a request may have 1024";

    NoSuchKey = ENOENT, "key: there is no such key";
    KeyIsThere = EEXIST, "if-absent: the key is there";
    OtherValue = ECANCELED, "if-value: the key has another value";
    AnswerTooLong = EMSGSIZE, "entry: the answer would have more than 262144 bytes, ask for fewer keys";
    TooManyEntries = ENOSPC, "key: the store may not have more (parameter max_entries)";
    TooManyBytes = ENOSPC, "value: the store may not have more bytes (parameter max_bytes)";
    NoMemory = ENOMEM, "value: there is not enough memory for it";
}

/// A refusal, and which attribute it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// Where the attribute begins, in bytes from where the request's first one does.
    pub at: Option<usize>,
}

impl Refusal {
    /// About the attribute that begins there.
    pub fn at(self, at: usize) -> Refused {
        Refused {
            why: self,
            at: Some(at),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Self { why, at: None }
    }
}
