// SPDX-License-Identifier: GPL-2.0-only

//! How long calls take that are made again and again.

use crate::experiment::Log;
use crate::flag::Flag;
use crate::holder::Holder;
use crate::processors;
use anyhow::Result;
use hdrhistogram::Histogram;
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

    /// Those of all of `processes` processes, each calling what `caller` makes for it, for `time`. A single one has a
    /// processor to itself. They are no threads, since User-mode Linux lets threads of one process wait for each other.
    pub fn of_processes<C: FnMut() -> Result<()>>(
        processes: usize,
        time: Duration,
        caller: impl Fn() -> Result<C>,
    ) -> Result<Self> {
        let prepare = || {
            if processes == 1 {
                processors::pin(1)?;
            }
            caller()
        };
        let mut holders: Vec<Holder> = (0..processes)
            .map(|_| {
                Holder::start_telling(c"bench-reader", prepare, |call, _| {
                    Ok(Self::of_calls(time, call)?.to_bytes())
                })
            })
            .collect::<Result<_>>()?;
        holders.iter_mut().try_for_each(|holder| holder.tell(0))?;
        let mut all = Histogram::new(DIGITS)?;
        for holder in &mut holders {
            add_bytes(&mut all, &holder.wait_for_bytes()?)?;
        }
        Ok(Self(all))
    }

    /// Values and how many there are of each.
    fn to_bytes(&self) -> Vec<u8> {
        let values = self.0.iter_recorded();
        let pairs = values.map(|one| [one.value_iterated_to(), one.count_at_value()]);
        pairs.flatten().flat_map(u64::to_le_bytes).collect()
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

fn add_bytes(all: &mut Histogram<u64>, bytes: &[u8]) -> Result<()> {
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes);
    for pair in bytes.chunks_exact(16) {
        let (value, count) = pair.split_at(8);
        all.record_n(number(value)?, number(count)?)?;
    }
    Ok(())
}

/// Has another process, on the first processor, do `again` with what it prepares, again and again, while `what` is done.
pub fn while_repeating<P, T>(
    prepare: impl FnOnce() -> Result<P>,
    mut again: impl FnMut(&mut P) -> Result<()>,
    what: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let done = Flag::new()?;
    let prepare = || {
        processors::pin(0)?;
        prepare()
    };
    let mut other = Holder::start(c"bench-beside", prepare, |prepared, _| {
        while !done.is_up() {
            again(prepared)?;
        }
        Ok(0)
    })?;
    other.tell(0)?;
    let result = what();
    done.set(true);
    other.wait_for_answer()?;
    result
}

#[cfg(test)]
mod tests {
    use super::{add_bytes, Latencies};
    use hdrhistogram::Histogram;

    #[test]
    fn latencies_come_through_a_pipe_as_they_were() {
        let mut some = Histogram::new(3).unwrap();
        for value in [1, 1, 700, 123_456_789] {
            some.record(value).unwrap();
        }
        let mut copy = Histogram::new(3).unwrap();
        add_bytes(&mut copy, &Latencies(some.clone()).to_bytes()).unwrap();
        assert_eq!(copy, some);
    }
}
