// SPDX-License-Identifier: GPL-2.0-only

//! The runner reports the outcomes of broken tests correctly. Needs neither root nor a virtual machine.

use std::process::Command;

#[test]
fn broken_tests_do_not_pass() {
    let output = Command::new(env!("CARGO_BIN_EXE_guest-tests"))
        .arg("broken")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "test broken::passes ... ok\n",
        "test broken::fails ... FAILED\n    expected one thing, got another\n",
        "test broken::differs ... FAILED\n    a number (tests/src/cases/broken.rs:",
        ")\n      expected: 2\n      actual:   1\n",
        "test broken::panics ... FAILED\n",
        "test broken::skips ... skipped: the machine lacks a thing\n",
        "test broken::hangs ... FAILED\n    killed after its time limit of 1 s\n",
        "test broken::is_killed ... FAILED\n    killed by signal 9\n",
        "test broken::worker_cannot_start ... FAILED\n",
        "test broken::worker_dies ... FAILED\n    a helper process failed: worker plain named worker ended",
        "test broken::leaves_a_process ... ok\n",
    ] {
        assert!(text.contains(expected), "missing: {expected:?} in\n{text}");
    }
    assert!(
        text.ends_with("\n2 passed, 7 failed, 1 skipped\n"),
        "{text}"
    );
    assert!(!output.status.success());
    let names = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let comm = entry.unwrap().path().join("comm");
        std::fs::read_to_string(comm).ok()
    });
    let left = names.filter(|name| name == "left-behind\n").count();
    assert_eq!(left, 0, "a process of a test outlived the runner");
}
