// SPDX-License-Identifier: GPL-2.0-only

//! Charts of a run.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::charts::{Bars, Chart, Line};
use crate::samples::{Samples, Spread};

/// Experiments with different contents of pages, and their names in the chart.
const CONTENTS: &[(&str, &str)] = &[
    ("contents::identical-250k", "identical"),
    ("contents::different-250k", "different"),
    ("contents::half-250k", "half / half"),
    ("contents::last-byte-250k", "last byte"),
    ("contents::last-word-250k", "last word"),
    ("contents::one-byte-250k", "one byte"),
    ("contents::one-line-250k", "one line"),
];
/// Experiment of processes that share a store.
const TABLE: &str = "moddb::table";
/// Numbers of processes in that experiment.
const PROCESSES: [u32; 6] = [1, 2, 4, 6, 8, 10];
/// Numbers of concurrent readers.
const READERS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Draws all charts whose experiments were run into `directory`. Returns the paths of the files.
pub fn draw(directory: &Path, samples: &Samples) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !samples
        .values("contents::different-250k", "reset")
        .is_empty()
    {
        let path = directory.join("bench-contents.svg");
        contents(samples).draw(&path)?;
        files.push(path);
    }
    if !samples
        .values("readers::many", "FILTER of 1 answers")
        .is_empty()
    {
        let path = directory.join("bench-readers.svg");
        readers(samples).draw(&path)?;
        files.push(path);
    }
    for mode in ["read", "write", "mix"] {
        let measure = format!("moddb {mode} of 1");
        if !samples.values(TABLE, &measure).is_empty() {
            let path = directory.join(format!("bench-moddb-{mode}.svg"));
            stores(samples, mode).draw(&path)?;
            files.push(path);
        }
    }
    Ok(files)
}

/// Operations per second by the number of processes, in units of one process with the module.
fn stores(samples: &Samples, mode: &'static str) -> Chart {
    let median = |store: &str, count: u32| {
        let measure = format!("{store} {mode} of {count}");
        Some(Spread::of(samples.values(TABLE, &measure))?.median)
    };
    let one = median("moddb", 1);
    Chart {
        title: match mode {
            "read" => "Reads per second",
            "write" => "Writes per second",
            _ => "Reads and writes per second, equally many of each",
        },
        x: "processes",
        y: "relative to one process with moddb",
        lines: ["moddb", "Redis", "file"]
            .map(|store| Line {
                name: match store {
                    "file" => "a file under flock(2)".to_owned(),
                    store => store.to_owned(),
                },
                points: PROCESSES
                    .iter()
                    .filter_map(|count| Some((f64::from(*count), median(store, *count)? / one?)))
                    .collect(),
            })
            .into(),
    }
}

/// Time per page of RESET and of its yardsticks, by the contents of pages.
fn contents(samples: &Samples) -> Bars {
    let series = [
        ("RESET", "reset"),
        ("a scan in user space", "user space"),
        ("KSM", "KSM"),
    ]
    .map(|(name, measure)| {
        let bar = |(experiment, _): &(&str, &str)| {
            Some(Spread::of(samples.ratios(experiment, measure, "pass"))?.median)
        };
        (name.to_owned(), CONTENTS.iter().map(bar).collect())
    });
    Bars {
        title: "Time per page, 250,000 read-only pages",
        y: "relative to reading each page once",
        groups: CONTENTS
            .iter()
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        series: series.into(),
    }
}

/// Answers per second by the number of readers, alone and during RESETs.
fn readers(samples: &Samples) -> Chart {
    let median = |measure: &str| Some(Spread::of(samples.values("readers::many", measure))?.median);
    let lines = ["FILTER", "ALL"].into_iter().flat_map(|command| {
        let one = median(&format!("{command} of 1 answers"));
        ["", " during RESETs"].map(|when| Line {
            name: format!("{command}{when}"),
            points: READERS
                .iter()
                .filter_map(|count| {
                    let value = median(&format!("{command} of {count}{when} answers"))?;
                    Some((f64::from(*count), value / one?))
                })
                .collect(),
        })
    });
    Chart {
        title: "Answers per second by the number of concurrent readers",
        x: "readers",
        y: "relative to one reader alone",
        lines: lines.collect(),
    }
}
