// SPDX-License-Identifier: GPL-2.0

//! The mistakes.

/// One mistake.
pub struct Mutant {
    /// What is wrong with it.
    pub name: &'static str,
    /// Where, in `src/protocol`.
    pub file: &'static str,
    /// The right text, there once.
    pub from: &'static str,
    /// The wrong text.
    pub to: &'static str,
    /// Which file of tests, and which of them, must find it.
    pub test: (&'static str, &'static str),
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a snapshot is published without release",
        file: "rcu.rs",
        from: "self.pointer.xchg(into_raw(new), Full)",
        to: "self.pointer.xchg(into_raw(new), kernel::sync::atomic::Relaxed)",
        test: ("database", "a_reader_sees_the_old_set_or_the_new_one_whole"),
    },
    Mutant {
        name: "a pointer is read without acquire",
        file: "rcu.rs",
        from: "let node = self.pointer.load(Acquire);\n        // SAFETY: by the type's invariants the pointer is null or to",
        to: "let node = self.pointer.load(kernel::sync::atomic::Relaxed);\n        // SAFETY: by the type's invariants the pointer is null or to",
        test: ("database", "a_reader_sees_the_old_set_or_the_new_one_whole"),
    },
    Mutant {
        name: "an answer is published without release",
        file: "rcu.rs",
        from: "self.pointer.cmpxchg(found, new, Full)",
        to: "self.pointer.cmpxchg(found, new, Acquire)",
        test: ("answers", "a_reader_beside_its_writer_sees_the_old_answer_or_the_new_one_whole"),
    },
    Mutant {
        name: "a snapshot is freed without a grace period",
        file: "rcu.rs",
        from: "        synchronize();\n    }\n}\n",
        to: "    }\n}\n",
        test: ("database", "nothing_is_used_after_it_was_freed"),
    },
    Mutant {
        name: "a group is freed without a grace period",
        file: "rcu.rs",
        from: "unsafe { bindings::call_rcu((*node).head.get(), Some(free_node::<T>)) };",
        to: "unsafe { free_node::<T>((*node).head.get()) };",
        test: ("database", "a_deleted_group_is_not_freed_under_readers_that_began_before"),
    },
    Mutant {
        name: "a slot is used again while it is read",
        file: "rcu.rs",
        from: "unsafe { bindings::call_rcu((*node).head.get(), Some(free_node::<T>)) };",
        to: "unsafe { free_node::<T>((*node).head.get()) };",
        test: ("answers", "an_answer_that_is_read_outlives_its_slot"),
    },
    Mutant {
        name: "a counted reference counts nothing",
        file: "rcu.rs",
        from: "RcuArc(Arc::clone(&published))",
        to: "RcuArc(ManuallyDrop::into_inner(published))",
        test: ("database", "a_counted_reference_outlives_the_publication"),
    },
    Mutant {
        name: "unload does not wait for callbacks",
        file: "rcu.rs",
        from: "unsafe { bindings::rcu_barrier() };",
        to: "let _: unsafe fn() = bindings::rcu_barrier;",
        test: ("database", "unload_waits_for_what_was_deleted"),
    },
    Mutant {
        name: "a slot is replaced whatever is in it",
        file: "rcu.rs",
        from: "match self.pointer.cmpxchg(found, new, Full) {",
        to: "let _ = found;\n        match Ok::<_, ()>(self.pointer.xchg(new, Full)) {",
        test: ("answers", "two_shells_never_see_each_others_answers"),
    },
    Mutant {
        name: "combining is off by one",
        file: "combining.rs",
        from: "let wanted = turns.begun + 1;",
        to: "let wanted = turns.begun;",
        test: ("combining", "no_answer_from_a_run_that_began_before_the_command"),
    },
    Mutant {
        name: "those who wait do not share",
        file: "combining.rs",
        from: "Ok(_) => turns.succeeded = number,",
        to: "Ok(_) => {}",
        test: ("combining", "all_who_wait_share_one_run"),
    },
    Mutant {
        name: "nobody is told that a turn has ended",
        file: "combining.rs",
        from: "        drop(turns);\n        self.turn_ended.notify_all();\n        outcome",
        to: "        drop(turns);\n        outcome",
        test: ("combining", "no_answer_from_a_run_that_began_before_the_command"),
    },
    Mutant {
        name: "only one is told that a turn has ended",
        file: "combining.rs",
        from: "        drop(turns);\n        self.turn_ended.notify_all();\n        outcome",
        to: "        drop(turns);\n        self.turn_ended.notify_one();\n        outcome",
        test: ("combining", "all_who_wait_share_one_run"),
    },
    Mutant {
        name: "two run at once",
        file: "combining.rs",
        from: "if !turns.running {",
        to: "if turns.begun < 2 {",
        test: ("combining", "no_answer_from_a_run_that_began_before_the_command"),
    },
    Mutant {
        name: "a killed run fails those who wait",
        file: "combining.rs",
        from: "Err(error) if error.is_private() => {}",
        to: "Err(error) if !error.is_private() => {}",
        test: ("combining", "a_private_failure_does_not_fail_those_who_waited"),
    },
    Mutant {
        name: "a failed run counts as one that succeeded",
        file: "combining.rs",
        from: "Err(error) => turns.failed = Some((number, *error)),",
        to: "Err(_) => turns.succeeded = number,",
        test: ("combining", "a_failure_is_shared_by_those_who_waited_for_it"),
    },
    Mutant {
        name: "a signal keeps its thread waiting",
        file: "combining.rs",
        from: "                return Err(Refused::Signal);\n",
        to: "",
        test: ("combining", "a_signal_ends_a_wait"),
    },
    Mutant {
        name: "a closed door stays open",
        file: "combining.rs",
        from: "            if self.is_closing() {",
        to: "            if self.is_closing() && turns.running {",
        test: ("combining", "closing_wakes_all_who_wait"),
    },
    Mutant {
        name: "closing is not told to those who wait",
        file: "combining.rs",
        from: "        self.closing.store(1, Relaxed);\n        drop(turns);\n        self.turn_ended.notify_all();",
        to: "        self.closing.store(1, Relaxed);\n        drop(turns);",
        test: ("combining", "closing_wakes_those_who_wait_for_a_run_that_goes_on"),
    },
    Mutant {
        name: "steps are not exclusive",
        file: "combining.rs",
        from: "let _turns = self.turns.lock();",
        to: "let _ = self.turns.lock();",
        test: ("combining", "exclusive_steps_do_not_interleave"),
    },
    Mutant {
        name: "a reset withdraws the old set before its scan",
        file: "database.rs",
        from: "            let scanned = scan()?;",
        to: "            drop(self.published.replace(None));\n            let scanned = scan()?;",
        test: ("database", "a_failed_reset_leaves_the_old_set"),
    },
    Mutant {
        name: "two groups are removed at once",
        file: "database.rs",
        from: "        self.writers.exclusively(|| {\n            self.read(",
        to: "        Some(()).map_or(false, |()| {\n            self.read(",
        test: ("database", "two_deletes_of_one_group_succeed_once"),
    },
    Mutant {
        name: "an answer that lost its slot is forgotten",
        file: "answers.rs",
        from: "Err(Some(back)) => kept = back,",
        to: "Err(Some(_)) => return,",
        test: ("answers", "two_shells_never_see_each_others_answers"),
    },
    Mutant {
        name: "bytes are counted before the answer is in its slot",
        file: "answers.rs",
        from: "                    self.forget(old);\n                    self.bytes.add(size, Relaxed);",
        to: "                    self.bytes.add(size, Relaxed);\n                    self.forget(old);",
        test: ("answers", "a_shell_sees_its_latest_answer_beside_others"),
    },
];
