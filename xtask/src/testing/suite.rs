// SPDX-License-Identifier: GPL-2.0-only

//! A check that is reported as one test.

use std::time::Instant;

use anyhow::Result;

use crate::testing::session::Session;
use crate::testing::summary::{Outcome, Summary};

/// A suite that is reported as one test.
pub struct Suite {
    /// The name of the test.
    pub name: &'static str,
    run: fn(&mut Session) -> Result<Outcome>,
}

/// Makes an array of suites from names and methods of [`Session`].
macro_rules! suites {
    ($($name:literal => $method:ident,)*) => {
        &[$($crate::testing::suite::Suite::new($name, |session| session.$method())),*]
    };
}

impl Suite {
    /// Creates a suite from its name and the method that runs it.
    pub const fn new(name: &'static str, run: fn(&mut Session) -> Result<Outcome>) -> Self {
        Self { name, run }
    }

    /// Runs the suite and adds its outcome and time to `summary`.
    pub fn run(&self, session: &mut Session, summary: &mut Summary) {
        let begun = Instant::now();
        let outcome = (self.run)(session);
        summary.add(self.name, outcome.unwrap_or_else(Outcome::from));
        summary.took(self.name, begun.elapsed());
    }
}
