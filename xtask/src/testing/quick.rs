// SPDX-License-Identifier: GPL-2.0-only

//! `cargo xtask test --quick`: the checks that a developer runs after each change.

use anyhow::Result;

use crate::host::project::Project;
use crate::host::workspace::Workspace;
use crate::testing::session::Session;
use crate::testing::suite::Suite;
use crate::testing::suites::{run_vm_suite, VM};
use crate::testing::summary::Summary;
use crate::testing::vm_suite::VmSuite;

/// The suites of a quick run.
const SUITES: &[Suite] = suites! {
    "fmt" => fmt,
    "clippy-host" => clippy_host,
    "host" => host,
    "loom-quick" => loom_quick,
    "build" => build,
};

/// The groups of guest tests, one for each module: the name of its folder in `src/`, and `::`.
const MODULES: &[&str] = &["memory_info::", "moddb::", "vm_layout::"];
/// The groups of guest tests that run when a layer below the modules changed.
const REPRESENTATIVE_GROUPS: &[&str] = &[
    "memory_info::listing::",
    "moddb::operations::",
    "vm_layout::agreement::",
];

/// Runs the quick suites and the guest tests of the changed modules; returns true if none failed.
pub fn run(kernel: Option<&str>) -> Result<bool> {
    let workspace = Workspace::open()?;
    let mut session = Session::new(&workspace, kernel);
    let mut summary = Summary::default();
    for suite in SUITES {
        suite.run(&mut session, &mut summary);
    }
    let suites = guest_tests(&workspace.project)?;
    let in_guest = match suites.is_empty() {
        true => Vec::new(),
        false => session.vm_tests()?,
    };
    for suite in suites {
        let names = suite.names(&in_guest);
        run_vm_suite(&mut session, &suite, &names, None, &mut summary);
    }
    Ok(summary.print())
}

/// Returns the guest tests for the files that differ from the last commit, or that it changed if none differ.
fn guest_tests(project: &Project) -> Result<Vec<VmSuite>> {
    let groups = groups(&project.changed_files()?);
    Ok(groups
        .into_iter()
        .map(|group| VmSuite { group, ..VM })
        .collect())
}

/// Returns the groups of guest tests for changes in `files`: a module's own if the module changed, else the one that
/// represents it if a layer below the modules changed.
fn groups(files: &[String]) -> Vec<&'static str> {
    let mut changed = Vec::new();
    let mut is_shared = false;
    for file in files {
        let parts: Vec<_> = file.split(['/', '.']).collect();
        let of_module = |group: &&&str| parts.contains(&group.trim_end_matches("::"));
        match MODULES.iter().find(of_module) {
            Some(group) if changed.contains(group) => {}
            Some(group) => changed.push(*group),
            None => is_shared |= matches!(parts[0], "src" | "tests" | "guest" | "Kbuild"),
        }
    }
    let represents_unchanged =
        |group: &&&str| !changed.iter().any(|module| group.starts_with(module));
    let representatives = REPRESENTATIVE_GROUPS.iter().filter(|_| is_shared);
    representatives
        .filter(represents_unchanged)
        .chain(&changed)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{groups, REPRESENTATIVE_GROUPS};

    fn of(files: &[&str]) -> Vec<&'static str> {
        let files: Vec<_> = files.iter().map(|file| (*file).to_owned()).collect();
        groups(&files)
    }

    #[test]
    fn a_modules_change_runs_its_tests() {
        assert_eq!(of(&["src/moddb/get.rs"]), ["moddb::"]);
        assert_eq!(of(&["src/logic/vm_layout/json.rs"]), ["vm_layout::"]);
        assert_eq!(of(&["tests/src/memory_info/oracle.rs"]), ["memory_info::"]);
        assert_eq!(of(&["tools/src/moddb.rs"]), ["moddb::"]);
    }

    #[test]
    fn a_shared_layers_change_runs_some_of_every_module() {
        assert_eq!(of(&["src/protocol/rcu.rs"]), REPRESENTATIVE_GROUPS);
        assert_eq!(
            of(&["src/compat/lib.rs", "src/moddb/get.rs"]),
            [
                "memory_info::listing::",
                "vm_layout::agreement::",
                "moddb::"
            ]
        );
    }

    #[test]
    fn documents_and_commands_need_no_guest() {
        assert_eq!(
            of(&["README.md", "docs/testing.md", "xtask/src/main.rs"]),
            [""; 0]
        );
    }
}
