// SPDX-License-Identifier: GPL-2.0-only

//! What people and programs read of a run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde_json::json;

use super::figures::Judged;
use super::samples::Samples;
use crate::host::cache;

/// The figures, and what was skipped, as a table that is Markdown too.
pub fn table(figures: &[Judged], samples: &Samples) -> String {
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
    for judged in figures {
        let number = |value: f64| {
            if value.abs() < 100.0 {
                format!("{value:.2}")
            } else {
                format!("{value:.0}")
            }
        };
        let spread = judged.spread;
        table.add_row([
            judged.figure.experiment().to_owned(),
            judged.figure.of().to_owned(),
            number(spread.median),
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
        ("was skipped", &samples.skipped),
        ("FAILED", &samples.failed),
    ] {
        for (experiment, reason) in experiments {
            text.push_str(&format!("\n{experiment} {what}: {reason}"));
        }
    }
    text
}

/// Writes the samples and figures into `directory` as `bench-<name>.json`, and `report` as `bench-<name>.md`.
pub fn write(
    directory: &Path,
    name: &str,
    kernel: &str,
    report: &str,
    figures: &[Judged],
    samples: &Samples,
) -> Result<()> {
    cache::create_dir(directory)?;
    let figures: Vec<_> = figures
        .iter()
        .map(|judged| {
            json!({
                "experiment": judged.figure.experiment(),
                "measured": judged.figure.of(),
                "unit": judged.unit,
                "lower_quartile": judged.spread.lower,
                "median": judged.spread.median,
                "upper_quartile": judged.spread.upper,
                "target": judged.target.to_string(),
                "met": judged.is_met(),
            })
        })
        .collect();
    let skipped: Vec<_> = samples
        .skipped
        .iter()
        .map(|(experiment, reason)| json!({ "experiment": experiment, "reason": reason }))
        .collect();
    let document = json!({
        "kernel": kernel,
        "figures": figures,
        "skipped": skipped,
        "samples": samples.samples,
    });
    let json = serde_json::to_string_pretty(&document)? + "\n";
    for (suffix, text) in [("json", json.as_str()), ("md", report)] {
        let path = directory.join(format!("bench-{name}.{suffix}"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
