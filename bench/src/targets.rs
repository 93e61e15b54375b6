// SPDX-License-Identifier: GPL-2.0-only

//! Definitions of all figures and their targets.

use crate::figures::Figure::{self, Compared, Ratio, Value};
use crate::figures::Target::{self, Any, AtLeast, AtLeastBut, AtMost, AtMostBut, AtMostWhenQuiet};

const RESET: &str = "reset";
const PASS: &str = "pass";
const KSM: &str = "KSM";
const USER_SPACE: &str = "user space";

/// Time of RESET per page, in units of one pass over the same pages.
const fn to_pass(experiment: &'static str, target: Target) -> Figure {
    Ratio {
        experiment,
        of: RESET,
        to: PASS,
        target,
    }
}

/// Time of KSM per page, in units of RESET.
const fn ksm(experiment: &'static str, target: Target) -> Figure {
    Ratio {
        experiment,
        of: KSM,
        to: RESET,
        target,
    }
}

/// Time of the scan in user space per page, in units of RESET.
const fn user_space(experiment: &'static str) -> Figure {
    Ratio {
        experiment,
        of: USER_SPACE,
        to: RESET,
        target: Any,
    }
}

/// Time of RESET for contents that are hard to compare, in units of RESET for plainly different pages.
const fn crafted(experiment: &'static str, with: &'static str, target: Target) -> Figure {
    Compared {
        experiment,
        with,
        of: RESET,
        to: PASS,
        target,
    }
}

/// A measure in units of another one.
const fn ratio(
    experiment: &'static str,
    of: &'static str,
    to: &'static str,
    target: Target,
) -> Figure {
    Ratio {
        experiment,
        of,
        to,
        target,
    }
}

/// A measure with a target in its own unit.
const fn value(experiment: &'static str, of: &'static str, target: Target) -> Figure {
    Value {
        experiment,
        of,
        target,
    }
}

/// Time of a round trip to the store, in units of another one.
const fn round_trip(of: &'static str, to: &'static str, target: Target) -> Figure {
    ratio("moddb::round-trips", of, to, target)
}

/// Operations per second of processes that share a store, in units of others.
const fn table(of: &'static str, to: &'static str, target: Target) -> Figure {
    ratio("moddb::table", of, to, target)
}

/// Answers per second of many readers, in units of others.
const fn readers(of: &'static str, to: &'static str) -> Figure {
    ratio("readers::many", of, to, Any)
}

/// Latency of one reader, in units of another one.
const fn during_reset(of: &'static str, to: &'static str, target: Target) -> Figure {
    ratio("readers::during-reset", of, to, target)
}

const ONE_WORKER: &str = "one worker";
const ALL_WORKERS: &str = "all workers";
// Together, these say how much more two CPUs of this machine can do in the same time than one, whatever they do.
const ONE_JOB: &str = "a job";
const TWO_JOBS: &str = "half of two jobs at once";
// Measures of RESET and of reading `smaps_rollup`, per process.
const ROLLUP: &str = "smaps_rollup a process";
const RESET_A_PROCESS: &str = "reset a process";

