//! What is compared with what, and the targets.

use super::figures::Figure::{self, Compared, Ratio};
use super::figures::Target::{Any, AtLeast, AtMost};

const RESET: &str = "reset";
const PASS: &str = "pass";
const KSM: &str = "KSM";
const USER_SPACE: &str = "user space";

/// RESET's time a page, in those of one pass over the same bytes.
const fn to_pass(experiment: &'static str, target: super::figures::Target) -> Figure {
    Ratio {
        experiment,
        of: RESET,
        to: PASS,
        target,
    }
}

/// KSM's time a page in RESETs.
const fn ksm(experiment: &'static str, target: super::figures::Target) -> Figure {
    Ratio {
        experiment,
        of: KSM,
        to: RESET,
        target,
    }
}

/// The user-space scanner's time a page in RESETs.
const fn user_space(experiment: &'static str) -> Figure {
    Ratio {
        experiment,
        of: USER_SPACE,
        to: RESET,
        target: Any,
    }
}

/// A crafted case, whose RESET may take a few times that of pages that are plainly different.
const fn crafted(experiment: &'static str, with: &'static str) -> Figure {
    Compared {
        experiment,
        with,
        of: RESET,
        to: PASS,
        target: AtMost(3.0),
    }
}

/// All figures, in the order of the table.
pub const FIGURES: &[Figure] = &[
    to_pass("contents::different-10k", AtMost(1.0)),
    ksm("contents::different-10k", AtLeast(20.0)),
    user_space("contents::different-10k"),
    to_pass("contents::different-250k", AtMost(1.0)),
    ksm("contents::different-250k", AtLeast(20.0)),
    user_space("contents::different-250k"),
    to_pass("contents::identical-10k", AtMost(1.3)),
    ksm("contents::identical-10k", Any),
    user_space("contents::identical-10k"),
    to_pass("contents::identical-250k", AtMost(1.3)),
    ksm("contents::identical-250k", Any),
    user_space("contents::identical-250k"),
    to_pass("contents::half-10k", Any),
    ksm("contents::half-10k", Any),
    to_pass("contents::half-250k", Any),
    ksm("contents::half-250k", Any),
    crafted("contents::last-byte-10k", "contents::different-10k"),
    ksm("contents::last-byte-10k", Any),
    crafted("contents::last-byte-250k", "contents::different-250k"),
    ksm("contents::last-byte-250k", Any),
    crafted("contents::last-word-250k", "contents::different-250k"),
    crafted("contents::middle-250k", "contents::different-250k"),
    crafted("contents::one-byte-250k", "contents::different-250k"),
    crafted("contents::one-line-250k", "contents::different-250k"),
];
