// SPDX-License-Identifier: GPL-2.0-only

//! Figures: numbers that are computed from samples and judged by targets.

use crate::samples::{Samples, Spread};
use std::fmt;

/// Measure of an experiment that says how far its values vary without any cause, in their unit.
pub const NOISE: &str = "noise";

/// A number that is computed from the measures of an experiment.
pub enum Figure {
    /// One measure in units of another one of the same experiment.
    Ratio {
        /// Name of the experiment.
        experiment: &'static str,
        /// Measure above the fraction bar.
        of: &'static str,
        /// Measure below the fraction bar.
        to: &'static str,
        /// Target of the ratio.
        target: Target,
    },
    /// Ratio of two measures, in units of the same ratio of another experiment.
    Compared {
        /// Name of the experiment.
        experiment: &'static str,
        /// Name of the other experiment.
        with: &'static str,
        /// Measure above the fraction bar.
        of: &'static str,
        /// Measure below the fraction bar.
        to: &'static str,
        /// Target of the quotient of the ratios.
        target: Target,
    },
    /// A measure in its own unit.
    Value {
        /// Name of the experiment.
        experiment: &'static str,
        /// Name of the measure.
        of: &'static str,
        /// Target of the value.
        target: Target,
    },
}

/// Target of a figure.
#[derive(Clone, Copy)]
pub enum Target {
    /// The figure should be at most this.
    AtMost(f64),
    /// The figure should be at most this on a machine without other work, which would be measured too. A check that has
    /// to pass on any machine ignores this target.
    AtMostWhenQuiet(f64),
    /// The figure should be at least this.
    AtLeast(f64),
    /// The figure should be at most the first number, but is known to be the second one.
    AtMostBut(f64, f64),
    /// The figure should be at least the first number, but is known to be the second one.
    AtLeastBut(f64, f64),
    /// The figure is only shown.
    Any,
}

/// A figure that was computed from samples.
pub struct Judged {
    /// Definition of the figure.
    pub figure: &'static Figure,
    /// Quartiles of the figure.
    pub spread: Spread,
    /// Unit of the quartiles.
    pub unit: String,
    /// Target of the figure.
    pub target: Target,
    /// Largest amount by which the value may differ from the true one, if the value is below it: then nothing is known
    /// but that the true value is not larger than this.
    pub noise: Option<f64>,
}

impl Figure {
    /// Computes the figure. Returns none if one of its measures was not taken.
    pub fn judge(&'static self, samples: &Samples) -> Option<Judged> {
        let mut noise = None;
        let (spread, unit) = match *self {
            Figure::Ratio {
                experiment, of, to, ..
            } => (
                Spread::of(samples.ratios(experiment, of, to))?,
                format!("× {to}"),
            ),
            Figure::Compared {
                experiment,
                with,
                of,
                to,
                ..
            } => {
                let other = Spread::of(samples.ratios(with, of, to))?;
                let spread = Spread::of(samples.ratios(experiment, of, to))?;
                (spread.times(1.0 / other.median), format!("× {with}"))
            }
            Figure::Value { experiment, of, .. } => {
                let unit = samples.unit(experiment, of)?;
                let spread = Spread::of(samples.values(experiment, of))?;
                noise = noise_of(spread, &samples.values(experiment, NOISE));
                (spread, unit.to_owned())
            }
        };
        Some(Judged {
            figure: self,
            spread,
            unit,
            target: self.target(),
            noise,
        })
    }

    /// Returns the name of the experiment.
    pub fn experiment(&self) -> &'static str {
        match self {
            Figure::Ratio { experiment, .. }
            | Figure::Compared { experiment, .. }
            | Figure::Value { experiment, .. } => experiment,
        }
    }

    /// Returns the names of all experiments from which the figure is computed.
    pub fn experiments(&self) -> Vec<&'static str> {
        match self {
            Figure::Compared { with, .. } => vec![self.experiment(), with],
            _ => vec![self.experiment()],
        }
    }

    /// Returns the name of the measure.
    pub fn of(&self) -> &'static str {
        match self {
            Figure::Ratio { of, .. } | Figure::Compared { of, .. } | Figure::Value { of, .. } => of,
        }
    }

    fn target(&self) -> Target {
        match self {
            Figure::Ratio { target, .. }
            | Figure::Compared { target, .. }
            | Figure::Value { target, .. } => *target,
        }
    }
}