/// All figures in the order of the table.
pub const FIGURES: &[Figure] = &[
    to_pass("contents::different-10k", AtMost(1.0)),
    ksm("contents::different-10k", AtLeastBut(20.0, 5.0)),
    user_space("contents::different-10k"),
    to_pass("contents::different-250k", AtMost(1.0)),
    ksm("contents::different-250k", AtLeast(20.0)),
    user_space("contents::different-250k"),
    to_pass("contents::identical-10k", AtMostBut(1.3, 3.0)),
    ksm("contents::identical-10k", Any),
    user_space("contents::identical-10k"),
    to_pass("contents::identical-250k", AtMost(1.3)),
    ksm("contents::identical-250k", Any),
    user_space("contents::identical-250k"),
    to_pass("contents::half-10k", Any),
    ksm("contents::half-10k", Any),
    to_pass("contents::half-250k", Any),
    ksm("contents::half-250k", Any),
    crafted(
        "contents::last-byte-10k",
        "contents::different-10k",
        AtMostBut(3.0, 9.6),
    ),
    ksm("contents::last-byte-10k", Any),
    crafted(
        "contents::last-byte-250k",
        "contents::different-250k",
        AtMost(3.0),
    ),
    ksm("contents::last-byte-250k", Any),
    crafted(
        "contents::last-word-250k",
        "contents::different-250k",
        AtMost(3.0),
    ),
    crafted(
        "contents::middle-250k",
        "contents::different-250k",
        AtMost(3.0),
    ),
    crafted(
        "contents::one-byte-250k",
        "contents::different-250k",
        AtMost(3.0),
    ),
    crafted(
        "contents::one-line-250k",
        "contents::different-250k",
        AtMost(3.0),
    ),
    Compared {
        experiment: "contents::last-word-250k",
        with: "contents::last-word-10k",
        of: RESET,
        to: PASS,
        target: AtMost(3.0),
    },
    value("processes::same-page-again", "again", AtMost(40.0)),
    value("processes::unpopulated", "PROT_NONE", AtMost(1.0)),
    value("processes::unpopulated", "PROT_READ", AtMost(1.0)),
    value("processes::hardly-any", RESET, Any),
    to_pass("processes::one-gibibyte", Any),
    to_pass("processes::one-binary", Any),
    ratio("processes::one-binary", RESET_A_PROCESS, ROLLUP, Any),
    to_pass("processes::names", Any),
    ratio("processes::names", RESET_A_PROCESS, ROLLUP, Any),
    to_pass("processes::fork-tree", Any),
    ratio("cpus::many-sets", ONE_WORKER, ALL_WORKERS, AtLeast(1.7)),
    ratio("cpus::many-sets", ONE_JOB, TWO_JOBS, Any),
    ratio("cpus::one-big-set", ONE_WORKER, ALL_WORKERS, AtLeast(1.7)),
    ratio("cpus::one-big-set", ONE_JOB, TWO_JOBS, Any),
    during_reset(
        "FILTER during RESETs p99",
        "FILTER alone p99",
        AtMostWhenQuiet(2.0),
    ),
    during_reset(
        "FILTER during RESETs p99",
        "FILTER beside a loop p99",
        AtMost(2.0),
    ),
    during_reset("FILTER during RESETs p50", "FILTER alone p50", AtMost(2.0)),
    during_reset("FILTER alone p50", "smaps_rollup p50", Any),
    during_reset("ALL during RESETs p99", "ALL beside a loop p99", Any),
    ratio(
        "readers::sets",
        "FILTER, many sets p50",
        "FILTER, few sets p50",
        AtMost(1.2),
    ),
    ratio(
        "readers::sets",
        "ALL a byte, many sets",
        "copy a byte, many sets",
        AtMostBut(1.5, 20.0),
    ),
    ratio(
        "readers::sets",
        "ALL a byte, many sets",
        "ALL a byte, a tenth",
        AtMost(1.2),
    ),
    readers("FILTER of 2 answers", "FILTER of 1 answers"),
    readers("FILTER of 64 answers", "FILTER of 2 answers"),
    readers("FILTER of 64 during RESETs answers", "FILTER of 64 answers"),
    readers("ALL of 64 answers", "ALL of 2 answers"),
    readers("ALL of 64 during RESETs answers", "ALL of 64 answers"),
    ratio("at-once::resets", "4 at once", "one of 4", AtMost(2.2)),
    ratio("at-once::resets", "16 at once", "one of 16", AtMost(2.2)),
    ratio("at-once::resets", "64 at once", "one of 64", AtMost(2.2)),
    value("stall::mmap", "longest without RESET", Any),
    value(
        "stall::mmap",
        "longest during a RESET",
        AtMostWhenQuiet(1.0),
    ),
    ratio(
        "stall::mmap",
        "longest during a RESET",
        "longest without RESET",
        Any,
    ),
    value("memory::while-scanning", "peak a page", AtMost(24.0)),
    value("memory::kept", "a set of one process", AtMost(264.0)),
    value("memory::kept", "a pid", AtMost(8.0)),
    round_trip("get", "noop", AtMost(1.15)),
    round_trip("set", "noop", Any),
    round_trip("get of 64", "get", AtMost(3.0)),
    round_trip("set of 64", "set", AtMostBut(3.0, 6.5)),
    table("moddb read of 10", "moddb read of 2", AtLeast(0.95)),
    table("moddb write of 10", "moddb write of 2", AtLeast(0.95)),
    table("moddb mix of 10", "moddb mix of 2", AtLeast(0.95)),
    table("moddb read of 1", "Redis read of 1", AtLeast(1.5)),
    table("moddb read of 2", "Redis read of 2", AtLeast(1.5)),
    table("moddb read of 4", "Redis read of 4", AtLeast(1.5)),
    table("moddb read of 6", "Redis read of 6", AtLeast(1.5)),
    table("moddb read of 8", "Redis read of 8", AtLeast(1.5)),
    table("moddb read of 10", "Redis read of 10", AtLeast(1.5)),
    table("moddb write of 1", "Redis write of 1", AtLeast(1.5)),
    table("moddb write of 2", "Redis write of 2", AtLeast(1.5)),
    table("moddb write of 4", "Redis write of 4", AtLeast(1.5)),
    table("moddb write of 6", "Redis write of 6", AtLeast(1.5)),
    table("moddb write of 8", "Redis write of 8", AtLeast(1.5)),
    table("moddb write of 10", "Redis write of 10", AtLeast(1.5)),
    table("moddb mix of 1", "Redis mix of 1", AtLeast(1.5)),
    table("moddb mix of 2", "Redis mix of 2", AtLeast(1.5)),
    table("moddb mix of 4", "Redis mix of 4", AtLeast(1.5)),
    table("moddb mix of 6", "Redis mix of 6", AtLeast(1.5)),
    table("moddb mix of 8", "Redis mix of 8", AtLeast(1.5)),
    table("moddb mix of 10", "Redis mix of 10", AtLeast(1.5)),
    table("moddb mix of 10", "file mix of 10", Any),
    table("moddb mix of 10", "shared memory mix of 10", Any),
];
