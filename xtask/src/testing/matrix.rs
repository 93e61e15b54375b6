// SPDX-License-Identifier: GPL-2.0-only

//! `cargo xtask matrix`: builds and tests the modules on each supported kernel.

use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};

use crate::guest::demo;
use crate::guest::modules::Job;
use crate::guest::setup::{BuildSetup, Guest};
use crate::host::workspace::Workspace;
use crate::kernels::release::NotOffered;
use crate::kernels::results::{Counts, Results, RowResult};
use crate::kernels::supported::{Level, Row, Supported};
use crate::testing::session::Session;
use crate::testing::suites::VM;
use crate::testing::summary::{Outcome, Summary};

/// The options of the command.
#[derive(clap::Args)]
pub struct Options {
    /// Test only the rows whose names contain one of these strings
    filters: Vec<String>,
    /// Build and run the demo instead of the guest tests, and record no results
    #[arg(long)]
    quick: bool,
}

impl Options {
    /// Tests each selected row; returns true if none failed.
    pub fn run(&self) -> Result<bool> {
        let workspace = Workspace::open()?;
        let supported = Supported::load()?;
        let rows: Vec<_> = supported
            .rows()
            .into_iter()
            .filter(|(row, _)| self.is_selected(row))
            .collect();
        if rows.is_empty() {
            bail!(
                "no supported kernel's name contains {}; docs/kernels.md lists the names",
                self.filters.join(" or ")
            );
        }
        // Read before the first result is written into the checkout.
        let source = workspace.project.revision();
        let mut summary = Summary::default();
        for (row, level) in rows {
            let name = row.name();
            let begun = Instant::now();
            let outcome = match self.test(&workspace, &supported, &row, level, &source) {
                Err(error) if error.is::<NotOffered>() => Outcome::Skipped(format!("{error}")),
                outcome => outcome.unwrap_or_else(Outcome::from),
            };
            eprintln!("{name}: {} s", begun.elapsed().as_secs());
            summary.add(&format!("matrix::{name}"), outcome);
        }
        Ok(summary.print())
    }

    fn is_selected(&self, row: &Row) -> bool {
        let name = row.name();
        self.filters.is_empty() || self.filters.iter().any(|part| name.contains(part))
    }

    fn test(
        &self,
        workspace: &Workspace,
        supported: &Supported,
        row: &Row,
        level: Level,
        source: &str,
    ) -> Result<Outcome> {
        let name = row.name();
        let setup = BuildSetup::new(workspace, Some(&name))?;
        let built = setup.make(Job::BuildForBench).map(drop);
        let booted = match (&built, level, self.quick) {
            (Ok(()), Level::Boots, true) => {
                let guest = Guest::new(&setup, "matrix", &[])?;
                let status = demo::run(&guest, |_| ())?;
                ensure!(status == 0, "the demo ended with status {status}");
                None
            }
            (Ok(()), Level::Boots, false) => Some(guest_tests(workspace, &name)?),
            _ => None,
        };
        let ok = built.is_ok() && booted.is_none_or(|counts| counts.failed == 0);
        if !self.quick {
            let mut results = Results::load(&workspace.project)?;
            results.update(
                supported,
                RowResult {
                    row: name,
                    release: setup.kernel().name().to_owned(),
                    source: source.to_owned(),
                    ok,
                    guest_tests: booted,
                },
            );
            results.save(&workspace.project, supported)?;
        }
        built?;
        Ok(match booted {
            Some(counts) if counts.failed > 0 => {
                Outcome::Failed(format!("{} guest tests failed", counts.failed))
            }
            _ => Outcome::Ok,
        })
    }
}

/// Runs all guest tests on `kernel`.
fn guest_tests(workspace: &Workspace, kernel: &str) -> Result<Counts> {
    let mut session = Session::new(workspace, Some(kernel));
    let names = session.vm_tests().context("cannot list the guest tests")?;
    let mut tests = Summary::default();
    session.vm(&VM, &VM.names(&names), None, &mut tests)?;
    Ok(tests.counts())
}
