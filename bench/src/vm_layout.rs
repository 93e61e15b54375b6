// SPDX-License-Identifier: GPL-2.0-only

//! Charts of the samples that `vm-layout-sample` takes of an allocating application.

use crate::charts::{Chart, Line};
use anyhow::Result;
use std::path::{Path, PathBuf};
use tools::Sample;

const MIB: f64 = (1 << 20) as f64;
const KIB: f64 = 1024.0;

/// Draws all charts into `directory`, which must exist. Returns the paths of the files.
pub fn draw(directory: &Path, samples: &[Sample]) -> Result<Vec<PathBuf>> {
    let files = charts(samples).map(|(name, chart)| {
        let path = directory.join(name);
        chart.draw(&path)?;
        Ok(path)
    });
    files.into_iter().collect()
}

/// Returns the lines of an experiment: one for each series, and for each of `phases` in it. `point` makes a point from
/// a sample and the first sample of its series.
fn lines(
    samples: &[Sample],
    experiment: &str,
    phases: &[&str],
    point: impl Fn(&Sample, &Sample) -> (f64, f64),
) -> Vec<Line> {
    let chosen: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.experiment == experiment)
        .collect();
    let mut lines = Vec::new();
    for series in chosen.chunk_by(|a, b| a.series == b.series) {
        for phase in series.chunk_by(|a, b| a.phase == b.phase) {
            let (Some(zero), Some(first)) = (series.first(), phase.first()) else {
                continue;
            };
            if phases.contains(&first.phase.as_str()) {
                lines.push(Line {
                    name: match phases {
                        [_] => first.series.clone(),
                        _ => format!("{}, {}", first.series, first.phase),
                    },
                    points: phase.iter().map(|sample| point(sample, zero)).collect(),
                });
            }
        }
    }
    lines
}

/// Returns all charts with the names of their files.
fn charts(samples: &[Sample]) -> [(&'static str, Chart); 5] {
    let heap = |sample: &Sample, zero: &Sample| {
        let grown = sample.heap as f64 - zero.heap as f64;
        (sample.x / MIB, grown / MIB)
    };
    let stack = |sample: &Sample, _: &Sample| (sample.x, sample.stack as f64 / KIB);
    let rss = |sample: &Sample, zero: &Sample| {
        let grown = sample.rss_pages as f64 - zero.rss_pages as f64;
        (sample.x, grown)
    };
    // Freeing in either order begins where allocating ended.
    let mut heap_and_back = lines(samples, "free", &["allocate"], heap);
    heap_and_back.truncate(1);
    for line in &mut heap_and_back {
        line.name = "allocating".to_owned();
    }
    for mut line in lines(samples, "free", &["free"], heap) {
        line.name = format!("freeing, {}", line.name);
        line.points.splice(
            0..0,
            heap_and_back
                .first()
                .and_then(|up| up.points.last())
                .copied(),
        );
        heap_and_back.push(line);
    }
    let over_time = |name: &str, value: fn(&Sample) -> u64| Line {
        name: name.to_owned(),
        points: samples
            .iter()
            .filter(|sample| sample.experiment == "time")
            .map(|sample| (sample.x * 1000.0, value(sample) as f64))
            .collect(),
    };
    [
        (
            "heap.svg",
            Chart {
                title: "Size of the heap against bytes requested from malloc",
                x: "requested and not freed (MiB)",
                y: "growth of the heap (MiB)",
                lines: lines(samples, "heap", &["allocate"], heap),
            },
        ),
        (
            "free.svg",
            Chart {
                title: "Size of the heap while blocks of 4 KiB are allocated and freed",
                x: "requested and not freed (MiB)",
                y: "growth of the heap (MiB)",
                lines: heap_and_back,
            },
        ),
        (
            "stack.svg",
            Chart {
                title: "Size of the stack against the depth of a recursion",
                x: "depth (calls)",
                y: "size of the stack's VMA (KiB)",
                lines: lines(samples, "stack", &["call", "return"], stack),
            },
        ),
        (
            "rss.svg",
            Chart {
                title: "Resident pages against touched pages",
                x: "touched pages, of 8192 that are mapped",
                y: "growth of the resident set (pages)",
                lines: lines(samples, "rss", &["touch"], rss),
            },
        ),
        (
            "time.svg",
            Chart {
                title: "VMAs and top-level entries while memory is mapped, split and unmapped",
                x: "time (ms)",
                y: "number",
                lines: vec![
                    over_time("VMAs", |sample| sample.areas),
                    over_time("used top-level entries of the user half", |sample| {
                        sample.top_level
                    }),
                ],
            },
        ),
    ]
}
