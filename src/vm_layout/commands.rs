// SPDX-License-Identifier: GPL-2.0-only

//! What is written to `/proc/vm_layout`: whose layout is wanted, and how.

use crate::survey::Survey;
use abstractions::command_file::{self, Reply, Restart, Texts};
use kernel::prelude::*;
use logic::answer::Failure;
use logic::layout::json::JsonReport;
use logic::layout::request::{Format, Request};
use logic::layout::text::TextReport;

/// The file's one command.
pub(crate) struct Commands;

fn report(written: &[u8], texts: &Texts) -> Result<Reply, Failure> {
    let request = Request::parse(written).map_err(|_| Failure::InvalidArgument)?;
    let survey = Survey::of(request.pid)?;
    let layout = survey.layout();
    match request.format {
        Format::Text => texts.reply(&TextReport(&layout)),
        Format::Json => texts.reply(&JsonReport(&layout)),
    }
}

impl command_file::Commands for Commands {
    fn execute(&self, written: &[u8], texts: &Texts) -> Result<Result<Reply, Failure>, Restart> {
        Ok(report(written, texts))
    }

    fn log(&self, failure: Failure) {
        pr_err!("{}", failure.line());
    }

    fn fails_write(&self, _failure: Failure) -> bool {
        true
    }

    /// No command waits for anything but the process that it asks about.
    fn close(&self) {}
}
