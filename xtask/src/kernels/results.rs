// SPDX-License-Identifier: GPL-2.0-only

//! The results of the last `cargo xtask matrix`, `kernels/results.toml`, and the documents' table made of them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::host::cache;
use crate::host::project::Project;
use crate::kernels::supported::{Level, Row, Supported};

const FILE: &str = "xtask/kernels/results.toml";
const DOCUMENT: &str = "docs/kernels.md";
const BEGIN: &str = "<!-- kernels: begin -->\n";
const END: &str = "<!-- kernels: end -->";
const HEAD: &str =
    "# SPDX-License-Identifier: GPL-2.0-only\n#\n# Written by `cargo xtask matrix`.\n\n";

/// The last result of each row.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The results, in the order of the table of supported kernels.
    #[serde(default)]
    pub result: Vec<RowResult>,
}

/// The result of one row of the table.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RowResult {
    /// The name of the row, a series and a flavour.
    pub row: String,
    /// The release that was tested.
    pub release: String,
    /// The commit that was tested.
    pub source: String,
    /// True if the modules were built and, where the level asks for it, all guest tests passed.
    pub ok: bool,
    /// Numbers of guest tests; none where the modules were only built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_tests: Option<Counts>,
}

/// Numbers of tests by outcome.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Number of tests that passed.
    pub passed: usize,
    /// Number of tests that failed.
    pub failed: usize,
    /// Number of tests that were skipped.
    pub skipped: usize,
}

impl Results {
    /// Reads the results of this checkout.
    pub fn load(project: &Project) -> Result<Self> {
        let path = project.dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
            }
            Err(_) => Ok(Self::default()),
        }
    }

    /// Returns the result of `row`.
    pub fn of(&self, row: &Row) -> Option<&RowResult> {
        let name = row.name();
        self.result.iter().find(|result| result.row == name)
    }

    /// Replaces the result of its row by `new`, and drops those of rows that are not supported any more.
    pub fn update(&mut self, supported: &Supported, new: RowResult) {
        self.result.retain(|old| old.row != new.row);
        self.result.push(new);
        let rows: Vec<_> = supported.rows().iter().map(|(row, _)| row.name()).collect();
        let place = |result: &RowResult| rows.iter().position(|name| *name == result.row);
        self.result.retain(|result| place(result).is_some());
        self.result.sort_by_key(|result| place(result));
    }

    /// Writes the results, and the table made of them into the document.
    pub fn save(&self, project: &Project, supported: &Supported) -> Result<()> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        cache::replace_file(&project.dir.join(FILE), &text)?;
        let path = document(project);
        let old =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let new = with_table(&old, &self.table(supported))
            .with_context(|| format!("{} has no table of kernels", path.display()))?;
        cache::replace_file(&path, &new)
    }

    /// Returns the documents' table.
    pub fn table(&self, supported: &Supported) -> String {
        let mut text = String::from(
            "| kernel | promised | last tested release | result |\n|---|---|---|---|\n",
        );
        for (row, level) in supported.rows() {
            let promised = match level {
                Level::Boots => "builds, all guest tests pass",
                Level::Builds => "builds",
            };
            let (release, result) = match self.of(&row) {
                Some(result) => (format!("`{}`", result.release), result.in_words()),
                None => ("none".to_owned(), "not tested yet".to_owned()),
            };
            let default = match supported.defaults().first() == Some(&row) {
                true => " (default)",
                false => "",
            };
            text.push_str(&format!(
                "| `{}`{default} | {promised} | {release} | {result} |\n",
                row.name()
            ));
        }
        text
    }
}

impl RowResult {
    fn in_words(&self) -> String {
        let verdict = match (self.ok, self.guest_tests) {
            (true, None) => "built".to_owned(),
            (false, None) => "**build failed**".to_owned(),
            (_, Some(counts)) => format!(
                "{} passed, {} failed, {} skipped",
                counts.passed, counts.failed, counts.skipped
            ),
        };
        format!("{verdict} ({})", self.source)
    }
}

fn document(project: &Project) -> PathBuf {
    project.dir.join(DOCUMENT)
}

/// Returns `document` with `table` between the markers.
fn with_table(document: &str, table: &str) -> Option<String> {
    let begin = document.find(BEGIN)? + BEGIN.len();
    let end = begin + document[begin..].find(END)?;
    Some(format!("{}{table}{}", &document[..begin], &document[end..]))
}

#[cfg(test)]
mod tests {
    use super::{document, with_table, Counts, Results, RowResult};
    use crate::host::project::Project;
    use crate::kernels::supported::{Level, Supported};

    #[test]
    fn the_document_has_the_last_results() {
        let project = Project::open().unwrap();
        let supported = Supported::load().unwrap();
        let table = Results::load(&project).unwrap().table(&supported);
        let text = std::fs::read_to_string(document(&project)).unwrap();
        assert!(
            with_table(&text, &table).as_deref() == Some(text.as_str()),
            "docs/kernels.md differs from the results: run cargo xtask matrix"
        );
    }

    #[test]
    fn every_row_was_tested_and_keeps_its_promise() {
        let project = Project::open().unwrap();
        let results = Results::load(&project).unwrap();
        for (row, level) in Supported::load().unwrap().rows() {
            let name = row.name();
            let result = results.of(&row);
            let result = result.unwrap_or_else(|| panic!("{name} was never tested"));
            assert!(result.ok, "{name} failed when it was tested last");
            let booted = result.guest_tests.is_some();
            assert_eq!(booted, level == Level::Boots, "{name}");
        }
    }

    #[test]
    fn a_new_result_replaces_the_old_one_in_its_place() {
        let table = "default-flavour = \"a\"\n[[series]]\nname = \"9.2\"\nflavours = { a = \"boots\", b = \"builds\" }\n";
        let supported = Supported::parse(table).unwrap();
        let result = |row: &str, ok| RowResult {
            row: row.to_owned(),
            release: "9.2.1-a".to_owned(),
            source: "commit 1".to_owned(),
            ok,
            guest_tests: Some(Counts {
                passed: 3,
                failed: 0,
                skipped: 1,
            }),
        };
        let mut results = Results::default();
        for (row, ok) in [
            ("9.2-b", true),
            ("9.2-a", false),
            ("9.2-a", true),
            ("9.1-a", true),
        ] {
            results.update(&supported, result(row, ok));
        }
        assert_eq!(
            results.result,
            [result("9.2-a", true), result("9.2-b", true)]
        );
        assert!(results
            .table(&supported)
            .contains("| `9.2-a` (default) | builds, all guest tests pass | `9.2.1-a` | 3 passed, 0 failed, 1 skipped (commit 1) |"));
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let document = "a\n<!-- kernels: begin -->\nold\n<!-- kernels: end -->\nb\n";
        assert_eq!(
            with_table(document, "new\n").unwrap(),
            "a\n<!-- kernels: begin -->\nnew\n<!-- kernels: end -->\nb\n"
        );
        assert_eq!(with_table("none", "new"), None);
    }
}