/// Returns the noise of a value if the value is below it.
///
/// Values that are differences of two measurements vary around the true value, also to below zero. Their noise is at
/// least what was measured as such, and at least the distance of a negative value from zero.
fn noise_of(spread: Spread, measured: &[f64]) -> Option<f64> {
    let noise = measured.iter().copied().fold(-spread.lower, f64::max);
    (spread.median <= noise).then(|| noise.max(spread.upper))
}

impl Judged {
    /// Drops the target, so that the figure is only shown.
    pub fn forget_target(&mut self) {
        self.target = Target::Any;
    }

    /// Returns the value that is compared with the target: the median or, if it is below the noise, the noise.
    fn value(&self) -> f64 {
        self.noise.unwrap_or(self.spread.median)
    }

    /// Returns true if the value meets the target.
    pub fn is_met(&self) -> bool {
        match self.target {
            Target::AtMost(limit)
            | Target::AtMostWhenQuiet(limit)
            | Target::AtMostBut(limit, _) => self.value() <= limit,
            Target::AtLeast(limit) | Target::AtLeastBut(limit, _) => self.value() >= limit,
            Target::Any => true,
        }
    }

    /// Returns true if the value meets the target, or is the known one, or misses that by no more than `factor`.
    pub fn is_within(&self, factor: f64) -> bool {
        match self.target {
            Target::AtMost(limit) | Target::AtMostBut(_, limit) => {
                self.spread.median <= limit * factor
            }
            Target::AtLeast(limit) | Target::AtLeastBut(_, limit) => {
                self.spread.median >= limit / factor
            }
            Target::AtMostWhenQuiet(_) | Target::Any => true,
        }
    }

    /// Returns the verdict that a table shows.
    pub fn verdict(&self) -> &'static str {
        match (self.target, self.noise) {
            (Target::Any, _) => "",
            _ if self.is_met() => "met",
            (_, Some(_)) => "unknown",
            _ => "MISSED",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Target::AtMost(limit)
            | Target::AtMostWhenQuiet(limit)
            | Target::AtMostBut(limit, _) => write!(formatter, "≤ {limit}"),
            Target::AtLeast(limit) | Target::AtLeastBut(limit, _) => write!(formatter, "≥ {limit}"),
            Target::Any => Ok(()),
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(
            formatter,
            "{}: {} is {:.2} {}, target {}",
            self.figure.experiment(),
            self.figure.of(),
            self.spread.median,
            self.unit,
            self.target
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, Judged, Target, NOISE};
    use crate::message::{Message, Sample};
    use crate::samples::Samples;

    static FIGURE: Figure = Figure::Value {
        experiment: "memory::kept",
        of: "a pid",
        target: Target::AtMost(8.0),
    };

    fn judge(values: &[(&str, f64)]) -> Judged {
        let messages = values.iter().map(|(measure, value)| {
            Message::Sample(Sample {
                experiment: "memory::kept".into(),
                measure: (*measure).into(),
                round: 0,
                value: *value,
                unit: "bytes".into(),
            })
        });
        FIGURE
            .judge(&Samples::new(messages.collect()))
            .expect("it was measured")
    }

    #[test]
    fn values_below_their_noise_are_not_taken_for_values() {
        // A clear value.
        let clear = judge(&[("a pid", 5.0), (NOISE, 0.5)]);
        assert_eq!((clear.noise, clear.verdict()), (None, "met"));
        assert_eq!(judge(&[("a pid", 9.0)]).verdict(), "MISSED");
        // A value below the noise that was measured.
        let small = judge(&[("a pid", 2.0), (NOISE, 3.0)]);
        assert_eq!((small.noise, small.verdict()), (Some(3.0), "met"));
        let unknown = judge(&[("a pid", 2.0), (NOISE, 12.0)]);
        assert_eq!((unknown.noise, unknown.verdict()), (Some(12.0), "unknown"));
        // A negative value shows by itself how large the noise is.
        let negative = judge(&[("a pid", -43.0)]);
        assert_eq!(
            (negative.noise, negative.verdict()),
            (Some(43.0), "unknown")
        );
    }
}
