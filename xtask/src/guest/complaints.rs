// SPDX-License-Identifier: GPL-2.0-only

//! Detection of kernel log lines that report an error of the kernel. They fail a run even if the guest reports success.

use regex::{Regex, RegexSet};

const PATTERNS: &[&str] = &[
    r"\bWARNING: ",
    r"\bBUG: ",
    r"kernel BUG at ",
    r"\bOops\b",
    r"Kernel panic",
    r"\bpanicked at\b",
    r"\bCall Trace:",
    r"cut here \]",
    r"general protection fault",
    r"[Uu]nable to handle (kernel|page fault)",
    r"invalid opcode: ",
    r"divide error: ",
    r"stack segment: ",
    r"\bK(A|C|M)SAN: ",
    r"\bUBSAN: ",
    r"possible (recursive locking|circular locking dependency|irq lock inversion|unsafe)",
    r"inconsistent (lock state|\{)",
    r"bad unlock balance",
    r"held lock freed",
    r"lock held when returning to user space",
    r"Invalid wait context",
    r"suspicious RCU usage",
    r"rcu.*(detected (expedited )?stalls|self-detected stall|kthread.*starved)",
    r"scheduling while atomic",
    r"sleeping function called from invalid context",
    r"trying to register non-static key",
    r"soft lockup",
    r"hard LOCKUP",
    r"task .* blocked (for more than|in I/O wait)",
    r"kmemleak: \d+ new suspected memory leaks",
    r"(list_add|list_del) corruption",
    r"\brefcount_t: ",
    r"ODEBUG: ",
    r"Bad (page state|page map|rss-counter)",
    r"Objects remaining",
    r"Slab (corruption|.*Poison overwritten)",
    r"Poison overwritten",
    r"Redzone overwritten",
    r"page allocation failure",
    r"Out of memory: ",
    r"double fault",
    r"stack guard page",
    r"Attempted to kill init",
];

/// A KCSAN report without a module's name in brackets: a race of the kernel itself, which is not the modules' fault.
const KERNEL_RACE: &str = r"\bBUG: KCSAN: .* in [^\[]*$";

/// Returns the lines of `log` that report an error, in the order of the log.
pub fn complaints(log: &str) -> Vec<&str> {
    let patterns =
        RegexSet::new(PATTERNS).expect("the patterns are constants that the tests compile");
    let kernel_race =
        Regex::new(KERNEL_RACE).expect("the pattern is a constant that the tests compile");
    log.lines()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| patterns.is_match(line) && !kernel_race.is_match(line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::complaints;

    /// One line of each kind as kernels print them: each must be caught.
    const BAD: &[&str] = &[
        "[    5.1] WARNING: CPU: 0 PID: 88 at mm/memory.c:120 foo+0x1/0x2 [memory_info]",
        "[    5.1] WARNING: possible recursive locking detected",
        "[    5.1] WARNING: suspicious RCU usage",
        "[    5.1] BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "[    5.1] BUG: unable to handle page fault for address: ffff888000000000",
        "[    5.1] BUG: KASAN: slab-use-after-free in memory_info+0x1/0x2",
        "[    5.1] BUG: KCSAN: data-race in __set_task_comm / memory_info_scan [memory_info]",
        "[    5.1] BUG: KCSAN: assert: race in kfree / memory_info_read [memory_info]",
        "[    5.1] BUG: KCSAN: data-race in memory_info_read [memory_info] / memory_info_write [memory_info]",
        "[    5.1] BUG: scheduling while atomic: cat/99/0x00000002",
        "[    5.1] BUG: sleeping function called from invalid context at mm/page_alloc.c:1",
        "[    5.1] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [cat:99]",
        "[    5.1] Oops: Oops: 0000 [#1] SMP",
        "[    5.1] Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1]",
        "[    5.1] kernel BUG at lib/list_debug.c:29!",
        "[    5.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        "[    5.1] rust_kernel: panicked at src/lib.rs:1:2:",
        "[    5.1] Call Trace:",
        "[    5.1] ------------[ cut here ]------------",
        "[    5.1] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "[    5.1] rcu: INFO: rcu_sched self-detected stall on CPU",
        "[    5.1] INFO: task bash:99 blocked for more than 122 seconds.",
        "[    5.1] INFO: trying to register non-static key.",
        "[    5.1] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "[    5.1] refcount_t: underflow; use-after-free.",
        "[    5.1] list_del corruption. prev->next should be ffff, but was dead",
        "[    5.1] BUG: Bad page state in process cat  pfn:00001",
        "[    5.1] BUG: Bad rss-counter state mm:ffff type:MM_ANONPAGES val:1",
        "[    5.1] UBSAN: array-index-out-of-bounds in mm/foo.c:1:2",
        "[    5.1] invalid opcode: 0000 [#1] SMP",
        "[    5.1] BUG memory_info (Tainted: G): Objects remaining on __kmem_cache_shutdown()",
        "[    5.1] Out of memory: Killed process 99 (guest-tests)",
    ];

    /// Lines that a healthy boot and a healthy module print; none of them may be caught.
    const GOOD: &[&str] = &[
        "[    0.0] Linux version 9.2.12+deb99-cloud-amd64 (debian-kernel@lists.debian.org)",
        "[    0.0] rcu: Preemptible hierarchical RCU implementation.",
        "[    0.0] rcu: \tRCU debug extended QS entry/exit.",
        "[    0.1] kmemleak: Kernel memory leak detector initialized (mem pool available: 15000)",
        "[    0.1] Spectre V2 : Vulnerable",
        "[    0.2] kasan: KernelAddressSanitizer initialized (generic)",
        "[    0.2] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
        "[    0.2] kcsan: selftest: 3/3 tests passed",
        "[    0.2] BUG: KCSAN: data-race in tick_nohz_stop_tick / tick_sched_do_timer",
        "[    0.3] debug: unmapping init [mem 0xffffffff82000000]",
        "[    3.1] memory_info: loading out-of-tree module taints kernel.",
        "[    3.1] memory_info: module verification failed: signature and/or required key missing",
        "[    3.1] memory_info: [ERROR]: Memory allocation error",
        "[    3.1] memory_info: [ERROR]: No such process",
        "[    9.9] reboot: Power down",
    ];

    #[test]
    fn every_kind_of_complaint_is_caught() {
        for line in BAD {
            assert_eq!(complaints(line), [*line]);
        }
        assert_eq!(complaints(&BAD.join("\r\n")).len(), BAD.len());
    }

    #[test]
    fn a_healthy_log_is_let_through() {
        assert_eq!(complaints(&GOOD.join("\n")), Vec::<&str>::new());
    }
}
