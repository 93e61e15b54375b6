// SPDX-License-Identifier: GPL-2.0-only

//! The table of supported kernels, `kernels/supported.toml`.

use std::collections::BTreeMap;

use anyhow::{ensure, Context, Result};
use serde::Deserialize;

/// The table as it is in the repository.
const TABLE: &str = include_str!("../../kernels/supported.toml");

/// The kernels that the project supports.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Supported {
    /// The flavour that is used if none is requested.
    pub default_flavour: String,
    /// The supported series, the newest first.
    pub series: Vec<Series>,
}

/// One series, such as all 9.1 kernels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The first two numbers of its releases.
    pub name: String,
    flavours: BTreeMap<String, Level>,
}

/// What is tested on a kernel.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The modules build, and all guest tests pass.
    Boots,
    /// The modules build; no guest is booted.
    Builds,
}

/// One row of the table: a series in one flavour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The series, such as `9.1`.
    pub series: String,
    /// The flavour, such as `cloud-amd64`.
    pub flavour: String,
}

/// The position of a series relative to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is in the table.
    Supported,
    /// It is newer than all series of the table, or lies between two.
    Untested,
    /// It is older than all series of the table.
    TooOld,
}

impl Supported {
    /// Returns the table of this repository.
    pub fn load() -> Result<Self> {
        Self::parse(TABLE)
            .context("xtask/kernels/supported.toml is not a valid table of supported kernels")
    }

    /// Parses a table and checks what the rest of the program relies on.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text)?;
        ensure!(!table.series.is_empty(), "it has no series");
        ensure!(
            table
                .series
                .windows(2)
                .all(|pair| numbers(&pair[0].name) > numbers(&pair[1].name)),
            "its series are not in descending order"
        );
        for series in &table.series {
            ensure!(
                series.flavours.contains_key(&table.default_flavour),
                "series {} lacks the default flavour {}",
                series.name,
                table.default_flavour
            );
        }
        Ok(table)
    }

    /// Returns all rows with their levels, in the table's order, each series' default flavour first.
    pub fn rows(&self) -> Vec<(Row, Level)> {
        let mut rows = Vec::new();
        for series in &self.series {
            let is_default = |flavour: &String| *flavour == self.default_flavour;
            let default = series.flavours.iter().filter(|(name, _)| is_default(name));
            let others = series.flavours.iter().filter(|(name, _)| !is_default(name));
            rows.extend(default.chain(others).map(|(flavour, level)| {
                let row = Row {
                    series: series.name.clone(),
                    flavour: flavour.clone(),
                };
                (row, *level)
            }));
        }
        rows
    }

    /// Returns the row of each series in the default flavour, the newest first.
    pub fn defaults(&self) -> Vec<Row> {
        self.series
            .iter()
            .map(|series| self.row(&series.name))
            .collect()
    }

    /// Returns the row of `series` in the default flavour.
    pub fn row(&self, series: &str) -> Row {
        Row {
            series: series.to_owned(),
            flavour: self.default_flavour.clone(),
        }
    }

    /// Returns the position of `series` relative to the table.
    pub fn standing(&self, series: &str) -> Standing {
        let oldest = self.series.last().map(|oldest| numbers(&oldest.name));
        if self.series.iter().any(|known| known.name == series) {
            Standing::Supported
        } else if oldest.is_some_and(|oldest| numbers(series) < oldest) {
            Standing::TooOld
        } else {
            Standing::Untested
        }
    }

    /// Returns the names of all series, separated by commas.
    pub fn names(&self) -> String {
        let names: Vec<_> = self.series.iter().map(|one| one.name.as_str()).collect();
        names.join(", ")
    }
}

impl Row {
    /// Returns the name of the row on the command line.
    pub fn name(&self) -> String {
        format!("{}-{}", self.series, self.flavour)
    }
}

/// Returns the numbers in `text`, which order series, releases of one series and their revisions.
pub fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Standing, Supported};

    const TABLE: &str = r#"
        default-flavour = "cloud"
        [[series]]
        name = "9.10"
        flavours = { rt = "boots", cloud = "boots" }
        [[series]]
        name = "9.8"
        flavours = { cloud = "builds" }
    "#;

    #[test]
    fn the_repositorys_table_is_valid() {
        Supported::load().unwrap();
    }

    #[test]
    fn rows_begin_with_the_default_flavour() {
        let table = Supported::parse(TABLE).unwrap();
        let names: Vec<_> = table.rows().iter().map(|(row, _)| row.name()).collect();
        assert_eq!(names, ["9.10-cloud", "9.10-rt", "9.8-cloud"]);
    }

    #[test]
    fn series_are_compared_as_numbers() {
        let table = Supported::parse(TABLE).unwrap();
        assert_eq!(table.standing("9.10"), Standing::Supported);
        assert_eq!(table.standing("9.9"), Standing::Untested);
        assert_eq!(table.standing("10.0"), Standing::Untested);
        assert_eq!(table.standing("9.7"), Standing::TooOld);
        assert_eq!(table.standing("8.12"), Standing::TooOld);
    }

    #[test]
    fn a_table_in_the_wrong_order_is_refused() {
        let swapped = TABLE.replace("9.10", "9.1");
        let error = Supported::parse(&swapped).unwrap_err().to_string();
        assert!(error.contains("descending"), "{error}");
    }
}
