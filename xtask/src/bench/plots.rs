// SPDX-License-Identifier: GPL-2.0-only

//! Charts of a run, for the README.

use std::path::Path;

use anyhow::{Context, Result};

use super::samples::{Samples, Spread};
use crate::charts::{Bars, Chart, Line};

/// What pages hold, as the experiments and the chart call it.
const CONTENTS: &[(&str, &str)] = &[
    ("contents::identical-250k", "identical"),
    ("contents::different-250k", "different"),
    ("contents::half-250k", "half / half"),
    ("contents::last-byte-250k", "last byte"),
    ("contents::last-word-250k", "last word"),
    ("contents::one-byte-250k", "one byte"),
    ("contents::one-line-250k", "one line"),
];
/// Processes that share a store.
const TABLE: &str = "moddb::table";
const PROCESSES: [u32; 6] = [1, 2, 4, 6, 8, 10];
/// How many read at once.
const READERS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Draws what of it was measured into `directory`.
pub fn draw(directory: &Path, samples: &Samples) -> Result<()> {
    if !samples
        .values("contents::different-250k", "reset")
        .is_empty()
    {
        let path = directory.join("bench-contents.svg");
        contents(samples)
            .draw(&path)
            .with_context(|| format!("cannot draw {}", path.display()))?;
        println!("{}", path.display());
    }
    if !samples
        .values("readers::many", "FILTER of 1 answers")
        .is_empty()
    {
        let path = directory.join("bench-readers.svg");
        readers(samples)
            .draw(&path)
            .with_context(|| format!("cannot draw {}", path.display()))?;
        println!("{}", path.display());
    }
    for mode in ["read", "write", "mix"] {
        if samples
            .values(TABLE, &format!("moddb {mode} of 1"))
            .is_empty()
        {
            continue;
        }
        let path = directory.join(format!("bench-moddb-{mode}.svg"));
        stores(samples, mode)
            .draw(&path)
            .with_context(|| format!("cannot draw {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Operations a second by the number of processes, in those of one process that asks the module.
fn stores(samples: &Samples, mode: &'static str) -> Chart {
    let median = |store: &str, count: u32| {
        let measure = format!("{store} {mode} of {count}");
        Some(Spread::of(samples.values(TABLE, &measure))?.median)
    };
    let one = median("moddb", 1);
    Chart {
        title: match mode {
            "read" => "Reads a second",
            "write" => "Writes a second",
            _ => "Reads and writes a second, as many of each",
        },
        x: "processes",
        y: "times those of one process with moddb",
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

fn contents(samples: &Samples) -> Bars {
    let series = [
        ("RESET", "reset"),
        ("a scanner in user space", "user space"),
        ("KSM", "KSM"),
    ]
    .map(|(name, measure)| {
        let bar = |(experiment, _): &(&str, &str)| {
            Some(Spread::of(samples.ratios(experiment, measure, "pass"))?.median)
        };
        (name.to_owned(), CONTENTS.iter().map(bar).collect())
    });
    Bars {
        title: "Time a page, 250,000 read-only pages",
        y: "times that of reading each page once",
        groups: CONTENTS
            .iter()
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        series: series.into(),
    }
}

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
        title: "Answers a second, by how many ask at once",
        x: "readers",
        y: "times those of one reader alone",
        lines: lines.collect(),
    }
}
