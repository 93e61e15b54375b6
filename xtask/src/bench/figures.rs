// SPDX-License-Identifier: GPL-2.0-only

//! Numbers that are made of samples and judged by a target.

use std::fmt;

use super::samples::{Samples, Spread};

/// How a number is made of an experiment's measures.
pub enum Figure {
    /// One measure in times another one.
    Ratio {
        /// Which experiment's.
        experiment: &'static str,
        /// The measure.
        of: &'static str,
        /// What it is measured in.
        to: &'static str,
        /// What it should be.
        target: Target,
    },
    /// Such a ratio in times the same one of another experiment.
    Compared {
        /// Which experiment's.
        experiment: &'static str,
        /// The other one.
        with: &'static str,
        /// The measure.
        of: &'static str,
        /// What it is measured in.
        to: &'static str,
        /// What it should be.
        target: Target,
    },
    /// A measure in units of its own.
    Value {
        /// Which experiment's.
        experiment: &'static str,
        /// The measure.
        of: &'static str,
        /// What it should be.
        target: Target,
    },
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    /// No more.
    AtMost(f64),
    /// No more, where the machine has no other work: that would be measured too. Not for a check that has to pass
    /// on any machine.
    AtMostWhenQuiet(f64),
    /// No less.
    AtLeast(f64),
    /// No more; but it is known to be missed, and was this when the note on it was written.
    AtMostBut(f64, f64),
    /// No less; but as above.
    AtLeastBut(f64, f64),
    /// Anything: it is there to be seen.
    Any,
}

/// A figure that was measured.
pub struct Judged {
    /// Which one.
    pub figure: &'static Figure,
    /// What it is.
    pub spread: Spread,
    /// What it is measured in.
    pub unit: String,
    /// What it should be.
    pub target: Target,
}

impl Figure {
    /// Measures it; none if what it is made of was not measured.
    pub fn judge(&'static self, samples: &Samples) -> Option<Judged> {
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
                let mut values = samples.samples.iter();
                let first = values.find(|one| one.experiment == experiment && one.measure == of)?;
                (
                    Spread::of(samples.values(experiment, of))?,
                    first.unit.clone(),
                )
            }
        };
        Some(Judged {
            figure: self,
            spread,
            unit,
            target: self.target(),
        })
    }

    /// Whose it is.
    pub fn experiment(&self) -> &'static str {
        match self {
            Figure::Ratio { experiment, .. }
            | Figure::Compared { experiment, .. }
            | Figure::Value { experiment, .. } => experiment,
        }
    }

    /// All experiments that it is made of.
    pub fn experiments(&self) -> Vec<&'static str> {
        match self {
            Figure::Compared { with, .. } => vec![self.experiment(), with],
            _ => vec![self.experiment()],
        }
    }

    /// What is measured.
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

impl Judged {
    /// Makes it one that is there to be seen.
    pub fn forget_target(&mut self) {
        self.target = Target::Any;
    }

    /// Whether the median is on target.
    pub fn is_met(&self) -> bool {
        match self.target {
            Target::AtMost(limit)
            | Target::AtMostWhenQuiet(limit)
            | Target::AtMostBut(limit, _) => self.spread.median <= limit,
            Target::AtLeast(limit) | Target::AtLeastBut(limit, _) => self.spread.median >= limit,
            Target::Any => true,
        }
    }

    /// Whether the median is on target, or is what it was known to be, or off by no more than `factor`, on any machine.
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

    /// What is said of it in a table.
    pub fn verdict(&self) -> &'static str {
        match self.target {
            Target::Any => "",
            _ if self.is_met() => "met",
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
