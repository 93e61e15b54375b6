// SPDX-License-Identifier: GPL-2.0-only

//! Latencies of repeated calls.

use crate::affinity;
use crate::experiment::Results;
use crate::helper_process::HelperProcess;
use anyhow::Result;
use guest::shared::Flag;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// Number of significant digits that are recorded.
const DIGITS: u8 = 3;

/// Latencies in nanoseconds.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// Repeats `call` for `time` and records each latency.
    pub fn of_calls(time: Duration, call: impl FnMut() -> Result<()>) -> Result<Self> {
        let end = Instant::now() + time;
        Self::of_calls_while(|now| now < end, call)
    }

    /// Repeats `call` as long as `go_on` returns true for the current time, and records each latency.
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

    /// Starts `count` processes, each of which repeats the call that `caller` makes for it for `time`, and records all
    /// latencies. A single process has a CPU to itself.
    ///
    /// Threads would not do: User-mode Linux serializes the threads of a process.
    pub fn of_processes<C: FnMut() -> Result<()>>(
        count: usize,
        time: Duration,
        caller: impl Fn() -> Result<C>,
    ) -> Result<Self> {
        let prepare = || {
            if count == 1 {
                affinity::pin(1)?;
            }
            caller()
        };
        let mut processes: Vec<HelperProcess> = (0..count)
            .map(|_| {
                HelperProcess::start_with_bytes(c"bench-reader", prepare, |call, _| {
                    Ok(Self::of_calls(time, call)?.to_bytes())
                })
            })
            .collect::<Result<_>>()?;
        processes
            .iter_mut()
            .try_for_each(|process| process.send(0))?;
        let mut all = Histogram::new(DIGITS)?;
        for process in &mut processes {
            add_bytes(&mut all, &process.receive_bytes()?)?;
        }
        Ok(Self(all))
    }

    /// Returns the recorded values and their counts, for [`add_bytes`].
    fn to_bytes(&self) -> Vec<u8> {
        let values = self.0.iter_recorded();
        let pairs = values.map(|one| [one.value_iterated_to(), one.count_at_value()]);
        pairs.flatten().flat_map(u64::to_le_bytes).collect()
    }

    /// Returns the latency in nanoseconds that a fraction `part` (0 to 1) of the calls did not exceed.
    pub fn quantile(&self, part: f64) -> u64 {
        self.0.value_at_quantile(part)
    }

    /// Returns the number of calls.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the longest latency in nanoseconds.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// Prints the median, the 99th percentile and the maximum.
    pub fn print(&self, results: &Results, round: u32, measure: &str) -> Result<()> {
        for (name, value) in [
            ("p50", self.quantile(0.5)),
            ("p99", self.quantile(0.99)),
            ("max", self.max()),
        ] {
            results.value(round, &format!("{measure} {name}"), value as f64, "ns")?;
        }
        Ok(())
    }
}

/// Adds latencies in the form of [`Latencies::to_bytes`].
fn add_bytes(all: &mut Histogram<u64>, bytes: &[u8]) -> Result<()> {
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes);
    for pair in bytes.chunks_exact(16) {
        let (value, count) = pair.split_at(8);
        all.record_n(number(value)?, number(count)?)?;
    }
    Ok(())
}

/// Starts a process on the first CPU that repeats `call` with what it prepared. Runs `action` in this process during
/// that time, and returns its result.
pub fn while_repeating<P, T>(
    prepare: impl FnOnce() -> Result<P>,
    mut call: impl FnMut(&mut P) -> Result<()>,
    action: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let done = Flag::new()?;
    let prepare = || {
        affinity::pin(0)?;
        prepare()
    };
    let mut process = HelperProcess::start(c"bench-repeat", prepare, |prepared, _| {
        while !done.is_set() {
            call(prepared)?;
        }
        Ok(0)
    })?;
    process.send(0)?;
    let result = action();
    done.set(true);
    process.receive()?;
    result
}

#[cfg(test)]
mod tests {
    use super::{add_bytes, Latencies};
    use hdrhistogram::Histogram;

    #[test]
    fn latencies_survive_serialization() {
        let mut some = Histogram::new(3).unwrap();
        for value in [1, 1, 700, 123_456_789] {
            some.record(value).unwrap();
        }
        let mut copy = Histogram::new(3).unwrap();
        add_bytes(&mut copy, &Latencies(some.clone()).to_bytes()).unwrap();
        assert_eq!(copy, some);
    }
}
