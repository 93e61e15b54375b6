// SPDX-License-Identifier: GPL-2.0-only

//! Mutants of RCU pointers, the database, its writers, and answers.

use super::Mutant;
use crate::marker::Edit::{After, Before, Part, Statement};

/// The mutants of the files rcu, database, coalescer, answers and budget.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a snapshot is published without release",
        edits: &[("publish", Part("Full", "kernel::sync::atomic::Relaxed"))],
        test: ("database", "a_reader_sees_the_old_set_or_the_new_one_whole"),
        finds: "Causality violation",
    },
    Mutant {
        name: "a pointer is read without acquire",
        edits: &[("read", Part("Acquire", "kernel::sync::atomic::Relaxed"))],
        test: ("database", "a_reader_sees_the_old_set_or_the_new_one_whole"),
        finds: "Causality violation",
    },
    Mutant {
        name: "an answer is published without release",
        edits: &[(
            "compare-and-publish",
            Part("cmpxchg(found, new, Full)", "cmpxchg(found, new, Acquire)"),
        )],
        test: (
            "answers",
            "a_reader_beside_its_writer_sees_the_old_answer_or_the_new_one_whole",
        ),
        finds: "Causality violation",
    },
    Mutant {
        name: "a snapshot is freed without a grace period",
        edits: &[("wait-before-drop", Statement(""))],
        test: ("database", "nothing_is_used_after_it_was_freed"),
        finds: "no heap block",
    },
    Mutant {
        name: "a group is freed without a grace period",
        edits: &[(
            "free-later",
            Statement("unsafe { free_node::<T>((*node).head.get()) };"),
        )],
        test: (
            "database",
            "a_deleted_group_is_not_freed_under_readers_that_began_before",
        ),
        finds: "no heap block",
    },
    Mutant {
        name: "a slot is reused while it is read",
        edits: &[(
            "free-later",
            Statement("unsafe { free_node::<T>((*node).head.get()) };"),
        )],
        test: ("answers", "an_answer_that_is_read_outlives_its_slot"),
        finds: "no heap block",
    },
    Mutant {
        name: "a counted reference does not count",
        edits: &[(
            "count-reference",
            Statement("RcuArc(ManuallyDrop::into_inner(published))"),
        )],
        test: ("database", "a_counted_reference_outlives_the_publication"),
        finds: "use of a heap block that was freed",
    },
    Mutant {
        name: "unload does not wait for callbacks",
        edits: &[(
            "barrier",
            Statement("let _: unsafe fn() = bindings::rcu_barrier;"),
        )],
        test: ("database", "unload_waits_for_deleted_groups"),
        finds: "the module's code is gone",
    },
    Mutant {
        name: "a slot is replaced whatever it holds",
        edits: &[(
            "compare-and-publish",
            Part(
                "self.pointer.cmpxchg(found, new, Full)",
                "{ let _ = found; Ok::<_, ()>(self.pointer.xchg(new, Full)) }",
            ),
        )],
        test: ("answers", "two_shells_never_see_each_others_answers"),
        finds: "whose answer",
    },
    Mutant {
        name: "a caller is answered by the run before the one it needs",
        edits: &[("wanted-run", Part("state.begun + 1", "state.begun"))],
        test: (
            "coalescing",
            "no_answer_from_a_run_that_began_before_the_command",
        ),
        finds: "answered by a run that began before",
    },
    Mutant {
        name: "waiting callers do not share a run",
        edits: &[("share-success", Part("state.succeeded = number", "{}"))],
        test: ("coalescing", "waiting_callers_share_one_run"),
        finds: "left: 4",
    },
    Mutant {
        name: "no waiting caller is woken after a run",
        edits: &[("wake-waiters", Statement(""))],
        test: (
            "coalescing",
            "no_answer_from_a_run_that_began_before_the_command",
        ),
        finds: "deadlock",
    },
    Mutant {
        name: "the end of a run is not counted",
        edits: &[("count-end", Statement(""))],
        test: ("coalescing", "waiting_callers_share_one_run"),
        finds: "deadlock",
    },
    Mutant {
        name: "the end of a run is counted after the waiting callers were woken",
        edits: &[
            ("count-end", Statement("")),
            ("wake-waiters", After("self.ended.store(number, Relaxed);")),
        ],
        test: ("coalescing", "waiting_callers_share_one_run"),
        finds: "deadlock",
    },
    Mutant {
        name: "two runs overlap",
        edits: &[("one-runner", Part("!state.running", "state.begun < 2"))],
        test: (
            "coalescing",
            "no_answer_from_a_run_that_began_before_the_command",
        ),
        finds: "two runs at once",
    },
    Mutant {
        name: "a killed run fails the waiting callers",
        edits: &[(
            "private-failure",
            Part("error.is_private()", "!error.is_private()"),
        )],
        test: (
            "coalescing",
            "a_private_failure_does_not_fail_the_waiting_callers",
        ),
        finds: "Killed",
    },
    Mutant {
        name: "a failed run counts as a successful one",
        edits: &[(
            "share-failure",
            Statement("Err(_) => state.succeeded = number,"),
        )],
        test: ("coalescing", "a_failure_is_shared_by_the_waiting_callers"),
        finds: "not shared",
    },
    Mutant {
        name: "a fatal signal does not end a wait",
        edits: &[("signal", Statement(""))],
        test: ("coalescing", "a_fatal_signal_ends_a_wait"),
        finds: "exceeded maximum number of branches",
    },
    Mutant {
        name: "the end of any run counts as an answer",
        edits: &[("wait-for-turn", After("return Ok(None);"))],
        test: (
            "coalescing",
            "no_answer_from_a_run_that_began_before_the_command",
        ),
        finds: "answered by a run that began before",
    },
    Mutant {
        name: "a run begins after closing",
        edits: &[(
            "refuse-when-closing",
            Part("self.is_closing()", "self.is_closing() && state.running"),
        )],
        test: ("coalescing", "closing_wakes_all_waiting_callers"),
        finds: "closed before",
    },
    Mutant {
        name: "closing does not wake the waiting callers",
        edits: &[("wake-when-closing", Statement(""))],
        test: (
            "coalescing",
            "closing_wakes_callers_that_wait_for_a_run_in_progress",
        ),
        finds: "deadlock",
    },
    Mutant {
        name: "steps are not exclusive",
        edits: &[("exclusive-step", Part("_state", "_"))],
        test: ("coalescing", "exclusive_steps_do_not_interleave"),
        finds: "two steps at once",
    },
    Mutant {
        name: "a reset withdraws the old snapshot before its scan",
        edits: &[(
            "scan-before-publish",
            Before("drop(self.published.replace(None));"),
        )],
        test: ("database", "a_failed_reset_leaves_the_old_set"),
        finds: "published before",
    },
    Mutant {
        name: "two groups are removed at once",
        edits: &[(
            "exclusive-delete",
            Part(
                "self.writers.with_writer_lock(||",
                "Some(()).map_or(false, |()|",
            ),
        )],
        test: ("database", "two_deletes_of_one_group_succeed_once"),
        finds: "two remove at once",
    },
    Mutant {
        name: "an answer that lost its slot is dropped",
        edits: &[("retry-publish", Statement("Err(Some(_)) => return,"))],
        test: ("answers", "two_shells_never_see_each_others_answers"),
        finds: "whose answer",
    },
    Mutant {
        name: "bytes are counted before the replaced answer is subtracted",
        edits: &[
            ("uncount-replaced", Before("self.bytes.add(size, Relaxed);")),
            ("count-published", Statement("")),
        ],
        test: ("answers", "a_shell_sees_its_latest_answer_beside_others"),
        finds: "an answer that fits was evicted",
    },
    Mutant {
        name: "a charge is checked against the bytes held without it",
        edits: &[(
            "budget-limit",
            Part("before.saturating_add(bytes)", "before"),
        )],
        test: ("budget", "the_budget_is_never_exceeded"),
        finds: "more is held than there may be",
    },
    Mutant {
        name: "a refused charge stays held",
        edits: &[(
            "budget-refusal",
            Statement(
                "if fits || privileged() { Some(charge) } else { core::mem::forget(charge); None }",
            ),
        )],
        test: ("budget", "the_budget_is_never_exceeded"),
        finds: "what nobody holds is lost",
    },
];
