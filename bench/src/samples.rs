// SPDX-License-Identifier: GPL-2.0-only

//! The samples of a run, and their quartiles.

use crate::message::{Message, Sample};

/// All messages of a run, sorted by their kinds.
#[derive(Default)]
pub struct Samples {
    /// Measurements in the order in which they were taken.
    pub samples: Vec<Sample>,
    /// Experiments that were skipped, and the reasons.
    pub skipped: Vec<(String, String)>,
    /// Experiments that failed, and the errors.
    pub failed: Vec<(String, String)>,
}

/// Quartiles of values.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// First quartile: a quarter of the values is at most this.
    pub lower: f64,
    /// Second quartile: half of the values are at most this.
    pub median: f64,
    /// Third quartile: three quarters of the values are at most this.
    pub upper: f64,
}

impl Samples {
    /// Sorts the messages of a guest.
    pub fn new(messages: Vec<Message>) -> Self {
        let mut all = Self::default();
        for message in messages {
            match message {
                Message::Sample(sample) => all.samples.push(sample),
                Message::Skipped { experiment, reason } => all.skipped.push((experiment, reason)),
                Message::Failed { experiment, reason } => all.failed.push((experiment, reason)),
            }
        }
        all
    }

    /// Returns the samples of a measure of an experiment.
    fn of<'a>(&'a self, experiment: &'a str, measure: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.experiment == experiment && sample.measure == measure)
    }

    /// Returns the values of a measure.
    pub fn values(&self, experiment: &str, measure: &str) -> Vec<f64> {
        self.of(experiment, measure)
            .map(|sample| sample.value)
            .collect()
    }

    /// Returns the unit of a measure, or none if it was not measured.
    pub fn unit(&self, experiment: &str, measure: &str) -> Option<&str> {
        let mut samples = self.samples.iter();
        let first = samples.find(|one| one.experiment == experiment && one.measure == measure)?;
        Some(&first.unit)
    }

    /// Returns the values of the measure `above` divided by those of the measure `below`, round by round.
    pub fn ratios(&self, experiment: &str, above: &str, below: &str) -> Vec<f64> {
        let in_round = |round| {
            self.of(experiment, below)
                .find(|sample| sample.round == round)
        };
        self.of(experiment, above)
            .filter_map(|sample| Some(sample.value / in_round(sample.round)?.value))
            .collect()
    }
}

impl Spread {
    /// Returns the quartiles of `values`, or none if there are no values.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len().checked_sub(1)? as f64);
            let (low, high) = (
                values.get(place.floor() as usize)?,
                values.get(place.ceil() as usize)?,
            );
            Some(low + (high - low) * place.fract())
        };
        Some(Self {
            lower: at(0.25)?,
            median: at(0.5)?,
            upper: at(0.75)?,
        })
    }

    /// Returns the quartiles of the values times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self {
            lower: self.lower * factor,
            median: self.median * factor,
            upper: self.upper * factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Samples, Spread};
    use crate::message::{Message, Sample};

    #[test]
    fn quartiles_are_those_of_the_sorted_values() {
        let spread = Spread::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.lower, spread.median, spread.upper), (2.0, 3.0, 4.0));
        assert_eq!(Spread::of(vec![1.0, 2.0]).unwrap().median, 1.5);
        assert!(Spread::of(Vec::new()).is_none());
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let sample = |measure: &str, round, value| {
            Message::Sample(Sample {
                experiment: "e".into(),
                measure: measure.into(),
                round,
                value,
                unit: "ns".into(),
            })
        };
        let samples = Samples::new(vec![
            sample("a", 0, 8.0),
            sample("a", 1, 9.0),
            sample("b", 1, 3.0),
            sample("b", 0, 4.0),
            sample("a", 2, 1.0),
        ]);
        assert_eq!(samples.ratios("e", "a", "b"), [2.0, 3.0]);
        assert_eq!(samples.unit("e", "a"), Some("ns"));
        assert_eq!(samples.unit("e", "c"), None);
    }
}
