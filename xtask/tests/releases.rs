// SPDX-License-Identifier: GPL-2.0-only

//! Kernel releases are written down in one table only, and in what was measured on them.

use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;

/// Files that may name releases: results, and reports of runs.
const RESULTS: &[&str] = &[
    "xtask/kernels/results.toml",
    "docs/kernels.md",
    "docs/plots/",
    "stress/reports/",
    "Cargo.lock",
];

#[test]
fn no_release_is_written_down_elsewhere() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = fs::read_to_string(project.join("xtask/kernels/supported.toml")).unwrap();
    let names = Regex::new(r#"(?m)^name = "(\d+\.\d+)"$"#).unwrap();
    let series: Vec<_> = names
        .captures_iter(&table)
        .map(|name| regex::escape(&name[1]))
        .collect();
    assert!(
        !series.is_empty(),
        "the table of supported kernels is empty"
    );
    let release = Regex::new(&format!(r"\b({})\.\d+\b", series.join("|"))).unwrap();
    let files = Command::new("git")
        .current_dir(project)
        .args(["ls-files", "-z"])
        .output()
        .unwrap();
    assert!(files.status.success(), "git cannot list the files");
    let mut found = Vec::new();
    for name in String::from_utf8(files.stdout)
        .unwrap()
        .split_terminator('\0')
    {
        if RESULTS.iter().any(|result| name.starts_with(result)) {
            continue;
        }
        let text = fs::read_to_string(project.join(name)).unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            if release.is_match(line) {
                found.push(format!("{name}:{}: {line}", index + 1));
            }
        }
    }
    assert!(
        found.is_empty(),
        "these name a kernel release; name a series, or leave it to xtask/kernels/supported.toml:\n{}",
        found.join("\n")
    );
}
