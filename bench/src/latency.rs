//! How long calls take that are made again and again.

use crate::experiment::Log;
use crate::processors;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Three significant digits.
const DIGITS: u8 = 3;

/// Latencies in nanoseconds.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// Those of `call`, made again and again for `time`.
    pub fn of_calls(time: Duration, call: impl FnMut() -> Result<()>) -> Result<Self> {
        let end = Instant::now() + time;
        Self::of_calls_while(|now| now < end, call)
    }

    /// Those of `call`, made again and again while `go_on`, which is told the time.
    pub fn of_calls_while(
        go_on: impl Fn(Instant) -> bool,
        mut call: impl FnMut() -> Result<()>,
    ) -> Result<Self> {
        let mut all = Histogram::new(DIGITS)?;
        loop {
            let start = Instant::now();
            if !go_on(start) {
                return Ok(Self(all));
            }
            call()?;
            all.record(start.elapsed().as_nanos() as u64)?;
        }
    }

    /// Those of all of `threads` threads, each calling what `caller` makes for it, for `time`. A single one has a
    /// processor to itself.
    pub fn of_threads<C: FnMut() -> Result<()>>(
        threads: usize,
        time: Duration,
        caller: impl Fn() -> Result<C> + Sync,
    ) -> Result<Self> {
        let work = || {
            if threads == 1 {
                processors::pin(1)?;
            }
            let call = caller()?;
            Self::of_calls(time, call)
        };
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let mut all = Histogram::new(DIGITS)?;
            for handle in handles {
                let latencies = handle.join().ok().context("a thread panicked")??;
                all.add(latencies.0)?;
            }
            Ok(Self(all))
        })
    }

    /// The least that a part of the calls took at most.
    pub fn quantile(&self, part: f64) -> u64 {
        self.0.value_at_quantile(part)
    }

    /// How many calls there were.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The longest.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// Hands on the median, the 99th percentile and the maximum.
    pub fn log(&self, log: &Log, round: u32, measure: &str) -> Result<()> {
        for (name, value) in [
            ("p50", self.quantile(0.5)),
            ("p99", self.quantile(0.99)),
            ("max", self.max()),
        ] {
            log.value(round, &format!("{measure} {name}"), value as f64, "ns")?;
        }
        Ok(())
    }
}

/// Does `again` in a thread on the first processor, again and again, while `what` is done.
pub fn while_repeating<T>(
    mut again: impl FnMut() -> Result<()> + Send,
    what: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            processors::pin(0)?;
            while !done.load(Ordering::Relaxed) {
                again()?;
            }
            anyhow::Ok(())
        });
        let result = what();
        done.store(true, Ordering::Relaxed);
        thread.join().ok().context("a thread panicked")??;
        result
    })
}
