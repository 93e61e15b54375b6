// SPDX-License-Identifier: GPL-2.0-only

//! The report of a run: a table of figures in Markdown, the samples as JSON, and charts.

use crate::figures::Judged;
use crate::plots;
use crate::samples::Samples;
use crate::targets::FIGURES;
use anyhow::{Context, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Suffix of a source revision whose tree was changed after the commit.
const CHANGED: &str = ", changed";

/// Conditions of a run.
pub struct Conditions {
    /// Kernel of the guest.
    pub kernel: String,
    /// Revision of the source, which ends with `, changed` if the tree differs from the commit.
    pub source: String,
    /// Number of measurements of each experiment.
    pub rounds: u32,
    /// True if the guest ran at the speed of the machine. The targets do not apply to emulation.
    pub has_native_speed: bool,
}

/// The figures of a run.
pub struct Report {
    conditions: Conditions,
    samples: Samples,
    figures: Vec<Judged>,
}

impl Report {
    /// Computes all figures whose measures are in `samples`.
    pub fn new(samples: Samples, conditions: Conditions) -> Self {
        let mut figures: Vec<Judged> = FIGURES
            .iter()
            .filter_map(|figure| figure.judge(&samples))
            .collect();
        if !conditions.has_native_speed {
            figures.iter_mut().for_each(Judged::forget_target);
        }
        Self {
            conditions,
            samples,
            figures,
        }
    }

    /// Returns true if no experiment failed.
    pub fn is_complete(&self) -> bool {
        self.samples.failed.is_empty()
    }

    /// Returns true if all targets are met.
    pub fn meets_targets(&self) -> bool {
        self.figures.iter().all(Judged::is_met)
    }

    /// Returns a description of each experiment that failed, and of each figure that misses its target by more than
    /// `factor`.
    pub fn problems(&self, factor: f64) -> Vec<String> {
        let failed = self.samples.failed.iter();
        failed
            .map(|(experiment, reason)| format!("{experiment}: {reason}"))
            .chain(self.beyond(factor).map(Judged::to_string))
            .collect()
    }

    /// Returns the names of the experiments whose figures miss their targets by more than `factor`.
    pub fn experiments_beyond(&self, factor: f64) -> BTreeSet<&'static str> {
        self.beyond(factor)
            .flat_map(|judged| judged.figure.experiments())
            .collect()
    }

    fn beyond(&self, factor: f64) -> impl Iterator<Item = &Judged> {
        self.figures
            .iter()
            .filter(move |judged| !judged.is_within(factor))
    }

    /// Returns the report in Markdown.
    pub fn text(&self) -> String {
        let Conditions {
            kernel,
            source,
            rounds,
            ..
        } = &self.conditions;
        let warning = match source.strip_suffix(CHANGED) {
            Some(commit) => format!(
                "\n\n**The source tree was changed after {commit}: these numbers cannot be reproduced from it.**"
            ),
            None => String::new(),
        };
        format!(
            "# {kernel}\n\nSource: {source}. Rounds: {rounds}.{warning}\n\n{}\n",
            self.table()
        )
    }

    /// Returns the table of figures in Markdown, followed by the skipped and the failed experiments.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(ASCII_MARKDOWN).set_header([
            "experiment",
            "measured",
            "median",
            "quartiles",
            "unit",
            "target",
            "",
        ]);
        for judged in &self.figures {
            let spread = judged.spread;
            let median = match judged.noise {
                Some(noise) => format!("below noise ({})", number(noise)),
                None => number(spread.median),
            };
            table.add_row([
                judged.figure.experiment().to_owned(),
                judged.figure.of().to_owned(),
                median,
                format!("{} - {}", number(spread.lower), number(spread.upper)),
                judged.unit.clone(),
                judged.target.to_string(),
                judged.verdict().to_owned(),
            ]);
        }
        for column in [2, 3, 5] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = table.to_string();
        for (what, experiments) in [
            ("was skipped", &self.samples.skipped),
            ("FAILED", &self.samples.failed),
        ] {
            for (experiment, reason) in experiments {
                text.push_str(&format!("\n{experiment} {what}: {reason}"));
            }
        }
        text
    }

    /// Writes `bench-<name>.md` with the report and `bench-<name>.json` with figures and samples into `directory`,
    /// which must exist. Returns the paths of the files.
    pub fn write(&self, directory: &Path, name: &str) -> Result<Vec<PathBuf>> {
        let json = serde_json::to_string_pretty(&self.json())? + "\n";
        let files = [("json", json), ("md", self.text())].map(|(suffix, text)| {
            let path = directory.join(format!("bench-{name}.{suffix}"));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        });
        files.into_iter().collect()
    }

    /// Draws the charts into `directory`, which must exist. Returns the paths of the files.
    pub fn draw(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        plots::draw(directory, &self.samples)
    }

    fn json(&self) -> Value {
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|judged| {
                json!({
                    "experiment": judged.figure.experiment(),
                    "measured": judged.figure.of(),
                    "unit": judged.unit,
                    "lower_quartile": judged.spread.lower,
                    "median": judged.spread.median,
                    "upper_quartile": judged.spread.upper,
                    "below_noise": judged.noise,
                    "target": judged.target.to_string(),
                    "met": judged.is_met(),
                })
            })
            .collect();
        let skipped: Vec<_> = self
            .samples
            .skipped
            .iter()
            .map(|(experiment, reason)| json!({ "experiment": experiment, "reason": reason }))
            .collect();
        json!({
            "kernel": self.conditions.kernel,
            "source": self.conditions.source,
            "figures": figures,
            "skipped": skipped,
            "samples": self.samples.samples,
        })
    }
}

fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Conditions, Report};
    use crate::message::{Message, Sample};
    use crate::samples::Samples;

    fn report(source: &str) -> Report {
        let sample = |measure: &str, value| {
            Message::Sample(Sample {
                experiment: "memory::kept".into(),
                measure: measure.into(),
                round: 0,
                value,
                unit: "bytes".into(),
            })
        };
        let samples = vec![
            sample("a set of one process", 256.0),
            sample("a pid", -43.0),
        ];
        Report::new(
            Samples::new(samples),
            Conditions {
                kernel: "native".into(),
                source: source.into(),
                rounds: 1,
                has_native_speed: true,
            },
        )
    }

    #[test]
    fn a_report_says_what_cannot_be_relied_on() {
        let clean = report("commit 1234567");
        assert!(!clean.text().contains("was changed"));
        assert!(clean.text().contains("below noise (43.00)"));
        assert!(!clean.meets_targets());
        assert!(clean.problems(2.0).is_empty());
        let changed = report("commit 1234567, changed");
        assert!(changed.text().contains("was changed after commit 1234567"));
    }
}
