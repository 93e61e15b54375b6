// SPDX-License-Identifier: GPL-2.0-only

//! Mutants of the store, its stripes and its limits.

use super::Mutant;
use crate::marker::Edit::{After, Before, Part, Statement};

/// The mutants of the store and of the files in store/.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a writer of one key does not hold its lock",
        edits: &[("lock-one-stripe", Part("_guard", "_"))],
        test: ("store", "no_update_is_lost"),
        finds: "an update was lost",
    },
    Mutant {
        name: "a writer of several keys does not hold its locks",
        edits: &[("lock-stripes", After("guards.truncate(0);"))],
        test: ("store", "batches_in_any_order_end"),
        finds: "linked over another value",
    },
    Mutant {
        name: "stripes are marked as changing after the changes",
        edits: &[("mark-begin", Statement("")), ("marked-change", After("for stripe in self.each(set) {\n    let generation = stripe.generation.load(Relaxed);\n    stripe.generation.store(generation.wrapping_add(1), Relaxed);\n}"))],
        test: ("store", "a_reader_of_several_keys_sees_a_batch_whole"),
        finds: "half of a batch",
    },
    Mutant {
        name: "an odd generation is ignored",
        edits: &[("odd-generation", Part("generation % 2 != 0", "false"))],
        test: ("store", "a_reader_of_several_keys_sees_a_batch_whole"),
        finds: "half of a batch",
    },
    Mutant {
        name: "a reader of several keys does not look again",
        edits: &[("same-generations", Part("self.generations(set) == Some(before)", "before == before"))],
        test: ("store", "a_reader_of_several_keys_sees_a_batch_whole"),
        finds: "half of a batch",
    },
    Mutant {
        name: "the end of a change is marked without release",
        edits: &[("mark-end", Part("Release", "Relaxed"))],
        test: ("store", "a_reader_of_several_keys_sees_a_batch_whole"),
        finds: "half of a batch",
    },
    Mutant {
        name: "an unfinished change does not change the next version",
        edits: &[("next-version", Part("generation.wrapping_add(generation % 2)", "generation"))],
        test: ("store", "a_list_that_is_unchanged_is_of_one_moment"),
        finds: "nobody says so",
    },
    Mutant {
        name: "new keys of a batch are visible before the others",
        edits: &[("link-hidden", Part("false", "true"))],
        test: ("store", "a_failed_batch_is_never_visible"),
        finds: "seen of a batch that fails",
    },
    Mutant {
        name: "the new keys of a failed batch stay linked",
        edits: &[("unlink-hidden", Before("if self.is_linked && !self.is_present { return; }"))],
        test: ("store", "a_failed_batch_is_never_visible"),
        finds: "entries are miscounted",
    },
    Mutant {
        name: "a failed batch keeps what it reserved",
        edits: &[("release-after-failure", Statement(""))],
        test: ("store", "a_failed_batch_is_never_visible"),
        finds: "Entries",
    },
    Mutant {
        name: "a deleted key still counts",
        edits: &[("release-deleted", Statement("entries: 0,"))],
        test: ("store", "a_delete_beside_a_set_of_the_same_key"),
        finds: "entries are miscounted",
    },
    Mutant {
        name: "flushed keys still count",
        edits: &[("release-flushed", Statement(""))],
        test: ("store", "a_flush_comes_before_or_after"),
        finds: "entries are miscounted",
    },
    Mutant {
        name: "a flush does not wait for writers",
        edits: &[("flush-lock", Part("locked(all, flags", "locked(StripeSet::default(), flags"))],
        test: ("store", "a_flush_comes_before_or_after"),
        finds: "half of a flush",
    },
    Mutant {
        name: "listeners are notified after the locks are released",
        edits: &[("notify-under-lock", Statement("let applied = self.stripes.locked(stripes, flags, || self.apply_locked(stripes, changes));\non_applied(changes);"))],
        test: ("store", "listeners_are_notified_of_changes_in_order"),
        finds: "is not the last one",
    },
    Mutant {
        name: "the limit is not enforced",
        edits: &[("quota-limit", Part(">= amount", ">= 0"))],
        test: ("store", "the_limit_of_entries_is_never_exceeded"),
        finds: "more than may be",
    },
    Mutant {
        name: "credit is taken without a comparison",
        edits: &[("take-own-credit", Part("credit.cmpxchg(found, found - amount, Relaxed)", "Ok::<_, i64>(credit.store(found - amount, Relaxed))"))],
        test: ("store", "remaining_credit_is_taken_once"),
        finds: "more than may be",
    },
    Mutant {
        name: "the credit of other stripes is not collected",
        edits: &[("collect-credit", Statement("let _ = credit;"))],
        test: ("store", "no_writer_is_refused_while_there_is_room"),
        finds: "refused with room",
    },
    Mutant {
        name: "two writers move credit at once",
        edits: &[("move-credit", Part("_moving", "_"))],
        test: ("store", "no_writer_is_refused_while_there_is_room"),
        finds: "more than may be",
    },
    Mutant {
        name: "a writer does not wait for the backlog",
        edits: &[("wait-for-backlog", Statement("let _ = grace_period;"))],
        test: ("store", "a_writer_waits_when_its_backlog_is_full"),
        finds: "3 old values wait",
    },
];
