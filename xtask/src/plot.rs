// SPDX-License-Identifier: GPL-2.0-only

//! `cargo xtask plot`: runs the allocating application in a guest, has it sampled through vm_layout, and draws what
//! came of it.

use std::path::Path;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use tools::{Sample, SAMPLE};

use crate::charts::{Chart, Line};
use crate::guest::machine::{Limits, Mode};
use crate::guest::setup::Guest;
use crate::host::cache;

const MIB: f64 = (1 << 20) as f64;
const KIB: f64 = 1024.0;

/// Runs all experiments on `guest` and draws them into `directory`.
pub fn run(guest: &Guest, directory: &Path) -> Result<()> {
    let samples = samples(guest)?;
    cache::create_dir(directory)?;
    for (name, chart) in charts(&samples) {
        let path = directory.join(name);
        chart
            .draw(&path)
            .with_context(|| format!("cannot draw {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

fn samples(guest: &Guest) -> Result<Vec<Sample>> {
    let (machine, accelerator) = guest.machine(None)?;
    let limits = Limits {
        total: Duration::from_secs(300),
        silence: Duration::from_secs(60),
    }
    .times(guest.patience());
    let mut samples = Vec::new();
    let verdict = machine.run(accelerator, &Mode::Plot, limits, |line| {
        match line.strip_prefix(SAMPLE) {
            Some(json) => samples.push(serde_json::from_str(json)),
            None => println!("{line}"),
        }
    })?;
    ensure!(verdict == 0, "sampling ended with status {verdict}");
    let samples: Vec<Sample> = samples
        .into_iter()
        .collect::<Result<_, _>>()
        .context("a sample is not what tools::Sample says")?;
    ensure!(!samples.is_empty(), "the guest sent no samples");
    Ok(samples)
}

/// The samples of one experiment as lines, one for each series and wanted phase of it. A point is made of a sample and
/// the first one of its series.
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
    // Both ways down begin where one way up ended.
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
                title: "Heap against what malloc was asked for",
                x: "asked for and held (MiB)",
                y: "growth of the heap (MiB)",
                lines: lines(samples, "heap", &["allocate"], heap),
            },
        ),
        (
            "free.svg",
            Chart {
                title: "Heap while blocks of 4 KiB are allocated and freed",
                x: "asked for and held (MiB)",
                y: "growth of the heap (MiB)",
                lines: heap_and_back,
            },
        ),
        (
            "stack.svg",
            Chart {
                title: "Stack against the depth of a recursion",
                x: "calls deep",
                y: "size of the stack's area (KiB)",
                lines: lines(samples, "stack", &["call", "return"], stack),
            },
        ),
        (
            "rss.svg",
            Chart {
                title: "Frames in use against pages touched",
                x: "pages touched, of 8192 that are mapped",
                y: "growth of rss (pages)",
                lines: lines(samples, "rss", &["touch"], rss),
            },
        ),
        (
            "time.svg",
            Chart {
                title: "Areas and top-level entries while memory is mapped, split and unmapped",
                x: "time (ms)",
                y: "number",
                lines: vec![
                    over_time("areas", |sample| sample.areas),
                    over_time("used top-level entries of the process's own", |sample| {
                        sample.top_level
                    }),
                ],
            },
        ),
    ]
}
