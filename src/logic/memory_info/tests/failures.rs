// SPDX-License-Identifier: GPL-2.0-only

//! The messages of the file, word for word.

use logic::command_line::{CommandFailure, SUCCESS};
use logic_memory_info::failure::Failure;
use std::collections::HashSet;

#[test]
fn table_1() {
    let table = [
        (Failure::BadAddress, "[ERROR]: Bad address\n"),
        (Failure::NoSuchProcess, "[ERROR]: No such process\n"),
        (Failure::InvalidArgument, "[ERROR]: Invalid argument\n"),
        (Failure::NoMemory, "[ERROR]: Memory allocation error\n"),
    ];
    for (failure, line) in table {
        assert_eq!(failure.line(), line);
    }
    assert_eq!(SUCCESS, "[SUCCESS]\n");
}

#[test]
fn each_failure_has_one_line_of_its_own() {
    let lines: HashSet<_> = Failure::ALL.iter().map(|failure| failure.line()).collect();
    assert_eq!(lines.len(), Failure::ALL.len());
    for line in lines {
        assert!(line.starts_with("[ERROR]: "), "{line}");
        assert!(line.ends_with('\n') && line.lines().count() == 1, "{line}");
    }
}
